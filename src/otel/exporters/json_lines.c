// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/otlp.h"
#include "otel/exporters/output.h"

struct sink {
    fq_buf *text;
    int result;
};

static void append(void *context, const char *text, size_t len) {
    struct sink *sink = context;
    if (sink->result == 0)
        sink->result = fq_buf_append(sink->text, text, len);
}

int otel_json_append(enum otel_signal signal, const void *bytes, size_t len, fq_buf *text) {
    struct sink sink = {.text = text};
    int result = otel_bytes_to_json(signal, bytes, len, append, &sink);
    return result == OTEL_OK && sink.result == 0 ? OTEL_OK : OTEL_FAILED;
}

static int format_line(enum otel_signal signal, const void *bytes, size_t len, fq_buf *text) {
    if (otel_json_append(signal, bytes, len, text) < 0)
        return OTEL_FAILED;
    return fq_buf_append_byte(text, '\n') == 0 ? OTEL_OK : OTEL_FAILED;
}

int otel_json_lines_exporter_new(enum otel_signal signal, int fd, struct otel_exporter *ret_exporter) {
    static const char *const types[OTEL_SIGNAL_COUNT] = {
        "otlp_file_span_exporter", "otlp_file_metric_exporter", "otlp_file_log_exporter"};
    return otel_output_exporter_new(signal, fd, format_line, types[signal], ret_exporter);
}
