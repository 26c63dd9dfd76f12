// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/collect.h"

#include <stdlib.h>
#include <time.h>

static const int64_t FORK_WAIT_NS = 250 * 1000000;

// --- copies of what the owner gave -----------------------------------------------------------------------------------
static bool copy_text(struct otel_pool *pool, const char **text) {
    if (*text != NULL)
        *text = otel_pool_text(pool, *text, strlen(*text));
    return !pool->failed;
}

static bool copy_view(struct otel_meter_provider *provider, struct otel_view_options *view) {
    struct otel_pool *pool = &provider->pool;
    const char **texts[] = {&view->instrument_name, &view->instrument_unit,  &view->meter_name,
                            &view->meter_version,   &view->meter_schema_url, &view->name,
                            &view->description};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!copy_text(pool, texts[i]))
            return false;
    }
    if (view->attribute_keys != NULL)
        view->attribute_keys = otel_texts_copy(pool, view->attribute_keys, view->attribute_key_count);
    if (view->excluded_keys != NULL)
        view->excluded_keys = otel_texts_copy(pool, view->excluded_keys, view->excluded_key_count);
    if (view->bounds != NULL) {
        double *bounds = otel_pool_take(pool, (view->bound_count + 1) * sizeof *bounds);
        if (bounds != NULL)
            memcpy(bounds, view->bounds, view->bound_count * sizeof *bounds);
        view->bounds = bounds;
    }
    return !pool->failed;
}

// A name can be given to one instrument only: not to whatever a pattern finds.
static void check_view(const struct otel_meter_provider *provider, struct otel_view_options *view) {
    bool is_pattern = view->instrument_name == NULL || strpbrk(view->instrument_name, "*?") != NULL;
    if (view->name != NULL && is_pattern) {
        otel_report(
            provider->runtime, OTEL_LEVEL_WARN,
            "metrics: a view names its stream '%s' but may match several instruments: the name is not used; "
            "select one instrument by its name",
            view->name);
        view->name = NULL;
    }
    for (size_t i = 1; view->bounds != NULL && i < view->bound_count; i++) {
        if (!(view->bounds[i - 1] < view->bounds[i]) || view->bound_count > OTEL_BOUNDS_MAX) {
            otel_report(provider->runtime, OTEL_LEVEL_WARN,
                        "metrics: bounds of a view must be ascending, at most %d: they are not used",
                        OTEL_BOUNDS_MAX);
            view->bounds = NULL;
        }
    }
}

static bool copy_views(struct otel_meter_provider *provider,
                       const struct otel_meter_provider_options *options) {
    struct otel_view_options *views =
        otel_pool_take(&provider->pool, (options->view_count + 1) * sizeof *views);
    if (views == NULL)
        return false;
    for (size_t i = 0; i < options->view_count; i++) {
        views[i] = options->views[i];
        if (!copy_view(provider, &views[i]))
            return false;
        check_view(provider, &views[i]);
    }
    provider->views = views;
    provider->view_count = options->view_count;
    provider->views_compose = options->views_compose;
    return true;
}

static bool copy_resource(struct otel_meter_provider *provider, const void *resource, size_t len) {
    uint8_t *copy = malloc(len + 1);
    if (copy == NULL)
        return false;
    if (len > 0)
        memcpy(copy, resource, len);
    free(provider->resource);
    provider->resource = copy;
    provider->resource_len = len;
    return true;
}

static bool init(struct otel_meter_provider *provider, const struct otel_meter_provider_options *options) {
    provider->resource_schema_url = options->resource_schema_url;
    if (!copy_resource(provider, options->resource, options->resource_len) ||
        !copy_text(&provider->pool, &provider->resource_schema_url) || !copy_views(provider, options))
        return false;
    if (!otel_store_init(&provider->store, options->area, options->area_len))
        otel_report(provider->runtime, OTEL_LEVEL_ERROR,
                    "metrics: the shared area is too small or not aligned to 64 bytes: measurements stay in "
                    "this process");
    for (size_t i = 0; i < options->producer_count; i++) {
        if (otel_meter_provider_add_producer(provider, &options->producers[i]) != OTEL_OK)
            return false;
    }
    return true;
}

static void init_locks(struct otel_meter_provider *provider) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&provider->collect_lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    pthread_mutex_init(&provider->lock, NULL);
}

otel_meter_provider *otel_meter_provider_new(const struct otel_meter_provider_options *options) {
    struct otel_meter_provider *provider = calloc(1, sizeof *provider);
    bool done = provider != NULL;
    if (done) {
        provider->runtime = options->runtime;
        provider->exemplar_filter = options->exemplar_filter;
        provider->epoch = 1;
        uint8_t seed[8];
        options->runtime->ids.span_id(options->runtime->ids.context, seed);
        memcpy(&provider->seed, seed, sizeof provider->seed);
        provider->random = (uint32_t)provider->seed;
        init_locks(provider);
        done = init(provider, options);
        // Exporters are taken over even if nothing else comes of it.
        done = otel_readers_init(provider, options) == 0 && done;
    } else {
        for (size_t i = 0; i < options->reader_count; i++) {
            if (options->readers[i].exporter.ops != NULL)
                options->readers[i].exporter.ops->free(options->readers[i].exporter.self);
        }
    }
    if (!done)
        return otel_meter_provider_free(provider);
    if (options->producer_count > 0)
        otel_readers_start(provider);
    return provider;
}

static void free_instrument(struct otel_instrument *instrument) {
    for (struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next) {
        for (struct otel_row *row = atomic_load(&stream->first), *next; row != NULL; row = next) {
            next = atomic_load(&row->next);
            otel_row_done(row);
        }
        free(stream->table.slots);
    }
    for (struct otel_callback *callback = instrument->callbacks, *next; callback != NULL; callback = next) {
        next = callback->next;
        free(callback);
    }
    free(instrument->series_slots);
}

otel_meter_provider *otel_meter_provider_free(otel_meter_provider *provider) {
    if (provider == NULL)
        return NULL;
    otel_readers_done(provider);
    for (struct otel_meter *meter = atomic_load(&provider->first_meter); meter != NULL;
         meter = atomic_load(&meter->next)) {
        for (struct otel_instrument *instrument = atomic_load(&meter->first); instrument != NULL;
             instrument = atomic_load(&instrument->next))
            free_instrument(instrument);
    }
    otel_areas_free(provider);
    otel_store_done(&provider->store);
    otel_pool_done(&provider->pool);
    pthread_mutex_destroy(&provider->lock);
    pthread_mutex_destroy(&provider->collect_lock);
    free(provider->resource);
    free(provider);
    return NULL;
}

int otel_meter_provider_add_producer(otel_meter_provider *provider,
                                     const struct otel_metric_producer *producer) {
    if (provider == NULL)
        return OTEL_FAILED;
    pthread_mutex_lock(&provider->lock);
    struct otel_produced *produced = otel_pool_take(&provider->pool, sizeof *produced);
    bool done = produced != NULL;
    if (done) {
        produced->producer = *producer;
        done = otel_scope_copy(&provider->pool, &producer->scope, &produced->scope_bytes,
                               &produced->scope_len) &&
               copy_text(&provider->pool, &produced->producer.scope.schema_url);
    }
    if (done) {
        if (provider->last_producer != NULL)
            atomic_store_explicit(&provider->last_producer->next, produced, memory_order_release);
        else
            atomic_store_explicit(&provider->first_producer, produced, memory_order_release);
        provider->last_producer = produced;
    }
    pthread_mutex_unlock(&provider->lock);
    if (done)
        otel_readers_start(provider);
    return done ? OTEL_OK : OTEL_FAILED;
}

void otel_meter_provider_set_exemplar_filter(otel_meter_provider *provider,
                                             enum otel_exemplar_filter filter) {
    if (provider == NULL)
        return;
    pthread_mutex_lock(&provider->lock);
    provider->exemplar_filter = filter;
    for (struct otel_meter *meter = atomic_load(&provider->first_meter); meter != NULL;
         meter = atomic_load(&meter->next)) {
        for (struct otel_instrument *instrument = atomic_load(&meter->first); instrument != NULL;
             instrument = atomic_load(&instrument->next))
            atomic_store_explicit(&instrument->exemplar_filter, (uint8_t)filter, memory_order_relaxed);
    }
    pthread_mutex_unlock(&provider->lock);
}

int otel_meter_provider_collect(otel_meter_provider *provider, size_t reader, fq_buf *out,
                                size_t *ret_point_count) {
    if (provider == NULL || reader >= provider->reader_count || provider->has_shut_down)
        return OTEL_FAILED;
    return otel_reader_collect(&provider->readers[reader], out, ret_point_count) == 0 ? OTEL_OK : OTEL_FAILED;
}

void otel_meter_provider_measurement_stats(const otel_meter_provider *provider,
                                           struct otel_measurement_stats *ret_stats) {
    *ret_stats = (struct otel_measurement_stats){0};
    if (provider == NULL)
        return;
    ret_stats->ignored = atomic_load_explicit(&provider->ignored, memory_order_relaxed);
    ret_stats->overflowed = atomic_load_explicit(&provider->overflowed, memory_order_relaxed);
    ret_stats->lost = atomic_load_explicit(&provider->lost, memory_order_relaxed);
}

// --- fork ------------------------------------------------------------------------------------------------------------
void otel_meter_provider_fork_prepare(otel_meter_provider *provider) {
    // A callback that forks is inside a collection: it holds the lock already, and keeps it. One that waits for the thread
    // that forks would never end: the fork goes on without the lock, which the child makes anew.
    int64_t until = otel_unix_ns(provider->runtime) + FORK_WAIT_NS;
    struct timespec limit = {.tv_sec = until / 1000000000, .tv_nsec = until % 1000000000};
    provider->fork_locked = pthread_mutex_timedlock(&provider->collect_lock, &limit) == 0;
    pthread_mutex_lock(&provider->lock);
    otel_readers_fork_prepare(provider);
}

void otel_meter_provider_fork_parent(otel_meter_provider *provider) {
    otel_readers_fork_parent(provider);
    pthread_mutex_unlock(&provider->lock);
    if (provider->fork_locked)
        pthread_mutex_unlock(&provider->collect_lock);
}

// What the parent counted is the parent's: the child's rows are empty and start now.
static void start_anew(struct otel_row *row, int64_t now_unix_ns) {
    uint32_t readers = row->stream->instrument->meter->provider->reader_count;
    for (int i = 0; i < OTEL_ROW_CELLS; i++)
        atomic_store(&row->cells[i], NULL);
    atomic_store(&row->more, NULL);
    atomic_store(&row->reservoir, NULL);
    atomic_store(&row->cell_lock, false);
    atomic_store(&row->exemplar_lock, false);
    row->start_unix_ns = now_unix_ns;
    row->offset = 0;
    for (uint32_t i = 0; row->baselines != NULL && i < readers; i++) {
        free(row->baselines[i].buckets);
        row->baselines[i] = (struct otel_baseline){0};
    }
}

void otel_meter_provider_fork_child(otel_meter_provider *provider, const void *resource,
                                    size_t resource_len) {
    int64_t now = otel_unix_ns(provider->runtime);
    otel_thread_slot_fork_child();
    if (resource != NULL)
        (void)copy_resource(provider, resource, resource_len);
    provider->store.area = NULL; // the parent's, as are those it collects
    otel_areas_free(provider);
    for (struct otel_meter *meter = atomic_load(&provider->first_meter); meter != NULL;
         meter = atomic_load(&meter->next)) {
        for (struct otel_instrument *instrument = atomic_load(&meter->first); instrument != NULL;
             instrument = atomic_load(&instrument->next)) {
            for (struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next) {
                for (struct otel_row *row = atomic_load(&stream->first); row != NULL;
                     row = atomic_load(&row->next))
                    start_anew(row, now);
            }
        }
    }
    otel_readers_fork_child(provider);
    init_locks(provider); // one that checks for errors knows its owner by a thread id that is another one now
}
