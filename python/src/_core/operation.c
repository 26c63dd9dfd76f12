// SPDX-License-Identifier: Apache-2.0
// Operation: a block of code inside a span of its own, for `with`, for `async with` and as a decorator. The span starts when
// the block is entered and is current until it is left.
#include "operation.h"

static struct core_state *state_of(PyObject *self) {
    return core_state_of_type(Py_TYPE(self));
}

operation_object *core_operation_new(struct core_state *state, PyObject *name, PyObject *attributes) {
    PyTypeObject *type = state->telemetry.operation_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    operation_object *self = (operation_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->name = Py_NewRef(name);
    self->attributes = attributes != NULL && attributes != Py_None ? Py_NewRef(attributes) : NULL;
    self->kind = OTEL_SPAN_INTERNAL;
    self->records_exception = self->sets_status = self->ends_on_exit = true;
    return self;
}

// trace_operation(operation_name, attributes=None)
static PyObject *trace_operation(PyObject *module, PyObject *const *args, Py_ssize_t count,
                                 PyObject *keywords) {
    PyObject *name = count > 0 ? args[0] : NULL;
    PyObject *attributes = count > 1 ? args[1] : NULL;
    Py_ssize_t keyword_count = keywords != NULL ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < keyword_count; i++) {
        PyObject *keyword = PyTuple_GetItem(keywords, i);
        if (attributes == NULL && PyUnicode_CompareWithASCIIString(keyword, "attributes") == 0)
            attributes = args[count + i];
        else if (name == NULL && PyUnicode_CompareWithASCIIString(keyword, "operation_name") == 0)
            name = args[count + i];
        else
            return PyErr_Format(PyExc_TypeError, "trace_operation() got an unexpected argument %R", keyword);
    }
    if (count > 2 || name == NULL || !PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError,
                            "trace_operation(operation_name, attributes=None): the name is a str");
    operation_object *self = core_operation_new(PyModule_GetState(module), name, attributes);
    if (self != NULL)
        self->is_ours = true;
    return (PyObject *)self;
}

static int operation_traverse(operation_object *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->attributes);
    Py_VISIT(self->links);
    Py_VISIT(self->context);
    Py_VISIT(self->scope);
    Py_VISIT(self->entered.token);
    Py_VISIT(self->entered.bridge_token);
    Py_VISIT(self->delegate);
    Py_VISIT(self->answer);
    return 0;
}

static int operation_clear(operation_object *self) {
    Py_CLEAR(self->name);
    Py_CLEAR(self->attributes);
    Py_CLEAR(self->links);
    Py_CLEAR(self->context);
    Py_CLEAR(self->scope);
    Py_CLEAR(self->span);
    Py_CLEAR(self->entered.token);
    Py_CLEAR(self->entered.bridge_token);
    Py_CLEAR(self->delegate);
    Py_CLEAR(self->answer);
    return 0;
}

static void operation_dealloc(operation_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    (void)operation_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

// Hands the block over to the provider that the program has set.
static PyObject *enter_delegate(struct core_state *state, operation_object *self) {
    PyObject *attributes = self->attributes != NULL ? self->attributes : Py_None;
    self->delegate = PyObject_CallFunction(
        state->telemetry.bridge.start, "OOiOOLOOO", self->name, attributes, (int)self->kind - 1,
        self->links != NULL ? self->links : Py_None, self->context != NULL ? self->context : Py_None,
        (long long)self->start_unix_ns, self->records_exception ? Py_True : Py_False,
        self->sets_status ? Py_True : Py_False, self->ends_on_exit ? Py_True : Py_False);
    return self->delegate != NULL ? PyObject_CallMethod(self->delegate, "__enter__", NULL) : NULL;
}

static PyObject *operation_enter(operation_object *self, PyObject *unused) {
    (void)unused;
    struct core_state *state = state_of((PyObject *)self);
    if (self->is_inside)
        return PyErr_Format(PyExc_RuntimeError, "the operation %R is entered already", self->name);
    if (!core_telemetry_on(state)) {
        if (self->is_ours)
            Py_RETURN_NONE;
    } else if (core_is_delegated(state)) {
        return enter_delegate(state, self);
    }
    struct core_span_start start = {
        .tracer = self->tracer != NULL ? self->tracer : state->telemetry.tracer,
        .name = self->name,
        .scope = self->scope,
        .context = self->context,
        .attributes = self->attributes,
        .links = self->links,
        .kind = self->kind,
        .start_unix_ns = self->start_unix_ns,
    };
    span_object *span = core_span_start(state, &start);
    if (span == NULL)
        return NULL;
    core_enter_span(state, (PyObject *)span, &self->entered);
    self->span = span;
    self->is_inside = true;
    return Py_NewRef((PyObject *)span);
}

static PyObject *leave_delegate(operation_object *self, PyObject *type, PyObject *exception,
                                PyObject *traceback) {
    PyObject *delegate = self->delegate;
    self->delegate = NULL;
    PyObject *result = PyObject_CallMethod(delegate, "__exit__", "OOO", type, exception, traceback);
    Py_DECREF(delegate);
    return result;
}

static PyObject *leave(operation_object *self, PyObject *type, PyObject *exception, PyObject *traceback) {
    struct core_state *state = state_of((PyObject *)self);
    if (self->delegate != NULL)
        return leave_delegate(self, type, exception, traceback);
    if (!self->is_inside)
        Py_RETURN_NONE;
    self->is_inside = false;
    core_leave_span(state, &self->entered);
    span_object *span = self->span;
    self->span = NULL;
    if (exception != Py_None && !PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit))
        core_span_fail(state, span, exception, self->records_exception, self->sets_status);
    if (self->ends_on_exit)
        core_span_end(state, span, 0);
    Py_DECREF(span);
    Py_RETURN_NONE;
}

static PyObject *operation_exit(operation_object *self, PyObject *const *args, Py_ssize_t count) {
    if (count != 3)
        return PyErr_Format(PyExc_TypeError, "__exit__(type, exception, traceback)");
    return leave(self, args[0], args[1], args[2]);
}

// `async with`: entering and leaving wait for nothing, so the operation itself is what is awaited.
static PyObject *operation_aenter(operation_object *self, PyObject *unused) {
    PyObject *span = operation_enter(self, unused);
    if (span == NULL)
        return NULL;
    Py_XDECREF(self->answer);
    self->answer = span;
    return Py_NewRef((PyObject *)self);
}

static PyObject *operation_aexit(operation_object *self, PyObject *const *args, Py_ssize_t count) {
    PyObject *result = operation_exit(self, args, count);
    if (result == NULL)
        return NULL;
    Py_XDECREF(self->answer);
    self->answer = result;
    return Py_NewRef((PyObject *)self);
}

static PyObject *operation_await(operation_object *self) {
    return Py_NewRef((PyObject *)self);
}

// The span was entered, and the block will not be for want of memory: nobody else would leave it.
static void undo_enter(operation_object *self) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_XDECREF(leave(self, Py_None, Py_None, Py_None));
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
}

static PyObject *operation_next(operation_object *self) {
    PyObject *answer = self->answer != NULL ? self->answer : Py_NewRef(Py_None);
    self->answer = NULL;
    PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, answer, NULL);
    if (stop != NULL)
        PyErr_SetObject(PyExc_StopIteration, stop);
    else if (self->is_inside || self->delegate != NULL)
        undo_enter(self);
    Py_XDECREF(stop);
    Py_DECREF(answer);
    return NULL;
}

// The same operation once more, for one call of a decorated function.
static PyObject *operation_again(operation_object *self, PyObject *unused) {
    (void)unused;
    operation_object *copy = core_operation_new(state_of((PyObject *)self), self->name, self->attributes);
    if (copy == NULL)
        return NULL;
    copy->links = Py_XNewRef(self->links);
    copy->context = Py_XNewRef(self->context);
    copy->scope = Py_XNewRef(self->scope);
    copy->tracer = self->tracer;
    copy->kind = self->kind;
    copy->start_unix_ns = self->start_unix_ns;
    copy->records_exception = self->records_exception;
    copy->sets_status = self->sets_status;
    copy->ends_on_exit = self->ends_on_exit;
    copy->is_ours = self->is_ours;
    return (PyObject *)copy;
}

static PyObject *operation_call(operation_object *self, PyObject *args, PyObject *kwargs) {
    PyObject *function;
    if (kwargs != NULL && PyDict_Size(kwargs) > 0)
        return PyErr_Format(PyExc_TypeError, "an operation decorates one function");
    if (!PyArg_ParseTuple(args, "O:__call__", &function))
        return NULL;
    PyObject *module = PyImport_ImportModule("fastqueue.telemetry.tracing");
    PyObject *decorated =
        module != NULL ? PyObject_CallMethod(module, "decorated", "OO", self, function) : NULL;
    Py_XDECREF(module);
    return decorated;
}

static PyMethodDef operation_methods[] = {
    {"__enter__",  METHOD(operation_enter),  METH_NOARGS,   NULL                        },
    {"__exit__",   METHOD(operation_exit),   METH_FASTCALL, NULL                        },
    {"__aenter__", METHOD(operation_aenter), METH_NOARGS,   NULL                        },
    {"__aexit__",  METHOD(operation_aexit),  METH_FASTCALL, NULL                        },
    {"again",      METHOD(operation_again),  METH_NOARGS,   "The same, not yet entered."},
    {NULL,         NULL,                     0,             NULL                        },
};
static PyType_Slot operation_slots[] = {
    {Py_tp_doc,      DOC("A block of code in a span of its own.")},
    {Py_tp_dealloc,  (void *)operation_dealloc                   },
    {Py_tp_traverse, (void *)operation_traverse                  },
    {Py_tp_clear,    (void *)operation_clear                     },
    {Py_tp_call,     (void *)operation_call                      },
    {Py_am_await,    (void *)operation_await                     },
    {Py_tp_iter,     (void *)operation_await                     },
    {Py_tp_iternext, (void *)operation_next                      },
    {Py_tp_methods,  operation_methods                           },
    {0,              NULL                                        },
};
static PyType_Spec operation_spec = {
    .name = "fastqueue._core.Operation",
    .basicsize = sizeof(operation_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = operation_slots,
};

static PyMethodDef operation_functions[] = {
    {"trace_operation", METHOD(trace_operation), METH_FASTCALL | METH_KEYWORDS,
     "trace_operation($module, operation_name, attributes=None)\n--\n\n"
     "A span around a block of code: `with trace_operation(\"name\", {\"key\": \"value\"}) as span: …`, or "
     "`async with`, or\n"
     "as a decorator. An exception is recorded, sets the status ERROR and goes on its way. `span` is None "
     "when telemetry\n"
     "is off."                                                                      },
    {NULL,              NULL,                    0,                             NULL},
};

int core_operation_add(PyObject *module, struct core_state *state) {
    if (core_add_type(module, &operation_spec, &state->telemetry.operation_type) < 0 ||
        core_tracer_add(module, state) < 0)
        return -1;
    return PyModule_AddFunctions(module, operation_functions);
}
