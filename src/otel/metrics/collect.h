// SPDX-License-Identifier: Apache-2.0
// One collection of one reader.
#ifndef OTEL_METRICS_COLLECT_H
#define OTEL_METRICS_COLLECT_H

#include "otel/metrics/encode.h"
#include "otel/metrics/exemplar.h"
#include "otel/metrics/figures.h"

struct otel_collection {
    struct otel_meter_provider *provider;
    struct otel_reader *reader;
    struct otel_encoder encoder;
    int64_t now_unix_ns;
    size_t points;
    struct otel_figures *figures;
    struct otel_exemplar_copies *exemplars;
};

/** MetricsData of one reader appended to `out`, nothing if there are no points. 0 or a negative error. */
int otel_reader_collect(struct otel_reader *reader, fq_buf *out, size_t *ret_points);
/** Runs the callbacks of an instrument for the collection's reader. */
void otel_instrument_call_back(struct otel_collection *collection, struct otel_instrument *instrument);
/** Whether the reader wants a metric, and a point of it. */
bool otel_collection_wants(const struct otel_collection *collection, const char *name,
                           const struct otel_attribute *attributes, size_t count);
/** Scopes and points of all producers. */
void otel_collection_produce(struct otel_collection *collection);
/** What changed in attached areas goes into the provider's own series. Under collect_lock. */
void otel_areas_fold(struct otel_meter_provider *provider, struct otel_figures *scratch);
void otel_areas_free(struct otel_meter_provider *provider);

#endif
