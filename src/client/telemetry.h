// SPDX-License-Identifier: Apache-2.0
// What a client tells about its submissions: the span client.submit_task, its context in the task, and the messaging
// metrics. With telemetry off the caller's context still travels with the task. Used by the blocking client and by drivers
// of a session alike; it never fails and never waits.
#ifndef FQ_CLIENT_TELEMETRY_H
#define FQ_CLIENT_TELEMETRY_H

#include "fastqueue/session.h"
#include "net/address.h"
#include "otel/sdk.h"
#include "otel/trace.h"

// All zero: off.
struct fq_client_telemetry {
    otel_tracer *tracer;
    otel_instrument *sent, *duration, *consumed, *process;
};
/** Of an SDK that lives as long as this is used; NULL = off. */
void fq_client_telemetry_init(struct fq_client_telemetry *telemetry, otel_sdk *sdk);
/** The SDK that FASTQUEUE_TELEMETRY_ENABLED asks for: the program's default one, or a new one that becomes the default and
 *  flushes when the program exits, within FASTQUEUE_TELEMETRY_EXIT_TIMEOUT. NULL = off. */
otel_sdk *fq_client_telemetry_sdk(void);

// One submission, from asking to the answer.
struct fq_submission {
    otel_span *span; // NULL = none
    int64_t began_us;
};
/** Begins the span, a child of `options->traceparent` if that is given, else of what is current. `server` may be NULL. */
void fq_submission_begin(const struct fq_client_telemetry *telemetry, struct fq_submission *submission,
                         fq_slice name, const struct fq_submit_options *options,
                         const struct fq_address *server);

// Texts of the context that goes with a task.
enum { FQ_TRACESTATE_TEXT = 512, FQ_BAGGAGE_TEXT = 8192 };
struct fq_submission_context {
    char traceparent[OTEL_TRACEPARENT_TEXT + 1];
    char tracestate[FQ_TRACESTATE_TEXT + 1];
    char baggage[FQ_BAGGAGE_TEXT + 1];
};
/** Sets what the options do not say: the span's context, or what is current, and the current baggage. A context that the
 *  options name stays as it is. `texts` must live as long as the options are used. */
void fq_submission_inject(const struct fq_submission *submission, struct fq_submission_context *texts,
                          struct fq_submit_options *options);

/** The answer came, or will not: error 0 or FQ_E…; `id` of the task, NULL or "" = none. `name` and `server` as in the begin. A
 *  second end does nothing. */
void fq_submission_end(const struct fq_client_telemetry *telemetry, struct fq_submission *submission,
                       fq_slice name, const struct fq_address *server, const char *id, int error);

#endif
