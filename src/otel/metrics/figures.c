// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/figures.h"

#include "otel/metrics/record.h"

#include <math.h>
#include <stdlib.h>

enum { ATTEMPTS = 256 };

static uint64_t sum_buckets(const struct otel_histogram_cell *cell, uint32_t count, uint64_t *buckets) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        buckets[i] = atomic_load_explicit(&cell->buckets[i], memory_order_acquire);
        sum += buckets[i];
    }
    return sum;
}

struct half {
    double sum, min, max;
    uint32_t window;
};

static struct half read_half(const struct otel_histogram_cell *cell, uint64_t count) {
    const struct otel_histogram_half *half = &cell->half[count & 1];
    return (struct half){.sum = atomic_load_explicit(&half->sum, memory_order_acquire),
                         .min = atomic_load_explicit(&half->min, memory_order_acquire),
                         .max = atomic_load_explicit(&half->max, memory_order_acquire),
                         .window = atomic_load_explicit(&half->window, memory_order_acquire)};
}

void otel_histogram_cell_read(const struct otel_histogram_cell *cell, uint32_t bound_count, uint32_t window,
                              struct otel_figures *figures) {
    uint64_t buckets[OTEL_BOUNDS_MAX + 1], again[OTEL_BOUNDS_MAX + 1];
    uint64_t count = sum_buckets(cell, bound_count + 1, buckets);
    struct half half = read_half(cell, count);
    // Buckets only grow: if their sum is what it was, nothing was written to the half that was read.
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t now = sum_buckets(cell, bound_count + 1, again);
        if (now == count)
            break;
        memcpy(buckets, again, (bound_count + 1) * sizeof *buckets);
        count = now;
        half = read_half(cell, count);
    }
    if (count == 0)
        return;
    for (uint32_t i = 0; i <= bound_count; i++)
        figures->buckets[i] += buckets[i];
    figures->count += count;
    figures->real_sum += half.sum;
    if (half.window == window) {
        figures->min = !figures->has_min_max || half.min < figures->min ? half.min : figures->min;
        figures->max = !figures->has_min_max || half.max > figures->max ? half.max : figures->max;
        figures->has_min_max = true;
    }
}

// Bytes of another process: what is counted by them must stay inside the arrays.
static bool is_sound(const struct otel_exponential *copy, uint32_t size) {
    const struct otel_exponential_side *sides[] = {&copy->positive, &copy->negative};
    for (int i = 0; i < 2; i++) {
        int64_t span = (int64_t)sides[i]->high - sides[i]->low + 1;
        if (span < 0 || span > size)
            return false;
    }
    return copy->size == size && copy->scale <= OTEL_EXPONENTIAL_SCALE_MAX &&
           copy->scale >= OTEL_EXPONENTIAL_SCALE_MIN;
}

bool otel_exponential_cell_read(const struct otel_exponential_cell *cell, uint32_t size,
                                struct otel_exponential *ret_copy) {
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t version = atomic_load_explicit(&cell->version, memory_order_acquire);
        const uint8_t *copies = (const uint8_t *)(cell + 1);
        memcpy(ret_copy, copies + (version & 1) * otel_exponential_bytes(size), otel_exponential_bytes(size));
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&cell->version, memory_order_relaxed) == version)
            return is_sound(ret_copy, size);
    }
    return false;
}

static void read_exponential(struct otel_row *row, struct otel_figures *figures) {
    const struct otel_stream *stream = row->stream;
    uint32_t size = (uint32_t)stream->max_size;
    struct otel_exponential_cell *cell = (void *)otel_row_cell(row, OTEL_THREAD_SLOT_COMMON);
    struct otel_exponential *copy = otel_figures_exponential(figures);
    if (cell == NULL) {
        otel_exponential_init(copy, size, stream->max_scale);
        return;
    }
    otel_row_lock(&row->cell_lock);
    memcpy(copy, otel_exponential_copy(cell, cell->version, size), otel_exponential_bytes(size));
    if (stream->resets)
        otel_cell_start(&cell->block, stream, cell->dice.random);
    if (stream->resets)
        cell->lags = false;
    otel_row_unlock(&row->cell_lock);
    figures->count = copy->count;
}

static void read_sum(const struct otel_row *row, unsigned slot, struct otel_figures *figures) {
    const struct otel_sum_cell *cell = (void *)otel_row_cell(row, slot);
    if (cell == NULL)
        return;
    figures->count += atomic_load_explicit(&cell->count, memory_order_acquire);
    uint64_t sum = atomic_load_explicit(&cell->sum, memory_order_relaxed);
    figures->sum = row->stream->instrument->integer ? figures->sum + sum
                                                    : otel_bits(otel_real(figures->sum) + otel_real(sum));
}

void otel_row_read(struct otel_row *row, struct otel_figures *figures) {
    const struct otel_stream *stream = row->stream;
    figures->count = figures->sum = 0;
    figures->real_sum = 0;
    figures->has_min_max = false;
    if (stream->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM) {
        read_exponential(row, figures);
        return;
    }
    bool is_histogram = stream->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    if (is_histogram)
        memset(figures->buckets, 0, (stream->bound_count + 1) * sizeof *figures->buckets);
    uint32_t window = atomic_load_explicit(&stream->window, memory_order_relaxed);
    for (unsigned slot = 0; slot < OTEL_THREAD_SLOTS; slot++) {
        const struct otel_block *cell = is_histogram ? otel_row_cell(row, slot) : NULL;
        if (cell != NULL)
            otel_histogram_cell_read((const void *)cell, stream->bound_count, window, figures);
        else if (!is_histogram)
            read_sum(row, slot, figures);
    }
}

static void histogram_since(const struct otel_stream *stream, struct otel_baseline *baseline,
                            struct otel_figures *figures) {
    for (uint32_t i = 0; i <= stream->bound_count; i++) {
        uint64_t now = figures->buckets[i];
        figures->buckets[i] -= baseline->buckets[i];
        baseline->buckets[i] = now;
    }
    double sum = figures->real_sum;
    figures->real_sum -= otel_real(baseline->sum);
    baseline->sum = otel_bits(sum);
}

bool otel_figures_since(struct otel_row *row, struct otel_baseline *baseline, struct otel_figures *figures) {
    const struct otel_stream *stream = row->stream;
    uint64_t count = figures->count;
    switch (stream->aggregation) {
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM: return true; // starts anew by itself
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM:
        if (baseline->buckets == NULL)
            baseline->buckets = calloc(stream->bound_count + 1, sizeof *baseline->buckets);
        if (baseline->buckets == NULL)
            return false;
        histogram_since(stream, baseline, figures);
        break;
    case OTEL_AGGREGATE_LAST_VALUE: break;
    default: {
        uint64_t sum = figures->sum;
        figures->sum = stream->instrument->integer ? sum - baseline->sum
                                                   : otel_bits(otel_real(sum) - otel_real(baseline->sum));
        baseline->sum = sum;
        break;
    }
    }
    figures->count -= baseline->count;
    baseline->count = count;
    return true;
}
