// SPDX-License-Identifier: Apache-2.0
// Counts that were made elsewhere, put into a series as if they had been measured here.
#ifndef OTEL_METRICS_MERGE_H
#define OTEL_METRICS_MERGE_H

#include "otel/metrics/figures.h"

struct otel_foreign {
    enum otel_aggregation aggregation; // how it was counted
    bool integer;
    uint64_t count;
    uint64_t sum;    // sums and last values: bits of a double, or an int64
    double real_sum; // histograms
    bool has_min_max;
    double min, max;
    const double *bounds; // explicit histograms
    const uint64_t *buckets;
    uint32_t bound_count;
    const struct otel_exponential *exponential;
};
/** Into every stream of the series: exactly where it counts alike, else by the middle of each bucket. Under collect_lock. */
void otel_series_merge(struct otel_series *series, const struct otel_foreign *foreign);

#endif
