// SPDX-License-Identifier: Apache-2.0
// What the span of an attempt says, whoever ends it: the runner through the SDK, or the supervisor in its place.
#ifndef FQ_WORKER_EXECUTE_SPAN_H
#define FQ_WORKER_EXECUTE_SPAN_H

#include "otel/trace.h"
#include "telemetry/execute.h"
#include "telemetry/names.h"
#include "worker/board_span.h"
#include "worker/runner.h"

enum {
    // Of what a failed task says as much goes into its span; the result has the rest.
    FQ_EXECUTE_MESSAGE_MAX = 4 * 1024,
    FQ_EXECUTE_STACK_MAX = 16 * 1024,
};

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
