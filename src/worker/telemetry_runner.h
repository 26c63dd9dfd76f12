// SPDX-License-Identifier: Apache-2.0
// A runner's telemetry: the span of each attempt, what is measured of it, and the SDK that user code gets. Finished records
// go into the board's ring, measurements into its metric area; the supervisor exports both, so no thread and no socket of
// an exporter lives here. Inside of the runner; others use runner.h.
#ifndef FQ_WORKER_TELEMETRY_RUNNER_H
#define FQ_WORKER_TELEMETRY_RUNNER_H

#include "base/time.h"
#include "telemetry/telemetry.h"
#include "worker/board_span.h"
#include "worker/output_lines.h"
#include "worker/runner.h"

// Series of one task name.
struct fq_name_series {
    otel_series *duration, *consumed;
};

struct fq_runner_telemetry {
    fq_runner *runner; // borrowed
    struct fq_telemetry_settings settings;
    otel_sdk *sdk;
    otel_tracer *tracer; // NULL when traces are off
    otel_instrument *duration, *consumed;
    struct fq_name_series *series; // by name index
    otel_span *spans[FQ_BOARD_SLOTS];
    bool logs;                          // the supervisor exports log records, and reads what we print
    uint64_t pipes[FQ_OUTPUT_STREAMS];  // inodes of descriptors 1 and 2 as they were handed down; 0 = no pipe
    uint64_t marked[FQ_OUTPUT_STREAMS]; // bytes that belong to somebody already
};

/** NULL when telemetry is off or memory is out. */
struct fq_runner_telemetry *fq_runner_telemetry_new(fq_runner *runner);
/** Shuts the SDK down; records stay on the board for the supervisor. NULL is fine. Returns NULL. */
struct fq_runner_telemetry *fq_runner_telemetry_free(struct fq_runner_telemetry *telemetry);
/** Binds the series of the declared names. */
void fq_runner_telemetry_names(struct fq_runner_telemetry *telemetry);

// telemetry_execute.c
/** Starts the attempt's span and puts its identity onto the board, before the slot is RUNNING. */
void fq_execute_begin(struct fq_runner_telemetry *telemetry, uint32_t slot, struct fq_now now);
/** The slot is RUNNING: the message counts as delivered. */
void fq_execute_begun(const struct fq_runner_telemetry *telemetry, uint32_t slot);
/** The supervisor was faster: there is no attempt. */
void fq_execute_discard(struct fq_runner_telemetry *telemetry, uint32_t slot);
/** Fills in the outcome's traceparent (into `text`) unless it has one. */
void fq_execute_identify(const struct fq_runner_telemetry *telemetry, uint32_t slot,
                         struct fq_runner_outcome *outcome, char text[OTEL_TRACEPARENT_TEXT]);
/** Ends the span with what came of the task, and measures it. */
void fq_execute_end(struct fq_runner_telemetry *telemetry, uint32_t slot,
                    const struct fq_runner_outcome *outcome, int64_t run_us);

// telemetry_output.c
/** Remembers the pipes; what user code puts in their place is not counted. */
void fq_output_open(struct fq_runner_telemetry *telemetry);
/** What was printed since the last mark belongs to the task in `slot`, which runs. */
void fq_output_mark_task(struct fq_runner_telemetry *telemetry, uint32_t slot);
/** As above, for the task that the board has on the processor; nothing if there is none. */
void fq_output_mark_on_cpu(struct fq_runner_telemetry *telemetry);

#endif
