// SPDX-License-Identifier: Apache-2.0
// The batch processor from the inside: batch.c has its life, batch_sink.c the writers' side, batch_thread.c the exporting.
#ifndef OTEL_PIPELINE_BATCH_PARTS_H
#define OTEL_PIPELINE_BATCH_PARTS_H

#include "otel/pipeline/batch.h"
#include "otel/pipeline/gate.h"
#include "otel/pipeline/request.h"

#include <pthread.h>

#define OTEL_NS_PER_MS  INT64_C(1000000)
#define OTEL_WAKE_NEVER UINT32_MAX

struct otel_batch {
    struct otel_ring ring;
    // How many queued records wake the thread: 0 = there is none, start it;
    // OTEL_WAKE_NEVER = it is awake.
    _Alignas(64) atomic_uint wake_at;
    atomic_bool is_closed;
    uint32_t wake_bytes;
    // The rest is seldom touched by writers.
    _Alignas(64) struct otel_batch_options options;
    uint8_t *resource;
    uint8_t *parents_resource; // in a forked child
    char *schema_url;
    struct otel_gate knock;    // for the thread
    struct otel_gate progress; // for those who wait for it
    atomic_bool stop;
    atomic_uint flushes;   // under way
    atomic_bool is_gone;   // the thread will not touch anything any more
    atomic_bool is_orphan; // freed while its exporter hangs: the owner's clock is not to be asked any more
    atomic_uint finished;  // sequence up to which records have been exported, or given up
    pthread_mutex_t mutex; // of what follows; held for moments only
    pthread_t thread;
    bool has_thread, is_exporting, is_shut_down;
    pthread_t exporting_thread;
    // Of whoever exports.
    struct otel_request request;
    struct otel_ring_record *records;
    uint64_t dropped_said;
    // Statistics.
    atomic_uint_least64_t taken, dropped_full, exported, failed, rejected, exports, export_failures;
    atomic_int_least64_t last_success;
    struct otel_report_limit full_limit, failed_limit;
};

static inline void otel_batch_count(atomic_uint_least64_t *counter, uint64_t more) {
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

// --- batch_thread.c ----------------------------------------------------------------------------------------------------
/** Starts the thread if there is none. False if there can be none. */
bool otel_batch_ensure_thread(otel_batch *batch);
/** For who exports outside the thread: in simple mode, or when no thread can be had. False if this thread does already. */
bool otel_batch_begin_export(otel_batch *batch);
void otel_batch_end_export(otel_batch *batch);
/** The next batch out of the ring: how many records it had; 0 when there was none, or none finished. */
uint32_t otel_batch_export_next(otel_batch *batch);
/** One record that is in no ring. */
void otel_batch_export_lone(otel_batch *batch, const struct otel_ring_record *record);

#endif
