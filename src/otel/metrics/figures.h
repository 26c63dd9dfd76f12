// SPDX-License-Identifier: Apache-2.0
// What a row has counted: the sum of its cells, whole or since a reader's last collection.
#ifndef OTEL_METRICS_FIGURES_H
#define OTEL_METRICS_FIGURES_H

#include "otel/metrics/model.h"

enum { OTEL_BOUNDS_MAX = 1024 };

struct otel_figures {
    uint64_t count, sum; // sum: bits of a double, or an int64
    double real_sum;     // of histograms
    bool has_min_max;
    double min, max;
    uint64_t buckets[OTEL_BOUNDS_MAX + 1];
    uint64_t exponential_memory[sizeof(struct otel_exponential) / 8 + 2 * OTEL_BOUNDS_MAX];
};
static inline struct otel_exponential *otel_figures_exponential(struct otel_figures *figures) {
    return (struct otel_exponential *)(void *)figures->exponential_memory;
}

/** Of one histogram cell, added to the figures: a state that was true at one instant, unless writers never pause. */
void otel_histogram_cell_read(const struct otel_histogram_cell *cell, uint32_t bound_count, uint32_t window,
                              struct otel_figures *figures);
/** Copies the whole one of the two. False if it cannot be had: the writer never pauses, or the bytes are no histogram. */
bool otel_exponential_cell_read(const struct otel_exponential_cell *cell, uint32_t size,
                                struct otel_exponential *ret_copy);
/** All cells of a row of a synchronous instrument. What resets is empty afterwards. */
void otel_row_read(struct otel_row *row, struct otel_figures *ret_figures);
/** Takes away what the baseline has, and remembers the whole in it. False without memory: the figures stay whole. */
bool otel_figures_since(struct otel_row *row, struct otel_baseline *baseline, struct otel_figures *figures);

#endif
