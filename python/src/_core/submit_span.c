// SPDX-License-Identifier: Apache-2.0
// client.submit_task: the span of one submit, from the call to the control plane's answer, and the measurements that
// belong to it.
#include "telemetry.h"
#include "telemetry/names.h"

#include <time.h>

static int64_t monotonic_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// The attributes as a dict, for a provider of the program's own.
static PyObject *start_with_provider(const struct otel_attribute *attributes, size_t count) {
    PyObject *mapping = PyDict_New();
    for (size_t i = 0; mapping != NULL && i < count; i++) {
        const struct otel_value *value = &attributes[i].value;
        PyObject *item = value->type == OTEL_VALUE_INT ? PyLong_FromLongLong(value->as.integer)
                                                       : core_text(value->as.text.data, value->as.text.len);
        if (item == NULL || PyDict_SetItemString(mapping, attributes[i].key, item) < 0)
            Py_CLEAR(mapping);
        Py_XDECREF(item);
    }
    PyObject *bridge = mapping != NULL ? PyImport_ImportModule("fastqueue.telemetry.bridge") : NULL;
    PyObject *span = bridge != NULL ? PyObject_CallMethod(bridge, "start_span", "sOi", FQ_SPAN_SUBMIT,
                                                          mapping, (int)OTEL_SPAN_PRODUCER - 1)
                                    : NULL;
    Py_XDECREF(bridge);
    Py_XDECREF(mapping);
    return span;
}

// start_submit(task_name, priority, host, port) -> Span, or None when telemetry is off
static PyObject *start_submit(PyObject *module, PyObject *args) {
    struct core_state *state = PyModule_GetState(module);
    const char *task, *priority, *host;
    int port;
    if (!PyArg_ParseTuple(args, "sssi:start_submit", &task, &priority, &host, &port))
        return NULL;
    if (!core_telemetry_on(state))
        Py_RETURN_NONE;
    struct otel_attribute more[] = {
        otel_text(FQ_ATTR_TASK_NAME, task),
        otel_text(FQ_ATTR_TASK_PRIORITY, priority),
        otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM),
        otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_SUBMIT),
        otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_SEND),
        otel_text(FQ_ATTR_DESTINATION, task),
        otel_text(FQ_ATTR_SERVER_ADDRESS, host),
        otel_int(FQ_ATTR_SERVER_PORT, port),
    };
    size_t count = sizeof more / sizeof *more - (size_t)(port == 0); // a socket of the file system has none
    if (core_is_delegated(state))
        return start_with_provider(more, count);
    PyObject *name = PyUnicode_FromString(FQ_SPAN_SUBMIT);
    if (name == NULL)
        return NULL;
    struct core_span_start start = {.tracer = state->telemetry.tracer,
                                    .name = name,
                                    .kind = OTEL_SPAN_PRODUCER,
                                    .more = more,
                                    .more_count = count};
    span_object *span = core_span_start(state, &start);
    if (span != NULL)
        span->started_ns = monotonic_ns();
    Py_DECREF(name);
    return (PyObject *)span;
}

static void measure(struct core_state *state, const span_object *span, const char *task, const char *host,
                    int port, const char *error_type) {
    struct core_telemetry *telemetry = &state->telemetry;
    static const double seconds[] = FQ_MESSAGING_BOUNDS_S;
    if (telemetry->sent == NULL && telemetry->meter != NULL) {
        struct otel_instrument_options options = {.kind = OTEL_COUNTER,
                                                  .name = FQ_METRIC_SENT,
                                                  .unit = "{message}",
                                                  .description = "Tasks that were submitted",
                                                  .integer = true};
        telemetry->sent = otel_instrument_new(telemetry->meter, &options);
        telemetry->duration = otel_histogram(telemetry->meter, FQ_METRIC_OPERATION, "s",
                                             "Duration of submits until they were acknowledged", seconds,
                                             sizeof seconds / sizeof *seconds);
    }
    struct otel_attribute attributes[] = {
        otel_text(FQ_ATTR_SYSTEM, FQ_SYSTEM),
        otel_text(FQ_ATTR_OPERATION, FQ_OPERATION_SUBMIT),
        otel_text(FQ_ATTR_OPERATION_TYPE, FQ_OPERATION_TYPE_SEND),
        otel_text(FQ_ATTR_DESTINATION, task),
        otel_text(FQ_ATTR_SERVER_ADDRESS, host),
        otel_int(FQ_ATTR_SERVER_PORT, port),
        otel_text(FQ_ATTR_ERROR_TYPE, error_type),
    };
    size_t count = sizeof attributes / sizeof *attributes;
    if (port == 0) // a socket of the file system has none
        attributes[5] = attributes[6];
    count -= (size_t)(port == 0) + (size_t)(error_type == NULL);
    const struct otel_span_context *exemplar =
        (span->context.flags & OTEL_FLAG_SAMPLED) != 0 ? &span->context : NULL;
    otel_measure(telemetry->sent, 1, attributes, count, exemplar);
    otel_measure(telemetry->duration, (double)(monotonic_ns() - span->started_ns) / 1e9, attributes, count,
                 exemplar);
}

// finish_submit(span, task_name, host, port, task_id or None, exception or None, error_type or None)
static PyObject *finish_submit(PyObject *module, PyObject *args) {
    struct core_state *state = PyModule_GetState(module);
    PyObject *object, *exception;
    const char *task, *host, *task_id, *error_type;
    int port;
    if (!PyArg_ParseTuple(args, "OssizOz:finish_submit", &object, &task, &host, &port, &task_id, &exception,
                          &error_type))
        return NULL;
    if (!core_is_span(state, object)) {
        PyObject *bridge = PyImport_ImportModule("fastqueue.telemetry.bridge");
        PyObject *ids = task_id != NULL
                            ? Py_BuildValue("{ssss}", FQ_ATTR_TASK_ID, task_id, FQ_ATTR_MESSAGE_ID, task_id)
                            : PyDict_New();
        PyObject *done =
            bridge != NULL && ids != NULL
                ? PyObject_CallMethod(bridge, "finish_submit", "OOOz", object, ids, exception, error_type)
                : NULL;
        Py_XDECREF(ids);
        Py_XDECREF(bridge);
        return done;
    }
    span_object *span = (span_object *)object;
    if (core_span_live(span) == NULL)
        Py_RETURN_NONE;
    if (task_id != NULL) {
        const struct otel_attribute ids[] = {otel_text(FQ_ATTR_TASK_ID, task_id),
                                             otel_text(FQ_ATTR_MESSAGE_ID, task_id)};
        otel_span_set_attributes(span->span, ids, 2);
    }
    if (exception != Py_None) {
        core_span_fail(state, span, exception, true, true);
        if (error_type != NULL)
            otel_span_set_attribute(span->span, otel_text(FQ_ATTR_ERROR_TYPE, error_type));
    }
    measure(state, span, task, host, port, error_type);
    core_span_end(state, span, 0);
    Py_RETURN_NONE;
}

static PyMethodDef submit_functions[] = {
    {"start_submit",  start_submit,  METH_VARARGS, "start_submit(task_name, priority, host, port)"},
    {"finish_submit", finish_submit, METH_VARARGS, "finish_submit(span, …)"                     },
    {NULL,            NULL,          0,            NULL                                           },
};

int core_submit_span_add(PyObject *module, struct core_state *state) {
    (void)state;
    return PyModule_AddFunctions(module, submit_functions);
}
