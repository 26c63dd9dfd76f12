// SPDX-License-Identifier: Apache-2.0
// Whether telemetry is on, and the SDK behind it: opened by the first use that finds it switched on, flushed at exit, let
// go of in children of a runner.
#include "telemetry.h"
#include "diagnostics.h"
#include "fastqueue/version.h"
#include "telemetry/names.h"
#include "telemetry/telemetry.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

// The names that the first releases of this interface used are still good for its own variables.
static const char *variable(void *context, const char *name) {
    (void)context;
    static const char ours[] = "FASTQUEUE_", older[] = "FASTWORKER_";
    const char *text = getenv(name);
    if ((text != NULL && *text != '\0') || strncmp(name, ours, sizeof ours - 1) != 0)
        return text;
    char alias[128];
    if (strlen(name) >= sizeof alias - sizeof older)
        return text;
    snprintf(alias, sizeof alias, "%s%s", older, name + sizeof ours - 1);
    return getenv(alias);
}

// New reference, or NULL with the exception cleared.
static PyObject *call_lifecycle(const char *function) {
    PyObject *module = PyImport_ImportModule("fastqueue.telemetry.lifecycle");
    PyObject *result = module != NULL ? PyObject_CallMethod(module, function, NULL) : NULL;
    if (result == NULL)
        PyErr_WriteUnraisable(NULL);
    Py_XDECREF(module);
    return result;
}

static void read_pipeline(struct core_telemetry *telemetry) {
    const char *text = variable(NULL, "FASTQUEUE_TELEMETRY_PIPELINE");
    telemetry->is_native = text != NULL && strcasecmp(text, "native") == 0;
    if (text != NULL && *text != '\0' && !telemetry->is_native && strcasecmp(text, "python") != 0) {
        fq_log log = core_diagnostics_log(telemetry->diagnostics);
        fq_log_write(&log, FQ_LOG_WARNING,
                     "FASTQUEUE_TELEMETRY_PIPELINE=%s is neither python nor native: taken as python", text);
    }
}

static void take_sdk(struct core_telemetry *telemetry, otel_sdk *sdk, bool is_borrowed) {
    telemetry->sdk = sdk;
    telemetry->is_borrowed = is_borrowed;
    telemetry->generation++;
    telemetry->tracer = otel_sdk_tracer(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    telemetry->meter = otel_sdk_meter(sdk, FQ_TELEMETRY_SCOPE, FQ_VERSION);
    telemetry->sent = telemetry->duration = NULL;
    read_pipeline(telemetry);
    // Log records of a program that never asked for them stay where they are.
    const char *logs = getenv("OTEL_LOGS_EXPORTER");
    telemetry->takes_logs = logs != NULL && *logs != '\0' && strcasecmp(logs, "none") != 0 &&
                            otel_sdk_logger_provider(sdk) != NULL;
    telemetry->mode = sdk != NULL ? CORE_TELEMETRY_ON : CORE_TELEMETRY_OFF;
}

static void find_out(struct core_state *state) {
    struct core_telemetry *telemetry = &state->telemetry;
    if (telemetry->is_starting)
        return; // what starts it imports, and that may come back here
    telemetry->is_starting = true;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    struct fq_telemetry_settings settings;
    fq_telemetry_settings_read(&settings, variable, NULL, NULL);
    otel_sdk *sdk = NULL;
    if (settings.enabled) {
        if (telemetry->diagnostics == NULL)
            telemetry->diagnostics = core_diagnostics_new();
        fq_log log = core_diagnostics_log(telemetry->diagnostics);
        fq_telemetry_settings_read(&settings, variable, NULL, &log);
        telemetry->exit_timeout_ms = settings.exit_timeout_ms;
        struct fq_telemetry_options options = {.variable = variable,
                                               .log = core_diagnostics_lasting_log(telemetry->diagnostics)};
        sdk = fq_telemetry_open(&settings, &options);
    }
    take_sdk(telemetry, sdk, false);
    if (sdk != NULL)
        Py_XDECREF(call_lifecycle("started"));
    telemetry->is_starting = false;
    PyErr_Restore(type, value, traceback);
}

bool core_telemetry_on(struct core_state *state) {
    if (state->telemetry.mode == CORE_TELEMETRY_UNKNOWN)
        find_out(state);
    return state->telemetry.mode == CORE_TELEMETRY_ON;
}

void core_telemetry_adopt(struct core_state *state, otel_sdk *sdk) {
    if (sdk == NULL)
        state->telemetry.dead = state->telemetry.generation;
    take_sdk(&state->telemetry, sdk, true);
}

void core_telemetry_forked(struct core_state *state) {
    struct core_telemetry *telemetry = &state->telemetry;
    core_diagnostics_forked(telemetry->diagnostics);
    __atomic_store_n(&telemetry->observing, 0, __ATOMIC_SEQ_CST); // the threads they ran on are the parent's
    if (!telemetry->is_borrowed)
        return; // the SDK has seen the fork itself
    // A runner's spans go through its supervisor's memory, which is none of the child's business.
    take_sdk(telemetry, NULL, false);
    telemetry->mode = CORE_TELEMETRY_UNKNOWN;
}

// telemetry_start() -> bool: what was off is looked at again, for programs that set variables late.
static PyObject *telemetry_start(PyObject *module, PyObject *unused) {
    (void)unused;
    struct core_state *state = PyModule_GetState(module);
    if (state->telemetry.mode == CORE_TELEMETRY_OFF && !state->telemetry.is_borrowed)
        state->telemetry.mode = CORE_TELEMETRY_UNKNOWN;
    return PyBool_FromLong(core_telemetry_on(state));
}

static PyObject *telemetry_is_on(PyObject *module, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(core_telemetry_on(PyModule_GetState(module)));
}

static int64_t milliseconds(const struct core_telemetry *telemetry, PyObject *seconds) {
    double limit = seconds != Py_None ? PyFloat_AsDouble(seconds) : (double)telemetry->exit_timeout_ms / 1e3;
    if (limit == -1.0 && PyErr_Occurred())
        return -1;
    return limit <= 0 ? 0 : limit > 1e6 ? 1000000000 : (int64_t)(limit * 1e3);
}

// telemetry_flush(seconds) -> bool
static PyObject *telemetry_flush(PyObject *module, PyObject *seconds) {
    struct core_telemetry *telemetry = &((struct core_state *)PyModule_GetState(module))->telemetry;
    int64_t timeout_ms = milliseconds(telemetry, seconds);
    if (timeout_ms < 0)
        return NULL;
    otel_sdk *sdk = telemetry->sdk;
    int result = OTEL_OK;
    Py_BEGIN_ALLOW_THREADS;
    if (sdk != NULL)
        result = otel_sdk_flush(sdk, timeout_ms);
    Py_END_ALLOW_THREADS;
    return PyBool_FromLong(result == OTEL_OK);
}

// telemetry_shutdown(seconds, for_good=False) -> bool. The SDK stays in memory: spans and series of it may still be held by
// somebody.
static PyObject *telemetry_shutdown(PyObject *module, PyObject *args) {
    struct core_telemetry *telemetry = &((struct core_state *)PyModule_GetState(module))->telemetry;
    PyObject *seconds = Py_None;
    int for_good = 0;
    if (!PyArg_ParseTuple(args, "|Op:telemetry_shutdown", &seconds, &for_good))
        return NULL;
    int64_t timeout_ms = milliseconds(telemetry, seconds);
    if (timeout_ms < 0)
        return NULL;
    if (telemetry->is_borrowed) // the runner ends it
        Py_RETURN_TRUE;
    otel_sdk *sdk = telemetry->sdk;
    take_sdk(telemetry, NULL, false);
    telemetry->mode = for_good ? CORE_TELEMETRY_OFF : CORE_TELEMETRY_UNKNOWN;
    int result = OTEL_OK;
    Py_BEGIN_ALLOW_THREADS;
    if (sdk != NULL)
        result = otel_sdk_shutdown(sdk, timeout_ms);
    Py_END_ALLOW_THREADS;
    return PyBool_FromLong(result == OTEL_OK);
}

// telemetry_state() -> (is on, is a runner's, is native): without starting anything.
static PyObject *telemetry_state(PyObject *module, PyObject *unused) {
    (void)unused;
    const struct core_telemetry *telemetry = &((struct core_state *)PyModule_GetState(module))->telemetry;
    return Py_BuildValue("(OOO)", telemetry->mode == CORE_TELEMETRY_ON ? Py_True : Py_False,
                         telemetry->is_borrowed ? Py_True : Py_False,
                         telemetry->is_native ? Py_True : Py_False);
}

// telemetry_stats() -> {signal: {created, exported, …}}
static PyObject *telemetry_stats(PyObject *module, PyObject *unused) {
    (void)unused;
    static const char *const names[] = {"traces", "metrics", "logs"};
    const struct core_telemetry *telemetry = &((struct core_state *)PyModule_GetState(module))->telemetry;
    PyObject *stats = PyDict_New();
    for (int signal = 0; stats != NULL && telemetry->sdk != NULL && signal < OTEL_SIGNAL_COUNT; signal++) {
        struct otel_signal_stats row = {0};
        otel_sdk_stats(telemetry->sdk, (enum otel_signal)signal, &row);
        PyObject *item = Py_BuildValue("{sKsKsKsKsKsKsKsKss}", "created", (unsigned long long)row.created,
                                       "exported", (unsigned long long)row.exported, "dropped_queue_full",
                                       (unsigned long long)row.dropped_queue_full, "dropped_failed",
                                       (unsigned long long)row.dropped_failed, "dropped_rejected",
                                       (unsigned long long)row.dropped_rejected, "queue_len",
                                       (unsigned long long)row.queue_len, "exports",
                                       (unsigned long long)row.exports, "export_failures",
                                       (unsigned long long)row.export_failures, "last_error", row.last_error);
        if (item == NULL || PyDict_SetItemString(stats, names[signal], item) < 0)
            Py_CLEAR(stats);
        Py_XDECREF(item);
    }
    return stats;
}

// telemetry_processors(bool): whether spans are told to processors written in Python.
static PyObject *telemetry_processors(PyObject *module, PyObject *flag) {
    struct core_state *state = PyModule_GetState(module);
    state->telemetry.has_processors = PyObject_IsTrue(flag) == 1;
    Py_RETURN_NONE;
}

static PyObject *telemetry_forked(PyObject *module, PyObject *unused) {
    (void)unused;
    core_telemetry_forked(PyModule_GetState(module));
    Py_RETURN_NONE;
}

static PyObject *telemetry_delegated(PyObject *module, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(core_is_delegated(PyModule_GetState(module)));
}

static PyObject *current_span(PyObject *module, PyObject *unused) {
    (void)unused;
    PyObject *span = core_current_span(PyModule_GetState(module));
    return span != NULL ? span : Py_NewRef(Py_None);
}

// The API has been loaded inside of a span of ours.
static PyObject *attach_current(PyObject *module, PyObject *unused) {
    (void)unused;
    struct core_state *state = PyModule_GetState(module);
    PyObject *span = core_current_span(state);
    if (core_is_span(state, span) && !((span_object *)span)->is_bridged)
        core_attach_span(state, span);
    Py_XDECREF(span);
    Py_RETURN_NONE;
}

static PyObject *identity_row(struct core_parent *identity) {
    PyObject *row;
    if (!identity->is_valid) {
        row = Py_BuildValue("(OO)", Py_None, Py_None);
    } else {
        PyObject *traceparent = core_traceparent(&identity->context);
        const char *tracestate = *identity->tracestate != '\0' ? identity->tracestate : NULL;
        row = traceparent != NULL ? Py_BuildValue("(Nz)", traceparent, tracestate) : NULL;
    }
    core_parent_done(identity);
    return row;
}

// current_trace() -> (traceparent, tracestate), each None if there is none
static PyObject *current_trace(PyObject *module, PyObject *unused) {
    (void)unused;
    struct core_parent parent;
    core_parent_find(PyModule_GetState(module), NULL, &parent);
    return identity_row(&parent);
}

// trace_of(span) -> (traceparent, tracestate): of a span of ours or of the API
static PyObject *trace_of(PyObject *module, PyObject *span) {
    struct core_parent identity;
    (void)core_identity_of(PyModule_GetState(module), span, &identity);
    return identity_row(&identity);
}

static PyMethodDef telemetry_functions[] = {
    {"telemetry_start",      telemetry_start,      METH_NOARGS,  "Whether telemetry is on; looks again."        },
    {"telemetry_is_on",      telemetry_is_on,      METH_NOARGS,  "Whether telemetry is on."                     },
    {"telemetry_flush",      telemetry_flush,      METH_O,       "telemetry_flush(seconds)"                     },
    {"telemetry_shutdown",   telemetry_shutdown,   METH_VARARGS, "telemetry_shutdown(seconds, for_good)"        },
    {"telemetry_state",      telemetry_state,      METH_NOARGS,  "(is on, is a runner's, is native)"            },
    {"telemetry_stats",      telemetry_stats,      METH_NOARGS,  "What became of spans, metrics and logs."      },
    {"telemetry_processors", telemetry_processors, METH_O,       "Whether processors in Python listen."         },
    {"telemetry_forked",     telemetry_forked,     METH_NOARGS,  "This process is a forked child."              },
    {"telemetry_delegated",  telemetry_delegated,  METH_NOARGS,  "Whether the program's provider is in charge." },
    {"enter_task",           core_enter_task,      METH_O,       "Makes a task current."                        },
    {"attach_current",       attach_current,       METH_NOARGS,  "Into the API's context, which is new."        },
    {"current_span",         current_span,         METH_NOARGS,  "The current span, ours or the API's."         },
    {"current_trace",        current_trace,        METH_NOARGS,  "(traceparent, tracestate) of what is current."},
    {"trace_of",             trace_of,             METH_O,       "(traceparent, tracestate) of a span."         },
    {NULL,                   NULL,                 0,            NULL                                           },
};

// A new ContextVar with its bound methods (ret_reset NULL = not wanted), or NULL with an exception.
static PyObject *context_var(const char *name, PyObject **ret_get, PyObject **ret_set, PyObject **ret_reset) {
    PyObject *contextvars = PyImport_ImportModule("contextvars");
    PyObject *type = contextvars != NULL ? PyObject_GetAttrString(contextvars, "ContextVar") : NULL;
    PyObject *args = type != NULL ? Py_BuildValue("(s)", name) : NULL;
    PyObject *kwargs = args != NULL ? Py_BuildValue("{sO}", "default", Py_None) : NULL;
    PyObject *variable_object = kwargs != NULL ? PyObject_Call(type, args, kwargs) : NULL;
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(type);
    Py_XDECREF(contextvars);
    if (variable_object == NULL)
        return NULL;
    if ((*ret_get = PyObject_GetAttrString(variable_object, "get")) == NULL ||
        (*ret_set = PyObject_GetAttrString(variable_object, "set")) == NULL ||
        (ret_reset != NULL && (*ret_reset = PyObject_GetAttrString(variable_object, "reset")) == NULL))
        Py_CLEAR(variable_object);
    return variable_object;
}

int core_telemetry_add(PyObject *module, struct core_state *state) {
    struct core_telemetry *telemetry = &state->telemetry;
    telemetry->exit_timeout_ms = 1000;
    telemetry->modules = Py_XNewRef(PySys_GetObject("modules"));
    if (telemetry->modules == NULL) { // whoever asks for it is not told why
        PyErr_NoMemory();
        return -1;
    }
    telemetry->api_name = PyUnicode_InternFromString("opentelemetry.trace");
    PyObject *span = telemetry->api_name != NULL ? context_var("fastqueue_current_span", &telemetry->span_get,
                                                               &telemetry->span_set, &telemetry->span_reset)
                                                 : NULL;
    PyObject *task =
        span != NULL ? context_var("fastqueue_current_task", &telemetry->task_get, &telemetry->task_set, NULL)
                     : NULL;
    bool is_ok = task != NULL && PyModule_AddObjectRef(module, "current_task", task) == 0;
    Py_XDECREF(span);
    Py_XDECREF(task);
    if (!is_ok || core_span_add(module, state) < 0 || core_operation_add(module, state) < 0 ||
        core_meter_add(module, state) < 0 || core_submit_span_add(module, state) < 0 ||
        core_logger_add(module, state) < 0)
        return -1;
    return PyModule_AddFunctions(module, telemetry_functions);
}

#define EACH_REFERENCE(telemetry, DO)                                                                        \
    DO((telemetry)->span_type);                                                                              \
    DO((telemetry)->operation_type);                                                                         \
    DO((telemetry)->tracer_type);                                                                            \
    DO((telemetry)->meter_type);                                                                             \
    DO((telemetry)->instrument_type);                                                                        \
    DO((telemetry)->logger_type);                                                                            \
    DO((telemetry)->span_get);                                                                               \
    DO((telemetry)->span_set);                                                                               \
    DO((telemetry)->span_reset);                                                                             \
    DO((telemetry)->task_get);                                                                               \
    DO((telemetry)->task_set);                                                                               \
    DO((telemetry)->modules);                                                                                \
    DO((telemetry)->api_name);                                                                               \
    DO((telemetry)->bridge.trace);                                                                           \
    DO((telemetry)->bridge.get_current);                                                                     \
    DO((telemetry)->bridge.attach);                                                                          \
    DO((telemetry)->bridge.detach);                                                                          \
    DO((telemetry)->bridge.context_type);                                                                    \
    DO((telemetry)->bridge.span_key);                                                                        \
    DO((telemetry)->bridge.provider);                                                                        \
    DO((telemetry)->bridge.start)

int core_telemetry_traverse(struct core_state *state, visitproc visit, void *arg) {
    EACH_REFERENCE(&state->telemetry, Py_VISIT);
    return 0;
}

void core_telemetry_clear(struct core_state *state) {
    EACH_REFERENCE(&state->telemetry, Py_CLEAR);
}
