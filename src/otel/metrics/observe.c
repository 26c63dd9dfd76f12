// SPDX-License-Identifier: Apache-2.0
// Asynchronous instruments: callbacks are asked in each collection of each reader; only what they say then is exported.
#include "otel/metrics/collect.h"

#include <math.h>
#include <stdlib.h>

enum { ATTRIBUTES_MAX = 64 };

struct otel_observer {
    struct otel_collection *collection;
    struct otel_instrument *instrument;
};

// Several observations that a filter makes equal add up; the same attributes observed twice: the later one.
static void observe_row(const struct otel_stream *stream, struct otel_row *row, double value, int64_t integer,
                        int64_t now_unix_ns) {
    bool adds = row->is_observed && (stream->filters || row->is_overflow) &&
                stream->aggregation == OTEL_AGGREGATE_SUM;
    row->observed = adds ? row->observed + value : value;
    row->observed_int = adds ? row->observed_int + integer : integer;
    row->is_observed = true;
    row->observed_unix_ns = now_unix_ns;
}

static void observe(otel_observer *observer, double value, int64_t integer,
                    const struct otel_attribute *attributes, size_t count) {
    struct otel_collection *collection = observer->collection;
    const struct otel_attribute *sorted[ATTRIBUTES_MAX];
    count = attributes == NULL ? 0 : count < ATTRIBUTES_MAX ? count : ATTRIBUTES_MAX;
    size_t used = otel_attribute_set_sort(attributes, count, sorted);
    for (struct otel_stream *stream = observer->instrument->streams; stream != NULL; stream = stream->next) {
        if ((stream->readers & 1u << collection->reader->index) == 0)
            continue;
        fq_buf key = {0};
        struct otel_row *row = NULL;
        if (otel_attribute_set_encode(sorted, used, &stream->filter, &key, NULL) == 0) {
            pthread_mutex_lock(&collection->provider->lock);
            row = otel_stream_row(stream, (const uint8_t *)fq_buf_str(&key).ptr, fq_buf_len(&key));
            pthread_mutex_unlock(&collection->provider->lock);
        }
        if (row != NULL)
            observe_row(stream, row, value, integer, collection->now_unix_ns);
        else
            atomic_fetch_add_explicit(&collection->provider->lost, 1, memory_order_relaxed);
        fq_buf_done(&key);
    }
}

void otel_observe(otel_observer *observer, double value, const struct otel_attribute *attributes,
                  size_t count) {
    if (observer == NULL)
        return;
    if (!isfinite(value)) {
        atomic_fetch_add_explicit(&observer->collection->provider->ignored, 1, memory_order_relaxed);
        return;
    }
    int64_t integer = value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : (int64_t)value;
    observe(observer, value, integer, attributes, count);
}

void otel_observe_int(otel_observer *observer, int64_t value, const struct otel_attribute *attributes,
                      size_t count) {
    if (observer != NULL)
        observe(observer, (double)value, value, attributes, count);
}

static void forget_observations(struct otel_stream *stream) {
    for (struct otel_row *row = atomic_load(&stream->first); row != NULL; row = atomic_load(&row->next))
        row->is_observed = false;
}

void otel_instrument_call_back(struct otel_collection *collection, struct otel_instrument *instrument) {
    struct otel_observer observer = {collection, instrument};
    pthread_mutex_lock(&collection->provider->lock);
    for (struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next) {
        if ((stream->readers & 1u << collection->reader->index) != 0)
            forget_observations(stream);
    }
    pthread_mutex_unlock(&collection->provider->lock);
    for (struct otel_callback *callback = instrument->callbacks, *next; callback != NULL; callback = next) {
        next = callback->next;
        if (!callback->is_removed)
            callback->call(&observer, callback->context);
    }
}

// --- registration ----------------------------------------------------------------------------------------------------
// Taken by a thread that is in a callback already, the lock says so: it is held then.
static bool lock_collections(struct otel_meter_provider *provider) {
    return pthread_mutex_lock(&provider->collect_lock) == 0;
}

int otel_instrument_observe(otel_instrument *instrument, otel_observe_callback callback, void *context) {
    if (instrument == NULL || callback == NULL || !otel_kind_is_observable(instrument->kind))
        return OTEL_FAILED;
    struct otel_meter_provider *provider = instrument->meter->provider;
    struct otel_callback *one = malloc(sizeof *one);
    if (one == NULL)
        return OTEL_FAILED;
    *one = (struct otel_callback){.call = callback, .context = context};
    bool locked = lock_collections(provider);
    struct otel_callback **end = &instrument->callbacks;
    while (*end != NULL)
        end = &(*end)->next;
    *end = one;
    if (locked)
        pthread_mutex_unlock(&provider->collect_lock);
    return OTEL_OK;
}

void otel_instrument_unobserve(otel_instrument *instrument, otel_observe_callback callback, void *context) {
    if (instrument == NULL)
        return;
    struct otel_meter_provider *provider = instrument->meter->provider;
    bool locked = lock_collections(provider);
    for (struct otel_callback **at = &instrument->callbacks; *at != NULL;) {
        struct otel_callback *one = *at;
        bool is_it = one->call == callback && one->context == context;
        one->is_removed = one->is_removed || is_it;
        if (one->is_removed && locked) {
            *at = one->next;
            free(one);
        } else {
            at = &one->next;
        }
    }
    if (locked)
        pthread_mutex_unlock(&provider->collect_lock);
}
