// SPDX-License-Identifier: Apache-2.0
// The span worker.execute_task, whoever runs the task: what it says and where it hangs.
#ifndef FQ_TELEMETRY_EXECUTE_H
#define FQ_TELEMETRY_EXECUTE_H

#include "base/str.h"
#include "otel/trace.h"
#include "telemetry/telemetry.h"

enum { FQ_EXECUTE_ATTRIBUTES_MAX = 20, FQ_EXECUTE_LINKS_MAX = 2 };

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

// Where the span hangs: on the submitter's, as its child or by a link or both, and by a link on the attempt before.
struct fq_execute_relations {
    struct otel_span_context submitter;
    bool is_child; // of the submitter
    struct otel_link links[FQ_EXECUTE_LINKS_MAX];
    size_t link_count;
};
/** By the setting: AUTO is a child with a link, and a link alone when the task was submitted longer ago than the settings
 *  say. `traceparent`: of the submitter; `previous`: of the attempt before; each may be empty or malformed. `tracestate`
 *  (borrowed, NULL = none) goes with the submitter's. */
void fq_execute_relate(const struct fq_telemetry_settings *settings, fq_str traceparent,
                       const char *tracestate, fq_str previous, int64_t since_submitted_ms,
                       struct fq_execute_relations *ret_relations);

#endif
