// SPDX-License-Identifier: Apache-2.0
// Which span is current: a ContextVar of ours, behind it the span of the task that runs; and the OpenTelemetry API's own
// context as soon as a program has loaded that. A span that is made current is made so in both, so whatever the API holds
// is the innermost one, unless it holds none.
#include "runner.h"
#include "telemetry.h"

// Looks whether the program has loaded the API meanwhile.
static bool has_bridge(struct core_state *state) {
    struct core_telemetry *telemetry = &state->telemetry;
    if (telemetry->bridge.trace != NULL)
        return true;
    if (telemetry->is_loading || PyDict_GetItemWithError(telemetry->modules, telemetry->api_name) == NULL)
        return false;
    telemetry->is_loading = true; // loading imports, which may come back here
    PyObject *module = PyImport_ImportModule("fastqueue.telemetry.bridge");
    PyObject *row = module != NULL ? PyObject_CallMethod(module, "load", NULL) : NULL;
    struct core_bridge bridge = {0};
    if (row != NULL && PyTuple_Check(row) &&
        PyArg_ParseTuple(row, "OOOOOOOO", &bridge.trace, &bridge.get_current, &bridge.attach, &bridge.detach,
                         &bridge.context_type, &bridge.span_key, &bridge.provider, &bridge.start)) {
        Py_INCREF(bridge.trace);
        Py_INCREF(bridge.get_current);
        Py_INCREF(bridge.attach);
        Py_INCREF(bridge.detach);
        Py_INCREF(bridge.context_type);
        Py_INCREF(bridge.span_key);
        Py_INCREF(bridge.provider);
        Py_INCREF(bridge.start);
        telemetry->bridge = bridge;
    }
    PyErr_Clear(); // half imported, or too old: tried again
    Py_XDECREF(row);
    Py_XDECREF(module);
    telemetry->is_loading = false;
    return telemetry->bridge.trace != NULL;
}

bool core_is_delegated(struct core_state *state) {
    struct core_telemetry *telemetry = &state->telemetry;
    if (telemetry->is_native || !has_bridge(state))
        return false;
    PyObject *provider = PyObject_GetAttrString(telemetry->bridge.trace, "_TRACER_PROVIDER");
    bool delegated = provider != NULL && provider != Py_None && provider != telemetry->bridge.provider;
    Py_XDECREF(provider);
    PyErr_Clear();
    return delegated;
}

// Borrowed: the span that a Context of the API holds, NULL if none.
static PyObject *span_in(struct core_state *state, PyObject *context) {
    PyObject *span = NULL;
    if (context != NULL && PyDict_Check(context))
        span = PyDict_GetItemWithError(context, state->telemetry.bridge.span_key);
    PyErr_Clear();
    return span;
}

// New: our ContextVar's span, else that of the task.
static PyObject *own_current(struct core_state *state) {
    PyObject *span = PyObject_CallNoArgs(state->telemetry.span_get);
    if (span == Py_None) {
        Py_DECREF(span);
        PyObject *task = PyObject_CallNoArgs(state->telemetry.task_get);
        span = task != NULL && Py_TYPE(task) == state->task_type ? core_task_span((task_object *)task) : NULL;
        Py_XDECREF(task);
    }
    PyErr_Clear();
    return span;
}

PyObject *core_current_span(struct core_state *state) {
    PyObject *own = own_current(state);
    if (!has_bridge(state))
        return own;
    PyObject *context = PyObject_CallNoArgs(state->telemetry.bridge.get_current);
    PyObject *span = Py_XNewRef(span_in(state, context));
    Py_XDECREF(context);
    PyErr_Clear();
    if (span != NULL) {
        Py_XDECREF(own);
        return span;
    }
    // Ours was put there, too: somebody has left it on purpose.
    if (own != NULL && core_is_span(state, own) && ((span_object *)own)->is_bridged)
        Py_CLEAR(own);
    return own;
}

static uint64_t unsigned_attribute(PyObject *object, const char *name) {
    PyObject *value = PyObject_GetAttrString(object, name);
    uint64_t number = value != NULL ? PyLong_AsUnsignedLongLongMask(value) : 0;
    Py_XDECREF(value);
    PyErr_Clear();
    return number;
}

static void big_endian(PyObject *object, const char *name, uint8_t *out, Py_ssize_t size) {
    PyObject *number = PyObject_GetAttrString(object, name);
    PyObject *bytes = number != NULL ? PyObject_CallMethod(number, "to_bytes", "ns", size, "big") : NULL;
    char *ptr = NULL;
    Py_ssize_t len = 0;
    if (bytes != NULL && PyBytes_AsStringAndSize(bytes, &ptr, &len) == 0 && len == size)
        memcpy(out, ptr, (size_t)size);
    Py_XDECREF(bytes);
    Py_XDECREF(number);
    PyErr_Clear();
}

// A span context of the API's kind: attributes trace_id, span_id, trace_flags, is_remote, trace_state.
static void take_identity(PyObject *object, struct core_parent *identity) {
    big_endian(object, "trace_id", identity->context.trace_id, 16);
    big_endian(object, "span_id", identity->context.span_id, 8);
    identity->context.flags = (uint8_t)unsigned_attribute(object, "trace_flags");
    PyObject *remote = PyObject_GetAttrString(object, "is_remote");
    identity->context.remote = remote != NULL && PyObject_IsTrue(remote) == 1;
    Py_XDECREF(remote);
    PyErr_Clear();
    identity->is_valid = otel_span_context_is_valid(&identity->context);
    PyObject *state = PyObject_GetAttrString(object, "trace_state");
    if (state != NULL && PyObject_IsTrue(state) == 1) {
        PyObject *text = PyObject_CallMethod(state, "to_header", NULL);
        const char *utf8 = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8AndSize(text, NULL) : NULL;
        if (utf8 != NULL) {
            identity->tracestate = utf8;
            identity->held = Py_NewRef(text);
        }
        Py_XDECREF(text);
    }
    Py_XDECREF(state);
    PyErr_Clear();
}

bool core_identity_of(struct core_state *state, PyObject *object, struct core_parent *ret_identity) {
    *ret_identity = (struct core_parent){.tracestate = ""};
    if (object == NULL || object == Py_None)
        return false;
    if (core_is_span(state, object)) {
        span_object *span = (span_object *)object;
        ret_identity->context = span->context;
        ret_identity->is_valid = otel_span_context_is_valid(&span->context);
        ret_identity->held = Py_NewRef(object);
        if (span->tracestate != NULL)
            ret_identity->tracestate = PyUnicode_AsUTF8AndSize(span->tracestate, NULL);
        return ret_identity->is_valid;
    }
    PyObject *context = PyObject_CallMethod(object, "get_span_context", NULL);
    PyErr_Clear();
    take_identity(context != NULL ? context : object, ret_identity);
    Py_XDECREF(context);
    return ret_identity->is_valid;
}

void core_parent_done(struct core_parent *parent) {
    Py_CLEAR(parent->held);
}

// The task's own context stands in when nothing made a span of the attempt.
static void task_parent(struct core_state *state, struct core_parent *parent) {
    PyObject *task = PyObject_CallNoArgs(state->telemetry.task_get);
    if (task != NULL && Py_TYPE(task) == state->task_type) {
        const task_object *running = (task_object *)task;
        Py_ssize_t len = 0;
        const char *text = running->traceparent != Py_None && PyUnicode_Check(running->traceparent)
                               ? PyUnicode_AsUTF8AndSize(running->traceparent, &len)
                               : NULL;
        if (text != NULL && otel_traceparent_parse(text, (size_t)len, &parent->context) == 0) {
            parent->is_valid = true;
            parent->context.remote = true;
            if (running->tracestate != Py_None)
                parent->tracestate = PyUnicode_AsUTF8AndSize(running->tracestate, NULL);
            if (parent->tracestate == NULL)
                parent->tracestate = "";
            parent->held = Py_NewRef(task);
        }
    }
    Py_XDECREF(task);
    PyErr_Clear();
}

void core_parent_find(struct core_state *state, PyObject *context, struct core_parent *ret_parent) {
    if (context != NULL && context != Py_None && has_bridge(state)) {
        (void)core_identity_of(state, span_in(state, context), ret_parent);
        return;
    }
    PyObject *span = core_current_span(state);
    if (!core_identity_of(state, span, ret_parent) && span == NULL)
        task_parent(state, ret_parent);
    Py_XDECREF(span);
}

// Makes a span current in the API's context; the token, or NULL.
static PyObject *bridge_attach(struct core_state *state, PyObject *span) {
    const struct core_bridge *bridge = &state->telemetry.bridge;
    PyObject *now = PyObject_CallNoArgs(bridge->get_current);
    PyObject *context = now != NULL ? PyObject_CallFunctionObjArgs(bridge->context_type, now, NULL) : NULL;
    PyObject *token = NULL;
    if (context != NULL && PyDict_SetItem(context, bridge->span_key, span) == 0)
        token = PyObject_CallFunctionObjArgs(bridge->attach, context, NULL);
    if (token != NULL && core_is_span(state, span))
        ((span_object *)span)->is_bridged = true;
    Py_XDECREF(context);
    Py_XDECREF(now);
    PyErr_Clear();
    return token;
}

void core_attach_span(struct core_state *state, PyObject *span) {
    PyObject *token = span != NULL && has_bridge(state) ? bridge_attach(state, span) : NULL;
    Py_XDECREF(token);
}

PyObject *core_enter_task(PyObject *module, PyObject *task) {
    struct core_state *state = PyModule_GetState(module);
    PyObject *token = PyObject_CallFunctionObjArgs(state->telemetry.task_set, task, NULL);
    if (token != NULL && state->telemetry.mode == CORE_TELEMETRY_ON && has_bridge(state) &&
        Py_TYPE(task) == state->task_type) {
        PyObject *span = core_task_span((task_object *)task);
        core_attach_span(state, span);
        Py_XDECREF(span);
    }
    return token;
}

void core_enter_span(struct core_state *state, PyObject *span, struct core_entered *ret_entered) {
    struct core_telemetry *telemetry = &state->telemetry;
    *ret_entered = (struct core_entered){0};
    ret_entered->token = PyObject_CallFunctionObjArgs(telemetry->span_set, span, NULL);
    if (ret_entered->token ==
        NULL) { // the span may be current all the same, and nothing would ever take it away
        PyErr_Clear();
        Py_XDECREF(PyObject_CallFunctionObjArgs(telemetry->span_set, Py_None, NULL));
    }
    if (has_bridge(state))
        ret_entered->bridge_token = bridge_attach(state, span);
    PyErr_Clear();
}

// A token that found no memory is spent all the same: what it would have brought back is set again.
static void give_back(struct core_state *state, PyObject *token) {
    struct core_telemetry *telemetry = &state->telemetry;
    PyObject *result = PyObject_CallFunctionObjArgs(telemetry->span_reset, token, NULL);
    if (result == NULL && PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        PyObject *old = PyObject_GetAttrString(token, "old_value");
        result =
            PyObject_CallFunctionObjArgs(telemetry->span_set, core_is_span(state, old) ? old : Py_None, NULL);
        Py_XDECREF(old);
    }
    Py_XDECREF(result);
    // A generator that is closed in another context than it was entered in cannot give its token back: nothing to undo.
    PyErr_Clear();
}

void core_leave_span(struct core_state *state, struct core_entered *entered) {
    struct core_telemetry *telemetry = &state->telemetry;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *result = NULL;
    if (entered->bridge_token != NULL && telemetry->bridge.detach != NULL)
        result = PyObject_CallFunctionObjArgs(telemetry->bridge.detach, entered->bridge_token, NULL);
    Py_XDECREF(result);
    PyErr_Clear();
    if (entered->token != NULL)
        give_back(state, entered->token);
    Py_CLEAR(entered->token);
    Py_CLEAR(entered->bridge_token);
    PyErr_Restore(type, value, traceback);
}
