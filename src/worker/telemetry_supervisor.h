// SPDX-License-Identifier: Apache-2.0
// The supervisor's telemetry: one SDK that exports for all runners. It reads their rings and metric areas, ends the spans of
// those that died, and tells what was lost. Everything on the supervisor's loop; what is exported waits in the SDK's bounded
// queues, never here.
#ifndef FQ_WORKER_TELEMETRY_SUPERVISOR_H
#define FQ_WORKER_TELEMETRY_SUPERVISOR_H

#include "otel/metrics/area.h"
#include "telemetry/telemetry.h"
#include "worker/execute_span.h"
#include "worker/outcome.h"
#include "worker/output_lines.h"
#include "worker/ring.h"

struct fq_worker_telemetry;

struct fq_worker_telemetry_options {
    const fq_log *log;
    const char *worker_id;
    const char *address; // of the control plane
};
/** NULL when telemetry is off. Says in the log that it is on, and where it goes. */
struct fq_worker_telemetry *fq_worker_telemetry_open(const struct fq_worker_telemetry_options *options);
/** Flushes within FASTQUEUE_TELEMETRY_EXIT_TIMEOUT, says what was lost. NULL is fine. Returns NULL. */
struct fq_worker_telemetry *fq_worker_telemetry_close(struct fq_worker_telemetry *telemetry);
/** Whether spans are exported. */
bool fq_worker_telemetry_has_traces(const struct fq_worker_telemetry *telemetry);
/** Whether log records are exported: then runners' output is read here. */
bool fq_worker_telemetry_has_logs(const struct fq_worker_telemetry *telemetry);

enum { FQ_RECENT_SPANS = 256 };
// One runner, as its telemetry is seen.
struct fq_runner_feed {
    const struct fq_board *board; // NULL = not attached
    struct fq_ring_reader ring;
    otel_area_source *area;
    uint64_t dropped; // of the board's count, accounted for so far
    uint64_t skipped; // of the reader's
    bool is_held;     // records wait in the ring for room in the exporter's queue
    struct fq_output_marks marks;
    // Ids of spans read last. A runner that dies between handing over an attempt's span and taking its identity off the
    // board leaves both: the span is known by its id then.
    uint8_t recent[FQ_RECENT_SPANS][8];
    uint32_t recent_count;
};
/** From now on the runner's records and measurements are exported. */
void fq_feed_attach(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed,
                    const struct fq_board *board);
/** Reads what the ring holds now, as long as the exporter's queue has room: the rest waits in the ring, and runners drop
 *  what it cannot take. True if anything was or is there. */
bool fq_feed_read(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed);
/** The runner is gone: reads what is left, skipping what it left half-written; ids of spans that it gave are in *ret_ids. */
struct fq_span_ids {
    uint8_t (*ids)[8];
    size_t count, capacity;
};
void fq_feed_finish(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed,
                    struct fq_span_ids *ret_ids);
/** Behind fq_feed_finish, before the board is unmapped. */
void fq_feed_detach(struct fq_worker_telemetry *telemetry, struct fq_runner_feed *feed);
/** Whether the runner itself had ended the span: ids of fq_feed_finish and those read shortly before. */
bool fq_feed_has_ended(const struct fq_runner_feed *feed, const struct fq_span_ids *ids,
                       const uint8_t span_id[8]);

/** A line that a runner printed as a log record of its task. `stream`: 0 standard output, 1 standard error. */
void fq_worker_telemetry_log(const struct fq_worker_telemetry *telemetry, int stream, fq_str line,
                             const struct fq_output_owner *owner, fq_str task_name, int64_t pid);

// telemetry_lost.c
// An attempt whose process died before it ended the span.
struct fq_lost_attempt {
    const struct fq_board_span *span;
    const struct fq_board_task *task;
    fq_str name;
    int64_t duration_us;                      // of the attempt, as far as it is known
    const struct fq_execute_failure *failure; // NULL = it had succeeded
};
/** Exports the attempt's span under the identity that the runner had given it. Unless it was not sampled. */
void fq_worker_telemetry_end_lost(struct fq_worker_telemetry *telemetry, const struct fq_lost_attempt *lost);

#endif
