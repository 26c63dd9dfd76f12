// SPDX-License-Identifier: Apache-2.0
// For people: one paragraph for each span, metric and log record.
#include "otel/exporters/console_value.h"
#include "otel/exporters/otlp.h"
#include "otel/exporters/output.h"

#include <inttypes.h>
#include <stdio.h>

// --- spans -----------------------------------------------------------------------------------------------------------
struct span {
    fq_str trace_id, span_id, parent_id, name, status_message;
    uint64_t kind, start_ns, end_ns, status;
};

static void read_status(struct otel_pb_reader reader, struct span *span) {
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number == 2)
            span->status_message = otel_console_bytes(&field);
        else if (field.number == 3)
            span->status = field.value;
    }
}

static struct span read_span(struct otel_pb_reader reader) {
    struct span span = {0};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        switch (field.number) {
        case 1: span.trace_id = otel_console_bytes(&field); break;
        case 2: span.span_id = otel_console_bytes(&field); break;
        case 4: span.parent_id = otel_console_bytes(&field); break;
        case 5: span.name = otel_console_bytes(&field); break;
        case 6: span.kind = field.value; break;
        case 7: span.start_ns = field.value; break;
        case 8: span.end_ns = field.value; break;
        case 15: read_status(otel_console_inner(&field), &span); break;
        default: break;
        }
    }
    return span;
}

static void put_event(fq_buf *text, struct otel_pb_reader reader, uint64_t start_ns) {
    struct otel_pb_reader again = reader;
    struct otel_pb_field field;
    uint64_t at_ns = start_ns;
    fq_str name = {0};
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number == 1)
            at_ns = field.value;
        else if (field.number == 2)
            name = otel_console_bytes(&field);
    }
    fq_buf_append_str(text, FQ_STR("    event "));
    otel_console_text(text, name);
    fq_buf_printf(text, " at %+.3f ms\n", (double)(int64_t)(at_ns - start_ns) / 1e6);
    otel_console_attributes(text, again, 3, "        ");
}

static void put_link(fq_buf *text, struct otel_pb_reader reader) {
    struct otel_pb_reader again = reader;
    struct otel_pb_field field;
    fq_buf_printf(text, "    link");
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != 1 && field.number != 2)
            continue;
        fq_buf_printf(text, field.number == 1 ? " trace " : " span ");
        otel_console_hex(text, otel_console_bytes(&field));
    }
    fq_buf_printf(text, "\n");
    otel_console_attributes(text, again, 4, "        ");
}

static void put_span(fq_buf *text, struct otel_pb_reader reader, fq_str scope) {
    static const char *const kinds[] = {"", " internal", " server", " client", " producer", " consumer"};
    struct span span = read_span(reader);
    fq_buf_append_str(text, FQ_STR("span "));
    otel_console_text(text, span.name);
    fq_buf_printf(text, "%s %.3f ms", span.kind < 6 ? kinds[span.kind] : "",
                  (double)(int64_t)(span.end_ns - span.start_ns) / 1e6);
    if (span.status != 0)
        fq_buf_printf(text, "  %s", span.status == 1 ? "OK" : "ERROR");
    if (span.status_message.len > 0)
        fq_buf_append_str(text, FQ_STR(": "));
    otel_console_text(text, span.status_message);
    fq_buf_printf(text, "\n    trace ");
    otel_console_hex(text, span.trace_id);
    fq_buf_printf(text, " span ");
    otel_console_hex(text, span.span_id);
    if (span.parent_id.len > 0)
        fq_buf_printf(text, " parent ");
    otel_console_hex(text, span.parent_id);
    fq_buf_append_str(text, FQ_STR(" scope "));
    otel_console_text(text, scope);
    fq_buf_append_byte(text, '\n');
    otel_console_attributes(text, reader, 9, "    ");
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number == 11)
            put_event(text, otel_console_inner(&field), span.start_ns);
        else if (field.number == 13)
            put_link(text, otel_console_inner(&field));
    }
}

// --- log records -----------------------------------------------------------------------------------------------------
static void put_log(fq_buf *text, struct otel_pb_reader reader, fq_str scope) {
    struct otel_pb_reader again = reader;
    struct otel_pb_field field;
    struct otel_pb_reader body = {0};
    fq_str severity = {0}, event = {0}, trace_id = {0}, span_id = {0};
    while (otel_pb_next(&reader, &field) > 0) {
        switch (field.number) {
        case 3: severity = otel_console_bytes(&field); break;
        case 5: body = otel_console_inner(&field); break;
        case 9: trace_id = otel_console_bytes(&field); break;
        case 10: span_id = otel_console_bytes(&field); break;
        case 12: event = otel_console_bytes(&field); break;
        default: break;
        }
    }
    fq_buf_append_str(text, FQ_STR("log "));
    otel_console_text(text, severity);
    fq_buf_append_str(text, event.len > 0 ? FQ_STR(" ") : FQ_STR(""));
    otel_console_text(text, event);
    fq_buf_append_byte(text, ' ');
    otel_console_value(text, body, 0);
    fq_buf_append_str(text, FQ_STR("\n    scope "));
    otel_console_text(text, scope);
    if (trace_id.len > 0) {
        fq_buf_printf(text, " trace ");
        otel_console_hex(text, trace_id);
        fq_buf_printf(text, " span ");
        otel_console_hex(text, span_id);
    }
    fq_buf_printf(text, "\n");
    otel_console_attributes(text, again, 6, "    ");
}

// --- envelopes -------------------------------------------------------------------------------------------------------
static fq_str read_scope_name(struct otel_pb_reader reader) {
    struct otel_pb_field field, name;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != 1 || field.type != OTEL_PB_BYTES)
            continue;
        struct otel_pb_reader scope = otel_console_inner(&field);
        while (otel_pb_next(&scope, &name) > 0) {
            if (name.number == 1)
                return otel_console_bytes(&name);
        }
    }
    return FQ_STR("");
}

static void put_scope(fq_buf *text, enum otel_signal signal, struct otel_pb_reader reader) {
    fq_str scope = read_scope_name(reader);
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != 2)
            continue;
        if (signal == OTEL_SIGNAL_TRACES)
            put_span(text, otel_console_inner(&field), scope);
        else if (signal == OTEL_SIGNAL_LOGS)
            put_log(text, otel_console_inner(&field), scope);
        else
            otel_console_metric(text, otel_console_inner(&field), scope);
    }
}

static int format_text(enum otel_signal signal, const void *bytes, size_t len, fq_buf *text) {
    struct otel_pb_reader data = {bytes, (const uint8_t *)bytes + len};
    struct otel_pb_field resource, scope;
    int more;
    while ((more = otel_pb_next(&data, &resource)) > 0) {
        struct otel_pb_reader scopes = otel_console_inner(&resource);
        while (otel_pb_next(&scopes, &scope) > 0) {
            if (scope.number == 2)
                put_scope(text, signal, otel_console_inner(&scope));
        }
    }
    return more == 0 ? OTEL_OK : OTEL_FAILED;
}

int otel_console_exporter_new(enum otel_signal signal, int fd, struct otel_exporter *ret_exporter) {
    static const char *const types[OTEL_SIGNAL_COUNT] = {"console_span_exporter", "console_metric_exporter",
                                                         "console_log_exporter"};
    return otel_output_exporter_new(signal, fd, format_text, types[signal], ret_exporter);
}
