// SPDX-License-Identifier: Apache-2.0
// The meter provider: views, readers, producers; instruments and series belong to it.
#ifndef OTEL_METRICS_PROVIDER_H
#define OTEL_METRICS_PROVIDER_H

#include "base/buf.h"
#include "otel/exporter.h"
#include "otel/runtime.h"

// A reader with an exporter is periodic (its own thread, started by the first instrument or producer); without one it is
// pulled by otel_meter_provider_collect.
struct otel_reader_options {
    struct otel_exporter exporter;                                 // ops NULL = pull
    enum otel_temporality temporality[OTEL_INSTRUMENT_KIND_COUNT]; // 0 = cumulative
    enum otel_aggregation aggregation[OTEL_INSTRUMENT_KIND_COUNT]; // 0 = default
    int64_t interval_ms, timeout_ms;                               // 60,000 and 30,000
    size_t cardinality_limit;                                      // 0 = 2,000
    size_t export_points_max;                                      // of one export; 0 = all there are
    // Which metrics this reader wants; NULL = all. Asked for each metric, and again with attributes for each point.
    bool (*filter)(void *context, const char *name, const struct otel_attribute *attributes, size_t count);
    void *filter_context;
};

struct otel_meter_provider_options {
    const struct otel_runtime *runtime; // borrowed for the provider's life
    const void *resource;               // encoded Resource message; copied
    size_t resource_len;
    const char *resource_schema_url;
    enum otel_exemplar_filter exemplar_filter;
    const struct otel_view_options *views;     // copied
    size_t view_count;                         // at most OTEL_VIEWS_MAX count for one instrument
    bool views_compose;                        // as in otel_sdk_options
    const struct otel_reader_options *readers; // copied, exporters taken over
    size_t reader_count;
    const struct otel_metric_producer *producers; // copied
    size_t producer_count;
    void *
        area; // NULL: memory of its own; else series live here, for another process to collect (metrics/area.h)
    size_t area_len;
};
otel_meter_provider *otel_meter_provider_new(const struct otel_meter_provider_options *options);
otel_meter_provider *otel_meter_provider_free(otel_meter_provider *provider);
/** What pull reader `reader` has now, as an encoded MetricsData message appended to `out`. */
int otel_meter_provider_collect(otel_meter_provider *provider, size_t reader, fq_buf *out,
                                size_t *ret_point_count);
void otel_meter_provider_stats(const otel_meter_provider *provider, struct otel_signal_stats *ret_stats);
// What otel.sdk.metric_reader.* say of one reader.
struct otel_reader_stats {
    uint64_t collections, failed_collections;
    double collection_s, collection_min_s, collection_max_s; // sum, least, greatest
    uint64_t points;                                         // collected
    uint64_t exports, failed_exports, exported_points, failed_points, points_in_flight;
    int64_t last_success_unix_ns;
};
size_t otel_meter_provider_reader_count(const otel_meter_provider *provider);
void otel_meter_provider_reader_stats(const otel_meter_provider *provider, size_t reader,
                                      struct otel_reader_stats *ret_stats);
// Measurements that came to nothing (not finite, negative for a counter), that went to an overflow point, and that found no
// memory.
struct otel_measurement_stats {
    uint64_t ignored, overflowed, lost;
};
void otel_meter_provider_measurement_stats(const otel_meter_provider *provider,
                                           struct otel_measurement_stats *ret_stats);
void otel_meter_provider_fork_prepare(otel_meter_provider *provider);
void otel_meter_provider_fork_parent(otel_meter_provider *provider);
void otel_meter_provider_fork_child(otel_meter_provider *provider, const void *resource, size_t resource_len);

#endif
