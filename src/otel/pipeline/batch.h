// SPDX-License-Identifier: Apache-2.0
// The batch processor of spans and of log records: a bounded ring of encoded records, and a thread that puts them together
// to OTLP requests and hands them to an exporter. Writers never wait: a full ring drops the new record and counts it. The
// thread starts with the first record. Sources: trace SDK "batching processor", logs SDK likewise.
#ifndef OTEL_PIPELINE_BATCH_H
#define OTEL_PIPELINE_BATCH_H

#include "otel/exporter.h"
#include "otel/runtime.h"

typedef struct otel_batch otel_batch;

struct otel_batch_options {
    enum otel_signal signal;            // TRACES or LOGS
    const struct otel_runtime *runtime; // borrowed for the batch's life
    struct otel_exporter exporter;      // taken over
    const void *resource;               // encoded Resource message (fields without tag and length); copied
    size_t resource_len;
    const char *resource_schema_url; // NULL = none
    uint32_t queue_max;              // records; OTEL_BSP_MAX_QUEUE_SIZE
    uint32_t queue_bytes_max;        // 0 = 1 MiB
    uint32_t batch_max;              // OTEL_BSP_MAX_EXPORT_BATCH_SIZE
    int64_t delay_ms;                // OTEL_BSP_SCHEDULE_DELAY
    int64_t timeout_ms;              // OTEL_BSP_EXPORT_TIMEOUT; 0 = none
    bool simple;                     // export each record as it comes, in the thread that wrote it
};
/** NULL when out of memory (the exporter is freed then). */
otel_batch *otel_batch_new(const struct otel_batch_options *options);
/** Shuts down at once and frees. Returns NULL. */
otel_batch *otel_batch_free(otel_batch *batch);
/** To write records to; valid as long as the batch. */
struct otel_sink otel_batch_sink(otel_batch *batch);
/** A record by its bytes, from another process perhaps, checked to the bottom (pipeline/check.h): 0, or OTEL_FAILED when
 *  malformed or dropped. */
int otel_batch_put(otel_batch *batch, const void *record, size_t len);
/** The same for a record that was checked already. */
int otel_batch_put_checked(otel_batch *batch, const void *record, size_t len);
/** Whether a record of any size would be taken now. Cheap. */
bool otel_batch_has_room(const otel_batch *batch);
int otel_batch_flush(otel_batch *batch, int64_t timeout_ms);
int otel_batch_shutdown(otel_batch *batch, int64_t timeout_ms);
void otel_batch_stats(const otel_batch *batch, struct otel_signal_stats *ret_stats);

// The fork contract: prepare locks, parent and child unlock; the child forgets what was queued (the parent sends it), has no
// thread, and gets the resource of the new process.
void otel_batch_fork_prepare(otel_batch *batch);
void otel_batch_fork_parent(otel_batch *batch);
void otel_batch_fork_child(otel_batch *batch, const void *resource, size_t resource_len);

#endif
