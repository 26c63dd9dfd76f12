// SPDX-License-Identifier: Apache-2.0
// Producers: points that are counted elsewhere, written into a collection; totals become deltas for readers that want those.
#include "otel/metrics/collect.h"

enum { ATTRIBUTES_MAX = 64, BUCKETS_MAX = 512 };

struct otel_point_writer {
    struct otel_collection *collection;
    struct otel_message scope;
    struct otel_metric_head head;
    struct otel_open_metric metric;
    bool is_open, is_wanted;
    bool is_delta;        // the producer gives totals, the reader wants what came since
    size_t points_before; // the metric
    fq_buf set;           // attributes of the point, and behind them, for deltas, the metric's name
};

static enum otel_shape shape_of(enum otel_instrument_kind kind) {
    switch (kind) {
    case OTEL_HISTOGRAM: return OTEL_SHAPE_HISTOGRAM;
    case OTEL_GAUGE:
    case OTEL_OBSERVABLE_GAUGE: return OTEL_SHAPE_GAUGE;
    default: return OTEL_SHAPE_SUM;
    }
}

static void end_metric(otel_point_writer *writer) {
    if (!writer->is_open)
        return;
    if (writer->collection->points == writer->points_before)
        otel_encoder_undo(&writer->collection->encoder, writer->metric.metric);
    else
        otel_encode_metric_end(&writer->collection->encoder, &writer->head, writer->metric);
    writer->is_open = false;
}

void otel_point_metric(otel_point_writer *writer, enum otel_instrument_kind kind, const char *name,
                       const char *unit, const char *description, enum otel_temporality temporality) {
    end_metric(writer);
    writer->is_wanted = name != NULL && otel_collection_wants(writer->collection, name, NULL, 0);
    if (!writer->is_wanted)
        return;
    writer->is_delta = temporality == OTEL_TEMPORALITY_CUMULATIVE &&
                       (kind == OTEL_HISTOGRAM || otel_kind_is_monotonic(kind)) &&
                       writer->collection->reader->options.temporality[kind] == OTEL_TEMPORALITY_DELTA;
    temporality = writer->is_delta ? OTEL_TEMPORALITY_DELTA : temporality;
    writer->head = (struct otel_metric_head){.name = name,
                                             .unit = unit,
                                             .description = description,
                                             .shape = shape_of(kind),
                                             .temporality = temporality,
                                             .monotonic = otel_kind_is_monotonic(kind)};
    writer->points_before = writer->collection->points;
    writer->metric = otel_encode_metric(&writer->collection->encoder, &writer->head);
    writer->is_open = true;
}

// The head of a point that the reader wants.
static bool begin_point(otel_point_writer *writer, const struct otel_attribute *attributes, size_t count,
                        int64_t start_unix_ns, struct otel_point_head *ret_head) {
    const struct otel_attribute *sorted[ATTRIBUTES_MAX];
    count = attributes == NULL ? 0 : count < ATTRIBUTES_MAX ? count : ATTRIBUTES_MAX;
    if (!writer->is_open || !otel_collection_wants(writer->collection, writer->head.name, attributes, count))
        return false;
    fq_buf_clear(&writer->set);
    size_t used = otel_attribute_set_sort(attributes, count, sorted);
    if (otel_attribute_set_encode(sorted, used, NULL, &writer->set, NULL) != 0)
        return false;
    size_t set_len = fq_buf_len(&writer->set);
    if (writer->is_delta && fq_buf_append(&writer->set, writer->head.name, strlen(writer->head.name)) != 0)
        return false;
    *ret_head = (struct otel_point_head){.attributes = (const uint8_t *)fq_buf_str(&writer->set).ptr,
                                         .attributes_len = set_len,
                                         .start_unix_ns = start_unix_ns,
                                         .unix_ns = writer->collection->now_unix_ns};
    writer->collection->points++;
    return true;
}

// A delta with nothing in it is no point; others begin where the collection before ended.
static bool keeps(otel_point_writer *writer, struct otel_point_head *head, bool has_news, bool is_first) {
    if (!has_news)
        writer->collection->points--;
    if (!is_first)
        head->start_unix_ns = writer->collection->reader->previous_unix_ns;
    return has_news;
}

void otel_point_int(otel_point_writer *writer, const struct otel_attribute *attributes, size_t count,
                    int64_t start_unix_ns, int64_t value) {
    struct otel_point_head head;
    bool is_first;
    if (!begin_point(writer, attributes, count, start_unix_ns, &head))
        return;
    if (writer->is_delta) {
        bool has_news = otel_produced_since_int(&writer->collection->reader->produced,
                                                fq_buf_str(&writer->set), &value, &is_first);
        if (!keeps(writer, &head, has_news, is_first))
            return;
    }
    otel_encode_number(&writer->collection->encoder, &head, true, (uint64_t)value);
}

void otel_point_double(otel_point_writer *writer, const struct otel_attribute *attributes, size_t count,
                       int64_t start_unix_ns, double value) {
    struct otel_point_head head;
    bool is_first;
    if (!begin_point(writer, attributes, count, start_unix_ns, &head))
        return;
    if (writer->is_delta) {
        bool has_news = otel_produced_since_double(&writer->collection->reader->produced,
                                                   fq_buf_str(&writer->set), &value, &is_first);
        if (!keeps(writer, &head, has_news, is_first))
            return;
    }
    otel_encode_number(&writer->collection->encoder, &head, false, otel_bits(value));
}

static size_t copy_exemplars(const struct otel_point_histogram *histogram,
                             struct otel_encoded_exemplar *items, size_t max) {
    size_t count = 0;
    for (size_t i = 0; histogram->exemplars != NULL && i <= histogram->bound_count && count < max; i++) {
        const struct otel_point_exemplar *exemplar = &histogram->exemplars[i];
        if (exemplar->unix_ns != 0)
            items[count++] = (struct otel_encoded_exemplar){.value = otel_bits(exemplar->value),
                                                            .unix_ns = exemplar->unix_ns,
                                                            .trace_id = exemplar->trace_id,
                                                            .span_id = exemplar->span_id};
    }
    return count;
}

void otel_point_histogram(otel_point_writer *writer, const struct otel_attribute *attributes, size_t count,
                          int64_t start_unix_ns, const struct otel_point_histogram *histogram) {
    struct otel_point_head head;
    if (!begin_point(writer, attributes, count, start_unix_ns, &head))
        return;
    uint64_t since[BUCKETS_MAX];
    const uint64_t *buckets = histogram->buckets;
    double sum = histogram->sum;
    if (writer->is_delta && histogram->bound_count < BUCKETS_MAX) {
        bool is_first;
        memcpy(since, buckets, (histogram->bound_count + 1) * sizeof *since);
        bool has_news =
            otel_produced_since_histogram(&writer->collection->reader->produced, fq_buf_str(&writer->set),
                                          since, histogram->bound_count, &sum, &is_first);
        if (!keeps(writer, &head, has_news, is_first))
            return;
        buckets = since;
    }
    struct otel_encoded_exemplar *items = writer->collection->exemplars->items;
    head.exemplars = items;
    head.exemplar_count = copy_exemplars(histogram, items, OTEL_EXEMPLARS_MAX);
    struct otel_histogram_figures figures = {.bounds = histogram->bounds,
                                             .buckets = buckets,
                                             .bound_count = histogram->bound_count,
                                             .has_sum = true,
                                             .has_min_max = histogram->has_min_max && !writer->is_delta,
                                             .sum = sum,
                                             .min = histogram->min,
                                             .max = histogram->max};
    otel_encode_histogram(&writer->collection->encoder, &head, &figures);
}

void otel_point_ended(otel_point_writer *writer, const struct otel_attribute *attributes, size_t count) {
    struct otel_point_head head;
    if (!begin_point(writer, attributes, count, 0, &head))
        return;
    head.no_recorded_value = true;
    if (writer->head.shape == OTEL_SHAPE_HISTOGRAM)
        otel_encode_histogram(&writer->collection->encoder, &head, &(struct otel_histogram_figures){0});
    else
        otel_encode_number(&writer->collection->encoder, &head, true, 0);
}

static void produce(struct otel_collection *collection, const struct otel_produced *produced) {
    struct otel_encoder *encoder = &collection->encoder;
    size_t before = collection->points;
    otel_point_writer writer = {.collection = collection, .scope = otel_encoder_open(encoder, 2)};
    otel_encoder_bytes(encoder, 1, produced->scope_bytes, produced->scope_len);
    produced->producer.produce(produced->producer.context, &writer, collection->now_unix_ns);
    end_metric(&writer);
    otel_encoder_text(encoder, 3, produced->producer.scope.schema_url);
    if (collection->points == before)
        otel_encoder_undo(encoder, writer.scope);
    else
        otel_encoder_close(encoder, writer.scope);
    fq_buf_done(&writer.set);
}

void otel_collection_produce(struct otel_collection *collection) {
    struct otel_produced *produced =
        atomic_load_explicit(&collection->provider->first_producer, memory_order_acquire);
    for (; produced != NULL; produced = atomic_load_explicit(&produced->next, memory_order_acquire))
        produce(collection, produced);
}
