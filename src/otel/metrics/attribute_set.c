// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/attribute_set.h"

#include "otel/wire/attribute.h"

static bool contains(const char *const *keys, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

bool otel_key_filter_keeps(const struct otel_key_filter *filter, const char *key) {
    bool is_named = filter->keys != NULL && contains(filter->keys, filter->key_count, key);
    if (!is_named && (filter->keys != NULL || contains(filter->opt_in, filter->opt_in_count, key)))
        return false;
    return !contains(filter->excluded, filter->excluded_count, key);
}

// Sets are small: insertion, which also finds a key that was given before.
size_t otel_attribute_set_sort(const struct otel_attribute *attributes, size_t count,
                               const struct otel_attribute **sorted) {
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const struct otel_attribute *attribute = &attributes[i];
        if (attribute->key == NULL || attribute->key[0] == 0 || attribute->value.type == OTEL_VALUE_EMPTY)
            continue;
        size_t place = used;
        int order = 1;
        while (place > 0 && (order = strcmp(sorted[place - 1]->key, attribute->key)) > 0)
            place--;
        if (place > 0 && order == 0) {
            sorted[place - 1] = attribute;
            continue;
        }
        memmove(sorted + place + 1, sorted + place, (used - place) * sizeof *sorted);
        sorted[place] = attribute;
        used++;
    }
    return used;
}

static int encode_one(const struct otel_attribute *attribute, fq_buf *out) {
    size_t size = otel_attribute_size_max(attribute);
    int error = fq_buf_reserve(out, size);
    if (error != 0)
        return error;
    struct otel_pb pb = otel_pb_begin(fq_buf_tail(out), size);
    otel_pb_attribute(&pb, 1, attribute, OTEL_NO_LIMIT);
    if (!pb.failed)
        fq_buf_commit(out, (size_t)(pb.at - (uint8_t *)fq_buf_tail(out)));
    return 0;
}

int otel_attribute_set_encode(const struct otel_attribute *const *sorted, size_t count,
                              const struct otel_key_filter *filter, fq_buf *kept, fq_buf *dropped) {
    for (size_t i = 0; i < count; i++) {
        fq_buf *out = filter == NULL || otel_key_filter_keeps(filter, sorted[i]->key) ? kept : dropped;
        int error = out != NULL ? encode_one(sorted[i], out) : 0;
        if (error != 0)
            return error;
    }
    return 0;
}

size_t otel_attribute_set_next(const uint8_t *set, size_t len) {
    struct otel_pb_reader reader = {.at = set, .end = set + len};
    struct otel_pb_field field;
    if (otel_pb_next(&reader, &field) != 1 || field.number != 1 || field.type != OTEL_PB_BYTES)
        return 0;
    return (size_t)(reader.at - set);
}

// Arrays and maps come out empty.
static struct otel_value decode_value(const uint8_t *bytes, size_t len) {
    struct otel_pb_reader reader = {.at = bytes, .end = bytes + len};
    struct otel_pb_field field;
    struct otel_value value = {.type = OTEL_VALUE_EMPTY};
    if (otel_pb_next(&reader, &field) != 1)
        return value;
    static const enum otel_value_type types[] = {OTEL_VALUE_EMPTY, OTEL_VALUE_STRING, OTEL_VALUE_BOOL,
                                                 OTEL_VALUE_INT,   OTEL_VALUE_DOUBLE, OTEL_VALUE_ARRAY,
                                                 OTEL_VALUE_MAP,   OTEL_VALUE_BYTES};
    value.type = field.number < sizeof types / sizeof *types ? types[field.number] : OTEL_VALUE_EMPTY;
    if (value.type == OTEL_VALUE_STRING || value.type == OTEL_VALUE_BYTES) {
        value.as.text.data = field.type == OTEL_PB_BYTES ? (const char *)field.bytes : "";
        value.as.text.len = field.type == OTEL_PB_BYTES ? field.len : 0;
    } else if (value.type == OTEL_VALUE_BOOL) {
        value.as.boolean = field.value != 0;
    } else if (value.type == OTEL_VALUE_INT || value.type == OTEL_VALUE_DOUBLE) {
        memcpy(&value.as.integer, &field.value, sizeof value.as.integer);
    }
    return value;
}

void otel_attribute_set_decode(const uint8_t *set, size_t len, struct otel_decoded_set *decoded) {
    struct otel_pb_reader sets = {.at = set, .end = set + len};
    struct otel_pb_field pair, field;
    char *at = decoded->keys, *end = decoded->keys + sizeof decoded->keys;
    decoded->count = 0;
    while (decoded->count < OTEL_DECODED_MAX && otel_pb_next(&sets, &pair) == 1 &&
           pair.type == OTEL_PB_BYTES) {
        struct otel_attribute *attribute = &decoded->attributes[decoded->count];
        *attribute = (struct otel_attribute){.key = NULL};
        struct otel_pb_reader fields = {.at = pair.bytes, .end = pair.bytes + pair.len};
        while (otel_pb_next(&fields, &field) == 1) {
            if (field.type != OTEL_PB_BYTES)
                continue;
            if (field.number == 1 && field.len < (size_t)(end - at)) {
                attribute->key = memcpy(at, field.bytes, field.len);
                at[field.len] = 0;
                at += field.len + 1;
            } else if (field.number == 2) {
                attribute->value = decode_value(field.bytes, field.len);
            }
        }
        if (attribute->key != NULL)
            decoded->count++;
    }
}
