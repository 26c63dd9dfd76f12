// SPDX-License-Identifier: Apache-2.0
// How spans begin and end: parent, links and attributes from Python objects; and what processors in Python are told.
#include "telemetry.h"

#include <time.h>

static int64_t unix_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static span_object *span_alloc(struct core_state *state, otel_span *span, PyObject *name) {
    PyTypeObject *type = state->telemetry.span_type;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    span_object *self = (span_object *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->span = span;
    self->context = otel_span_context_of(span);
    self->generation = state->telemetry.generation;
    self->name = Py_NewRef(name);
    size_t len = 0;
    const char *tracestate = span != NULL ? otel_span_tracestate(span, &len) : NULL;
    if (tracestate != NULL && len > 0)
        self->tracestate = core_text(tracestate, len);
    PyErr_Clear();
    return self;
}

// Links of the API: objects with .context and .attributes.
struct link_list {
    struct otel_link *links;
    struct core_attributes *attributes;
    struct core_parent *identities;
    size_t count;
};

static void links_of(struct core_state *state, PyObject *iterable, struct link_list *list) {
    enum { LINKS_MAX = 1024 };
    *list = (struct link_list){0};
    PyObject *rows = iterable != NULL && iterable != Py_None ? PySequence_Tuple(iterable) : NULL;
    Py_ssize_t count = rows != NULL ? PyTuple_Size(rows) : 0;
    if (count > LINKS_MAX)
        count = LINKS_MAX;
    if (count > 0) {
        list->links = PyMem_Calloc((size_t)count, sizeof *list->links);
        list->attributes = PyMem_Calloc((size_t)count, sizeof *list->attributes);
        list->identities = PyMem_Calloc((size_t)count, sizeof *list->identities);
    }
    bool has_room = list->links != NULL && list->attributes != NULL && list->identities != NULL;
    for (Py_ssize_t i = 0; has_room && i < count; i++) {
        size_t at = list->count++;
        PyObject *context = PyObject_GetAttrString(PyTuple_GetItem(rows, i), "context");
        PyErr_Clear();
        PyObject *attributes = PyObject_GetAttrString(PyTuple_GetItem(rows, i), "attributes");
        PyErr_Clear();
        (void)core_identity_of(state, context, &list->identities[at]);
        core_attributes_of(state, attributes, &list->attributes[at]);
        list->links[at] = (struct otel_link){list->identities[at].context, list->identities[at].tracestate,
                                             list->attributes[at].items, list->attributes[at].count};
        Py_XDECREF(attributes);
        Py_XDECREF(context);
    }
    Py_XDECREF(rows);
    PyErr_Clear();
}

static void links_done(struct link_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        core_parent_done(&list->identities[i]);
        core_attributes_done(&list->attributes[i]);
    }
    PyMem_Free(list->links);
    PyMem_Free(list->attributes);
    PyMem_Free(list->identities);
}

static void tell_processors(struct core_state *state, const char *method, PyObject *argument,
                            PyObject *second) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *module = PyImport_ImportModule("fastqueue.telemetry.processors");
    PyObject *result = module != NULL ? PyObject_CallMethod(module, method, "OO", argument, second) : NULL;
    if (result == NULL)
        PyErr_WriteUnraisable(argument); // a processor's own fault
    Py_XDECREF(result);
    Py_XDECREF(module);
    PyErr_Restore(type, value, traceback);
    (void)state;
}

// A dict of what a span starts with, for processors written in Python.
static PyObject *mirror_of(const struct core_span_start *start, const struct core_parent *parent) {
    PyObject *mirror = PyDict_New();
    PyObject *attributes = PyDict_New();
    if (mirror == NULL || attributes == NULL)
        goto done;
    if (start->attributes != NULL && start->attributes != Py_None)
        (void)PyDict_Update(attributes, start->attributes);
    for (size_t i = 0; i < start->more_count; i++) {
        const struct otel_value *value = &start->more[i].value;
        PyObject *item = value->type == OTEL_VALUE_INT ? PyLong_FromLongLong(value->as.integer)
                                                       : core_text(value->as.text.data, value->as.text.len);
        if (item != NULL)
            (void)PyDict_SetItemString(attributes, start->more[i].key, item);
        Py_XDECREF(item);
    }
    PyErr_Clear();
    (void)PyDict_SetItemString(mirror, "attributes", attributes);
    if (start->scope != NULL)
        (void)PyDict_SetItemString(mirror, "scope", start->scope);
    (void)PyDict_SetItemString(mirror, "links", start->links != NULL ? start->links : Py_None);
    PyObject *kind = PyLong_FromLong((long)start->kind - 1);
    PyObject *parent_ids =
        parent->is_valid
            ? Py_BuildValue("(y#y#iOs)", (const char *)parent->context.trace_id, (Py_ssize_t)16,
                            (const char *)parent->context.span_id, (Py_ssize_t)8, (int)parent->context.flags,
                            parent->context.remote ? Py_True : Py_False, parent->tracestate)
            : Py_NewRef(Py_None);
    PyObject *start_ns = PyLong_FromLongLong(start->start_unix_ns != 0 ? start->start_unix_ns : unix_ns());
    if (kind != NULL && parent_ids != NULL && start_ns != NULL) {
        (void)PyDict_SetItemString(mirror, "kind", kind);
        (void)PyDict_SetItemString(mirror, "parent", parent_ids);
        (void)PyDict_SetItemString(mirror, "start_time", start_ns);
    }
    Py_XDECREF(start_ns);
    Py_XDECREF(parent_ids);
    Py_XDECREF(kind);
done:
    Py_XDECREF(attributes);
    PyErr_Clear();
    return mirror;
}

span_object *core_span_start(struct core_state *state, const struct core_span_start *start) {
    struct core_parent parent;
    struct core_attributes attributes;
    struct link_list links = {0};
    core_parent_find(state, start->context, &parent);
    core_attributes_of(state, start->attributes, &attributes);
    for (size_t i = 0; i < start->more_count; i++)
        core_attributes_push(&attributes, start->more[i]);
    if (start->links != NULL)
        links_of(state, start->links, &links);
    struct otel_span_options options = {
        .kind = start->kind,
        .root = !parent.is_valid,
        .parent = parent.is_valid ? &parent.context : NULL,
        .parent_tracestate = parent.is_valid ? parent.tracestate : NULL,
        .start_unix_ns = start->start_unix_ns,
        .attributes = attributes.items,
        .attribute_count = attributes.count,
        .links = links.links,
        .link_count = links.count,
    };
    size_t len;
    const char *name = core_attribute_text(&attributes, start->name, &len);
    otel_span *span = otel_span_start(start->tracer, name != NULL ? name : "", &options);
    span_object *self = span_alloc(state, span, start->name);
    if (self == NULL)
        otel_span_release(span);
    if (self != NULL && state->telemetry.has_processors && otel_span_is_recording(span))
        self->mirror = mirror_of(start, &parent);
    links_done(&links);
    core_attributes_done(&attributes);
    core_parent_done(&parent);
    if (self != NULL && self->mirror != NULL)
        tell_processors(state, "on_start", (PyObject *)self,
                        start->context != NULL ? start->context : Py_None);
    return self;
}

span_object *core_span_wrap(struct core_state *state, otel_span *span, const char *name,
                            const struct otel_span_context *context) {
    PyObject *text = PyUnicode_FromString(name);
    otel_span *reference = text != NULL ? otel_span_retain(span) : NULL;
    span_object *self = text != NULL ? span_alloc(state, reference, text) : NULL;
    if (self == NULL)
        otel_span_release(reference);
    else
        self->context = *context;
    Py_XDECREF(text);
    return self;
}

otel_span *core_span_live(span_object *self) {
    if (self->span != NULL &&
        self->generation <= core_state_of_type(Py_TYPE((PyObject *)self))->telemetry.dead)
        self->span = NULL; // went with its SDK
    return self->span;
}

void core_span_end(struct core_state *state, span_object *self, int64_t end_unix_ns) {
    otel_span *span = core_span_live(self);
    self->span = NULL;
    if (span == NULL)
        return;
    if (end_unix_ns != 0)
        otel_span_end_at(span, end_unix_ns);
    else
        otel_span_end(span);
    PyObject *mirror = self->mirror;
    self->mirror = NULL;
    if (mirror == NULL)
        return;
    PyObject *end_ns = PyLong_FromLongLong(end_unix_ns != 0 ? end_unix_ns : unix_ns());
    if (end_ns != NULL)
        (void)PyDict_SetItemString(mirror, "end_time", end_ns);
    Py_XDECREF(end_ns);
    PyErr_Clear();
    tell_processors(state, "on_end", (PyObject *)self, mirror);
    Py_DECREF(mirror);
}
