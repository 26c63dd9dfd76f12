// SPDX-License-Identifier: Apache-2.0
// Meter and Instrument: metrics of the SDK with the methods of the OpenTelemetry API. An instrument is looked up again when
// the SDK has changed under it, so one made early works once telemetry is on.
#include "observe.h"
#include "telemetry.h"

typedef struct meter_object {
    PyObject_HEAD PyObject *scope; // (name, version, schema URL, attributes); NULL = FastQueue's own
} meter_object;

static struct core_state *state_of(PyObject *self) {
    return core_state_of_type(Py_TYPE(self));
}

static otel_meter *meter_of(struct core_state *state, PyObject *scope) {
    if (scope == NULL)
        return state->telemetry.meter;
    const char *name = NULL, *version = NULL, *schema_url = NULL;
    PyObject *mapping = Py_None;
    if (!PyArg_ParseTuple(scope, "zzzO", &name, &version, &schema_url, &mapping)) {
        PyErr_Clear();
        return NULL;
    }
    struct core_attributes attributes;
    core_attributes_of(state, mapping, &attributes);
    struct otel_scope_info info = {name, version, schema_url, attributes.items, attributes.count};
    otel_meter *meter = otel_meter_get(otel_sdk_meter_provider(state->telemetry.sdk), &info);
    core_attributes_done(&attributes);
    return meter;
}

// Bounds of a histogram as doubles; NULL = the default ones. PyMem_Free it.
static double *bounds_of(PyObject *sequence, size_t *ret_count) {
    enum { BOUNDS_MAX = 1000 };
    PyObject *tuple = sequence != NULL && sequence != Py_None ? PySequence_Tuple(sequence) : NULL;
    Py_ssize_t count = tuple != NULL ? PyTuple_Size(tuple) : 0;
    double *bounds = count > 0 && count <= BOUNDS_MAX ? PyMem_Malloc((size_t)count * sizeof *bounds) : NULL;
    for (Py_ssize_t i = 0; bounds != NULL && i < count; i++)
        bounds[i] = PyFloat_AsDouble(PyTuple_GetItem(tuple, i));
    *ret_count = bounds != NULL ? (size_t)count : 0;
    Py_XDECREF(tuple);
    PyErr_Clear();
    return bounds;
}

otel_instrument *core_instrument_of(struct core_state *state, instrument_object *self) {
    if (self->generation == state->telemetry.generation)
        return self->instrument;
    size_t bound_count = 0;
    double *bounds = bounds_of(self->bounds, &bound_count);
    struct otel_instrument_options options = {
        .kind = self->kind,
        .name = PyUnicode_AsUTF8AndSize(self->name, NULL),
        .unit = PyUnicode_AsUTF8AndSize(self->unit, NULL),
        .description = PyUnicode_AsUTF8AndSize(self->description, NULL),
        .integer = self->is_integer,
        .bounds = bounds,
        .bound_count = bound_count,
    };
    PyErr_Clear();
    otel_meter *meter = meter_of(state, self->scope);
    self->instrument = options.name != NULL ? otel_instrument_new(meter, &options) : NULL;
    self->generation = state->telemetry.generation;
    PyMem_Free(bounds);
    if (self->callbacks != NULL && self->instrument != NULL)
        (void)otel_instrument_observe(self->instrument, core_observe, self);
    return self->instrument;
}

// add(amount, attributes=None, context=None); record and set likewise
static PyObject *instrument_measure(instrument_object *self, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords) {
    PyObject *given[3] = {NULL, NULL, NULL};
    static const char *const names[] = {"amount", "attributes", "context"};
    Py_ssize_t keyword_count = keywords != NULL ? PyTuple_Size(keywords) : 0;
    for (Py_ssize_t i = 0; i < count && i < 3; i++)
        given[i] = args[i];
    for (Py_ssize_t i = 0; i < keyword_count; i++) {
        for (int at = 0; at < 3; at++) {
            if (PyUnicode_CompareWithASCIIString(PyTuple_GetItem(keywords, i), names[at]) == 0)
                given[at] = args[count + i];
        }
    }
    if (given[0] == NULL)
        return PyErr_Format(PyExc_TypeError, "an amount is needed");
    double amount = PyFloat_AsDouble(given[0]);
    if (amount == -1.0 && PyErr_Occurred())
        return NULL;
    struct core_state *state = state_of((PyObject *)self);
    if (!core_telemetry_on(state))
        Py_RETURN_NONE;
    otel_instrument *instrument = core_instrument_of(state, self);
    if (instrument == NULL)
        Py_RETURN_NONE;
    struct core_attributes attributes;
    struct core_parent current;
    core_attributes_of(state, given[1], &attributes);
    core_parent_find(state, given[2], &current);
    bool is_sampled = current.is_valid && (current.context.flags & OTEL_FLAG_SAMPLED) != 0;
    otel_measure(instrument, amount, attributes.items, attributes.count,
                 is_sampled ? &current.context : NULL);
    core_parent_done(&current);
    core_attributes_done(&attributes);
    Py_RETURN_NONE;
}

static int instrument_traverse(instrument_object *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->callbacks);
    return 0;
}

static int instrument_clear(instrument_object *self) {
    Py_CLEAR(self->callbacks);
    return 0;
}

static void instrument_dealloc(instrument_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    (void)instrument_clear(self);
    Py_XDECREF(self->scope);
    Py_XDECREF(self->name);
    Py_XDECREF(self->unit);
    Py_XDECREF(self->description);
    Py_XDECREF(self->bounds);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *instrument_get_name(instrument_object *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->name);
}

static PyMethodDef instrument_methods[] = {
    {"add",    METHOD(instrument_measure), METH_FASTCALL | METH_KEYWORDS, "add(amount, attributes, context)"},
    {"record", METHOD(instrument_measure), METH_FASTCALL | METH_KEYWORDS,
     "record(amount, attributes, context)"                                                                  },
    {"set",    METHOD(instrument_measure), METH_FASTCALL | METH_KEYWORDS, "set(amount, attributes, context)"},
    {NULL,     NULL,                       0,                             NULL                              },
};
static PyGetSetDef instrument_properties[] = {
    {"name", (getter)instrument_get_name, NULL, "Its name.", NULL},
    {NULL,   NULL,                        NULL, NULL,        NULL},
};
static PyType_Slot instrument_slots[] = {
    {Py_tp_doc,      DOC("An instrument, with the methods of the OpenTelemetry API.")},
    {Py_tp_dealloc,  (void *)instrument_dealloc                                      },
    {Py_tp_traverse, (void *)instrument_traverse                                     },
    {Py_tp_clear,    (void *)instrument_clear                                        },
    {Py_tp_methods,  instrument_methods                                              },
    {Py_tp_getset,   instrument_properties                                           },
    {0,              NULL                                                            },
};
static PyType_Spec instrument_spec = {
    .name = "fastqueue._core.Instrument",
    .basicsize = sizeof(instrument_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = instrument_slots,
};

// instrument(kind, name, unit, description, bounds, callbacks, integer)
static PyObject *meter_instrument(meter_object *self, PyObject *args) {
    struct core_state *state = state_of((PyObject *)self);
    int kind, is_integer;
    PyObject *name, *unit, *description, *bounds, *callbacks;
    if (!PyArg_ParseTuple(args, "iUUUOOp:instrument", &kind, &name, &unit, &description, &bounds, &callbacks,
                          &is_integer))
        return NULL;
    if (kind < 0 || kind >= OTEL_INSTRUMENT_KIND_COUNT)
        return PyErr_Format(PyExc_ValueError, "there is no instrument of kind %d", kind);
    allocfunc allocate = (allocfunc)PyType_GetSlot(state->telemetry.instrument_type, Py_tp_alloc);
    instrument_object *made = (instrument_object *)allocate(state->telemetry.instrument_type, 0);
    if (made == NULL)
        return NULL;
    made->scope = Py_XNewRef(self->scope);
    made->name = Py_NewRef(name);
    made->unit = Py_NewRef(unit);
    made->description = Py_NewRef(description);
    made->bounds = bounds != Py_None ? Py_NewRef(bounds) : NULL;
    made->callbacks = callbacks != Py_None ? Py_NewRef(callbacks) : NULL;
    made->kind = (enum otel_instrument_kind)kind;
    made->is_integer = is_integer != 0;
    made->generation = state->telemetry.generation - 1;
    if (core_telemetry_on(state)) {
        if (made->callbacks != NULL)
            Py_INCREF((PyObject *)made); // the collector calls it as long as the SDK lives
        (void)core_instrument_of(state, made);
    }
    return (PyObject *)made;
}

static void meter_dealloc(meter_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_XDECREF(self->scope);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef meter_methods[] = {
    {"instrument", METHOD(meter_instrument), METH_VARARGS, "instrument(kind, name, unit, description, …)"},
    {NULL,         NULL,                     0,            NULL                                            },
};
static PyType_Slot meter_slots[] = {
    {Py_tp_doc,     DOC("Makes instruments.")},
    {Py_tp_dealloc, (void *)meter_dealloc    },
    {Py_tp_methods, meter_methods            },
    {0,             NULL                     },
};
static PyType_Spec meter_spec = {
    .name = "fastqueue._core.Meter",
    .basicsize = sizeof(meter_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = meter_slots,
};

// meter(name, version, schema_url, attributes); without arguments FastQueue's own
static PyObject *new_meter(PyObject *module, PyObject *args) {
    struct core_state *state = PyModule_GetState(module);
    Py_ssize_t count = PyTuple_Size(args);
    if (count != 0 && count != 4)
        return PyErr_Format(PyExc_TypeError, "meter(name, version, schema_url, attributes)");
    allocfunc allocate = (allocfunc)PyType_GetSlot(state->telemetry.meter_type, Py_tp_alloc);
    meter_object *self = (meter_object *)allocate(state->telemetry.meter_type, 0);
    if (self != NULL)
        self->scope = count == 4 ? Py_NewRef(args) : NULL;
    return (PyObject *)self;
}

static PyMethodDef meter_functions[] = {
    {"meter",               new_meter,         METH_VARARGS, "meter(name, version, schema_url, attributes)"  },
    {"observe_fork_before", core_observe_stop, METH_NOARGS,  "Waits until no callback runs, and keeps it so."},
    {"observe_fork_after",  core_observe_go,   METH_NOARGS,  "Lets callbacks run again."                     },
    {NULL,                  NULL,              0,            NULL                                            },
};

int core_meter_add(PyObject *module, struct core_state *state) {
    if (core_add_type(module, &meter_spec, &state->telemetry.meter_type) < 0 ||
        core_add_type(module, &instrument_spec, &state->telemetry.instrument_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, meter_functions);
}
