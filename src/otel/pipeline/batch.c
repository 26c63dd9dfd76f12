// SPDX-License-Identifier: Apache-2.0
// The batch processor: writers put records into the ring, a thread takes them out.
#include "otel/pipeline/batch.h"

#include "otel/pipeline/check.h"
#include "otel/pipeline/gate.h"
#include "otel/pipeline/request.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_BYTES_DEFAULT = 1024 * 1024,
    QUEUE_BYTES_MIN = 4 * OTEL_RECORD_BYTES_MAX,
    REQUEST_BYTES_KEPT = 256 * 1024, // between exports
    QUEUE_RECORDS_MAX = 1 << 24,
};
static const int64_t MS = 1000 * 1000;
static const int64_t UNFINISHED_WAIT_NS = 200 * 1000; // for a writer that was interrupted
static const int64_t CANCEL_GRACE_NS = 2000 * MS;     // for an exporter to notice that it was cancelled
static const uint32_t AWAKE = UINT32_MAX;

struct otel_batch {
    struct otel_ring ring;
    // How many queued records wake the thread: 0 = there is none, start it; AWAKE = none do.
    _Alignas(64) atomic_uint wake_at;
    atomic_bool is_closed;
    uint32_t wake_bytes;
    // The rest is seldom touched by writers.
    _Alignas(64) struct otel_batch_options options;
    uint8_t *resource;
    char *schema_url;
    struct otel_gate knock;    // for the thread
    struct otel_gate progress; // for those who wait for it
    atomic_bool stop;
    atomic_uint flushes;   // under way
    atomic_bool is_gone;   // the thread will not touch anything any more
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
    atomic_uint_least64_t taken, dropped_full, exported, failed, exports, export_failures;
    atomic_int_least64_t last_success;
    struct otel_report_limit full_limit, failed_limit;
};

static void count(atomic_uint_least64_t *counter, uint64_t more) {
    atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static const char *item_name(const otel_batch *batch) {
    return batch->options.signal == OTEL_SIGNAL_LOGS ? "log records" : "spans";
}

// --- exporting -------------------------------------------------------------------------------------------------------
static int64_t deadline(const otel_batch *batch) {
    int64_t timeout_ms = batch->options.timeout_ms;
    return timeout_ms > 0 ? otel_monotonic_ns(batch->options.runtime) + timeout_ms * MS : INT64_MAX;
}

static void note_result(otel_batch *batch, int result, uint32_t item_count) {
    count(&batch->exports, 1);
    if (result == OTEL_OK) {
        count(&batch->exported, item_count);
        atomic_store(&batch->last_success, otel_unix_ns(batch->options.runtime));
        return;
    }
    count(&batch->failed, item_count);
    count(&batch->export_failures, 1);
    uint32_t unsaid = 0;
    if (otel_report_allowed(&batch->failed_limit, otel_monotonic_ns(batch->options.runtime), &unsaid))
        otel_report(batch->options.runtime, OTEL_LEVEL_WARN, "%u %s were not exported (%s)", item_count,
                    item_name(batch), result == OTEL_TIMEOUT ? "timeout" : "failed");
}

// One export of what was built. Only ever one at a time.
static void send_request(otel_batch *batch, uint32_t item_count) {
    const struct otel_export_batch data = {.signal = batch->options.signal,
                                           .bytes = batch->request.bytes,
                                           .len = batch->request.len,
                                           .item_count = item_count,
                                           .deadline_ns = deadline(batch)};
    const struct otel_exporter *exporter = &batch->options.exporter;
    note_result(batch, exporter->ops->export_batch(exporter->self, &data), item_count);
    if (batch->request.capacity > REQUEST_BYTES_KEPT)
        otel_request_done(&batch->request);
}

// Who exports outside the thread: in simple mode, or when no thread can be had. False if this thread does already.
static bool begin_export(otel_batch *batch) {
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

static void end_export(otel_batch *batch) {
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

// The next batch out of the ring: how many records it had; 0 when there was none, or none finished.
static uint32_t export_next(otel_batch *batch) {
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
    count(&batch->taken, built);
    if (is_built)
        send_request(batch, built);
    else
        note_result(batch, OTEL_FAILED, built);
    atomic_fetch_add_explicit(&batch->finished, built, memory_order_release);
    otel_gate_open(&batch->progress);
    return built;
}

// Said by the exporter's side: writers only count.
static void report_drops(otel_batch *batch) {
    uint64_t dropped = atomic_load_explicit(&batch->dropped_full, memory_order_relaxed);
    if (dropped == batch->dropped_said)
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
        } else if (!otel_gate_wait(&batch->knock, seen, batch->options.delay_ms * MS)) {
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
        atomic_store(&batch->wake_at, AWAKE);
        uint32_t target =
            everything ? otel_ring_sequence(atomic_load(&batch->ring.tail)) : atomic_load(&batch->finished);
        while (!atomic_load(&batch->stop) &&
               (is_due(batch) || (int32_t)(target - atomic_load(&batch->finished)) > 0)) {
            if (export_next(batch) == 0)
                otel_gate_wait(&batch->knock, otel_gate_number(&batch->knock), UNFINISHED_WAIT_NS);
        }
        report_drops(batch);
    }
    atomic_store(&batch->is_gone, true);
    otel_gate_open(&batch->progress);
    return NULL;
}

// Starts the thread if there is none. False if there can be none.
static bool ensure_thread(otel_batch *batch) {
    pthread_mutex_lock(&batch->mutex);
    if (!batch->has_thread && !batch->is_shut_down) {
        sigset_t all, before;
        sigfillset(&all); // signals are the program's
        pthread_sigmask(SIG_SETMASK, &all, &before);
        atomic_store(&batch->wake_at, AWAKE);
        batch->has_thread = pthread_create(&batch->thread, NULL, run, batch) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (batch->has_thread)
            pthread_setname_np(batch->thread, "otel-batch");
    }
    bool has_thread = batch->has_thread;
    pthread_mutex_unlock(&batch->mutex);
    return has_thread;
}

// --- writing ---------------------------------------------------------------------------------------------------------
static void wake(otel_batch *batch) {
    uint32_t wake_at = atomic_exchange(&batch->wake_at, AWAKE);
    if (wake_at == 0)
        ensure_thread(batch);
    else if (wake_at != AWAKE)
        otel_gate_open(&batch->knock);
}

static void note_full(otel_batch *batch) {
    count(&batch->dropped_full, 1);
    uint32_t wake_at = atomic_load(&batch->wake_at);
    if (wake_at != AWAKE && !atomic_load_explicit(&batch->is_closed, memory_order_relaxed))
        wake(batch);
}

static void *reserve(void *context, enum otel_record_type type, uint32_t len) {
    otel_batch *batch = context;
    (void)type;
    void *place = NULL;
    if (!atomic_load_explicit(&batch->is_closed, memory_order_relaxed) && len <= OTEL_RECORD_BYTES_MAX)
        place = otel_ring_reserve(&batch->ring, len);
    if (__builtin_expect(place == NULL, 0))
        note_full(batch);
    return place;
}

static void commit(void *context, void *reserved) {
    otel_batch *batch = context;
    uint32_t bytes;
    uint32_t queued = otel_ring_commit(&batch->ring, reserved, &bytes);
    uint32_t wake_at = atomic_load(&batch->wake_at);
    if (__builtin_expect(queued >= wake_at || (bytes >= batch->wake_bytes && wake_at != AWAKE), 0))
        wake(batch);
}

// Simple mode: a record of its own for each call, exported at once.
struct lone_record {
    uint32_t len;
    _Alignas(8) uint8_t bytes[];
};

static void *reserve_lone(void *context, enum otel_record_type type, uint32_t len) {
    otel_batch *batch = context;
    (void)type;
    struct lone_record *record = NULL;
    if (!atomic_load_explicit(&batch->is_closed, memory_order_relaxed) && len <= OTEL_RECORD_BYTES_MAX)
        record = malloc(sizeof *record + len);
    if (record == NULL) {
        count(&batch->dropped_full, 1);
        return NULL;
    }
    record->len = len;
    return record->bytes;
}

static void commit_lone(void *context, void *reserved) {
    otel_batch *batch = context;
    struct lone_record *record =
        (struct lone_record *)(void *)((uint8_t *)reserved - offsetof(struct lone_record, bytes));
    if (!begin_export(batch)) { // the exporter itself makes spans: there would be no end
        count(&batch->dropped_full, 1);
        free(record);
        return;
    }
    uint32_t built = 0;
    batch->records[0] = (struct otel_ring_record){record->bytes, record->len};
    count(&batch->taken, 1);
    if (build(batch, 1, &built))
        send_request(batch, 1);
    else
        note_result(batch, OTEL_FAILED, 1);
    end_export(batch);
    free(record);
}

struct otel_sink otel_batch_sink(otel_batch *batch) {
    if (batch->options.simple)
        return (struct otel_sink){reserve_lone, commit_lone, batch};
    return (struct otel_sink){reserve, commit, batch};
}

int otel_batch_put(otel_batch *batch, const void *record, size_t len) {
    if (len > OTEL_RECORD_BYTES_MAX || !otel_record_is_sound(batch->options.signal, record, len))
        return OTEL_FAILED;
    struct otel_sink sink = otel_batch_sink(batch);
    void *place = sink.reserve(batch, OTEL_RECORD_SPAN, (uint32_t)len);
    if (place == NULL)
        return OTEL_FAILED;
    memcpy(place, record, len);
    sink.commit(batch, place);
    return OTEL_OK;
}

// --- flush and shutdown ----------------------------------------------------------------------------------------------
static int64_t remaining_ns(const otel_batch *batch, int64_t until_ns) {
    int64_t left = until_ns - otel_monotonic_ns(batch->options.runtime);
    return left > 0 ? left : 0;
}

static int64_t until(const otel_batch *batch, int64_t timeout_ms) {
    int64_t now = otel_monotonic_ns(batch->options.runtime);
    return timeout_ms < (INT64_MAX - now) / MS ? now + timeout_ms * MS : INT64_MAX;
}

// Without a thread the caller does its work.
static void export_here(otel_batch *batch, uint32_t target) {
    if (!begin_export(batch))
        return;
    while ((int32_t)(target - atomic_load(&batch->finished)) > 0 && export_next(batch) > 0)
        continue;
    end_export(batch);
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
    if (ensure_thread(batch)) {
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
        int flushed = exporter->ops->flush(exporter->self, remaining_ns(batch, until_ns) / MS);
        result = flushed != OTEL_OK ? flushed : result;
    }
    return result;
}

// Ends the thread, by cancelling the export in flight if it does not end by itself in time. False if it would not end.
static bool end_thread(otel_batch *batch, int64_t until_ns) {
    const struct otel_exporter *exporter = &batch->options.exporter;
    atomic_store(&batch->stop, true);
    bool cancelled = false;
    while (!atomic_load(&batch->is_gone)) {
        uint32_t seen = otel_gate_number(&batch->progress);
        otel_gate_open(&batch->knock);
        if (atomic_load(&batch->is_gone))
            break;
        int64_t left = cancelled ? CANCEL_GRACE_NS : remaining_ns(batch, until_ns);
        if (left > 0 && otel_gate_wait(&batch->progress, seen, left))
            continue;
        if (cancelled)
            return false;
        cancelled = true;
        if (exporter->ops->cancel != NULL)
            exporter->ops->cancel(exporter->self);
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
    count(&batch->failed, otel_ring_count(&batch->ring));
    count(&batch->taken, otel_ring_count(&batch->ring));
    const struct otel_exporter *exporter = &batch->options.exporter;
    if (exporter->ops->shutdown != NULL) {
        int closed = exporter->ops->shutdown(exporter->self, remaining_ns(batch, until_ns) / MS);
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
        batch->resource = copy; // the old one may be in use by an export that this process does not finish
        batch->options.resource_len = resource_len;
    }
    if (exporter->ops->after_fork != NULL)
        exporter->ops->after_fork(exporter->self);
    pthread_mutex_unlock(&batch->mutex);
}
