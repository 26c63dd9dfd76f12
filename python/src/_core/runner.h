// SPDX-License-Identifier: Apache-2.0
// The objects of a Python runner: the runner itself, and a task that it runs.
#ifndef FQ_PYTHON_RUNNER_H
#define FQ_PYTHON_RUNNER_H

#include "core.h"
#include "worker/runner.h"

typedef struct runner_object {
    PyObject_HEAD fq_runner *runner; // NULL once closed
    struct core_state *state;
    PyObject *functions;        // list of (name, function, is coroutine function), by name index
    PyObject *copy_context;     // () -> a fresh context for one task
    PyObject *set_current;      // (task) -> makes it current_task() in the context that calls
    PyObject *scan_json;        // (text, index) -> (value, end)
    PyObject *decode;           // (bytes, encoding) -> (args, kwargs): every payload that is no plain JSON
    PyObject *encode;           // (value, encoding) -> bytes: results of such payloads
    PyObject *describe;         // (exception) -> (type, message, stack, no_retry)
    PyObject *start;            // (task, function, args, kwargs): begins a coroutine
    PyObject *leave_child;      // (exception or None): ends a process that user code forked; does not return
    struct core_bytes out;      // the result being encoded
    struct fq_runner_task held; // taken from the queue, not begun
    bool has_held;
    bool in_sync_task; // user code runs on this thread now, for …
    uint32_t sync_slot;
    uint32_t coroutines, coroutines_max;
    bool forked;
} runner_object;

typedef struct task_object {
    PyObject_HEAD PyObject *runner; // the runner_object
    PyObject *name, *priority, *encoding, *traceparent, *tracestate, *baggage;
    char id[37];
    uint64_t token;
    int64_t timeout_ms, submitted_ms, eligible_ms;
    uint32_t slot, attempt;
    bool finished;
    PyObject *span;                   // of this attempt as Python code sees it; NULL until it is asked for
    struct otel_span_context context; // of the same; zero when telemetry is off
} task_object;

/** A task as its function sees it; takes over nothing. `name` is a new reference's owner's. */
task_object *core_task_new(runner_object *runner, const struct fq_runner_task *task, PyObject *name);

/** New reference: the span of the attempt, NULL (no exception) if there is none. */
PyObject *core_task_span(task_object *task);

/** The function of a payload: (args, kwargs), both new; -1 with the exception that becomes the task's failure. */
int runner_arguments(runner_object *self, const struct fq_runner_task *task, PyObject **ret_args,
                     PyObject **ret_kwargs);
/** Reports `value` as the task's result, or the failure to encode it. */
int runner_finish_value(runner_object *self, task_object *task, PyObject *value);
/** Reports the exception that is set as the task's failure, and clears it. */
int runner_finish_exception(runner_object *self, task_object *task);

/** New Steps: a coroutine that says on the board, while it runs, that the task's slot is on the processor. */
PyObject *core_steps_new(runner_object *runner, task_object *task, PyObject *coroutine);

/** Begins the task: runs a function to its end, starts a coroutine. 0, or -1 with an exception of the runner itself. */
int runner_execute(runner_object *self, const struct fq_runner_task *task);
/** Whether `task` is served by a coroutine function; false too for names nobody has. */
bool runner_is_coroutine(runner_object *self, const struct fq_runner_task *task);

#endif
