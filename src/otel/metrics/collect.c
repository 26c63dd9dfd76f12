// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/collect.h"

#include <stdlib.h>

bool otel_collection_wants(const struct otel_collection *collection, const char *name,
                           const struct otel_attribute *attributes, size_t count) {
    const struct otel_reader_options *options = &collection->reader->options;
    return options->filter == NULL || options->filter(options->filter_context, name, attributes, count);
}

static bool wants_set(const struct otel_collection *collection, const struct otel_row *row) {
    if (collection->reader->options.filter == NULL || row->key_len == 0)
        return true;
    struct otel_decoded_set decoded;
    otel_attribute_set_decode(row->key, row->key_len, &decoded);
    return otel_collection_wants(collection, row->stream->name, decoded.attributes, decoded.count);
}

static enum otel_temporality temporality_of(const struct otel_collection *collection,
                                            const struct otel_stream *stream) {
    enum otel_temporality wanted = collection->reader->options.temporality[stream->instrument->kind];
    return wanted == OTEL_TEMPORALITY_DELTA ? OTEL_TEMPORALITY_DELTA : OTEL_TEMPORALITY_CUMULATIVE;
}

static struct otel_baseline *baseline_of(const struct otel_collection *collection, struct otel_row *row) {
    if (row->baselines == NULL)
        row->baselines = calloc(collection->provider->reader_count, sizeof *row->baselines);
    return row->baselines != NULL ? &row->baselines[collection->reader->index] : NULL;
}

// The figures of an asynchronous row: what its callbacks said in this collection.
static bool read_observed(const struct otel_row *row, struct otel_figures *figures) {
    figures->count = 1;
    figures->sum = row->stream->instrument->integer ? (uint64_t)row->observed_int : otel_bits(row->observed);
    return row->is_observed;
}

// The figures to be exported, with their start. False if there is nothing to say.
static bool read_row(struct otel_collection *collection, struct otel_row *row, bool is_delta,
                     int64_t *ret_start_unix_ns) {
    struct otel_figures *figures = collection->figures;
    bool is_observable = otel_kind_is_observable(row->stream->instrument->kind);
    *ret_start_unix_ns = row->start_unix_ns;
    if (is_observable) {
        if (!read_observed(row, figures))
            return false;
    } else {
        otel_row_read(row, figures);
    }
    if (!is_delta)
        return figures->count > 0;
    struct otel_baseline *baseline = baseline_of(collection, row);
    if (baseline == NULL || !otel_figures_since(row, baseline, figures))
        return false;
    if (collection->reader->previous_unix_ns > row->start_unix_ns)
        *ret_start_unix_ns = collection->reader->previous_unix_ns;
    return is_observable || figures->count > 0;
}

static bool has_sum(const struct otel_stream *stream) {
    return otel_kind_is_monotonic(stream->instrument->kind);
}

static void write_point(struct otel_collection *collection, const struct otel_row *row,
                        const struct otel_point_head *head) {
    const struct otel_stream *stream = row->stream;
    struct otel_figures *figures = collection->figures;
    if (stream->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM) {
        struct otel_histogram_figures histogram = {.bounds = stream->bounds,
                                                   .buckets = figures->buckets,
                                                   .bound_count = stream->bound_count,
                                                   .has_sum = has_sum(stream),
                                                   .has_min_max = stream->has_min_max && figures->has_min_max,
                                                   .sum = figures->real_sum,
                                                   .min = figures->min,
                                                   .max = figures->max};
        otel_encode_histogram(&collection->encoder, head, &histogram);
    } else if (stream->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM) {
        const struct otel_exponential *exponential = otel_figures_exponential(figures);
        bool has_min_max = stream->has_min_max && exponential->min <= exponential->max;
        otel_encode_exponential(&collection->encoder, head, exponential, has_sum(stream), has_min_max);
    } else {
        otel_encode_number(&collection->encoder, head, stream->instrument->integer, figures->sum);
    }
    collection->points++;
}

static void collect_row(struct otel_collection *collection, struct otel_row *row, bool is_delta) {
    int64_t start;
    if (!read_row(collection, row, is_delta, &start) || !wants_set(collection, row))
        return;
    bool is_gauge = row->stream->aggregation == OTEL_AGGREGATE_LAST_VALUE;
    otel_exemplars_copy(row, is_delta ? start : 0, collection->exemplars);
    struct otel_point_head head = {.attributes = row->key,
                                   .attributes_len = row->key_len,
                                   .start_unix_ns = is_gauge ? 0 : start,
                                   .unix_ns = collection->now_unix_ns,
                                   .exemplars = collection->exemplars->items,
                                   .exemplar_count = collection->exemplars->count};
    write_point(collection, row, &head);
}

static enum otel_shape shape_of(const struct otel_stream *stream) {
    switch (stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM: return OTEL_SHAPE_HISTOGRAM;
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM: return OTEL_SHAPE_EXPONENTIAL;
    case OTEL_AGGREGATE_LAST_VALUE: return OTEL_SHAPE_GAUGE;
    default: return OTEL_SHAPE_SUM;
    }
}

static void collect_stream(struct otel_collection *collection, struct otel_stream *stream) {
    if (!otel_collection_wants(collection, stream->name, NULL, 0))
        return;
    struct otel_metric_head head = {.name = stream->name,
                                    .unit = stream->instrument->unit,
                                    .description = stream->description,
                                    .shape = shape_of(stream),
                                    .temporality = temporality_of(collection, stream),
                                    .monotonic = otel_kind_is_monotonic(stream->instrument->kind)};
    size_t before = collection->points;
    struct otel_open_metric metric = otel_encode_metric(&collection->encoder, &head);
    for (struct otel_row *row = atomic_load_explicit(&stream->first, memory_order_acquire); row != NULL;
         row = atomic_load_explicit(&row->next, memory_order_acquire))
        collect_row(collection, row, head.temporality == OTEL_TEMPORALITY_DELTA);
    if (stream->resets)
        atomic_fetch_add_explicit(&stream->window, 1, memory_order_relaxed);
    if (collection->points == before)
        otel_encoder_undo(&collection->encoder, metric.metric);
    else
        otel_encode_metric_end(&collection->encoder, &head, metric);
}

static void collect_instrument(struct otel_collection *collection, struct otel_instrument *instrument) {
    if (otel_kind_is_observable(instrument->kind))
        otel_instrument_call_back(collection, instrument);
    for (struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next) {
        if ((stream->readers & 1u << collection->reader->index) != 0)
            collect_stream(collection, stream);
    }
}

static void collect_meter(struct otel_collection *collection, struct otel_meter *meter) {
    struct otel_encoder *encoder = &collection->encoder;
    size_t before = collection->points;
    struct otel_message message = otel_encoder_open(encoder, 2);
    otel_encoder_bytes(encoder, 1, meter->scope_bytes, meter->scope_len);
    struct otel_instrument *instrument = atomic_load_explicit(&meter->first, memory_order_acquire);
    for (; instrument != NULL; instrument = atomic_load_explicit(&instrument->next, memory_order_acquire))
        collect_instrument(collection, instrument);
    otel_encoder_text(encoder, 3, meter->scope.schema_url);
    if (collection->points == before)
        otel_encoder_undo(encoder, message);
    else
        otel_encoder_close(encoder, message);
}

// The resource stands there even if it is empty.
static void write_resource(struct otel_collection *collection) {
    const struct otel_meter_provider *provider = collection->provider;
    struct otel_message resource = otel_encoder_open(&collection->encoder, 1);
    struct otel_pb pb = otel_encoder_room(&collection->encoder, provider->resource_len + 1);
    if (!pb.failed) {
        otel_pb_raw(&pb, provider->resource, provider->resource_len);
        otel_encoder_take(&collection->encoder, &pb);
    }
    otel_encoder_close(&collection->encoder, resource);
}

static void collect_all(struct otel_collection *collection) {
    struct otel_meter_provider *provider = collection->provider;
    struct otel_encoder *encoder = &collection->encoder;
    struct otel_message message = otel_encoder_open(encoder, 1);
    write_resource(collection);
    struct otel_meter *meter = atomic_load_explicit(&provider->first_meter, memory_order_acquire);
    for (; meter != NULL; meter = atomic_load_explicit(&meter->next, memory_order_acquire))
        collect_meter(collection, meter);
    otel_collection_produce(collection);
    otel_encoder_text(encoder, 3, provider->resource_schema_url);
    if (collection->points == 0)
        otel_encoder_undo(encoder, message);
    else
        otel_encoder_close(encoder, message);
}

static void note(struct otel_reader *reader, int error, int64_t took_ns, size_t points) {
    double took = (double)took_ns / 1e9;
    pthread_mutex_lock(&reader->lock);
    struct otel_reader_stats *stats = &reader->stats;
    stats->collection_min_s =
        stats->collections == 0 || took < stats->collection_min_s ? took : stats->collection_min_s;
    stats->collection_max_s = took > stats->collection_max_s ? took : stats->collection_max_s;
    stats->collection_s += took;
    stats->collections++;
    stats->failed_collections += error != 0 ? 1 : 0;
    stats->points += error == 0 ? points : 0;
    pthread_mutex_unlock(&reader->lock);
}

int otel_reader_collect(struct otel_reader *reader, fq_buf *out, size_t *ret_points) {
    struct otel_meter_provider *provider = reader->provider;
    struct otel_figures *figures = malloc(sizeof *figures);
    struct otel_exemplar_copies *exemplars = calloc(1, sizeof *exemplars);
    int error = figures == NULL || exemplars == NULL ? FQ_ENOMEM : 0;
    if (error == 0 && pthread_mutex_lock(&provider->collect_lock) == 0) {
        int64_t begun = otel_monotonic_ns(provider->runtime);
        size_t len = fq_buf_len(out);
        struct otel_collection collection = {.provider = provider,
                                             .reader = reader,
                                             .encoder = {.out = out},
                                             .now_unix_ns = otel_unix_ns(provider->runtime),
                                             .figures = figures,
                                             .exemplars = exemplars};
        otel_areas_fold(provider, figures);
        collect_all(&collection);
        error = collection.encoder.failed;
        if (error != 0)
            out->end = out->begin + len;
        *ret_points = error == 0 ? collection.points : 0;
        otel_produced_totals_sweep(reader->produced);
        reader->previous_unix_ns = collection.now_unix_ns;
        atomic_fetch_add_explicit(&provider->epoch, 1, memory_order_relaxed);
        note(reader, error, otel_monotonic_ns(provider->runtime) - begun, collection.points);
        pthread_mutex_unlock(&provider->collect_lock);
    } else if (error == 0) {
        error = FQ_EINVALID; // a callback that collects
    }
    if (exemplars != NULL)
        fq_buf_done(&exemplars->ids);
    free(exemplars);
    free(figures);
    return error;
}
