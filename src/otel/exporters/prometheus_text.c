// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/prometheus_text.h"

#include "otel/exporters/prometheus_name.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_TEXT = OTEL_PROMETHEUS_NUMBER_TEXT };

static void append(struct otel_prometheus_writer *writer, const void *bytes, size_t len) {
    if (writer->failed == 0)
        writer->failed = fq_buf_append(writer->out, bytes, len);
}

static void append_text(struct otel_prometheus_writer *writer, const char *text) {
    append(writer, text, strlen(text));
}

// Backslash and newline everywhere, the quote only inside label values.
static void append_escaped(struct otel_prometheus_writer *writer, fq_str text, bool quotes) {
    size_t plain = 0;
    for (size_t i = 0; i <= text.len; i++) {
        char c = i < text.len ? text.ptr[i] : 0;
        const char *escape = i == text.len        ? ""
                             : c == '\\'          ? "\\\\"
                             : c == '\n'          ? "\\n"
                             : quotes && c == '"' ? "\\\""
                                                  : NULL;
        if (escape == NULL)
            continue;
        append(writer, text.ptr + plain, i - plain);
        append_text(writer, escape);
        plain = i + 1;
    }
}

// The shortest decimal that reads back as the same number.
static void format_number(double value, char text[NUMBER_TEXT]) {
    if (isnan(value)) {
        snprintf(text, NUMBER_TEXT, "NaN");
    } else if (isinf(value)) {
        snprintf(text, NUMBER_TEXT, value > 0 ? "+Inf" : "-Inf");
    } else {
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, NUMBER_TEXT, "%.*g", digits, value);
            if (strtod(text, NULL) == value)
                return;
        }
    }
}

// OpenMetrics spells bucket bounds as floats ("5.0"), the older text as short as it can be ("5").
static void format_bound(const struct otel_prometheus_writer *writer, double bound, char text[NUMBER_TEXT]) {
    format_number(bound, text);
    if (writer->format == OTEL_PROMETHEUS_OPENMETRICS && strpbrk(text, ".enI") == NULL)
        snprintf(text + strlen(text), 3, ".0");
}

static void append_quoted(struct otel_prometheus_writer *writer, const char *text, const char *suffix) {
    append_text(writer, "\"");
    append_escaped(writer, fq_str_of(text), true);
    append_text(writer, suffix);
    append_text(writer, "\"");
}

static void append_name(struct otel_prometheus_writer *writer, const char *name, const char *suffix,
                        bool is_metric) {
    if (!otel_prometheus_name_is_plain(fq_str_of(name), is_metric)) {
        append_quoted(writer, name, suffix);
        return;
    }
    append_text(writer, name);
    append_text(writer, suffix);
}

// `family_suffix{labels`, without the closing brace. A name in quotes stands inside the braces.
static void append_open_labels(struct otel_prometheus_writer *writer, const char *suffix,
                               const struct otel_prometheus_label *labels, size_t label_count) {
    bool is_plain = otel_prometheus_name_is_plain(fq_str_of(writer->family), true);
    if (is_plain)
        append_name(writer, writer->family, suffix, true);
    append_text(writer, "{");
    if (!is_plain)
        append_quoted(writer, writer->family, suffix);
    for (size_t i = 0; i < label_count; i++) {
        if (i > 0 || !is_plain)
            append_text(writer, ",");
        append_name(writer, labels[i].name, "", false);
        append_text(writer, "=\"");
        append_escaped(writer, labels[i].value, true);
        append_text(writer, "\"");
    }
}

// `family_suffix{labels} `; the value follows.
static void append_series(struct otel_prometheus_writer *writer, const char *suffix,
                          const struct otel_prometheus_label *labels, size_t label_count) {
    if (label_count > 0 || !otel_prometheus_name_is_plain(fq_str_of(writer->family), true)) {
        append_open_labels(writer, suffix, labels, label_count);
        append_text(writer, "}");
    } else {
        append_text(writer, writer->family);
        append_text(writer, suffix);
    }
    append_text(writer, " ");
}

static void append_number(struct otel_prometheus_writer *writer, double value) {
    char text[NUMBER_TEXT];
    format_number(value, text);
    append_text(writer, text);
}

static void append_count(struct otel_prometheus_writer *writer, uint64_t value) {
    char text[NUMBER_TEXT], *at = text + sizeof text;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    append(writer, at, (size_t)(text + sizeof text - at));
}

static void append_hex(struct otel_prometheus_writer *writer, const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < len; i++) {
        char pair[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
        append(writer, pair, 2);
    }
}

static void append_exemplar(struct otel_prometheus_writer *writer,
                            const struct otel_prometheus_exemplar *exemplar) {
    char value[NUMBER_TEXT], time[NUMBER_TEXT];
    format_number(exemplar->value, value);
    snprintf(time, sizeof time, " %lld.%03d", (long long)(exemplar->wall_us / 1000000),
             (int)(exemplar->wall_us % 1000000 / 1000));
    static const uint8_t none[sizeof exemplar->trace_id];
    append_text(writer, " # {");
    if (memcmp(exemplar->trace_id, none, sizeof none) != 0) {
        append_text(writer, "trace_id=\"");
        append_hex(writer, exemplar->trace_id, sizeof exemplar->trace_id);
        append_text(writer, "\",span_id=\"");
        append_hex(writer, exemplar->span_id, sizeof exemplar->span_id);
        append_text(writer, "\"");
    }
    append_text(writer, "} ");
    append_text(writer, value);
    append_text(writer, time);
}

void otel_prometheus_begin(struct otel_prometheus_writer *writer, fq_buf *out,
                           enum otel_prometheus_format format) {
    *writer = (struct otel_prometheus_writer){.out = out, .format = format, .family = ""};
}

static const char *sample_suffix(const struct otel_prometheus_writer *writer) {
    return writer->type == OTEL_PROMETHEUS_COUNTER ? "_total"
           : writer->type == OTEL_PROMETHEUS_INFO  ? "_info"
                                                   : "";
}

static void append_comment(struct otel_prometheus_writer *writer, const char *word, const char *text,
                           bool is_help) {
    append_text(writer, "# ");
    append_text(writer, word);
    append_text(writer, " ");
    bool is_text = writer->format == OTEL_PROMETHEUS_TEXT;
    append_name(writer, writer->family, is_text ? sample_suffix(writer) : "", true);
    append_text(writer, " ");
    if (is_help)
        append_escaped(writer, fq_str_of(text), writer->format == OTEL_PROMETHEUS_OPENMETRICS);
    else
        append_text(writer, text);
    append_text(writer, "\n");
}

void otel_prometheus_family(struct otel_prometheus_writer *writer, const char *name,
                            enum otel_prometheus_type type, const char *unit, const char *help) {
    static const char *const types[2][5] = {
        {"counter", "gauge", "histogram", "counter", "gauge"},
        {"counter", "gauge", "histogram", "unknown", "info" }
    };
    writer->family = name;
    writer->type = type;
    append_comment(writer, "HELP", help, true);
    append_comment(writer, "TYPE", types[writer->format == OTEL_PROMETHEUS_OPENMETRICS][type], false);
    if (unit != NULL && writer->format == OTEL_PROMETHEUS_OPENMETRICS)
        append_comment(writer, "UNIT", unit, false);
}

void otel_prometheus_sample(struct otel_prometheus_writer *writer, const struct otel_prometheus_label *labels,
                            size_t label_count, double value) {
    otel_prometheus_sample_exemplar(writer, labels, label_count, value, NULL);
}

void otel_prometheus_sample_exemplar(struct otel_prometheus_writer *writer,
                                     const struct otel_prometheus_label *labels, size_t label_count,
                                     double value, const struct otel_prometheus_exemplar *exemplar) {
    append_series(writer, sample_suffix(writer), labels, label_count);
    append_number(writer, value);
    bool is_counter =
        writer->type == OTEL_PROMETHEUS_COUNTER && writer->format == OTEL_PROMETHEUS_OPENMETRICS;
    if (is_counter && exemplar != NULL && exemplar->wall_us != 0)
        append_exemplar(writer, exemplar);
    append_text(writer, "\n");
}

void otel_prometheus_sample_count(struct otel_prometheus_writer *writer,
                                  const struct otel_prometheus_label *labels, size_t label_count,
                                  uint64_t value) {
    append_series(writer, sample_suffix(writer), labels, label_count);
    append_count(writer, value);
    append_text(writer, "\n");
}

// Appends `len` bytes that stand at `offset` of the output already.
static void append_again(struct otel_prometheus_writer *writer, size_t offset, size_t len) {
    if (writer->failed == 0)
        writer->failed = fq_buf_reserve(writer->out, len);
    if (writer->failed == 0) {
        memcpy(fq_buf_tail(writer->out), fq_buf_str(writer->out).ptr + offset, len);
        fq_buf_commit(writer->out, len);
    }
}

// The histograms of a family share their bounds as a rule, so their texts are made once.
static void learn_bounds(struct otel_prometheus_writer *writer, const double *bounds, size_t count) {
    bool known = writer->bounds == bounds && writer->bound_count == count;
    writer->bounds = bounds;
    writer->bound_count = count;
    for (size_t i = 0; !known && i < count && i < OTEL_PROMETHEUS_BOUNDS_KEPT; i++)
        format_bound(writer, bounds[i], writer->bound_text[i]);
}

static const char *bound_text(const struct otel_prometheus_writer *writer, size_t index,
                              char text[NUMBER_TEXT]) {
    if (index == writer->bound_count)
        return "+Inf";
    if (index < OTEL_PROMETHEUS_BOUNDS_KEPT)
        return writer->bound_text[index];
    format_bound(writer, writer->bounds[index], text);
    return text;
}

// All bucket lines of a series begin alike: `family_bucket{labels,le="` is written once and repeated from there.
static void write_buckets(struct otel_prometheus_writer *writer, const struct otel_prometheus_label *labels,
                          size_t label_count, const struct otel_prometheus_histogram *histogram) {
    char text[NUMBER_TEXT];
    uint64_t total = 0;
    size_t start = fq_buf_len(writer->out), prefix = 0;
    for (size_t i = 0; i <= histogram->bound_count; i++) {
        total += histogram->buckets[i];
        if (i == 0) {
            append_open_labels(writer, "_bucket", labels, label_count);
            bool is_first =
                label_count == 0 && otel_prometheus_name_is_plain(fq_str_of(writer->family), true);
            append_text(writer, is_first ? "le=\"" : ",le=\"");
            prefix = fq_buf_len(writer->out) - start;
        } else {
            append_again(writer, start, prefix);
        }
        append_text(writer, bound_text(writer, i, text));
        append_text(writer, "\"} ");
        append_count(writer, total);
        bool has_exemplar = histogram->exemplars != NULL && histogram->exemplars[i].wall_us != 0;
        if (has_exemplar && writer->format == OTEL_PROMETHEUS_OPENMETRICS)
            append_exemplar(writer, &histogram->exemplars[i]);
        append_text(writer, "\n");
    }
}

void otel_prometheus_write_histogram(struct otel_prometheus_writer *writer,
                                     const struct otel_prometheus_label *labels, size_t label_count,
                                     const struct otel_prometheus_histogram *histogram) {
    uint64_t total = 0;
    for (size_t i = 0; i <= histogram->bound_count; i++)
        total += histogram->buckets[i];
    learn_bounds(writer, histogram->bounds, histogram->bound_count);
    write_buckets(writer, labels, label_count, histogram);
    append_series(writer, "_count", labels, label_count);
    append_count(writer, total);
    append_text(writer, "\n");
    append_series(writer, "_sum", labels, label_count);
    append_number(writer, histogram->sum);
    append_text(writer, "\n");
}

int otel_prometheus_end(struct otel_prometheus_writer *writer) {
    if (writer->format == OTEL_PROMETHEUS_OPENMETRICS)
        append_text(writer, "# EOF\n");
    return writer->failed;
}
