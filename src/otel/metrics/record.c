// SPDX-License-Identifier: Apache-2.0
// Measuring: a thread writes cells of its own with plain stores. What several threads write, or what changes in more than
// one place at once, is a common cell behind a lock of a few instructions.
#include "otel/metrics/record.h"

#include "otel/metrics/exemplar.h"

#include <math.h>

static inline uint64_t loaded(const _Atomic uint64_t *number) {
    return atomic_load_explicit(number, memory_order_relaxed);
}
static inline void stored(_Atomic uint64_t *number, uint64_t value) {
    atomic_store_explicit(number, value, memory_order_relaxed);
}

// Upper bounds belong to their buckets: the number of bounds that lie below the value.
static inline uint32_t bucket_of(const double *bounds, uint32_t count, double value) {
    const double *base = bounds;
    while (count > 1) {
        uint32_t half = count / 2;
        base = base[half - 1] < value ? base + half : base;
        count -= half;
    }
    return (uint32_t)(base - bounds) + (count == 1 && *base < value ? 1 : 0);
}

static inline void offer(const struct otel_series *series, const struct otel_row_link *link,
                         const struct otel_measurement *measurement, struct otel_dice *dice, uint32_t *seen,
                         uint32_t groups, uint32_t group) {
    struct otel_offer all = {series, link, measurement, dice, seen, groups, group};
    otel_exemplar_offer(&all);
}

static inline void add_to_sum(const struct otel_series *series, const struct otel_row_link *link,
                              struct otel_sum_cell *cell, const struct otel_measurement *measurement) {
    uint64_t sum = loaded(&cell->sum);
    sum = series->instrument->integer ? sum + (uint64_t)measurement->integer
                                      : otel_bits(otel_real(sum) + measurement->real);
    stored(&cell->sum, sum);
    stored(&cell->count, loaded(&cell->count) + 1);
    if (__builtin_expect(measurement->offers, 0))
        offer(series, link, measurement, &cell->dice, &cell->seen, 1, 0);
}

static inline void add_to_histogram(const struct otel_series *series, const struct otel_row_link *link,
                                    struct otel_histogram_cell *cell,
                                    const struct otel_measurement *measurement) {
    const struct otel_stream *stream = link->row->stream;
    double value = measurement->real;
    uint32_t index = bucket_of(stream->bounds, stream->bound_count, value);
    const struct otel_histogram_half *from = &cell->half[cell->count & 1];
    struct otel_histogram_half *to = &cell->half[(cell->count + 1) & 1];
    uint32_t window = atomic_load_explicit(&stream->window, memory_order_relaxed);
    double min = atomic_load_explicit(&from->min, memory_order_relaxed);
    double max = atomic_load_explicit(&from->max, memory_order_relaxed);
    bool is_first = atomic_load_explicit(&from->window, memory_order_relaxed) != window;
    double sum = atomic_load_explicit(&from->sum, memory_order_relaxed) + value;
    atomic_store_explicit(&to->sum, sum, memory_order_relaxed);
    atomic_store_explicit(&to->min, is_first || value < min ? value : min, memory_order_relaxed);
    atomic_store_explicit(&to->max, is_first || value > max ? value : max, memory_order_relaxed);
    atomic_store_explicit(&to->window, window, memory_order_relaxed);
    // From here on the measurement counts.
    atomic_store_explicit(&cell->buckets[index], loaded(&cell->buckets[index]) + 1, memory_order_release);
    cell->count++;
    if (__builtin_expect(measurement->offers, 0)) {
        uint32_t buckets = stream->bound_count + 1;
        offer(series, link, measurement, &cell->dice, otel_histogram_seen(cell, buckets), buckets, index);
    }
}

static void set_last(const struct otel_series *series, const struct otel_row_link *link,
                     struct otel_sum_cell *cell, const struct otel_measurement *measurement) {
    bool integer = series->instrument->integer;
    stored(&cell->sum, integer ? (uint64_t)measurement->integer : otel_bits(measurement->real));
    atomic_store_explicit(&cell->count, loaded(&cell->count) + 1, memory_order_release);
    if (measurement->offers)
        offer(series, link, measurement, &cell->dice, &cell->seen, 1, 0);
}

void otel_exponential_cell_record(struct otel_exponential_cell *cell, uint32_t size, double value) {
    uint64_t version = loaded(&cell->version) + 1;
    struct otel_exponential *copy = otel_exponential_copy(cell, version, size);
    if (cell->lags)
        otel_exponential_record(copy, cell->last);
    otel_exponential_record(copy, value);
    atomic_store_explicit(&cell->version, version, memory_order_release);
    cell->last = value;
    cell->lags = true;
}

static void add_to_exponential(const struct otel_series *series, const struct otel_row_link *link,
                               struct otel_exponential_cell *cell,
                               const struct otel_measurement *measurement) {
    otel_exponential_cell_record(cell, (uint32_t)link->row->stream->max_size, measurement->real);
    if (measurement->offers)
        offer(series, link, measurement, &cell->dice, &cell->seen, 1, 0);
}

static void add_to_common(const struct otel_series *series, const struct otel_row_link *link,
                          const struct otel_measurement *measurement) {
    struct otel_row *row = link->row;
    void *cell = atomic_load_explicit(&row->cells[OTEL_THREAD_SLOT_COMMON], memory_order_acquire);
    if (cell == NULL && (cell = otel_row_make_cell(row, OTEL_THREAD_SLOT_COMMON)) == NULL) {
        otel_count_lost(row);
        return;
    }
    otel_row_lock(&row->cell_lock);
    switch (row->stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM: add_to_histogram(series, link, cell, measurement); break;
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM: add_to_exponential(series, link, cell, measurement); break;
    case OTEL_AGGREGATE_LAST_VALUE: set_last(series, link, cell, measurement); break;
    default: add_to_sum(series, link, cell, measurement); break;
    }
    otel_row_unlock(&row->cell_lock);
}

void otel_count_lost(struct otel_row *row) {
    struct otel_meter_provider *provider = row->stream->instrument->meter->provider;
    atomic_fetch_add_explicit(&provider->lost, 1, memory_order_relaxed);
    otel_store_count_lost(&provider->store);
}

static struct otel_block *own_cell_slowly(struct otel_row *row, unsigned slot) {
    struct otel_block *cell = otel_row_cell(row, slot);
    if (cell == NULL && (cell = otel_row_make_cell(row, slot)) == NULL)
        otel_count_lost(row);
    return cell;
}

static inline struct otel_block *own_cell(struct otel_row *row, unsigned slot) {
    if (__builtin_expect(slot < OTEL_ROW_CELLS, 1)) {
        struct otel_block *cell = atomic_load_explicit(&row->cells[slot], memory_order_acquire);
        if (__builtin_expect(cell != NULL, 1))
            return cell;
    }
    return own_cell_slowly(row, slot);
}

static inline void add_to_row(const struct otel_series *series, const struct otel_row_link *link,
                              const struct otel_measurement *measurement, unsigned slot) {
    struct otel_row *row = link->row;
    enum otel_aggregation aggregation = row->stream->aggregation;
    if (__builtin_expect(row->is_overflow, 0))
        atomic_fetch_add_explicit(&row->stream->instrument->meter->provider->overflowed, 1,
                                  memory_order_relaxed);
    bool is_common = slot == OTEL_THREAD_SLOT_COMMON || aggregation == OTEL_AGGREGATE_LAST_VALUE ||
                     aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    if (__builtin_expect(is_common, 0)) {
        add_to_common(series, link, measurement);
        return;
    }
    struct otel_block *cell = own_cell(row, slot);
    if (__builtin_expect(cell == NULL, 0))
        return;
    if (aggregation == OTEL_AGGREGATE_SUM)
        add_to_sum(series, link, (struct otel_sum_cell *)(void *)cell, measurement);
    else
        add_to_histogram(series, link, (struct otel_histogram_cell *)(void *)cell, measurement);
}

static void refuse(const struct otel_instrument *instrument, const char *what) {
    struct otel_meter_provider *provider = instrument->meter->provider;
    atomic_fetch_add_explicit(&provider->ignored, 1, memory_order_relaxed);
    struct otel_instrument *own = (struct otel_instrument *)(uintptr_t)instrument;
    if (!atomic_exchange_explicit(&own->warned, true, memory_order_relaxed))
        otel_report(provider->runtime, OTEL_LEVEL_WARN, "metrics: instrument '%s' was given %s: ignored",
                    instrument->name, what);
}

// Counters and histograms are monotonic: what is below zero would turn rates into nonsense.
static inline bool is_refused(const struct otel_instrument *instrument, double value) {
    if (__builtin_expect(value - value != 0, 0)) {
        refuse(instrument, "a value that is not finite");
        return true;
    }
    if (__builtin_expect(value < 0 && instrument->kind == OTEL_COUNTER, 0)) {
        refuse(instrument, "a negative amount");
        return true;
    }
    return false;
}

static inline void add_to_all(const struct otel_series *series, const struct otel_measurement *measurement) {
    unsigned slot = otel_thread_slot();
    for (uint32_t i = 0; i < series->link_count; i++)
        add_to_row(series, &series->links[i], measurement, slot);
}

static inline enum otel_exemplar_filter filter_of(const struct otel_instrument *instrument) {
    return (enum otel_exemplar_filter)atomic_load_explicit(&instrument->exemplar_filter,
                                                           memory_order_relaxed);
}

// With the span that is current, if the exemplar filter lets it through.
static inline void measure_here(otel_series *series, struct otel_measurement *measurement) {
    struct otel_span_context current;
    enum otel_exemplar_filter filter = filter_of(series->instrument);
    if (filter != OTEL_EXEMPLARS_ALWAYS_OFF) {
        if (otel_current_span_context(&current))
            measurement->span = &current;
        measurement->offers = filter == OTEL_EXEMPLARS_ALWAYS_ON ||
                              (measurement->span != NULL && (current.flags & OTEL_FLAG_SAMPLED) != 0);
    }
    add_to_all(series, measurement);
}

// Toward zero, and to the nearest number there is.
static inline int64_t truncated(double value) {
    return value >= 0x1p63 ? INT64_MAX : value <= -0x1p63 ? INT64_MIN : (int64_t)value;
}

static inline void measure_real(otel_series *series, double value) {
    if (series == NULL || is_refused(series->instrument, value))
        return;
    struct otel_measurement measurement = {.real = value};
    if (series->instrument->integer) {
        measurement.integer = truncated(value);
        measurement.real = (double)measurement.integer;
    }
    measure_here(series, &measurement);
}

void otel_series_add(otel_series *series, double amount) {
    measure_real(series, amount);
}

void otel_series_record(otel_series *series, double value) {
    measure_real(series, value);
}

void otel_series_add_int(otel_series *series, int64_t amount) {
    if (series == NULL || is_refused(series->instrument, (double)amount))
        return;
    struct otel_measurement measurement = {.real = (double)amount, .integer = amount};
    measure_here(series, &measurement);
}

void otel_series_measure(otel_series *series, double value, const struct otel_span_context *exemplar) {
    if (series == NULL || is_refused(series->instrument, value))
        return;
    enum otel_exemplar_filter filter = filter_of(series->instrument);
    struct otel_measurement measurement = {.real = value,
                                           .integer = truncated(value),
                                           .span = exemplar,
                                           .offers =
                                               filter == OTEL_EXEMPLARS_ALWAYS_ON ||
                                               (filter == OTEL_EXEMPLARS_TRACE_BASED && exemplar != NULL &&
                                                (exemplar->flags & OTEL_FLAG_SAMPLED) != 0)};
    if (series->instrument->integer)
        measurement.real = (double)measurement.integer;
    add_to_all(series, &measurement);
}

// --- attributes looked up each time ----------------------------------------------------------------------------------
static otel_series *series_of(otel_instrument *instrument, const struct otel_attribute *attributes,
                              size_t count) {
    otel_series *series = otel_bind(instrument, attributes, count);
    if (series == NULL && instrument != NULL && !otel_kind_is_observable(instrument->kind))
        atomic_fetch_add_explicit(&instrument->meter->provider->lost, 1, memory_order_relaxed);
    return series;
}

void otel_add(otel_instrument *instrument, double amount, const struct otel_attribute *attributes,
              size_t count) {
    measure_real(series_of(instrument, attributes, count), amount);
}

void otel_record(otel_instrument *instrument, double value, const struct otel_attribute *attributes,
                 size_t count) {
    measure_real(series_of(instrument, attributes, count), value);
}

void otel_measure(otel_instrument *instrument, double value, const struct otel_attribute *attributes,
                  size_t count, const struct otel_span_context *exemplar) {
    otel_series_measure(series_of(instrument, attributes, count), value, exemplar);
}
