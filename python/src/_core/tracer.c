// SPDX-License-Identifier: Apache-2.0
// Tracer: makes operations and spans by the methods of the OpenTelemetry API.
#include "operation.h"

typedef struct tracer_object {
    PyObject_HEAD PyObject *scope; // (name, version, schema URL, attributes); NULL = FastQueue's own
    otel_tracer *tracer;           // of the SDK of this generation
    unsigned generation;
} tracer_object;

static struct core_state *state_of(PyObject *self) {
    return core_state_of_type(Py_TYPE(self));
}

static enum otel_span_kind kind_of(PyObject *kind) {
    if (kind == NULL || kind == Py_None)
        return OTEL_SPAN_INTERNAL;
    PyObject *value = PyLong_Check(kind) ? Py_NewRef(kind) : PyObject_GetAttrString(kind, "value");
    long number = value != NULL && PyLong_Check(value) ? PyLong_AsLong(value) : 0;
    Py_XDECREF(value);
    PyErr_Clear();
    return number >= 0 && number <= 4 ? (enum otel_span_kind)(number + 1) : OTEL_SPAN_INTERNAL;
}

static PyObject *or_null(PyObject *object) {
    return object == Py_None ? NULL : object;
}

// The tracer of the SDK that works now; NULL = FastQueue's own.
static otel_tracer *tracer_of(tracer_object *self) {
    struct core_state *state = state_of((PyObject *)self);
    if (self->scope == NULL || !core_telemetry_on(state))
        return NULL;
    if (self->generation == state->telemetry.generation)
        return self->tracer;
    const char *name = NULL, *version = NULL, *schema_url = NULL;
    PyObject *mapping = Py_None;
    if (!PyArg_ParseTuple(self->scope, "zzzO", &name, &version, &schema_url, &mapping)) {
        PyErr_Clear();
        return NULL;
    }
    struct core_attributes attributes;
    core_attributes_of(state, mapping, &attributes);
    struct otel_scope_info scope = {name, version, schema_url, attributes.items, attributes.count};
    self->tracer = otel_tracer_get(otel_sdk_tracer_provider(state->telemetry.sdk), &scope);
    self->generation = state->telemetry.generation;
    core_attributes_done(&attributes);
    return self->tracer;
}

// Arguments of the API's start_span and start_as_current_span.
static operation_object *parse_start(tracer_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"name",
                                        "context",
                                        "kind",
                                        "attributes",
                                        "links",
                                        "start_time",
                                        "record_exception",
                                        "set_status_on_exception",
                                        "end_on_exit",
                                        NULL};
    PyObject *name, *context = Py_None, *kind = Py_None, *attributes = Py_None, *links = Py_None;
    PyObject *start_time = Py_None;
    int records_exception = 1, sets_status = 1, ends_on_exit = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|OOOOOppp:start_span", KEYWORDS(names), &name, &context,
                                     &kind, &attributes, &links, &start_time, &records_exception,
                                     &sets_status, &ends_on_exit))
        return NULL;
    operation_object *operation = core_operation_new(state_of((PyObject *)self), name, attributes);
    if (operation == NULL)
        return NULL;
    operation->context = Py_XNewRef(or_null(context));
    operation->links = Py_XNewRef(or_null(links));
    operation->scope = Py_XNewRef(self->scope);
    operation->tracer = tracer_of(self);
    operation->kind = kind_of(kind);
    operation->records_exception = records_exception != 0;
    operation->sets_status = sets_status != 0;
    operation->ends_on_exit = ends_on_exit != 0;
    long long start_ns = start_time != Py_None ? PyLong_AsLongLong(start_time) : 0;
    PyErr_Clear();
    operation->start_unix_ns = start_ns > 0 ? start_ns : 0;
    return operation;
}

static PyObject *tracer_start_as_current_span(tracer_object *self, PyObject *args, PyObject *kwargs) {
    return (PyObject *)parse_start(self, args, kwargs);
}

static PyObject *start_with_provider(struct core_state *state, operation_object *operation) {
    PyObject *module = PyImport_ImportModule("fastqueue.telemetry.bridge");
    PyObject *span =
        module != NULL ? PyObject_CallMethod(module, "start_span", "OOiOOLOO", operation->name,
                                             operation->attributes != NULL ? operation->attributes : Py_None,
                                             (int)operation->kind - 1,
                                             operation->links != NULL ? operation->links : Py_None,
                                             operation->context != NULL ? operation->context : Py_None,
                                             (long long)operation->start_unix_ns,
                                             operation->records_exception ? Py_True : Py_False,
                                             operation->sets_status ? Py_True : Py_False)
                       : NULL;
    Py_XDECREF(module);
    (void)state;
    return span;
}

static PyObject *tracer_start_span(tracer_object *self, PyObject *args, PyObject *kwargs) {
    struct core_state *state = state_of((PyObject *)self);
    operation_object *operation = parse_start(self, args, kwargs);
    if (operation == NULL)
        return NULL;
    PyObject *span;
    if (core_telemetry_on(state) && core_is_delegated(state)) {
        span = start_with_provider(state, operation);
    } else {
        struct core_span_start start = {
            .tracer = operation->tracer != NULL ? operation->tracer : state->telemetry.tracer,
            .name = operation->name,
            .scope = operation->scope,
            .context = operation->context,
            .attributes = operation->attributes,
            .links = operation->links,
            .kind = operation->kind,
            .start_unix_ns = operation->start_unix_ns,
        };
        span = (PyObject *)core_span_start(state, &start);
    }
    Py_DECREF(operation);
    return span;
}

static void tracer_dealloc(tracer_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF(self->scope);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

// tracer(name, version, schema_url, attributes): of an instrumentation scope; without arguments FastQueue's own
static PyObject *new_tracer(PyObject *module, PyObject *args) {
    struct core_state *state = PyModule_GetState(module);
    Py_ssize_t count = PyTuple_Size(args);
    if (count != 0 && count != 4)
        return PyErr_Format(PyExc_TypeError, "tracer(name, version, schema_url, attributes)");
    allocfunc allocate = (allocfunc)PyType_GetSlot(state->telemetry.tracer_type, Py_tp_alloc);
    tracer_object *self = (tracer_object *)allocate(state->telemetry.tracer_type, 0);
    if (self == NULL)
        return NULL;
    self->scope = count == 4 ? Py_NewRef(args) : NULL;
    self->generation = state->telemetry.generation - 1;
    return (PyObject *)self;
}

static PyMethodDef tracer_methods[] = {
    {"start_span",            METHOD(tracer_start_span),            METH_VARARGS | METH_KEYWORDS, "A span that is not current."},
    {"start_as_current_span", METHOD(tracer_start_as_current_span), METH_VARARGS | METH_KEYWORDS,
     "For `with`."                                                                                                             },
    {NULL,                    NULL,                                 0,                            NULL                         },
};
static PyType_Slot tracer_slots[] = {
    {Py_tp_doc,     DOC("A tracer, with the methods of the OpenTelemetry API.")},
    {Py_tp_dealloc, (void *)tracer_dealloc                                     },
    {Py_tp_methods, tracer_methods                                             },
    {0,             NULL                                                       },
};
static PyType_Spec tracer_spec = {
    .name = "fastqueue._core.Tracer",
    .basicsize = sizeof(tracer_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = tracer_slots,
};

static PyMethodDef tracer_functions[] = {
    {"tracer", new_tracer, METH_VARARGS, "tracer(name, version, schema_url, attributes)"},
    {NULL,     NULL,       0,            NULL                                           },
};

int core_tracer_add(PyObject *module, struct core_state *state) {
    if (core_add_type(module, &tracer_spec, &state->telemetry.tracer_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, tracer_functions);
}
