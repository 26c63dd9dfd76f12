// SPDX-License-Identifier: Apache-2.0
// What the files of the extension share: the state of the module, its types, conversions between FastQueue and Python.
// Limited API of 3.11 only. Every function needs the GIL unless it says otherwise.
#ifndef FQ_PYTHON_CORE_H
#define FQ_PYTHON_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "base/str.h"
#include "fastqueue/session.h"

// CPython declares what it never writes to as char * and void *.
#define KEYWORDS(names)  ((char **)(uintptr_t)(names))
#define DOC(text)        ((void *)(uintptr_t)(text))
#define METHOD(function) ((PyCFunction)(void (*)(void))(function))

// Whether telemetry is on is found out when it is first asked for, so that a program can set variables after the import.
enum core_telemetry_mode { CORE_TELEMETRY_UNKNOWN, CORE_TELEMETRY_OFF, CORE_TELEMETRY_ON };

// The OpenTelemetry API, once a program has loaded it.
struct core_bridge {
    PyObject *trace;        // module opentelemetry.trace; NULL = not loaded
    PyObject *get_current;  // () -> Context
    PyObject *attach;       // (Context) -> token
    PyObject *detach;       // (token)
    PyObject *context_type; // Context
    PyObject *span_key;     // under which a Context holds its span
    PyObject *provider;     // ours
    PyObject *start;        // (name, attributes, kind) -> context manager of the program's own provider
};

struct core_telemetry {
    enum core_telemetry_mode mode;
    bool is_borrowed; // the SDK is the runner's
    bool is_native; // FASTQUEUE_TELEMETRY_PIPELINE=native: a provider of the program's does not get our spans
    bool has_processors;
    bool takes_logs; // OTEL_LOGS_EXPORTER is set: what passes a logger of Python's is sent
    struct otel_sdk *sdk;
    struct otel_tracer *tracer;
    struct otel_meter *meter;
    struct otel_instrument *sent, *duration; // messaging.client.*
    int64_t exit_timeout_ms;
    unsigned generation; // of the SDK: tracers and instruments look theirs up again when it has changed
    unsigned dead;       // generations up to this one: their SDK is freed
    struct core_diagnostics *diagnostics;
    PyTypeObject *span_type, *operation_type, *tracer_type, *meter_type, *instrument_type, *logger_type;
    PyObject *span_get, *span_set, *span_reset; // of the ContextVar of the current span
    PyObject *task_get, *task_set;              // of the ContextVar of the current task
    PyObject *modules, *api_name;               // sys.modules, "opentelemetry.trace"
    bool is_loading;                            // the bridge
    bool is_starting;
    int observing;   // callbacks of observable instruments at work
    bool is_forking; // none may begin
    struct core_bridge bridge;
};

// One per interpreter that imports the module.
struct core_state {
    PyTypeObject *session_type, *runner_type, *task_type, *steps_type;
    PyObject *error_factory; // callable(number, message) -> exception; NULL until fastqueue.errors has set it
    struct core_telemetry telemetry;
};

struct core_state *core_state_of_type(PyTypeObject *type);

/** Raises the Python exception for a negative FQ_E… number; `message` NULL or empty: the table's sentence. Returns NULL. */
PyObject *core_raise(struct core_state *state, int error, const char *message);

/** Makes a type of the module and adds it; 0 or -1 with an exception. */
int core_add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **ret_type);

/** Makes the types; 0 or -1 with an exception. */
int core_session_add(PyObject *module, struct core_state *state);
int core_runner_add(PyObject *module, struct core_state *state);
int core_task_add(PyObject *module, struct core_state *state);
int core_steps_add(PyObject *module, struct core_state *state);

/** New str; bytes that are not UTF-8 become a bytes object. */
PyObject *core_text(const char *ptr, size_t len);
/** A reply of the control plane as Python objects: None, str, bytes, int, float, bool, list, dict. */
PyObject *core_value(const struct fq_value *values, uint32_t at);
/** (type, tag, error, message, id, payload): what one event of a session means. */
PyObject *core_event(const struct fq_session_event *event);

// A growing byte buffer of plain memory.
struct core_bytes {
    char *ptr;
    size_t len, capacity;
};
/** 0, or -1 with MemoryError. */
int core_bytes_append(struct core_bytes *bytes, const void *data, size_t len);
void core_bytes_free(struct core_bytes *bytes);

/** Appends `value` as JSON. Only what JSON can hold: None, bool, int, finite float, str, list, tuple and dict with str
 *  keys, and their subclasses. 0, or -1 with EncodingError (or what a subclass raised) and `bytes` cut to what it was. */
int core_json_write(struct core_state *state, struct core_bytes *bytes, PyObject *value);
/** json_encode(value) -> bytes */
PyObject *core_json_encode(PyObject *module, PyObject *value);

#endif
