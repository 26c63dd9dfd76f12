// SPDX-License-Identifier: Apache-2.0
// Telemetry for Python: spans, measurements and log records of the native SDK as objects. Which span is current is kept in
// a ContextVar, so that it follows coroutines; where the OpenTelemetry API is loaded, its own context is kept in step.
//
// Nothing here raises for what a user hands in as attributes or values: what cannot be recorded is left out.
#ifndef FQ_PYTHON_TELEMETRY_H
#define FQ_PYTHON_TELEMETRY_H

#include "core.h"
#include "otel/logs.h"
#include "otel/metrics.h"
#include "otel/sdk.h"
#include "otel/trace.h"

// A span as Python code holds it.
typedef struct span_object {
    PyObject_HEAD otel_span *span; // one reference; NULL once ended
    struct otel_span_context context;
    PyObject *name;       // str
    PyObject *tracestate; // str, NULL = none
    PyObject *mirror;     // what span processors written in Python are told in the end; NULL = there are none
    unsigned generation;  // of the SDK that `span` belongs to
    int64_t started_ns;   // monotonic; of submits only
    bool is_bridged;      // was made current in the OpenTelemetry API's context, too
} span_object;

// Where a new span hangs.
struct core_parent {
    bool is_valid;
    struct otel_span_context context;
    const char *tracestate; // "" if none; as long as `held`
    PyObject *held;         // NULL or an object to be released
};

/** True when telemetry is on; the first call of a process finds out. Cheap. */
bool core_telemetry_on(struct core_state *state);
/** The SDK of a runner takes the place of one of our own. NULL: telemetry is off in this runner, or ends with it. */
void core_telemetry_adopt(struct core_state *state, otel_sdk *sdk);
/** enter_task(task): makes a task, and the span of its attempt, current in the context that calls. */
PyObject *core_enter_task(PyObject *module, PyObject *task);
int core_telemetry_add(PyObject *module, struct core_state *state);
int core_telemetry_traverse(struct core_state *state, visitproc visit, void *arg);
void core_telemetry_clear(struct core_state *state);
/** In a child that user code forked: what it records from now on is its own affair. */
void core_telemetry_forked(struct core_state *state);

/** What is current here; true with a new reference (ours or a foreign span) or with NULL for none. */
PyObject *core_current_span(struct core_state *state);
/** The parent for a new span: of `context` (an OpenTelemetry Context) if given, else what is current. */
void core_parent_find(struct core_state *state, PyObject *context, struct core_parent *ret_parent);
void core_parent_done(struct core_parent *parent);
/** The identity of any object with get_span_context(), or that is a span context. False if it has none. */
bool core_identity_of(struct core_state *state, PyObject *object, struct core_parent *ret_identity);

// What to undo when a span ceases to be current.
struct core_entered {
    PyObject *token, *bridge_token;
};
/** Makes a span current in the context that calls. */
void core_enter_span(struct core_state *state, PyObject *span, struct core_entered *ret_entered);
void core_leave_span(struct core_state *state, struct core_entered *entered);

/** As above in the OpenTelemetry API's context only, if that is loaded, for good. */
void core_attach_span(struct core_state *state, PyObject *span);

/** True when spans of FastQueue's own go through a provider that the program has set with the OpenTelemetry API. */
bool core_is_delegated(struct core_state *state);

// Attributes on their way to the SDK; they borrow from the Python objects.
struct core_attributes {
    const struct otel_attribute *items;
    size_t count;
    struct otel_attribute *room;
    size_t capacity;
    PyObject *kept; // list of what is borrowed from and would go away otherwise
    struct core_chunk *chunks;
    struct otel_attribute few[16];
};
/** Of a mapping; None or NULL is empty. Always to be followed by done. */
void core_attributes_of(struct core_state *state, PyObject *mapping, struct core_attributes *ret_attributes);
/** One more; `value` is a Python object, `key` lives long enough. */
void core_attributes_push(struct core_attributes *attributes, struct otel_attribute attribute);
/** A single value. */
struct otel_value core_attribute_value(struct core_state *state, struct core_attributes *attributes,
                                       PyObject *value);
void core_attributes_done(struct core_attributes *attributes);
/** UTF-8 of a str, also of one with lone surrogates; kept by `attributes`. */
const char *core_attribute_text(struct core_attributes *attributes, PyObject *text, size_t *ret_len);

// All that a span can start with.
struct core_span_start {
    otel_tracer *tracer;
    PyObject *name;       // str
    PyObject *scope;      // (name, version, …) of its tracer, NULL = FastQueue's own
    PyObject *context;    // OpenTelemetry Context or NULL = what is current
    PyObject *attributes; // mapping or NULL
    PyObject *links;      // iterable of OpenTelemetry Links or NULL
    enum otel_span_kind kind;
    int64_t start_unix_ns;             // 0 = now
    const struct otel_attribute *more; // of ours
    size_t more_count;
};
/** A started span; NULL with an exception only when out of memory. */
span_object *core_span_start(struct core_state *state, const struct core_span_start *start);
/** A view of a span that belongs to somebody else: takes a reference of its own. `span` NULL: of one that has ended, of
 *  which only `context` is left. */
span_object *core_span_wrap(struct core_state *state, otel_span *span, const char *name,
                            const struct otel_span_context *context);
/** The SDK's span while it can still be changed, else NULL. */
otel_span *core_span_live(span_object *self);
/** exception.* event and, with `set_status`, ERROR and error.type; for whatever was raised. */
void core_span_fail(struct core_state *state, span_object *self, PyObject *exception, bool record,
                    bool set_status);
void core_span_end(struct core_state *state, span_object *self, int64_t end_unix_ns);
bool core_is_span(struct core_state *state, PyObject *object);
/** traceparent of a span context, new str. */
PyObject *core_traceparent(const struct otel_span_context *context);

int core_span_add(PyObject *module, struct core_state *state);
int core_operation_add(PyObject *module, struct core_state *state);
int core_meter_add(PyObject *module, struct core_state *state);
int core_submit_span_add(PyObject *module, struct core_state *state);
int core_logger_add(PyObject *module, struct core_state *state);

#endif
