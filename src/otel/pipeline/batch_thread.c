// SPDX-License-Identifier: Apache-2.0
// The thread of a batch, and exporting: one request at a time.
#include "otel/pipeline/batch_parts.h"
#include "otel/system/thread.h"

enum { REQUEST_BYTES_KEPT = 256 * 1024 };             // between exports
static const int64_t UNFINISHED_WAIT_NS = 200 * 1000; // for a writer that was interrupted

static const char *item_name(const otel_batch *batch) {
    return batch->options.signal == OTEL_SIGNAL_LOGS ? "log records" : "spans";
}

// --- exporting -------------------------------------------------------------------------------------------------------
static int64_t deadline(const otel_batch *batch) {
    int64_t timeout_ms = batch->options.timeout_ms;
    return timeout_ms > 0 ? otel_monotonic_ns(batch->options.runtime) + timeout_ms * OTEL_NS_PER_MS
                          : INT64_MAX;
}

// `is_explained`: the exporter has said why.
static void note_result(otel_batch *batch, int result, uint32_t item_count, uint64_t rejected,
                        bool is_explained) {
    if (atomic_load(&batch->is_orphan))
        return;
    otel_batch_count(&batch->exports, 1);
    if (result == OTEL_OK) {
        otel_batch_count(&batch->exported, item_count - rejected);
        otel_batch_count(&batch->rejected, rejected);
        atomic_store(&batch->last_success, otel_unix_ns(batch->options.runtime));
        return;
    }
    otel_batch_count(&batch->failed, item_count);
    otel_batch_count(&batch->export_failures, 1);
    if (is_explained)
        return;
    uint32_t unsaid = 0;
    if (otel_report_allowed(&batch->failed_limit, otel_monotonic_ns(batch->options.runtime), &unsaid))
        otel_report(batch->options.runtime, OTEL_LEVEL_WARN, "%u %s were not exported (%s)", item_count,
                    item_name(batch), result == OTEL_TIMEOUT ? "timeout" : "failed");
}

static struct otel_exporter_stats stats_of(const struct otel_exporter *exporter) {
    struct otel_exporter_stats stats = {0};
    if (exporter->ops->stats != NULL)
        exporter->ops->stats(exporter->self, &stats);
    return stats;
}

// One export of what was built. Only ever one at a time.
static void send_request(otel_batch *batch, uint32_t item_count) {
    const struct otel_export_batch data = {.signal = batch->options.signal,
                                           .bytes = batch->request.bytes,
                                           .len = batch->request.len,
                                           .item_count = item_count,
                                           .deadline_ns = deadline(batch)};
    const struct otel_exporter *exporter = &batch->options.exporter;
    // Items that the receiver has refused in answers that were successes.
    uint64_t before = stats_of(exporter).rejected;
    int result = exporter->ops->export_batch(exporter->self, &data);
    const struct otel_exporter_stats after = stats_of(exporter);
    uint64_t rejected = after.rejected - before;
    note_result(batch, result, item_count, rejected < item_count ? rejected : item_count,
                after.last_error[0] != '\0');
    if (batch->request.capacity > REQUEST_BYTES_KEPT)
        otel_request_done(&batch->request);
}

bool otel_batch_begin_export(otel_batch *batch) {
    for (;;) {
        uint32_t seen = otel_gate_number(&batch->progress);
        pthread_mutex_lock(&batch->mutex);
        bool is_free = !batch->is_exporting;
        bool is_mine = !is_free && pthread_equal(batch->exporting_thread, pthread_self());
        if (is_free) {
            batch->is_exporting = true;
            batch->exporting_thread = pthread_self();
        }
        pthread_mutex_unlock(&batch->mutex);
        if (is_free || is_mine)
            return is_free;
        otel_gate_wait(&batch->progress, seen, -1);
    }
}

void otel_batch_end_export(otel_batch *batch) {
    pthread_mutex_lock(&batch->mutex);
    batch->is_exporting = false;
    pthread_mutex_unlock(&batch->mutex);
    otel_gate_open(&batch->progress);
}

static bool build(otel_batch *batch, uint32_t record_count, uint32_t *ret_count) {
    const struct otel_request_resource resource = {batch->resource, batch->options.resource_len,
                                                   batch->schema_url};
    return otel_request_build(&batch->request, &resource, batch->records, record_count, ret_count);
}

uint32_t otel_batch_export_next(otel_batch *batch) {
    uint32_t queued = otel_ring_count(&batch->ring), found = 0;
    uint32_t most = queued < batch->options.batch_max ? queued : batch->options.batch_max;
    while (found < most && otel_ring_peek(&batch->ring, found, &batch->records[found]))
        found++;
    if (found == 0)
        return 0;
    uint32_t built = 0;
    bool is_built = build(batch, found, &built);
    if (!is_built)
        built = found; // out of memory: this batch is lost
    otel_ring_release(&batch->ring, built);
    otel_batch_count(&batch->taken, built);
    if (is_built)
        send_request(batch, built);
    else
        note_result(batch, OTEL_FAILED, built, 0, false);
    atomic_fetch_add_explicit(&batch->finished, built, memory_order_release);
    otel_gate_open(&batch->progress);
    return built;
}

void otel_batch_export_lone(otel_batch *batch, const struct otel_ring_record *record) {
    uint32_t built = 0;
    batch->records[0] = *record;
    otel_batch_count(&batch->taken, 1);
    if (build(batch, 1, &built))
        send_request(batch, 1);
    else
        note_result(batch, OTEL_FAILED, 1, 0, false);
}

// Said by the exporter's side: writers only count.
static void report_drops(otel_batch *batch) {
    uint64_t dropped = atomic_load_explicit(&batch->dropped_full, memory_order_relaxed);
    if (dropped == batch->dropped_said || atomic_load(&batch->is_orphan))
        return;
    uint32_t unsaid = 0;
    if (!otel_report_allowed(&batch->full_limit, otel_monotonic_ns(batch->options.runtime), &unsaid))
        return;
    otel_report(batch->options.runtime, OTEL_LEVEL_WARN,
                "the queue of %u %s was full: %llu have been dropped so far", batch->options.queue_max,
                item_name(batch), (unsigned long long)dropped);
    batch->dropped_said = dropped;
}

// --- the thread ------------------------------------------------------------------------------------------------------
static uint32_t full_batch(const otel_batch *batch) {
    uint32_t half = batch->options.queue_max / 2;
    uint32_t most = batch->options.batch_max < half ? batch->options.batch_max : half;
    return most > 0 ? most : 1;
}

static bool is_due(const otel_batch *batch) {
    uint32_t queued = otel_ring_count(&batch->ring);
    return queued >= full_batch(batch) || otel_ring_bytes(&batch->ring) >= batch->wake_bytes ||
           (queued > 0 && atomic_load(&batch->flushes) > 0);
}

// Sleeps until a batch is full, somebody asks, or the delay is over: then true, everything is to go. When a whole delay has
// brought nothing it sleeps until there is a record, and waits for company then. Writers are asked to knock before the queue
// is looked at, so that none is missed.
static bool sleep_until_due(otel_batch *batch, bool *is_idle) {
    for (;;) {
        uint32_t seen = otel_gate_number(&batch->knock);
        atomic_store(&batch->wake_at, *is_idle ? 1 : full_batch(batch));
        if (atomic_load(&batch->stop) || is_due(batch))
            return atomic_load(&batch->flushes) > 0;
        bool has_some = otel_ring_count(&batch->ring) > 0;
        if (*is_idle && !has_some) {
            otel_gate_wait(&batch->knock, seen, -1);
        } else if (*is_idle) {
            *is_idle = false;
        } else if (!otel_gate_wait(&batch->knock, seen, batch->options.delay_ms * OTEL_NS_PER_MS)) {
            if (otel_ring_count(&batch->ring) > 0)
                return true;
            *is_idle = true;
        }
    }
}

static void *run(void *context) {
    otel_batch *batch = context;
    bool is_idle = false;
    while (!atomic_load(&batch->stop)) {
        bool everything = sleep_until_due(batch, &is_idle);
        atomic_store(&batch->wake_at, OTEL_WAKE_NEVER);
        uint32_t target =
            everything ? otel_ring_sequence(atomic_load(&batch->ring.tail)) : atomic_load(&batch->finished);
        while (!atomic_load(&batch->stop) &&
               (is_due(batch) || (int32_t)(target - atomic_load(&batch->finished)) > 0)) {
            if (otel_batch_export_next(batch) == 0)
                otel_gate_wait(&batch->knock, otel_gate_number(&batch->knock), UNFINISHED_WAIT_NS);
        }
        report_drops(batch);
    }
    atomic_store(&batch->is_gone, true);
    otel_gate_open(&batch->progress);
    return NULL;
}

bool otel_batch_ensure_thread(otel_batch *batch) {
    pthread_mutex_lock(&batch->mutex);
    if (!batch->has_thread && !batch->is_shut_down) {
        atomic_store(&batch->wake_at, OTEL_WAKE_NEVER);
        batch->has_thread = otel_system_thread(&batch->thread, run, batch) == 0;
        if (batch->has_thread)
            pthread_setname_np(batch->thread, "otel-batch");
    }
    bool has_thread = batch->has_thread;
    pthread_mutex_unlock(&batch->mutex);
    return has_thread;
}
