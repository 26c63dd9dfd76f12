// SPDX-License-Identifier: Apache-2.0
// Base-2 exponential histograms: bucket i of scale s holds (2^(i * 2^-s), 2^((i + 1) * 2^-s)]. Too many buckets halve the
// resolution. Source: OTLP data model "ExponentialHistogram", metrics SDK "base2 exponential bucket histogram".
#ifndef OTEL_METRICS_EXPONENTIAL_H
#define OTEL_METRICS_EXPONENTIAL_H

#include "otel/metrics/layout.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    OTEL_EXPONENTIAL_SIZE_DEFAULT = 160,
    OTEL_EXPONENTIAL_SCALE_MAX = 20,
    OTEL_EXPONENTIAL_SCALE_MIN = -10
};

// Buckets of one sign. counts[(index) mod size]; `low`..`high` are in use, if any.
struct otel_exponential_side {
    int32_t low, high; // bucket indices; high < low = empty
};
struct otel_exponential {
    int32_t scale;
    uint32_t size; // buckets a side
    uint64_t zero_count;
    struct otel_exponential_side positive, negative;
    uint64_t count;
    double sum, min, max;
    uint64_t counts[]; // size of positive, then size of negative
};
static inline size_t otel_exponential_bytes(uint32_t size) {
    return sizeof(struct otel_exponential) + 2 * (size_t)size * sizeof(uint64_t);
}

// A row's only cell: two copies, of which `version` names the one that is whole.
struct otel_exponential_cell {
    struct otel_block block;
    struct otel_dice dice;
    _Atomic uint64_t version; // changes counted; the copy of its lowest bit is whole
    uint32_t seen;
    bool lags; // the other copy lacks `last`
    double last;
    // two struct otel_exponential
};
static inline struct otel_exponential *otel_exponential_copy(struct otel_exponential_cell *cell,
                                                             uint64_t version, uint32_t size) {
    uint8_t *copies = (uint8_t *)(cell + 1);
    return (struct otel_exponential *)(void *)(copies + (version & 1) * otel_exponential_bytes(size));
}

/** Bucket of a positive, finite value. */
int32_t otel_exponential_index(double value, int32_t scale);
void otel_exponential_init(struct otel_exponential *histogram, uint32_t size, int32_t scale);
/** Counts one measurement. */
void otel_exponential_record(struct otel_exponential *histogram, double value);
/** Counts the same measurement `count` times; the caller sees to the sum. */
void otel_exponential_record_many(struct otel_exponential *histogram, double value, uint64_t count);
/** Counts what `other` has, of which sizes may differ. */
void otel_exponential_merge(struct otel_exponential *histogram, const struct otel_exponential *other);
/** Takes away what `earlier`, an earlier state of the same histogram, had. min and max stay. */
void otel_exponential_subtract(struct otel_exponential *histogram, const struct otel_exponential *earlier);
/** Whether each bucket of `earlier` has at least as many in the histogram, which is of the same or a lower scale. */
bool otel_exponential_holds(const struct otel_exponential *histogram, const struct otel_exponential *earlier);
/** Halves the resolution until it is `scale`. */
void otel_exponential_rescale(struct otel_exponential *histogram, int32_t scale);
static inline uint64_t otel_exponential_count_at(const struct otel_exponential *histogram, bool is_negative,
                                                 int32_t index) {
    uint32_t at = (uint32_t)(((int64_t)index % histogram->size + histogram->size) % histogram->size);
    return histogram->counts[(is_negative ? histogram->size : 0) + at];
}

#endif
