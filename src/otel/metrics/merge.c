// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/merge.h"

#include "otel/metrics/record.h"

#include <math.h>

static double sum_of(const struct otel_foreign *foreign) {
    bool is_number =
        foreign->aggregation == OTEL_AGGREGATE_SUM || foreign->aggregation == OTEL_AGGREGATE_LAST_VALUE;
    if (!is_number)
        return foreign->real_sum;
    return foreign->integer ? (double)(int64_t)foreign->sum : otel_real(foreign->sum);
}

// --- what a histogram of one kind says to one of another --------------------------------------------------------------
// Calls `each` with a value and how often it stands for a measurement.
typedef void (*weighted_visitor)(void *context, double value, uint64_t count);

static void visit_explicit(const struct otel_foreign *foreign, weighted_visitor each, void *context) {
    for (uint32_t i = 0; i <= foreign->bound_count; i++) {
        if (foreign->buckets[i] == 0)
            continue;
        double low = i > 0 ? foreign->bounds[i - 1] : foreign->has_min_max ? foreign->min : 0;
        double high = i < foreign->bound_count ? foreign->bounds[i]
                      : foreign->has_min_max   ? foreign->max
                                               : low;
        each(context, high >= low ? low + (high - low) / 2 : high, foreign->buckets[i]);
    }
}

static double middle(int32_t index, int32_t scale) {
    double value = exp2(((double)index + 0.5) * exp2(-scale));
    return isfinite(value) ? value : 0x1.fffffffffffffp1023;
}

static void visit_exponential(const struct otel_exponential *from, weighted_visitor each, void *context) {
    if (from->zero_count > 0)
        each(context, 0, from->zero_count);
    for (int32_t i = from->positive.low; i <= from->positive.high; i++) {
        if (otel_exponential_count_at(from, false, i) > 0)
            each(context, middle(i, from->scale), otel_exponential_count_at(from, false, i));
    }
    for (int32_t i = from->negative.low; i <= from->negative.high; i++) {
        if (otel_exponential_count_at(from, true, i) > 0)
            each(context, -middle(i, from->scale), otel_exponential_count_at(from, true, i));
    }
}

static void visit(const struct otel_foreign *foreign, weighted_visitor each, void *context) {
    if (foreign->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM)
        visit_explicit(foreign, each, context);
    else if (foreign->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM)
        visit_exponential(foreign->exponential, each, context);
    else
        each(context, sum_of(foreign), 1);
}

// --- into each kind of cell ------------------------------------------------------------------------------------------
static void into_sum(struct otel_sum_cell *cell, const struct otel_foreign *foreign, bool integer,
                     bool is_last) {
    uint64_t sum = is_last ? 0 : atomic_load_explicit(&cell->sum, memory_order_relaxed);
    if (integer) {
        double real = sum_of(foreign);
        sum += foreign->integer ? foreign->sum : (uint64_t)(int64_t)(fabs(real) < 0x1p63 ? real : 0);
    } else {
        sum = otel_bits(otel_real(sum) + sum_of(foreign));
    }
    atomic_store_explicit(&cell->sum, sum, memory_order_relaxed);
    uint64_t count = atomic_load_explicit(&cell->count, memory_order_relaxed);
    atomic_store_explicit(&cell->count, count + foreign->count, memory_order_release);
}

struct target {
    const struct otel_stream *stream;
    struct otel_histogram_cell *cell;
};
static void add_bucket(struct otel_histogram_cell *cell, uint32_t index, uint64_t count) {
    uint64_t before = atomic_load_explicit(&cell->buckets[index], memory_order_relaxed);
    atomic_store_explicit(&cell->buckets[index], before + count, memory_order_release);
    cell->count += count;
}
static void into_bucket(void *context, double value, uint64_t count) {
    struct target *target = context;
    uint32_t index = 0;
    while (index < target->stream->bound_count && target->stream->bounds[index] < value)
        index++;
    add_bucket(target->cell, index, count);
}

static bool has_same_bounds(const struct otel_stream *stream, const struct otel_foreign *foreign) {
    return foreign->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM &&
           foreign->bound_count == stream->bound_count &&
           memcmp(foreign->bounds, stream->bounds, stream->bound_count * sizeof(double)) == 0;
}

// Both halves say the same afterwards, whichever of them the new number of measurements makes count. Nobody reads
// meanwhile: collections are the readers, and this is one.
static void into_halves(struct otel_histogram_cell *cell, const struct otel_foreign *foreign,
                        uint32_t window) {
    const struct otel_histogram_half *from = &cell->half[cell->count & 1];
    double sum = atomic_load_explicit(&from->sum, memory_order_relaxed) + sum_of(foreign);
    double min = atomic_load_explicit(&from->min, memory_order_relaxed);
    double max = atomic_load_explicit(&from->max, memory_order_relaxed);
    uint32_t now = atomic_load_explicit(&from->window, memory_order_relaxed);
    if (foreign->has_min_max) {
        min = now != window || foreign->min < min ? foreign->min : min;
        max = now != window || foreign->max > max ? foreign->max : max;
        now = window;
    }
    for (int i = 0; i < 2; i++) {
        atomic_store_explicit(&cell->half[i].sum, sum, memory_order_relaxed);
        atomic_store_explicit(&cell->half[i].min, min, memory_order_relaxed);
        atomic_store_explicit(&cell->half[i].max, max, memory_order_relaxed);
        atomic_store_explicit(&cell->half[i].window, now, memory_order_relaxed);
    }
}

static void into_histogram(const struct otel_stream *stream, struct otel_histogram_cell *cell,
                           const struct otel_foreign *foreign) {
    into_halves(cell, foreign, atomic_load_explicit(&stream->window, memory_order_relaxed));
    if (has_same_bounds(stream, foreign)) {
        for (uint32_t i = 0; i <= stream->bound_count; i++)
            add_bucket(cell, i, foreign->buckets[i]);
    } else {
        visit(foreign, into_bucket, &(struct target){stream, cell});
    }
}

static void into_weighted(void *context, double value, uint64_t count) {
    otel_exponential_record_many(context, value, count);
}

static void into_exponential(struct otel_exponential_cell *cell, uint32_t size,
                             const struct otel_foreign *foreign) {
    uint64_t version = atomic_load_explicit(&cell->version, memory_order_relaxed);
    struct otel_exponential *whole = otel_exponential_copy(cell, version, size);
    struct otel_exponential *next = otel_exponential_copy(cell, version + 1, size);
    memcpy(next, whole, otel_exponential_bytes(size));
    if (foreign->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM) {
        otel_exponential_merge(next, foreign->exponential);
    } else {
        double sum = next->sum + sum_of(foreign);
        visit(foreign, into_weighted, next);
        next->sum = sum;
    }
    atomic_store_explicit(&cell->version, version + 1, memory_order_release);
    memcpy(whole, next, otel_exponential_bytes(size));
    cell->lags = false;
}

static void merge_into_row(struct otel_row *row, const struct otel_foreign *foreign) {
    const struct otel_stream *stream = row->stream;
    void *cell = otel_row_make_cell(row, OTEL_THREAD_SLOT_COMMON);
    if (cell == NULL) {
        otel_count_lost(row);
        return;
    }
    otel_row_lock(&row->cell_lock);
    switch (stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM: into_histogram(stream, cell, foreign); break;
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM:
        into_exponential(cell, (uint32_t)stream->max_size, foreign);
        break;
    default:
        into_sum(cell, foreign, stream->instrument->integer,
                 stream->aggregation == OTEL_AGGREGATE_LAST_VALUE);
        break;
    }
    otel_row_unlock(&row->cell_lock);
}

void otel_series_merge(struct otel_series *series, const struct otel_foreign *foreign) {
    for (uint32_t i = 0; i < series->link_count; i++)
        merge_into_row(series->links[i].row, foreign);
}
