// SPDX-License-Identifier: Apache-2.0
// Deltas of what producers count: they give totals, a reader that wants deltas gets what came since its last collection. One of
// these belongs to one reader and is used under the provider's collect_lock.
#ifndef OTEL_METRICS_PRODUCED_H
#define OTEL_METRICS_PRODUCED_H

#include "base/str.h"
#include "otel/metrics.h"

typedef struct otel_produced_totals otel_produced_totals;
otel_produced_totals *otel_produced_totals_free(otel_produced_totals *totals);

/**
 * `*value` (a total) becomes what came since the last time; a total that fell has started anew and counts whole. `key` is the
 * metric's name and its attributes. True if there is something to tell. *totals is made when first needed; without memory the total
 * is told as it is. `*ret_first` says that the point was not known, so that its own start time holds.
 */
bool otel_produced_since_int(otel_produced_totals **totals, fq_str key, int64_t *value, bool *ret_first);
bool otel_produced_since_double(otel_produced_totals **totals, fq_str key, double *value, bool *ret_first);
/** `buckets` (bound_count + 1 numbers) and `sum` likewise. */
bool otel_produced_since_histogram(otel_produced_totals **totals, fq_str key, uint64_t *buckets,
                                   size_t bound_count, double *sum, bool *ret_first);
/** Ends a collection: what was not asked for in it is forgotten. */
void otel_produced_totals_sweep(otel_produced_totals *totals);

#endif
