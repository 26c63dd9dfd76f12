// SPDX-License-Identifier: Apache-2.0
// Two passes: the size of a message stands before it, so values are measured, then written.
#include "otel/wire/attribute.h"

#include "otel/wire/utf8.h"

// AnyValue
enum {
    VALUE_STRING = 1,
    VALUE_BOOL = 2,
    VALUE_INT = 3,
    VALUE_DOUBLE = 4,
    VALUE_ARRAY = 5,
    VALUE_MAP = 6,
    VALUE_BYTES = 7
};
enum { KEY_VALUE_KEY = 1, KEY_VALUE_VALUE = 2 };
enum { LIST_ITEM = 1 }; // of ArrayValue and KeyValueList
enum { SCOPE_NAME = 1, SCOPE_VERSION = 2, SCOPE_ATTRIBUTES = 3 };

// A field below 16 with a length: tag, length, bytes.
static size_t field_size(size_t len) {
    return 1 + otel_pb_varint_size(len) + len;
}

static size_t value_size(const struct otel_value *value, uint32_t limit, int depth);
static void write_value(struct otel_pb *pb, const struct otel_value *value, uint32_t limit, int depth);

static size_t key_value_size(const struct otel_attribute *attribute, uint32_t limit, int depth) {
    size_t key_len = attribute->key != NULL ? strlen(attribute->key) : 0;
    return field_size(otel_text_measure(attribute->key, key_len, OTEL_NO_LIMIT).out) +
           field_size(value_size(&attribute->value, limit, depth));
}

static size_t list_size(const struct otel_value *value, uint32_t limit, int depth) {
    size_t size = 0;
    if (depth >= OTEL_VALUE_DEPTH_MAX)
        return 0;
    if (value->type == OTEL_VALUE_ARRAY) {
        for (size_t i = 0; i < value->as.array.count; i++)
            size += field_size(value_size(&value->as.array.items[i], limit, depth + 1));
    } else {
        for (size_t i = 0; i < value->as.map.count; i++)
            size += field_size(key_value_size(&value->as.map.items[i], limit, depth + 1));
    }
    return size;
}

static size_t limited(size_t len, uint32_t limit) {
    return limit != OTEL_NO_LIMIT && len > limit ? limit : len;
}

// Size of the AnyValue message without tag and length.
static size_t value_size(const struct otel_value *value, uint32_t limit, int depth) {
    switch (value->type) {
    case OTEL_VALUE_STRING:
        return field_size(otel_text_measure(value->as.text.data, value->as.text.len, limit).out);
    case OTEL_VALUE_BOOL: return 2;
    case OTEL_VALUE_INT: return 1 + otel_pb_varint_size((uint64_t)value->as.integer);
    case OTEL_VALUE_DOUBLE: return 9;
    case OTEL_VALUE_BYTES: return field_size(limited(value->as.text.len, limit));
    case OTEL_VALUE_ARRAY:
    case OTEL_VALUE_MAP: return field_size(list_size(value, limit, depth));
    case OTEL_VALUE_EMPTY: break;
    }
    return 0;
}

static void write_text(struct otel_pb *pb, uint32_t field, const char *text,
                       struct otel_text_measure measure) {
    otel_pb_tag(pb, field, OTEL_PB_BYTES);
    otel_pb_varint(pb, measure.out);
    if (otel_pb_room(pb, measure.out)) {
        otel_text_write(pb->at, text, measure);
        pb->at += measure.out;
    }
}

void otel_pb_text(struct otel_pb *pb, uint32_t field, const char *text, size_t len, uint32_t limit) {
    write_text(pb, field, text, otel_text_measure(text, len, limit));
}

static void write_key_value(struct otel_pb *pb, const struct otel_attribute *attribute, uint32_t limit,
                            int depth) {
    otel_pb_text(pb, KEY_VALUE_KEY, attribute->key, attribute->key != NULL ? strlen(attribute->key) : 0,
                 OTEL_NO_LIMIT);
    otel_pb_tag(pb, KEY_VALUE_VALUE, OTEL_PB_BYTES);
    otel_pb_varint(pb, value_size(&attribute->value, limit, depth));
    write_value(pb, &attribute->value, limit, depth);
}

static void write_list(struct otel_pb *pb, const struct otel_value *value, uint32_t limit, int depth) {
    bool is_array = value->type == OTEL_VALUE_ARRAY;
    otel_pb_tag(pb, is_array ? VALUE_ARRAY : VALUE_MAP, OTEL_PB_BYTES);
    otel_pb_varint(pb, list_size(value, limit, depth));
    if (depth >= OTEL_VALUE_DEPTH_MAX)
        return;
    size_t count = is_array ? value->as.array.count : value->as.map.count;
    for (size_t i = 0; i < count && !pb->failed; i++) {
        otel_pb_tag(pb, LIST_ITEM, OTEL_PB_BYTES);
        if (is_array) {
            otel_pb_varint(pb, value_size(&value->as.array.items[i], limit, depth + 1));
            write_value(pb, &value->as.array.items[i], limit, depth + 1);
        } else {
            otel_pb_varint(pb, key_value_size(&value->as.map.items[i], limit, depth + 1));
            write_key_value(pb, &value->as.map.items[i], limit, depth + 1);
        }
    }
}

static void write_value(struct otel_pb *pb, const struct otel_value *value, uint32_t limit, int depth) {
    switch (value->type) {
    case OTEL_VALUE_STRING:
        otel_pb_text(pb, VALUE_STRING, value->as.text.data, value->as.text.len, limit);
        break;
    case OTEL_VALUE_BOOL: otel_pb_uint(pb, VALUE_BOOL, value->as.boolean); break;
    case OTEL_VALUE_INT: otel_pb_uint(pb, VALUE_INT, (uint64_t)value->as.integer); break;
    case OTEL_VALUE_DOUBLE: otel_pb_double(pb, VALUE_DOUBLE, value->as.real); break;
    case OTEL_VALUE_BYTES:
        otel_pb_bytes(pb, VALUE_BYTES, value->as.text.data, limited(value->as.text.len, limit));
        break;
    case OTEL_VALUE_ARRAY:
    case OTEL_VALUE_MAP: write_list(pb, value, limit, depth); break;
    case OTEL_VALUE_EMPTY: break;
    }
}

void otel_pb_value(struct otel_pb *pb, uint32_t field, const struct otel_value *value, uint32_t value_limit) {
    otel_pb_tag(pb, field, OTEL_PB_BYTES);
    otel_pb_varint(pb, value_size(value, value_limit, 0));
    write_value(pb, value, value_limit, 0);
}

// A text value, measured once.
static void write_text_attribute(struct otel_pb *pb, uint32_t field, const struct otel_attribute *attribute,
                                 uint32_t limit) {
    const struct otel_value *value = &attribute->value;
    struct otel_text_measure key = otel_text_measure(attribute->key, strlen(attribute->key), OTEL_NO_LIMIT);
    struct otel_text_measure text = otel_text_measure(value->as.text.data, value->as.text.len, limit);
    size_t value_len = field_size(text.out);
    otel_pb_tag(pb, field, OTEL_PB_BYTES);
    otel_pb_varint(pb, field_size(key.out) + field_size(value_len));
    write_text(pb, KEY_VALUE_KEY, attribute->key, key);
    otel_pb_tag(pb, KEY_VALUE_VALUE, OTEL_PB_BYTES);
    otel_pb_varint(pb, value_len);
    write_text(pb, VALUE_STRING, value->as.text.data, text);
}

enum { SHORT_KEY_MAX = 60, SHORT_TEXT_MAX = 60, SHORT_FIELD_MAX = 15, SHORT_HEADS = 8 };

// AnyValue of an integer, behind its tag and length; returns its end.
static uint8_t *write_short_int(uint8_t *at, uint64_t value) {
    *at++ = VALUE_INT << 3 | OTEL_PB_VARINT;
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

// AnyValue of text; NULL when it is too long or not ASCII.
static uint8_t *write_short_text(uint8_t *at, const struct otel_value *value, uint32_t limit) {
    size_t len = value->as.text.len;
    if (len > SHORT_TEXT_MAX || len > limit || !otel_text_copy_ascii(at + 2, value->as.text.data, len))
        return NULL;
    at[0] = VALUE_STRING << 3 | OTEL_PB_BYTES;
    at[1] = (uint8_t)len;
    return at + 2 + len;
}

// Room is asked for once, tags and lengths of one byte are written as they are.
size_t otel_pb_short_attribute(struct otel_pb *pb, uint32_t field, const struct otel_attribute *attribute,
                               uint32_t value_limit) {
    enum otel_value_type type = attribute->value.type;
    size_t key_len = strlen(attribute->key);
    if ((type != OTEL_VALUE_STRING && type != OTEL_VALUE_INT) || key_len == 0 || key_len > SHORT_KEY_MAX ||
        field > SHORT_FIELD_MAX || (size_t)(pb->end - pb->at) < SHORT_HEADS + key_len + SHORT_TEXT_MAX)
        return 0;
    uint8_t *key = pb->at + 4, *value = key + key_len + 2;
    uint8_t *end = type == OTEL_VALUE_INT ? write_short_int(value, (uint64_t)attribute->value.as.integer)
                                          : write_short_text(value, &attribute->value, value_limit);
    if (end == NULL || !otel_text_copy_ascii(key, attribute->key, key_len))
        return 0;
    value[-2] = KEY_VALUE_VALUE << 3 | OTEL_PB_BYTES;
    value[-1] = (uint8_t)(end - value);
    pb->at[0] = (uint8_t)(field << 3 | OTEL_PB_BYTES);
    pb->at[1] = (uint8_t)(end - pb->at - 2);
    pb->at[2] = KEY_VALUE_KEY << 3 | OTEL_PB_BYTES;
    pb->at[3] = (uint8_t)key_len;
    pb->at = end;
    return key_len;
}

void otel_pb_attribute(struct otel_pb *pb, uint32_t field, const struct otel_attribute *attribute,
                       uint32_t value_limit) {
    if (attribute->key != NULL && otel_pb_short_attribute(pb, field, attribute, value_limit) > 0)
        return;
    if (attribute->value.type == OTEL_VALUE_STRING && attribute->key != NULL) {
        write_text_attribute(pb, field, attribute, value_limit);
        return;
    }
    otel_pb_tag(pb, field, OTEL_PB_BYTES);
    otel_pb_varint(pb, key_value_size(attribute, value_limit, 0));
    write_key_value(pb, attribute, value_limit, 0);
}

size_t otel_attribute_size_max(const struct otel_attribute *attribute) {
    return field_size(key_value_size(attribute, OTEL_NO_LIMIT, 0)) + 1; // 1: a tag of two bytes
}

static void write_scope_text(struct otel_pb *pb, uint32_t field, const char *text) {
    if (text != NULL && text[0] != '\0')
        otel_pb_text(pb, field, text, strlen(text), OTEL_NO_LIMIT);
}

void otel_pb_scope(struct otel_pb *pb, const struct otel_scope_info *scope) {
    write_scope_text(pb, SCOPE_NAME, scope->name);
    write_scope_text(pb, SCOPE_VERSION, scope->version);
    for (size_t i = 0; i < scope->attribute_count; i++)
        otel_pb_attribute(pb, SCOPE_ATTRIBUTES, &scope->attributes[i], OTEL_NO_LIMIT);
}

size_t otel_scope_size_max(const struct otel_scope_info *scope) {
    size_t size = 0;
    if (scope->name != NULL)
        size += field_size(3 * strlen(scope->name));
    if (scope->version != NULL)
        size += field_size(3 * strlen(scope->version));
    for (size_t i = 0; i < scope->attribute_count; i++)
        size += otel_attribute_size_max(&scope->attributes[i]);
    return size;
}
