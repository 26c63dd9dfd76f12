// SPDX-License-Identifier: Apache-2.0
// A task in the hands of its C function. Made by the C runner for each task, reused from one to the next.
#ifndef FQ_WORKER_TASK_STATE_H
#define FQ_WORKER_TASK_STATE_H

#include "fastqueue/task.h"
#include "otel/sdk.h"
#include "worker/runner.h"

#include <jansson.h>

enum { FQ_TASK_MESSAGE_MAX = 4096 };

struct fq_task {
    const fq_runner *runner; // NULL = nobody can wish for an end
    struct fq_runner_task given;
    json_t *payload;             // parsed when first asked for
    bool parsed;                 // even if it was no JSON
    const json_t *args, *kwargs; // of the payload; NULL = none
    bool has_outcome, failed, for_good;
    char *result; // owned; result_len bytes
    size_t result_len;
    char encoding[64];
    char error_type[128];
    char message[FQ_TASK_MESSAGE_MAX];
    size_t message_len;
    otel_context *context; // baggage, and the submitter's identity when there is no span of ours; NULL = none
    struct otel_scope outer, scope; // entered if there is a context, a span
    otel_span *span;                // the attempt's; NULL = telemetry is off
    otel_tracer *tracer;            // of the process; NULL = not asked for yet, or off
    otel_meter *meter;
    otel_logger *logger;
};

/** Prepares for the next task. */
void fq_task_begin(fq_task *task, const fq_runner *runner, const struct fq_runner_task *given);
/** What came of it, once the function has returned `returned`; borrows from the task. */
struct fq_runner_outcome fq_task_outcome(fq_task *task, int returned);
/** Makes the attempt's span and the task's baggage current for its function; with telemetry off the submitter's identity. */
void fq_task_enter(fq_task *task);
void fq_task_leave(fq_task *task);
/** Frees what the task holds; it can begin again. */
void fq_task_end(fq_task *task);

#endif
