// SPDX-License-Identifier: Apache-2.0
// Writes Prometheus text 0.0.4 and OpenMetrics 1.0: families, samples, histograms with exemplars. Pure: figures in, bytes
// out. The two differ in how a counter is named, how numbers of buckets are spelt, in units, exemplars and the end mark.
//
//   otel_prometheus_family(writer, …);  otel_prometheus_sample / _histogram any number of times;  …;  otel_prometheus_end
//
// A failed append is remembered in `failed` and makes the rest do nothing.
#ifndef OTEL_PROMETHEUS_TEXT_H
#define OTEL_PROMETHEUS_TEXT_H

#include "base/buf.h"
#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

enum otel_prometheus_format { OTEL_PROMETHEUS_TEXT, OTEL_PROMETHEUS_OPENMETRICS };
enum otel_prometheus_type {
    OTEL_PROMETHEUS_COUNTER,
    OTEL_PROMETHEUS_GAUGE,
    OTEL_PROMETHEUS_HISTOGRAM,
    OTEL_PROMETHEUS_PLAIN_COUNTER, // without `_total`: OpenMetrics has none such, there its type is unknown
    OTEL_PROMETHEUS_INFO,          // `_info`: a gauge in the older text
};

/** What an Accept header (empty = none) asks for: OpenMetrics only if it is preferred over text. */
enum otel_prometheus_format otel_prometheus_negotiate(fq_str accept);
/** Value of Content-Type. */
const char *otel_prometheus_content_type(enum otel_prometheus_format format);

enum { OTEL_PROMETHEUS_BOUNDS_KEPT = 32, OTEL_PROMETHEUS_NUMBER_TEXT = 40 };

struct otel_prometheus_writer {
    fq_buf *out; // borrowed
    enum otel_prometheus_format format;
    enum otel_prometheus_type type; // of the current family
    const char *family;             // borrowed until the next family
    int failed;
    const double *bounds; // of the last histogram, compared as a pointer
    size_t bound_count;
    char bound_text[OTEL_PROMETHEUS_BOUNDS_KEPT][OTEL_PROMETHEUS_NUMBER_TEXT];
};

struct otel_prometheus_label {
    const char *name; // in quotes if it is no plain one
    fq_str value;     // UTF-8, any length
};

struct otel_prometheus_exemplar {
    double value;
    int64_t wall_us;      // 0 = this one is empty
    uint8_t trace_id[16]; // all zero = none
    uint8_t span_id[8];
};

struct otel_prometheus_histogram {
    const double *bounds;    // ascending, without +Inf; unchanged while the writer is in use
    const uint64_t *buckets; // bound_count + 1, not cumulated
    size_t bound_count;
    double sum;
    const struct otel_prometheus_exemplar *exemplars; // one a bucket; NULL = none
};

void otel_prometheus_begin(struct otel_prometheus_writer *writer, fq_buf *out,
                           enum otel_prometheus_format format);
/** `name` without `_total` and `_info`, in quotes if it is no plain one; `unit` NULL, or the last word of the name. */
void otel_prometheus_family(struct otel_prometheus_writer *writer, const char *name,
                            enum otel_prometheus_type type, const char *unit, const char *help);
void otel_prometheus_sample(struct otel_prometheus_writer *writer, const struct otel_prometheus_label *labels,
                            size_t label_count, double value);
/** With an exemplar, NULL = none; only OpenMetrics' counters show it. */
void otel_prometheus_sample_exemplar(struct otel_prometheus_writer *writer,
                                     const struct otel_prometheus_label *labels, size_t label_count,
                                     double value, const struct otel_prometheus_exemplar *exemplar);
/** As above, exact above 2^53. */
void otel_prometheus_sample_count(struct otel_prometheus_writer *writer,
                                  const struct otel_prometheus_label *labels, size_t label_count,
                                  uint64_t value);
void otel_prometheus_write_histogram(struct otel_prometheus_writer *writer,
                                     const struct otel_prometheus_label *labels, size_t label_count,
                                     const struct otel_prometheus_histogram *histogram);
/** 0 or the first error. */
FQ_MUST_USE int otel_prometheus_end(struct otel_prometheus_writer *writer);

#endif
