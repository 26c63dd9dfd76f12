// SPDX-License-Identifier: Apache-2.0
// The batch processor: making and freeing, flush and shutdown, what happened, and fork.
#include "otel/pipeline/batch_parts.h"

#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_BYTES_DEFAULT = 1024 * 1024,
    QUEUE_BYTES_MIN = 4 * OTEL_RECORD_BYTES_MAX,
    QUEUE_RECORDS_MAX = 1 << 24,
};
// For an exporter to notice that it was cancelled, and how often it is told.
static const int64_t CANCEL_GRACE_NS = 2000 * OTEL_NS_PER_MS, CANCEL_AGAIN_NS = 100 * OTEL_NS_PER_MS;

bool otel_batch_has_room(const otel_batch *batch) {
    const struct otel_ring *ring = &batch->ring;
    return batch->options.simple ||
           (otel_ring_count(ring) < ring->records_max &&
            otel_ring_bytes(ring) + OTEL_RECORD_BYTES_MAX + OTEL_RING_UNIT <= ring->units * OTEL_RING_UNIT);
}

// --- flush and shutdown ----------------------------------------------------------------------------------------------
static int64_t remaining_ns(const otel_batch *batch, int64_t until_ns) {
    int64_t left = until_ns - otel_monotonic_ns(batch->options.runtime);
    return left > 0 ? left : 0;
}

static int64_t until(const otel_batch *batch, int64_t timeout_ms) {
    int64_t now = otel_monotonic_ns(batch->options.runtime);
    return timeout_ms < (INT64_MAX - now) / OTEL_NS_PER_MS ? now + timeout_ms * OTEL_NS_PER_MS : INT64_MAX;
}

// Without a thread the caller does its work.
static void export_here(otel_batch *batch, uint32_t target) {
    if (!otel_batch_begin_export(batch))
        return;
    while ((int32_t)(target - atomic_load(&batch->finished)) > 0 && otel_batch_export_next(batch) > 0)
        continue;
    otel_batch_end_export(batch);
}

// Until all records up to `target` are finished. False when the time is over first.
static bool await_finished(otel_batch *batch, uint32_t target, int64_t until_ns) {
    for (;;) {
        uint32_t seen = otel_gate_number(&batch->progress);
        if ((int32_t)(target - atomic_load_explicit(&batch->finished, memory_order_acquire)) <= 0)
            return true;
        int64_t left = remaining_ns(batch, until_ns);
        if (left == 0 || !otel_gate_wait(&batch->progress, seen, left))
            return (int32_t)(target - atomic_load(&batch->finished)) <= 0;
    }
}

static int flush_queue(otel_batch *batch, int64_t until_ns) {
    uint32_t target = otel_ring_sequence(atomic_load(&batch->ring.tail));
    if ((int32_t)(target - atomic_load(&batch->finished)) <= 0)
        return OTEL_OK;
    uint64_t failures = atomic_load(&batch->export_failures);
    atomic_fetch_add(&batch->flushes, 1);
    bool is_done;
    if (otel_batch_ensure_thread(batch)) {
        otel_gate_open(&batch->knock);
        is_done = await_finished(batch, target, until_ns);
    } else {
        export_here(batch, target);
        is_done = true;
    }
    atomic_fetch_sub(&batch->flushes, 1);
    if (!is_done)
        return OTEL_TIMEOUT;
    return atomic_load(&batch->export_failures) == failures ? OTEL_OK : OTEL_FAILED;
}

int otel_batch_flush(otel_batch *batch, int64_t timeout_ms) {
    if (atomic_load(&batch->is_closed))
        return OTEL_FAILED;
    int64_t until_ns = until(batch, timeout_ms);
    int result = flush_queue(batch, until_ns);
    const struct otel_exporter *exporter = &batch->options.exporter;
    if (result != OTEL_TIMEOUT && exporter->ops->flush != NULL) {
        int flushed = exporter->ops->flush(exporter->self, remaining_ns(batch, until_ns) / OTEL_NS_PER_MS);
        result = flushed != OTEL_OK ? flushed : result;
    }
    return result;
}

static void cancel(otel_batch *batch) {
    const struct otel_exporter *exporter = &batch->options.exporter;
    if (exporter->ops->cancel != NULL)
        exporter->ops->cancel(exporter->self);
}

// Ends the thread, by cancelling the export in flight if it does not end by itself in time: again and again, for an export
// that was only about to begin has not heard the first call. False if it would not end.
static bool end_thread(otel_batch *batch, int64_t until_ns) {
    int64_t grace_ns = CANCEL_GRACE_NS;
    atomic_store(&batch->stop, true);
    for (;;) {
        uint32_t seen = otel_gate_number(&batch->progress);
        otel_gate_open(&batch->knock);
        if (atomic_load(&batch->is_gone))
            break;
        int64_t left = remaining_ns(batch, until_ns);
        if (left > 0) {
            otel_gate_wait(&batch->progress, seen, left);
            continue;
        }
        if (grace_ns <= 0)
            return false;
        cancel(batch);
        if (!otel_gate_wait(&batch->progress, seen, CANCEL_AGAIN_NS))
            grace_ns -= CANCEL_AGAIN_NS;
    }
    pthread_join(batch->thread, NULL);
    return true;
}

int otel_batch_shutdown(otel_batch *batch, int64_t timeout_ms) {
    pthread_mutex_lock(&batch->mutex);
    bool is_first = !batch->is_shut_down;
    pthread_mutex_unlock(&batch->mutex);
    if (!is_first || atomic_exchange(&batch->is_closed, true))
        return OTEL_OK;
    int64_t until_ns = until(batch, timeout_ms);
    int result = flush_queue(batch, until_ns);
    pthread_mutex_lock(&batch->mutex);
    batch->is_shut_down = true; // no thread is started any more
    bool has_thread = batch->has_thread;
    pthread_mutex_unlock(&batch->mutex);
    if (has_thread && !end_thread(batch, until_ns))
        return OTEL_TIMEOUT;
    pthread_mutex_lock(&batch->mutex);
    batch->has_thread = false;
    pthread_mutex_unlock(&batch->mutex);
    otel_batch_count(&batch->failed, otel_ring_count(&batch->ring));
    otel_batch_count(&batch->taken, otel_ring_count(&batch->ring));
    const struct otel_exporter *exporter = &batch->options.exporter;
    if (exporter->ops->shutdown != NULL) {
        int closed = exporter->ops->shutdown(exporter->self, remaining_ns(batch, until_ns) / OTEL_NS_PER_MS);
        result = closed != OTEL_OK && result == OTEL_OK ? closed : result;
    }
    return result;
}

// --- life ------------------------------------------------------------------------------------------------------------
static bool copy_options(otel_batch *batch, const struct otel_batch_options *options) {
    batch->options = *options;
    struct otel_batch_options *mine = &batch->options;
    mine->queue_max = mine->queue_max < 1                   ? 1
                      : mine->queue_max > QUEUE_RECORDS_MAX ? QUEUE_RECORDS_MAX
                                                            : mine->queue_max;
    mine->batch_max = mine->batch_max < 1                 ? 1
                      : mine->batch_max > mine->queue_max ? mine->queue_max
                                                          : mine->batch_max;
    if (mine->queue_bytes_max == 0)
        mine->queue_bytes_max = QUEUE_BYTES_DEFAULT;
    if (mine->queue_bytes_max < QUEUE_BYTES_MIN)
        mine->queue_bytes_max = QUEUE_BYTES_MIN;
    batch->wake_bytes = mine->queue_bytes_max / 2;
    batch->schema_url = strdup(options->resource_schema_url != NULL ? options->resource_schema_url : "");
    batch->resource = malloc(options->resource_len + 1);
    batch->records = calloc(mine->batch_max, sizeof *batch->records);
    if (batch->schema_url == NULL || batch->resource == NULL || batch->records == NULL)
        return false;
    if (options->resource_len > 0)
        memcpy(batch->resource, options->resource, options->resource_len);
    return mine->simple || otel_ring_init(&batch->ring, mine->queue_max, mine->queue_bytes_max);
}

static void free_memory(otel_batch *batch) {
    if (batch->options.exporter.ops->free != NULL)
        batch->options.exporter.ops->free(batch->options.exporter.self);
    otel_ring_done(&batch->ring);
    otel_request_done(&batch->request);
    free(batch->records);
    free(batch->resource);
    free(batch->parents_resource);
    free(batch->schema_url);
    pthread_mutex_destroy(&batch->mutex);
    free(batch);
}

otel_batch *otel_batch_new(const struct otel_batch_options *options) {
    otel_batch *batch = aligned_alloc(_Alignof(otel_batch), sizeof *batch);
    if (batch == NULL) {
        if (options->exporter.ops->free != NULL)
            options->exporter.ops->free(options->exporter.self);
        return NULL;
    }
    memset(batch, 0, sizeof *batch);
    pthread_mutex_init(&batch->mutex, NULL);
    if (!copy_options(batch, options)) {
        free_memory(batch);
        return NULL;
    }
    return batch;
}

otel_batch *otel_batch_free(otel_batch *batch) {
    if (batch == NULL)
        return NULL;
    otel_batch_shutdown(batch, 0);
    // An exporter that does not come back, not even when it is cancelled, still uses all this: it stays.
    atomic_store(&batch->is_orphan, batch->has_thread);
    if (!batch->has_thread)
        free_memory(batch);
    return NULL;
}

void otel_batch_stats(const otel_batch *batch, struct otel_signal_stats *ret_stats) {
    uint32_t queued = batch->options.simple ? 0 : otel_ring_count(&batch->ring);
    struct otel_signal_stats stats = {
        .exported = atomic_load(&batch->exported),
        .dropped_queue_full = atomic_load(&batch->dropped_full),
        .dropped_failed = atomic_load(&batch->failed),
        .dropped_rejected = atomic_load(&batch->rejected),
        .queue_len = queued,
        .queue_bytes = batch->options.simple ? 0 : otel_ring_bytes(&batch->ring),
        .exports = atomic_load(&batch->exports),
        .export_failures = atomic_load(&batch->export_failures),
        .last_success_unix_ns = atomic_load(&batch->last_success),
    };
    stats.created = atomic_load(&batch->taken) + queued + stats.dropped_queue_full;
    *ret_stats = stats;
}

// --- fork ------------------------------------------------------------------------------------------------------------
void otel_batch_fork_prepare(otel_batch *batch) {
    pthread_mutex_lock(&batch->mutex);
}

void otel_batch_fork_parent(otel_batch *batch) {
    pthread_mutex_unlock(&batch->mutex);
}

void otel_batch_fork_child(otel_batch *batch, const void *resource, size_t resource_len) {
    const struct otel_exporter *exporter = &batch->options.exporter;
    // What the parent's thread was working with may be half changed: it is left behind.
    batch->request = (struct otel_request){0};
    batch->has_thread = false;
    batch->is_exporting = false;
    atomic_store(&batch->wake_at, 0);
    atomic_store(&batch->flushes, 0);
    atomic_store(&batch->finished, 0);
    if (!batch->options.simple)
        otel_ring_reset(&batch->ring);
    uint8_t *copy = resource != NULL ? malloc(resource_len + 1) : NULL;
    if (copy != NULL) {
        memcpy(copy, resource, resource_len);
        free(batch->parents_resource);
        batch->parents_resource =
            batch->resource; // may be in use by an export that this process does not finish
        batch->resource = copy;
        batch->options.resource_len = resource_len;
    }
    if (exporter->ops->after_fork != NULL)
        exporter->ops->after_fork(exporter->self);
    pthread_mutex_unlock(&batch->mutex);
}
