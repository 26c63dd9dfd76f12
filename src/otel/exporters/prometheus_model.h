// SPDX-License-Identifier: Apache-2.0
// Families and their series, as reading makes and writing shows them.
#ifndef OTEL_EXPORTERS_PROMETHEUS_MODEL_H
#define OTEL_EXPORTERS_PROMETHEUS_MODEL_H

#include "otel/exporters/prometheus_families.h"

enum { OTEL_PROMETHEUS_BOUNDS_MAX = 1024 };

struct otel_prometheus_series {
    struct otel_prometheus_series *next;
    char *key; // the labels: name, NUL, value, NUL …; what tells series apart
    size_t key_len;
    uint64_t hash;
    uint64_t take; // of families, in which it was seen last
    bool is_delta; // kept from take to take
    bool is_exact; // an integer
    double value;
    uint64_t exact;
    size_t bound_count; // histograms
    double *bounds;
    uint64_t *buckets;
    double sum;
    struct otel_prometheus_exemplar *exemplars; // one a bucket, or one; NULL = none
    struct otel_prometheus_label *labels;       // point into `key`
    size_t label_count;
};
struct otel_prometheus_family {
    struct otel_prometheus_family *next;
    char *name; // without `_total` where that is a suffix
    enum otel_prometheus_type type;
    char *unit; // "" = none, or not part of the name
    char *help;
    uint64_t take;
    struct otel_prometheus_series *series;
    struct otel_prometheus_series *cursor; // found last: the next one is asked for next, as a rule
};
struct otel_prometheus_families {
    struct otel_prometheus_options options;
    struct otel_prometheus_family *first;
    uint64_t take;
    bool warned_of_conflict;
    fq_buf target; // labels of target_info, like a series' key
};

struct otel_prometheus_family_wanted {
    fq_str name, unit, help; // OpenTelemetry's
    enum otel_prometheus_type type;
};
/** The family of a metric, made if it is not there; NULL when the name is taken by another type, or without memory. */
struct otel_prometheus_family *otel_prometheus_family_get(otel_prometheus_families *families,
                                                          const struct otel_prometheus_family_wanted *wanted);
/** The series of these labels; takes over nothing. NULL without memory. */
struct otel_prometheus_series *otel_prometheus_series_get(struct otel_prometheus_family *family, fq_str key);
/** Forgets what the last take did not see. */
void otel_prometheus_families_sweep(otel_prometheus_families *families);
/** Labels of a key; as many as there are, at most `max`. */
size_t otel_prometheus_labels(fq_str key, struct otel_prometheus_label *labels, size_t max);

// prometheus_labels.c
/** Labels while they are put together: several attributes may become one. */
struct otel_prometheus_label_list {
    enum otel_prometheus_strategy strategy;
    fq_buf key; // the result
    int failed;
};
/** Text of an encoded AnyValue: strings as they are, others as JSON. */
void otel_prometheus_labels_put_text(struct otel_prometheus_label_list *list, fq_str name, fq_str value);
/** A KeyValue message; `prefix` goes in front of its name. */
void otel_prometheus_labels_put(struct otel_prometheus_label_list *list, const char *prefix, const void *pair,
                                size_t len);

#endif
