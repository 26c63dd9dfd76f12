// SPDX-License-Identifier: Apache-2.0
// MetricsData as Prometheus sees it: families by name, series by labels. What comes as delta is added up here, so this is
// the one state of the pull exporter. Source: OpenTelemetry "Prometheus and OpenMetrics compatibility".
#ifndef OTEL_EXPORTERS_PROMETHEUS_FAMILIES_H
#define OTEL_EXPORTERS_PROMETHEUS_FAMILIES_H

#include "otel/exporters/prometheus_name.h"
#include "otel/exporters/prometheus_text.h"
#include "otel/runtime.h"

struct otel_prometheus_options {
    const struct otel_runtime *runtime; // borrowed
    enum otel_prometheus_strategy strategy;
    bool without_scope_info, without_target_info;
};
typedef struct otel_prometheus_families otel_prometheus_families;

/** NULL when out of memory. One thread at a time. */
otel_prometheus_families *otel_prometheus_families_new(const struct otel_prometheus_options *options);
otel_prometheus_families *otel_prometheus_families_free(otel_prometheus_families *families);
/** Replaces what is cumulative, adds what is delta; series that are not in `bytes` end, unless they are sums of deltas.
 *  OTEL_FAILED if the bytes are no MetricsData. */
int otel_prometheus_families_take(otel_prometheus_families *families, const void *bytes, size_t len);
/** Appends the page. 0 or a negative error. */
int otel_prometheus_families_write(const otel_prometheus_families *families,
                                   enum otel_prometheus_format format, fq_buf *out);

#endif
