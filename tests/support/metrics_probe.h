// SPDX-License-Identifier: Apache-2.0
// Looks into MetricsData bytes, and gives meter providers a time that tests set.
#ifndef FQ_TEST_METRICS_PROBE_H
#define FQ_TEST_METRICS_PROBE_H

#include "otel/metrics/provider.h"

enum { PROBE_POINTS_MAX = 4096, PROBE_TEXT = 96, PROBE_BUCKETS_MAX = 200, PROBE_EXEMPLARS_MAX = 24 };

struct probe_exemplar {
    double value;
    int64_t unix_ns;
    uint8_t trace_id[16], span_id[8];
    bool has_ids;
    char filtered[PROBE_TEXT]; // "key=value,key=value"
};
struct probe_point {
    char scope[PROBE_TEXT], schema_url[PROBE_TEXT], name[PROBE_TEXT], unit[PROBE_TEXT],
        description[PROBE_TEXT];
    int shape; // field number in Metric
    int temporality;
    bool monotonic;
    char attributes[PROBE_TEXT * 4]; // "key=value,key=value"
    int64_t start, time;
    bool is_integer;
    double value; // numbers
    uint64_t count;
    bool has_sum, has_min_max;
    double sum, min, max;
    uint64_t buckets[PROBE_BUCKETS_MAX];
    size_t bucket_count, bound_count;
    double bounds[PROBE_BUCKETS_MAX];
    int scale;
    uint64_t zero_count;
    int offset, negative_offset;
    uint64_t negative[PROBE_BUCKETS_MAX];
    size_t negative_count;
    uint64_t flags;
    struct probe_exemplar exemplars[PROBE_EXEMPLARS_MAX];
    size_t exemplar_count;
};
struct probe {
    struct probe_point *points;
    size_t count;
    char resource_schema_url[PROBE_TEXT];
    char resource[PROBE_TEXT * 4];
};

/** Decodes; fails the test when the bytes are no MetricsData. */
void probe_read(struct probe *probe, const void *bytes, size_t len);
/** Collects pull reader `reader` and decodes. */
void probe_collect(struct probe *probe, otel_meter_provider *provider, size_t reader);
void probe_done(struct probe *probe);
/** The point of a metric with these attributes (NULL = its first); NULL if there is none. */
const struct probe_point *probe_find(const struct probe *probe, const char *name, const char *attributes);
size_t probe_count(const struct probe *probe, const char *name);

// --- a runtime whose time stands still -------------------------------------------------------------------------------
struct probe_world {
    struct otel_runtime runtime;
    _Atomic int64_t unix_ns;
    char reports[4096]; // one a line
    size_t report_count;
};
void probe_world_init(struct probe_world *world);
/** A provider with one pull reader, which may be changed before: `reader` NULL = cumulative. */
otel_meter_provider *probe_provider(struct probe_world *world, const struct otel_reader_options *reader);

#endif
