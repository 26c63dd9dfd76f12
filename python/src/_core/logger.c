// SPDX-License-Identifier: Apache-2.0
// Log records of Python's logging, with the span and the task in which they were written.
#include "runner.h"
#include "telemetry.h"
#include "telemetry/names.h"

// log_enabled() -> bool: records of Python's logging are to be sent
static PyObject *log_enabled(PyObject *module, PyObject *unused) {
    (void)unused;
    struct core_state *state = PyModule_GetState(module);
    return PyBool_FromLong(core_telemetry_on(state) &&
                           otel_sdk_logger_provider(state->telemetry.sdk) != NULL);
}

static void push_task(struct core_state *state, struct core_attributes *attributes, PyObject *task) {
    if (Py_TYPE(task) != state->task_type)
        return;
    const task_object *running = (task_object *)task;
    core_attributes_push(attributes, otel_text(FQ_ATTR_TASK_ID, running->id));
    core_attributes_push(attributes, otel_int(FQ_ATTR_ATTEMPT, running->attempt));
    size_t len;
    const char *name = core_attribute_text(attributes, running->name, &len);
    if (name != NULL)
        core_attributes_push(attributes, otel_text_len(FQ_ATTR_TASK_NAME, name, len));
}

// log_emit(scope, severity, severity_text, body, attributes, unix_ns, event_name=None, context=None)
static PyObject *log_emit(PyObject *module, PyObject *args) {
    struct core_state *state = PyModule_GetState(module);
    PyObject *scope, *body, *mapping, *context = Py_None;
    const char *severity_text, *event_name = NULL;
    int severity;
    long long unix_ns;
    if (!PyArg_ParseTuple(args, "UizOOL|zO:log_emit", &scope, &severity, &severity_text, &body, &mapping,
                          &unix_ns, &event_name, &context))
        return NULL;
    if (!core_telemetry_on(state))
        Py_RETURN_NONE;
    struct core_attributes attributes;
    struct core_parent current;
    core_attributes_of(state, mapping, &attributes);
    core_parent_find(state, context, &current);
    PyObject *task = PyObject_CallNoArgs(state->telemetry.task_get);
    if (task != NULL)
        push_task(state, &attributes, task);
    PyErr_Clear();
    size_t len;
    const char *name = core_attribute_text(&attributes, scope, &len);
    struct otel_log_record record = {
        .unix_ns = unix_ns,
        .severity = severity,
        .severity_text = severity_text,
        .body = core_attribute_value(state, &attributes, body),
        .event_name = event_name,
        .attributes = attributes.items,
        .attribute_count = attributes.count,
        .span = current.is_valid ? &current.context : NULL,
        .no_span = !current.is_valid,
    };
    otel_log_emit(otel_sdk_logger(state->telemetry.sdk, name != NULL ? name : "", NULL), &record);
    Py_XDECREF(task);
    core_parent_done(&current);
    core_attributes_done(&attributes);
    PyErr_Clear(); // what could not be had is missing from the record, and no fault of the program's
    Py_RETURN_NONE;
}

static PyMethodDef logger_functions[] = {
    {"log_enabled", log_enabled, METH_NOARGS,  "Whether logging is sent."                                       },
    {"log_emit",    log_emit,    METH_VARARGS, "log_emit(scope, severity, text, body, attributes, unix_ns, …)"},
    {NULL,          NULL,        0,            NULL                                                             },
};

int core_logger_add(PyObject *module, struct core_state *state) {
    (void)state;
    return PyModule_AddFunctions(module, logger_functions);
}
