// SPDX-License-Identifier: Apache-2.0
// Periodic readers: a thread each, which collects and exports every interval and when it is asked to. Exports of a reader
// happen on its thread only, so there is never more than one at a time; who asks waits no longer than he said.
#include "otel/metrics/collect.h"
#include "otel/metrics/split.h"
#include "otel/system/thread.h"

#include <stdlib.h>
#include <time.h>

static const int64_t NS_PER_MS = 1000000;

static struct timespec timespec_of(int64_t ns) {
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static int64_t deadline_after(const struct otel_reader *reader, int64_t timeout_ms) {
    int64_t now = otel_monotonic_ns(reader->provider->runtime);
    int64_t most = (INT64_MAX - now) / NS_PER_MS;
    return timeout_ms >= most ? INT64_MAX : now + (timeout_ms > 0 ? timeout_ms : 0) * NS_PER_MS;
}

// --- the thread ------------------------------------------------------------------------------------------------------
static int export_bytes(struct otel_reader *reader, const fq_buf *bytes, size_t points) {
    const struct otel_exporter *exporter = &reader->options.exporter;
    struct otel_export_batch batch = {.signal = OTEL_SIGNAL_METRICS,
                                      .bytes = fq_buf_str(bytes).ptr,
                                      .len = fq_buf_len(bytes),
                                      .item_count = points,
                                      .deadline_ns = deadline_after(reader, reader->options.timeout_ms)};
    return exporter->ops->export_batch(exporter->self, &batch);
}

// One export, counted.
static int export_part(void *context, const fq_buf *bytes, size_t points) {
    struct otel_reader *reader = context;
    pthread_mutex_lock(&reader->lock);
    reader->stats.points_in_flight = points;
    pthread_mutex_unlock(&reader->lock);
    int result = export_bytes(reader, bytes, points);
    pthread_mutex_lock(&reader->lock);
    reader->stats.points_in_flight = 0;
    reader->stats.exports++;
    reader->stats.failed_exports += result != OTEL_OK ? 1 : 0;
    reader->stats.exported_points += result == OTEL_OK ? points : 0;
    reader->stats.failed_points += result != OTEL_OK ? points : 0;
    if (result == OTEL_OK)
        reader->stats.last_success_unix_ns = otel_unix_ns(reader->provider->runtime);
    pthread_mutex_unlock(&reader->lock);
    return result;
}

static int collect_and_export(struct otel_reader *reader) {
    fq_buf bytes = {0};
    size_t points = 0, max = reader->options.export_points_max;
    int result = otel_reader_collect(reader, &bytes, &points) == 0 ? OTEL_OK : OTEL_FAILED;
    if (result == OTEL_OK && max > 0 && points > max)
        result = otel_metrics_split(fq_buf_str(&bytes).ptr, fq_buf_len(&bytes), max, export_part, reader);
    else if (result == OTEL_OK && points > 0)
        result = export_part(reader, &bytes, points);
    fq_buf_done(&bytes);
    return result;
}

// Waits until the time comes, an export is wanted or the reader stops. Under the lock.
static void wait_for_work(struct otel_reader *reader, int64_t due_ns) {
    struct timespec due = timespec_of(due_ns);
    while (!reader->stops && reader->wanted == reader->finished &&
           otel_monotonic_ns(reader->provider->runtime) < due_ns) {
        if (pthread_cond_timedwait(&reader->wake, &reader->lock, &due) != 0)
            break;
    }
}

static void *run(void *context) {
    struct otel_reader *reader = context;
    int64_t interval_ns = reader->options.interval_ms * NS_PER_MS;
    int64_t due_ns = otel_monotonic_ns(reader->provider->runtime) + interval_ns;
    pthread_mutex_lock(&reader->lock);
    for (;;) {
        wait_for_work(reader, due_ns);
        uint64_t wanted = reader->wanted;
        bool is_last = reader->stops;
        if (is_last && wanted <= reader->finished) // less: what was given up has ended since
            break;
        pthread_mutex_unlock(&reader->lock);
        int result = collect_and_export(reader);
        int64_t now = otel_monotonic_ns(reader->provider->runtime);
        // From start to start; what was missed is not made up for.
        while (due_ns <= now)
            due_ns += interval_ns * ((now - due_ns) / interval_ns + 1);
        pthread_mutex_lock(&reader->lock);
        reader->finished = wanted;
        reader->last_result = result;
        pthread_cond_broadcast(&reader->done);
    }
    pthread_mutex_unlock(&reader->lock);
    return NULL;
}

static bool is_periodic(const struct otel_reader *reader) {
    return reader->options.exporter.ops != NULL;
}

// Under the lock.
static bool start(struct otel_reader *reader) {
    if (reader->is_running || reader->stops)
        return reader->is_running;
    reader->is_running = otel_system_thread(&reader->thread, run, reader) == 0;
    if (!reader->is_running)
        otel_report(reader->provider->runtime, OTEL_LEVEL_ERROR,
                    "metrics: no thread could be started: nothing is exported until one can be");
    return reader->is_running;
}

void otel_readers_start(struct otel_meter_provider *provider) {
    atomic_store(&provider->threads_are_gone, false);
    for (uint32_t i = 0; i < provider->reader_count; i++) {
        struct otel_reader *reader = &provider->readers[i];
        if (!is_periodic(reader))
            continue;
        pthread_mutex_lock(&reader->lock);
        (void)start(reader);
        pthread_mutex_unlock(&reader->lock);
    }
}

// --- flush and shutdown ----------------------------------------------------------------------------------------------
// An export that begins from now on, waited for until the deadline.
static int export_now(struct otel_reader *reader, int64_t deadline_ns) {
    struct timespec deadline = timespec_of(deadline_ns);
    pthread_mutex_lock(&reader->lock);
    if (!start(reader)) {
        pthread_mutex_unlock(&reader->lock);
        return OTEL_FAILED;
    }
    uint64_t mine = ++reader->wanted;
    pthread_cond_signal(&reader->wake);
    int error = 0;
    while (reader->finished < mine && error == 0)
        error = pthread_cond_timedwait(&reader->done, &reader->lock, &deadline);
    int result = reader->finished >= mine ? reader->last_result : OTEL_TIMEOUT;
    pthread_mutex_unlock(&reader->lock);
    return result;
}

static int64_t left_ms(const struct otel_reader *reader, int64_t deadline_ns) {
    int64_t left = deadline_ns - otel_monotonic_ns(reader->provider->runtime);
    return left > 0 ? left / NS_PER_MS : 0;
}

static int flush_reader(struct otel_reader *reader, int64_t deadline_ns) {
    if (!is_periodic(reader))
        return OTEL_OK;
    int result = export_now(reader, deadline_ns);
    const struct otel_exporter *exporter = &reader->options.exporter;
    if (result == OTEL_OK && exporter->ops->flush != NULL)
        result = exporter->ops->flush(exporter->self, left_ms(reader, deadline_ns));
    return result;
}

static int worse(int a, int b) {
    return a == OTEL_OK ? b : a;
}

int otel_meter_provider_flush(otel_meter_provider *provider, int64_t timeout_ms) {
    int result = OTEL_OK;
    if (provider == NULL || provider->has_shut_down)
        return OTEL_OK;
    for (uint32_t i = 0; i < provider->reader_count; i++) {
        struct otel_reader *reader = &provider->readers[i];
        result = worse(result, flush_reader(reader, deadline_after(reader, timeout_ms)));
    }
    return result;
}

// The thread ends: at once if the exporter was told to give up.
static void stop(struct otel_reader *reader, bool gives_up) {
    pthread_mutex_lock(&reader->lock);
    bool was_running = reader->is_running;
    reader->stops = true;
    reader->is_running = false;
    if (gives_up)
        reader->wanted = reader->finished;
    pthread_cond_signal(&reader->wake);
    pthread_mutex_unlock(&reader->lock);
    if (gives_up && reader->options.exporter.ops->cancel != NULL)
        reader->options.exporter.ops->cancel(reader->options.exporter.self);
    if (was_running)
        pthread_join(reader->thread, NULL);
}

static int shut_down_reader(struct otel_reader *reader, int64_t deadline_ns) {
    if (!is_periodic(reader))
        return OTEL_OK;
    pthread_mutex_lock(&reader->lock);
    bool was_running = reader->is_running;
    pthread_mutex_unlock(&reader->lock);
    int result = was_running ? export_now(reader, deadline_ns) : OTEL_OK;
    stop(reader, result == OTEL_TIMEOUT);
    const struct otel_exporter *exporter = &reader->options.exporter;
    if (exporter->ops->shutdown != NULL)
        result = worse(result, exporter->ops->shutdown(exporter->self, left_ms(reader, deadline_ns)));
    return result;
}

int otel_meter_provider_shutdown(otel_meter_provider *provider, int64_t timeout_ms) {
    int result = OTEL_OK;
    if (provider == NULL || atomic_exchange(&provider->has_shut_down, true))
        return OTEL_OK;
    for (uint32_t i = 0; i < provider->reader_count; i++) {
        struct otel_reader *reader = &provider->readers[i];
        result = worse(result, shut_down_reader(reader, deadline_after(reader, timeout_ms)));
    }
    return result;
}

// --- life ------------------------------------------------------------------------------------------------------------
static void init_sync(struct otel_reader *reader) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->wake, &attributes);
    pthread_cond_init(&reader->done, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void init_reader(struct otel_meter_provider *provider, uint32_t index,
                        const struct otel_reader_options *options) {
    struct otel_reader *reader = &provider->readers[index];
    reader->provider = provider;
    reader->index = index;
    reader->options = *options;
    if (reader->options.interval_ms <= 0)
        reader->options.interval_ms = 60000;
    if (reader->options.timeout_ms < 0)
        reader->options.timeout_ms = 30000;
    reader->previous_unix_ns = otel_unix_ns(provider->runtime);
    init_sync(reader);
}

// Without a reader there is one that nobody asks: an area is read by another process, by the same rules.
int otel_readers_init(struct otel_meter_provider *provider,
                      const struct otel_meter_provider_options *options) {
    static const struct otel_reader_options nobody;
    size_t count = options->reader_count;
    bool needs_one = count == 0 && provider->store.area != NULL;
    size_t kept = count < OTEL_READERS_MAX ? count : OTEL_READERS_MAX;
    provider->readers = calloc(kept + 1, sizeof *provider->readers);
    for (size_t i = provider->readers != NULL ? kept : 0; i < count; i++) {
        const struct otel_exporter *exporter = &options->readers[i].exporter;
        if (exporter->ops != NULL && exporter->ops->free != NULL)
            exporter->ops->free(exporter->self);
    }
    if (provider->readers == NULL)
        return FQ_ENOMEM;
    for (size_t i = 0; i < kept; i++)
        init_reader(provider, (uint32_t)i, &options->readers[i]);
    if (needs_one)
        init_reader(provider, 0, &nobody);
    provider->reader_count = (uint32_t)(needs_one ? 1 : kept);
    return 0;
}

void otel_readers_done(struct otel_meter_provider *provider) {
    for (uint32_t i = 0; i < provider->reader_count; i++) {
        struct otel_reader *reader = &provider->readers[i];
        const struct otel_exporter *exporter = &reader->options.exporter;
        if (is_periodic(reader))
            stop(reader, true);
        if (exporter->ops != NULL && exporter->ops->free != NULL)
            exporter->ops->free(exporter->self);
        reader->produced = otel_produced_totals_free(reader->produced);
        pthread_cond_destroy(&reader->wake);
        pthread_cond_destroy(&reader->done);
        pthread_mutex_destroy(&reader->lock);
    }
    free(provider->readers);
    provider->readers = NULL; // how many there were is still needed to free rows
}

void otel_readers_fork_prepare(struct otel_meter_provider *provider) {
    for (uint32_t i = 0; i < provider->reader_count; i++)
        pthread_mutex_lock(&provider->readers[i].lock);
}

void otel_readers_fork_parent(struct otel_meter_provider *provider) {
    for (uint32_t i = 0; i < provider->reader_count; i++)
        pthread_mutex_unlock(&provider->readers[i].lock);
}

// The thread stayed in the parent; the child's starts with the first new cell, or when it is asked to export.
void otel_readers_fork_child(struct otel_meter_provider *provider) {
    for (uint32_t i = 0; i < provider->reader_count; i++) {
        struct otel_reader *reader = &provider->readers[i];
        init_sync(reader);
        reader->is_running = false;
        reader->wanted = reader->finished = 0;
        reader->stats = (struct otel_reader_stats){0};
        reader->previous_unix_ns = otel_unix_ns(provider->runtime);
        if (is_periodic(reader) && reader->options.exporter.ops->after_fork != NULL)
            reader->options.exporter.ops->after_fork(reader->options.exporter.self);
    }
    atomic_store(&provider->threads_are_gone, true);
}

// --- statistics ------------------------------------------------------------------------------------------------------
size_t otel_meter_provider_reader_count(const otel_meter_provider *provider) {
    return provider != NULL ? provider->reader_count : 0;
}

void otel_meter_provider_reader_stats(const otel_meter_provider *provider, size_t reader,
                                      struct otel_reader_stats *ret_stats) {
    *ret_stats = (struct otel_reader_stats){0};
    if (provider == NULL || reader >= provider->reader_count)
        return;
    struct otel_reader *one = &provider->readers[reader];
    pthread_mutex_lock(&one->lock);
    *ret_stats = one->stats;
    pthread_mutex_unlock(&one->lock);
}

void otel_meter_provider_stats(const otel_meter_provider *provider, struct otel_signal_stats *ret_stats) {
    *ret_stats = (struct otel_signal_stats){0};
    for (size_t i = 0; i < otel_meter_provider_reader_count(provider); i++) {
        struct otel_reader_stats stats;
        otel_meter_provider_reader_stats(provider, i, &stats);
        ret_stats->created += stats.points;
        ret_stats->exported += stats.exported_points;
        ret_stats->dropped_failed += stats.failed_points;
        ret_stats->queue_len += stats.points_in_flight;
        ret_stats->exports += stats.exports;
        ret_stats->export_failures += stats.failed_exports;
        if (stats.last_success_unix_ns > ret_stats->last_success_unix_ns)
            ret_stats->last_success_unix_ns = stats.last_success_unix_ns;
    }
}
