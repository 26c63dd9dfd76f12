// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/console_value.h"

#include <inttypes.h>

enum { DEPTH_MAX = 64 };

fq_str otel_console_bytes(const struct otel_pb_field *field) {
    return field->type == OTEL_PB_BYTES ? (fq_str){(const char *)field->bytes, field->len} : FQ_STR("");
}

struct otel_pb_reader otel_console_inner(const struct otel_pb_field *field) {
    fq_str bytes = otel_console_bytes(field);
    return (struct otel_pb_reader){(const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr + bytes.len};
}

void otel_console_hex(fq_buf *text, fq_str bytes) {
    for (size_t i = 0; i < bytes.len; i++)
        fq_buf_printf(text, "%02x", (unsigned char)bytes.ptr[i]);
}

static double real_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void otel_console_text(fq_buf *text, fq_str bytes) {
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        bool is_harmless = (c >= 0x20 && c != 0x7F) || c == '\n' || c == '\t';
        fq_buf_append_byte(text, is_harmless ? bytes.ptr[i] : '?');
    }
}

// --- values ----------------------------------------------------------------------------------------------------------
static void put_pair(fq_buf *text, struct otel_pb_reader reader, int depth) {
    struct otel_pb_field field;
    struct otel_pb_reader value = {0};
    fq_str key = {0};
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number == 1)
            key = otel_console_bytes(&field);
        else if (field.number == 2)
            value = otel_console_inner(&field);
    }
    otel_console_text(text, key);
    fq_buf_append_str(text, FQ_STR(": "));
    otel_console_value(text, value, depth + 1);
}

static void put_list(fq_buf *text, struct otel_pb_reader reader, bool is_map, int depth) {
    struct otel_pb_field field;
    const char *separator = "";
    fq_buf_append_byte(text, is_map ? '{' : '[');
    while (otel_pb_next(&reader, &field) > 0) {
        fq_buf_printf(text, "%s", separator);
        separator = ", ";
        if (is_map)
            put_pair(text, otel_console_inner(&field), depth);
        else
            otel_console_value(text, otel_console_inner(&field), depth + 1);
    }
    fq_buf_append_byte(text, is_map ? '}' : ']');
}

void otel_console_value(fq_buf *text, struct otel_pb_reader reader, int depth) {
    struct otel_pb_field field;
    if (depth > DEPTH_MAX || otel_pb_next(&reader, &field) <= 0)
        return;
    fq_str bytes = otel_console_bytes(&field);
    switch (field.number) {
    case 1: otel_console_text(text, bytes); break;
    case 2: fq_buf_printf(text, field.value != 0 ? "true" : "false"); break;
    case 3: fq_buf_printf(text, "%" PRId64, (int64_t)field.value); break;
    case 4: fq_buf_printf(text, "%g", real_of(field.value)); break;
    case 5:
    case 6: put_list(text, otel_console_inner(&field), field.number == 6, depth); break;
    case 7: otel_console_hex(text, bytes); break;
    default: break;
    }
}

void otel_console_attributes(fq_buf *text, struct otel_pb_reader reader, uint32_t number,
                             const char *indent) {
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != number || field.type != OTEL_PB_BYTES)
            continue;
        fq_buf_printf(text, "%s", indent);
        put_pair(text, otel_console_inner(&field), 0);
        fq_buf_append_byte(text, '\n');
    }
}

// --- metrics ---------------------------------------------------------------------------------------------------------
static void put_labels(fq_buf *text, struct otel_pb_reader reader, uint32_t number) {
    struct otel_pb_field field;
    const char *separator = " {";
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != number || field.type != OTEL_PB_BYTES)
            continue;
        fq_buf_printf(text, "%s", separator);
        put_pair(text, otel_console_inner(&field), 0);
        separator = ", ";
    }
    fq_buf_printf(text, separator[0] == ',' ? "}" : "");
}

static void put_number(fq_buf *text, struct otel_pb_reader reader) {
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number == 4)
            fq_buf_printf(text, " %g", real_of(field.value));
        else if (field.number == 6)
            fq_buf_printf(text, " %" PRId64, (int64_t)field.value);
    }
}

// Field numbers of count, sum, min and max stand in `numbers`.
static void put_summary(fq_buf *text, struct otel_pb_reader reader, const uint32_t numbers[4]) {
    static const char *const names[] = {"count", "sum", "min", "max"};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        for (int i = 0; i < 4; i++) {
            if (field.number == numbers[i] && i == 0)
                fq_buf_printf(text, " count %" PRIu64, field.value);
            else if (field.number == numbers[i])
                fq_buf_printf(text, " %s %g", names[i], real_of(field.value));
        }
    }
}

static void put_points(fq_buf *text, struct otel_pb_reader reader, uint32_t kind) {
    static const uint32_t histogram[] = {4, 5, 11, 12}, exponential[] = {4, 5, 12, 13},
                          summary[] = {4, 5, 0, 0};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != 1 || field.type != OTEL_PB_BYTES)
            continue;
        struct otel_pb_reader point = otel_console_inner(&field);
        fq_buf_printf(text, "   ");
        if (kind <= 7)
            put_number(text, point);
        else
            put_summary(text, point, kind == 9 ? histogram : kind == 10 ? exponential : summary);
        put_labels(text, point, kind == 9 ? 9 : kind == 10 ? 1 : 7);
        fq_buf_append_byte(text, '\n');
    }
}

void otel_console_metric(fq_buf *text, struct otel_pb_reader reader, fq_str scope) {
    fq_str name = {0}, unit = {0};
    struct otel_pb_field field, data = {0};
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number == 1)
            name = otel_console_bytes(&field);
        else if (field.number == 3)
            unit = otel_console_bytes(&field);
        else if (field.number >= 5 && field.number <= 11)
            data = field;
    }
    const char *kind = data.number == 5    ? "gauge"
                       : data.number == 7  ? "sum"
                       : data.number == 9  ? "histogram"
                       : data.number == 10 ? "exponential histogram"
                                           : "summary";
    fq_buf_append_str(text, FQ_STR("metric "));
    otel_console_text(text, name);
    fq_buf_printf(text, " %s%s", kind, unit.len > 0 ? " in " : "");
    otel_console_text(text, unit);
    fq_buf_append_str(text, FQ_STR(" scope "));
    otel_console_text(text, scope);
    fq_buf_append_byte(text, '\n');
    if (data.number != 0)
        put_points(text, otel_console_inner(&data), data.number);
}
