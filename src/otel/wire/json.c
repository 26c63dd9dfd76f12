// SPDX-License-Identifier: Apache-2.0
// One pass over the bytes, guided by the schema's tables. A repeated field becomes one array even when its elements do not
// stand together: fields are written in the schema's order, each by a walk over its message. Messages of this SDK have few
// fields, so that walking again is cheaper than remembering.
#include "base/base64.h"
#include "base/str.h"
#include "otel/wire/json_schema.h"
#include "otel/wire/protobuf.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

// Attribute values nest at most 64 deep (each level is three messages), below a handful of envelopes.
enum { DEPTH_MAX = 256, OUT_BYTES = 4096 };

struct writer {
    void (*write)(void *context, const char *text, size_t len);
    void *context;
    size_t len;
    bool failed; // the bytes are no such message
    char out[OUT_BYTES];
};

static void flush(struct writer *writer) {
    if (writer->len > 0)
        writer->write(writer->context, writer->out, writer->len);
    writer->len = 0;
}

static void put(struct writer *writer, const char *text, size_t len) {
    while (len > 0) {
        size_t room = OUT_BYTES - writer->len;
        size_t count = len < room ? len : room;
        memcpy(writer->out + writer->len, text, count);
        writer->len += count;
        text += count;
        len -= count;
        if (writer->len == OUT_BYTES)
            flush(writer);
    }
}

static void put_text(struct writer *writer, const char *text) {
    put(writer, text, strlen(text));
}

__attribute__((format(printf, 2, 3))) static void put_format(struct writer *writer, const char *format, ...) {
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(writer, text, (size_t)len);
}

// --- values ----------------------------------------------------------------------------------------------------------
static void put_escaped(struct writer *writer, unsigned char c) {
    switch (c) {
    case '"': put(writer, "\\\"", 2); break;
    case '\\': put(writer, "\\\\", 2); break;
    case '\n': put(writer, "\\n", 2); break;
    case '\r': put(writer, "\\r", 2); break;
    case '\t': put(writer, "\\t", 2); break;
    default: put_format(writer, "\\u%04x", c); break;
    }
}

static void put_string(struct writer *writer, const struct otel_pb_field *field) {
    const char *text = (const char *)field->bytes;
    if (!fq_str_is_utf8((fq_str){text, field->len})) {
        writer->failed = true;
        return;
    }
    put(writer, "\"", 1);
    size_t begin = 0;
    for (size_t i = 0; i < field->len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
            continue;
        put(writer, text + begin, i - begin);
        put_escaped(writer, c);
        begin = i + 1;
    }
    put(writer, text + begin, field->len - begin);
    put(writer, "\"", 1);
}

static void put_hex(struct writer *writer, const struct otel_pb_field *field) {
    static const char digits[] = "0123456789abcdef";
    put(writer, "\"", 1);
    for (size_t i = 0; i < field->len; i++) {
        const char pair[] = {digits[field->bytes[i] >> 4], digits[field->bytes[i] & 15]};
        put(writer, pair, 2);
    }
    put(writer, "\"", 1);
}

static void put_base64(struct writer *writer, const struct otel_pb_field *field) {
    enum { GROUP = 48 };
    char text[GROUP / 3 * 4];
    put(writer, "\"", 1);
    for (size_t at = 0; at < field->len; at += GROUP) {
        size_t count = field->len - at < GROUP ? field->len - at : GROUP;
        fq_base64_encode(field->bytes + at, count, text);
        put(writer, text, fq_base64_size(count));
    }
    put(writer, "\"", 1);
}

static void put_double(struct writer *writer, uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    if (isnan(value))
        put_text(writer, "\"NaN\"");
    else if (isinf(value))
        put_text(writer, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else {
        // The shortest of the usual precisions that reads back as the same number; a locale's comma becomes a point.
        char text[40];
        double again = 0;
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, value);
            if (sscanf(text, "%lf", &again) == 1 && memcmp(&again, &value, sizeof value) == 0)
                break;
        }
        for (char *c = text; *c != '\0'; c++)
            *c = *c == ',' ? '.' : *c;
        put_text(writer, text);
    }
}

static enum otel_pb_type wire_type(enum otel_json_kind kind) {
    switch (kind) {
    case OTEL_JSON_BOOL:
    case OTEL_JSON_INT32:
    case OTEL_JSON_SINT32:
    case OTEL_JSON_INT64:
    case OTEL_JSON_UINT64: return OTEL_PB_VARINT;
    case OTEL_JSON_FIXED32: return OTEL_PB_FIXED32;
    case OTEL_JSON_FIXED64:
    case OTEL_JSON_SFIXED64:
    case OTEL_JSON_DOUBLE: return OTEL_PB_FIXED64;
    default: return OTEL_PB_BYTES;
    }
}

static void put_number(struct writer *writer, enum otel_json_kind kind, uint64_t value) {
    switch (kind) {
    case OTEL_JSON_BOOL: put_text(writer, value != 0 ? "true" : "false"); break;
    case OTEL_JSON_INT32: put_format(writer, "%" PRIu32, (uint32_t)value); break;
    case OTEL_JSON_SINT32:
        put_format(writer, "%" PRId32, (int32_t)((uint32_t)value >> 1 ^ (0 - ((uint32_t)value & 1))));
        break;
    case OTEL_JSON_FIXED32: put_format(writer, "%" PRIu32, (uint32_t)value); break;
    case OTEL_JSON_UINT64:
    case OTEL_JSON_FIXED64: put_format(writer, "\"%" PRIu64 "\"", value); break;
    case OTEL_JSON_INT64:
    case OTEL_JSON_SFIXED64: put_format(writer, "\"%" PRId64 "\"", (int64_t)value); break;
    case OTEL_JSON_DOUBLE: put_double(writer, value); break;
    default: break;
    }
}

// --- messages --------------------------------------------------------------------------------------------------------
static void put_message(struct writer *writer, const struct otel_json_message *message, const uint8_t *bytes,
                        size_t len, int depth);

static void put_value(struct writer *writer, const struct otel_json_field *schema,
                      const struct otel_pb_field *field, int depth) {
    switch (schema->kind) {
    case OTEL_JSON_STRING: put_string(writer, field); break;
    case OTEL_JSON_HEX: put_hex(writer, field); break;
    case OTEL_JSON_BASE64: put_base64(writer, field); break;
    case OTEL_JSON_MESSAGE: put_message(writer, schema->message, field->bytes, field->len, depth + 1); break;
    default: put_number(writer, schema->kind, field->value); break;
    }
}

// Packed numbers: a field of bytes that is read as if each number stood behind a tag of its own.
static void put_packed(struct writer *writer, const struct otel_json_field *schema,
                       const struct otel_pb_field *field, bool *is_first) {
    enum otel_pb_type type = wire_type(schema->kind);
    const uint8_t *at = field->bytes, *end = field->bytes + field->len;
    while (at < end && !writer->failed) {
        uint64_t value = 0;
        size_t size = type == OTEL_PB_FIXED32 ? 4 : 8;
        if (type == OTEL_PB_VARINT) {
            for (size = 0; size < OTEL_PB_VARINT_MAX && at + size < end; size++) {
                value |= (uint64_t)(at[size] & 0x7F) << (7 * size < 63 ? 7 * size : 63);
                if ((at[size] & 0x80) == 0)
                    break;
            }
            size++;
        }
        if (size > (size_t)(end - at)) {
            writer->failed = true;
            return;
        }
        if (type != OTEL_PB_VARINT)
            memcpy(&value, at, size);
        at += size;
        if (!*is_first)
            put(writer, ",", 1);
        *is_first = false;
        put_number(writer, schema->kind, value);
    }
}

static void put_elements(struct writer *writer, const struct otel_json_field *schema,
                         struct otel_pb_reader reader, int depth) {
    struct otel_pb_field field;
    bool is_first = true;
    put(writer, "[", 1);
    while (!writer->failed && otel_pb_next(&reader, &field) > 0) {
        if (field.number != schema->number)
            continue;
        if (field.type == OTEL_PB_BYTES && wire_type(schema->kind) != OTEL_PB_BYTES) {
            put_packed(writer, schema, &field, &is_first);
        } else if (field.type == wire_type(schema->kind)) {
            if (!is_first)
                put(writer, ",", 1);
            is_first = false;
            put_value(writer, schema, &field, depth);
        }
    }
    put(writer, "]", 1);
}

// Which of the message's fields are there, and the last value of each that is no array. False: malformed.
static bool read_fields(const struct otel_json_message *message, struct otel_pb_reader reader,
                        uint64_t *ret_present, struct otel_pb_field *last) {
    struct otel_pb_field field;
    int more;
    *ret_present = 0;
    while ((more = otel_pb_next(&reader, &field)) > 0) {
        for (size_t i = 0; i < message->count; i++) {
            const struct otel_json_field *schema = &message->fields[i];
            bool fits =
                field.type == wire_type(schema->kind) || (schema->is_repeated && field.type == OTEL_PB_BYTES);
            if (schema->number == field.number && fits) {
                *ret_present |= UINT64_C(1) << i;
                last[i] = field;
                break;
            }
        }
    }
    return more == 0;
}

static void put_message(struct writer *writer, const struct otel_json_message *message, const uint8_t *bytes,
                        size_t len, int depth) {
    enum { FIELDS_MAX = 16 };
    struct otel_pb_field last[FIELDS_MAX];
    struct otel_pb_reader reader = {bytes, bytes + len};
    uint64_t present;
    if (depth > DEPTH_MAX || !read_fields(message, reader, &present, last)) {
        writer->failed = true;
        return;
    }
    const char *separator = "{\"";
    for (size_t i = 0; i < message->count && !writer->failed; i++) {
        const struct otel_json_field *schema = &message->fields[i];
        if ((present >> i & 1) == 0)
            continue;
        put_text(writer, separator);
        put_text(writer, schema->name);
        put_text(writer, "\":");
        separator = ",\"";
        if (schema->is_repeated)
            put_elements(writer, schema, reader, depth);
        else
            put_value(writer, schema, &last[i], depth);
    }
    put_text(writer, present == 0 ? "{}" : "}");
}

int otel_bytes_to_json(enum otel_signal signal, const void *bytes, size_t len,
                       void (*write)(void *context, const char *text, size_t len), void *context) {
    struct writer writer = {.write = write, .context = context};
    put_message(&writer, otel_json_root(signal), bytes, len, 0);
    flush(&writer);
    return writer.failed ? OTEL_FAILED : OTEL_OK;
}
