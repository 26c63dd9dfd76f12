// SPDX-License-Identifier: Apache-2.0
// What the span of an attempt says, whoever ends it: the runner through the SDK, or the supervisor in its place.
#ifndef FQ_WORKER_EXECUTE_SPAN_H
#define FQ_WORKER_EXECUTE_SPAN_H

#include "otel/trace.h"
#include "telemetry/names.h"
#include "worker/board_span.h"
#include "worker/runner.h"

enum {
    FQ_EXECUTE_ATTRIBUTES_MAX = 20,
    // Of what a failed task says as much goes into its span; the result has the rest.
    FQ_EXECUTE_MESSAGE_MAX = 4 * 1024,
    FQ_EXECUTE_STACK_MAX = 16 * 1024,
};

// Constant for a worker.
struct fq_execute_place {
    const char *worker_id;
    const char *server_address; // "" = unknown
    int64_t server_port;        // 0 = none
};
struct fq_execute_task {
    const char *id; // 36 characters
    fq_str name;
    const char *priority;
    uint32_t attempt;
    int64_t delay_ms, wait_ms, transfer_ms; // -1 = unknown
};
/** Attributes known when the attempt begins; borrows. Returns their number. */
size_t fq_execute_attributes(const struct fq_execute_place *place, const struct fq_execute_task *task,
                             struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX]);

// How an attempt ended that did not succeed.
struct fq_execute_failure {
    fq_str type;            // the exception's
    fq_str message;         // cut to what a span takes, at a character
    fq_str stack;           // its end, likewise
    const char *error_type; // NULL: the exception's type
    const char *state;      // "failure", "timeout", "cancelled", "lost"
};
/** Of an outcome that is not ok. `wish`: what the supervisor had asked of the task. */
struct fq_execute_failure fq_execute_failure_of(const struct fq_runner_outcome *outcome,
                                                enum fq_runner_wish wish);

#endif
