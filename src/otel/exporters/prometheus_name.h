// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's names and units as Prometheus'. Source: OpenTelemetry "Prometheus and OpenMetrics compatibility".
#ifndef OTEL_EXPORTERS_PROMETHEUS_NAME_H
#define OTEL_EXPORTERS_PROMETHEUS_NAME_H

#include "base/buf.h"

#include <stdbool.h>

enum otel_prometheus_strategy {
    OTEL_PROMETHEUS_UNDERSCORES_WITH_SUFFIXES, // the default
    OTEL_PROMETHEUS_UNDERSCORES_WITHOUT_SUFFIXES,
    OTEL_PROMETHEUS_UTF8_WITH_SUFFIXES,
    OTEL_PROMETHEUS_UNTRANSLATED,
};
/** By its name in configuration files ("UnderscoreEscapingWithSuffixes", …). False if there is none. */
bool otel_prometheus_strategy_parse(const char *name, enum otel_prometheus_strategy *ret_strategy);

struct otel_prometheus_naming {
    enum otel_prometheus_strategy strategy;
    fq_str name, unit;
    bool is_counter, is_gauge; // monotonic sum; gauge proper
};
/** Appends the name of a family, with `_total` for counters where suffixes are wanted, and a NUL. 0, FQ_EINVALID when no
 *  name is left, FQ_ENOMEM. */
int otel_prometheus_name(const struct otel_prometheus_naming *naming, fq_buf *out);
/** The unit as its word: "s" gives "seconds", "m/s" gives "meters_per_second"; nothing for "1" and annotations. With NUL. */
int otel_prometheus_unit(fq_str unit, fq_buf *out);
/** A label's name, with NUL. */
int otel_prometheus_label_name(enum otel_prometheus_strategy strategy, fq_str key, fq_buf *out);
/** Whether it can stand without quotes. Metric names may hold colons. */
bool otel_prometheus_name_is_plain(fq_str name, bool is_metric);

#endif
