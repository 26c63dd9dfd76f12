// SPDX-License-Identifier: Apache-2.0
// Span: a span of the SDK with the methods of the OpenTelemetry API, whether that is installed or not.
#include "telemetry.h"

static struct core_state *state_of(span_object *self) {
    return core_state_of_type(Py_TYPE((PyObject *)self));
}

bool core_is_span(struct core_state *state, PyObject *object) {
    return object != NULL && Py_TYPE(object) == state->telemetry.span_type;
}

static void span_dealloc(span_object *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    if (core_span_live(self) != NULL)
        otel_span_release(self->span); // never ended: nobody will see it
    Py_XDECREF(self->name);
    Py_XDECREF(self->tracestate);
    Py_XDECREF(self->mirror);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

// Appends to a list of the mirror.
static void mirror_append(span_object *self, const char *list_name, PyObject *item) {
    PyObject *list = PyDict_GetItemString(self->mirror, list_name);
    if (list == NULL) {
        list = PyList_New(0);
        if (list != NULL && PyDict_SetItemString(self->mirror, list_name, list) == 0)
            Py_DECREF(list);
    }
    if (list != NULL && item != NULL && PyList_Check(list))
        (void)PyList_Append(list, item);
    Py_XDECREF(item);
    PyErr_Clear();
}

static void mirror_attribute(span_object *self, PyObject *key, PyObject *value) {
    PyObject *attributes = PyDict_GetItemString(self->mirror, "attributes");
    if (attributes != NULL)
        (void)PyObject_SetItem(attributes, key, value);
    PyErr_Clear();
}

static PyObject *span_set_attribute(span_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"key", "value", NULL};
    PyObject *key, *value;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "UO:set_attribute", KEYWORDS(names), &key, &value))
        return NULL;
    if (core_span_live(self) == NULL)
        Py_RETURN_NONE;
    struct core_attributes attributes;
    core_attributes_of(NULL, NULL, &attributes);
    size_t len;
    const char *text = core_attribute_text(&attributes, key, &len);
    struct otel_value taken = core_attribute_value(NULL, &attributes, value);
    if (text != NULL && taken.type != OTEL_VALUE_EMPTY)
        otel_span_set_attribute(self->span, (struct otel_attribute){text, taken});
    core_attributes_done(&attributes);
    PyErr_Clear();
    if (self->mirror != NULL)
        mirror_attribute(self, key, value);
    Py_RETURN_NONE;
}

static PyObject *span_set_attributes(span_object *self, PyObject *mapping) {
    if (core_span_live(self) == NULL)
        Py_RETURN_NONE;
    struct core_attributes attributes;
    core_attributes_of(state_of(self), mapping, &attributes);
    otel_span_set_attributes(self->span, attributes.items, attributes.count);
    core_attributes_done(&attributes);
    if (self->mirror != NULL) {
        PyObject *mine = PyDict_GetItemString(self->mirror, "attributes");
        if (mine != NULL && mapping != Py_None)
            (void)PyDict_Update(mine, mapping);
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

static int64_t nanoseconds(PyObject *number) {
    if (number == NULL || number == Py_None)
        return 0;
    long long ns = PyLong_AsLongLong(number);
    PyErr_Clear();
    return ns > 0 ? ns : 0;
}

static PyObject *span_add_event(span_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"name", "attributes", "timestamp", NULL};
    PyObject *name, *mapping = Py_None, *timestamp = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|OO:add_event", KEYWORDS(names), &name, &mapping,
                                     &timestamp))
        return NULL;
    if (core_span_live(self) == NULL)
        Py_RETURN_NONE;
    struct core_attributes attributes;
    core_attributes_of(state_of(self), mapping, &attributes);
    size_t len;
    const char *text = core_attribute_text(&attributes, name, &len);
    otel_span_add_event(self->span, text != NULL ? text : "", nanoseconds(timestamp), attributes.items,
                        attributes.count);
    core_attributes_done(&attributes);
    if (self->mirror != NULL)
        mirror_append(self, "events", Py_BuildValue("(OOO)", name, mapping, timestamp));
    Py_RETURN_NONE;
}

static PyObject *span_add_link(span_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"context", "attributes", NULL};
    PyObject *context, *mapping = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:add_link", KEYWORDS(names), &context, &mapping))
        return NULL;
    if (core_span_live(self) == NULL)
        Py_RETURN_NONE;
    struct core_parent identity;
    struct core_attributes attributes;
    (void)core_identity_of(state_of(self), context, &identity);
    core_attributes_of(state_of(self), mapping, &attributes);
    struct otel_link link = {identity.context, identity.tracestate, attributes.items, attributes.count};
    otel_span_add_link(self->span, &link);
    core_attributes_done(&attributes);
    core_parent_done(&identity);
    if (self->mirror != NULL)
        mirror_append(self, "added_links", Py_BuildValue("(OO)", context, mapping));
    Py_RETURN_NONE;
}

static PyObject *span_update_name(span_object *self, PyObject *name) {
    if (!PyUnicode_Check(name))
        return PyErr_Format(PyExc_TypeError, "a span's name is a str");
    if (core_span_live(self) == NULL)
        Py_RETURN_NONE;
    struct core_attributes attributes;
    core_attributes_of(NULL, NULL, &attributes);
    size_t len;
    const char *text = core_attribute_text(&attributes, name, &len);
    otel_span_update_name(self->span, text != NULL ? text : "");
    core_attributes_done(&attributes);
    PyObject *old = self->name;
    self->name = Py_NewRef(name);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *span_is_recording(span_object *self, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(core_span_live(self) != NULL && otel_span_is_recording(self->span));
}

// A number of 0 to 2 of an int, a StatusCode, or a word; -1 if it is none.
static int status_number(PyObject *code) {
    if (PyUnicode_Check(code)) {
        static const char *const words[] = {"unset", "ok", "error"};
        for (int i = 0; i < 3; i++) {
            if (PyUnicode_CompareWithASCIIString(code, words[i]) == 0)
                return i;
        }
        return -1;
    }
    PyObject *value = PyLong_Check(code) ? Py_NewRef(code) : PyObject_GetAttrString(code, "value");
    long number = value != NULL && PyLong_Check(value) ? PyLong_AsLong(value) : -1;
    Py_XDECREF(value);
    PyErr_Clear();
    return number >= 0 && number <= 2 ? (int)number : -1;
}

static void mirror_status(span_object *self, int number, PyObject *description) {
    PyObject *row = self->mirror != NULL ? Py_BuildValue("(iO)", number, description) : NULL;
    if (row != NULL)
        (void)PyDict_SetItemString(self->mirror, "status", row);
    Py_XDECREF(row);
    PyErr_Clear();
}

// set_status(Status) or set_status(StatusCode, description)
static PyObject *span_set_status(span_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"status", "description", NULL};
    PyObject *status, *given = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:set_status", KEYWORDS(names), &status, &given))
        return NULL;
    PyObject *code = PyObject_GetAttrString(status, "status_code");
    PyErr_Clear();
    PyObject *description = Py_NewRef(given);
    if (code != NULL && given == Py_None) {
        PyObject *own = PyObject_GetAttrString(status, "description");
        if (own != NULL) {
            Py_DECREF(description);
            description = own;
        }
        PyErr_Clear();
    }
    int number = status_number(code != NULL ? code : status);
    if (core_span_live(self) != NULL && number >= 0) {
        struct core_attributes attributes;
        core_attributes_of(NULL, NULL, &attributes);
        size_t len;
        const char *text =
            PyUnicode_Check(description) ? core_attribute_text(&attributes, description, &len) : NULL;
        otel_span_set_status(self->span, (enum otel_status)number, text);
        core_attributes_done(&attributes);
        mirror_status(self, number, description);
    }
    Py_DECREF(description);
    Py_XDECREF(code);
    Py_RETURN_NONE;
}

// (type, message, stack) of an exception; NULL if it cannot be described.
static PyObject *describe(PyObject *exception) {
    PyObject *module = PyImport_ImportModule("fastqueue.failure");
    PyObject *row = module != NULL ? PyObject_CallMethod(module, "describe", "O", exception) : NULL;
    Py_XDECREF(module);
    if (row != NULL && !(PyTuple_Check(row) && PyTuple_Size(row) == 3))
        Py_CLEAR(row);
    PyErr_Clear();
    return row;
}

static void record(span_object *self, PyObject *row, PyObject *mapping, PyObject *timestamp) {
    struct core_attributes attributes;
    core_attributes_of(NULL, mapping, &attributes);
    static const char *const keys[] = {"exception.type", "exception.message", "exception.stacktrace"};
    if (nanoseconds(timestamp) == 0) {
        const char *texts[3];
        size_t len;
        for (int i = 0; i < 3; i++)
            texts[i] = core_attribute_text(&attributes, PyTuple_GetItem(row, i), &len);
        otel_span_record_exception(self->span, texts[0], texts[1], texts[2], attributes.items,
                                   attributes.count);
    } else {
        size_t given = attributes.count;
        for (int i = 0; i < 3; i++) {
            bool is_given = false;
            for (size_t at = 0; at < given; at++)
                is_given = is_given || strcmp(attributes.items[at].key, keys[i]) == 0;
            if (!is_given)
                core_attributes_push(
                    &attributes,
                    (struct otel_attribute){
                        keys[i], core_attribute_value(NULL, &attributes, PyTuple_GetItem(row, i))});
        }
        otel_span_add_event(self->span, "exception", nanoseconds(timestamp), attributes.items,
                            attributes.count);
    }
    core_attributes_done(&attributes);
    if (self->mirror != NULL)
        mirror_append(self, "events", Py_BuildValue("(sOOO)", "exception", mapping, timestamp, row));
    PyErr_Clear();
}

static PyObject *span_record_exception(span_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"exception", "attributes", "timestamp", "escaped", NULL};
    PyObject *exception, *mapping = Py_None, *timestamp = Py_None, *escaped = Py_False;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OOO:record_exception", KEYWORDS(names), &exception,
                                     &mapping, &timestamp, &escaped))
        return NULL;
    PyObject *row = core_span_live(self) != NULL ? describe(exception) : NULL;
    if (row != NULL)
        record(self, row, mapping, timestamp);
    Py_XDECREF(row);
    Py_RETURN_NONE;
}

void core_span_fail(struct core_state *state, span_object *self, PyObject *exception, bool should_record,
                    bool set_status) {
    (void)state;
    if (core_span_live(self) == NULL || exception == NULL || !otel_span_is_recording(self->span))
        return;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *row = describe(exception);
    if (row != NULL && should_record)
        record(self, row, Py_None, Py_None);
    if (row != NULL && set_status) {
        struct core_attributes attributes;
        core_attributes_of(NULL, NULL, &attributes);
        size_t len;
        const char *name = core_attribute_text(&attributes, PyTuple_GetItem(row, 0), &len);
        otel_span_set_attribute(self->span, otel_text("error.type", name));
        const char *message = core_attribute_text(&attributes, PyTuple_GetItem(row, 1), &len);
        otel_span_set_status(self->span, OTEL_STATUS_ERROR, message);
        core_attributes_done(&attributes);
        mirror_status(self, OTEL_STATUS_ERROR, PyTuple_GetItem(row, 1));
        PyObject *key = self->mirror != NULL ? PyUnicode_FromString("error.type") : NULL;
        if (key != NULL)
            mirror_attribute(self, key, PyTuple_GetItem(row, 0));
        Py_XDECREF(key);
    }
    Py_XDECREF(row);
    PyErr_Restore(type, value, traceback);
}

static PyObject *span_end(span_object *self, PyObject *args, PyObject *kwargs) {
    static const char *const names[] = {"end_time", NULL};
    PyObject *end_time = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:end", KEYWORDS(names), &end_time))
        return NULL;
    core_span_end(state_of(self), self, nanoseconds(end_time));
    Py_RETURN_NONE;
}

static PyObject *span_enter(span_object *self, PyObject *unused) {
    (void)unused;
    return Py_NewRef((PyObject *)self);
}

static PyObject *span_exit(span_object *self, PyObject *args) {
    PyObject *type, *exception, *traceback;
    if (!PyArg_ParseTuple(args, "OOO:__exit__", &type, &exception, &traceback))
        return NULL;
    if (exception != Py_None && !PyErr_GivenExceptionMatches(exception, PyExc_GeneratorExit))
        core_span_fail(state_of(self), self, exception, true, true);
    core_span_end(state_of(self), self, 0);
    Py_RETURN_NONE;
}

// (trace id, span id, flags, is remote, tracestate)
static PyObject *span_identity(span_object *self, PyObject *unused) {
    (void)unused;
    return Py_BuildValue("(y#y#iOO)", (const char *)self->context.trace_id, (Py_ssize_t)16,
                         (const char *)self->context.span_id, (Py_ssize_t)8, (int)self->context.flags,
                         self->context.remote ? Py_True : Py_False,
                         self->tracestate != NULL ? self->tracestate : Py_None);
}

static PyObject *span_get_span_context(span_object *self, PyObject *unused) {
    (void)unused;
    PyObject *module = PyImport_ImportModule("fastqueue.telemetry.span_context");
    PyObject *identity = module != NULL ? span_identity(self, NULL) : NULL;
    PyObject *context =
        identity != NULL ? PyObject_CallMethod(module, "span_context", "(O)", identity) : NULL;
    Py_XDECREF(identity);
    Py_XDECREF(module);
    return context;
}

PyObject *core_traceparent(const struct otel_span_context *context) {
    char text[OTEL_TRACEPARENT_TEXT];
    otel_traceparent_format(context, text);
    return PyUnicode_FromStringAndSize(text, sizeof text);
}

static PyObject *span_get_traceparent(span_object *self, void *unused) {
    (void)unused;
    return otel_span_context_is_valid(&self->context) ? core_traceparent(&self->context) : Py_NewRef(Py_None);
}

static PyObject *span_get_tracestate(span_object *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->tracestate != NULL ? self->tracestate : Py_None);
}

static PyObject *span_get_name(span_object *self, void *unused) {
    (void)unused;
    return Py_NewRef(self->name);
}

static PyObject *span_repr(span_object *self) {
    PyObject *traceparent = span_get_traceparent(self, NULL);
    PyObject *text =
        traceparent != NULL ? PyUnicode_FromFormat("<Span %R %S>", self->name, traceparent) : NULL;
    Py_XDECREF(traceparent);
    return text;
}

static PyMethodDef span_methods[] = {
    {"set_attribute",    METHOD(span_set_attribute),    METH_VARARGS | METH_KEYWORDS, "set_attribute(key, value)"                },
    {"set_attributes",   METHOD(span_set_attributes),   METH_O,                       "set_attributes(mapping)"                  },
    {"add_event",        METHOD(span_add_event),        METH_VARARGS | METH_KEYWORDS,
     "add_event(name, attributes, timestamp)"                                                                                    },
    {"add_link",         METHOD(span_add_link),         METH_VARARGS | METH_KEYWORDS, "add_link(context, attributes)"            },
    {"update_name",      METHOD(span_update_name),      METH_O,                       "update_name(name)"                        },
    {"is_recording",     METHOD(span_is_recording),     METH_NOARGS,                  "Whether somebody will see what is set."   },
    {"set_status",       METHOD(span_set_status),       METH_VARARGS | METH_KEYWORDS, "set_status(status, description)"          },
    {"record_exception", METHOD(span_record_exception), METH_VARARGS | METH_KEYWORDS,
     "record_exception(exception, attributes, …)"                                                                              },
    {"end",              METHOD(span_end),              METH_VARARGS | METH_KEYWORDS, "end(end_time): the first one counts."     },
    {"get_span_context", METHOD(span_get_span_context), METH_NOARGS,                  "Its identity."                            },
    {"identity",         METHOD(span_identity),         METH_NOARGS,                  "(trace id, span id, flags, remote, state)"},
    {"__enter__",        METHOD(span_enter),            METH_NOARGS,                  NULL                                       },
    {"__exit__",         METHOD(span_exit),             METH_VARARGS,                 NULL                                       },
    {NULL,               NULL,                          0,                            NULL                                       },
};
static PyGetSetDef span_properties[] = {
    {"name",        (getter)span_get_name,        NULL, "Its name.",                   NULL},
    {"traceparent", (getter)span_get_traceparent, NULL, "W3C trace context, or None.", NULL},
    {"tracestate",  (getter)span_get_tracestate,  NULL, "W3C trace state, or None.",   NULL},
    {NULL,          NULL,                         NULL, NULL,                          NULL},
};
static PyType_Slot span_slots[] = {
    {Py_tp_doc,     DOC("A span, with the methods of the OpenTelemetry API.")},
    {Py_tp_dealloc, (void *)span_dealloc                                     },
    {Py_tp_repr,    (void *)span_repr                                        },
    {Py_tp_methods, span_methods                                             },
    {Py_tp_getset,  span_properties                                          },
    {0,             NULL                                                     },
};
static PyType_Spec span_spec = {
    .name = "fastqueue._core.Span",
    .basicsize = sizeof(span_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = span_slots,
};

int core_span_add(PyObject *module, struct core_state *state) {
    return core_add_type(module, &span_spec, &state->telemetry.span_type);
}
