// SPDX-License-Identifier: Apache-2.0
/**
 * Values and attributes. Everything is borrowed for the duration of the call it is given to and copied (or encoded) there.
 *
 *     const struct otel_attribute attributes[] = {otel_text("http.route", "/pay"), otel_int("items", 3)};
 *     otel_span_set_attributes(span, attributes, 2);
 *
 * Text is UTF-8; what is not is repaired with U+FFFD when it is encoded, since a receiver would refuse the whole request.
 */
#ifndef OTEL_ATTRIBUTE_H
#define OTEL_ATTRIBUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef OTEL_API
#define OTEL_API __attribute__((visibility("default")))
#endif

/* What functions that can fail return. */
enum otel_result {
    OTEL_OK = 0,
    OTEL_FAILED = -1,
    OTEL_TIMEOUT = -2,
};

enum otel_value_type {
    OTEL_VALUE_EMPTY,
    OTEL_VALUE_STRING,
    OTEL_VALUE_BOOL,
    OTEL_VALUE_INT,
    OTEL_VALUE_DOUBLE,
    OTEL_VALUE_BYTES,
    OTEL_VALUE_ARRAY,
    OTEL_VALUE_MAP,
};

struct otel_attribute;
struct otel_value {
    enum otel_value_type type;
    union {
        struct {
            const char *data; /* not NUL-terminated; strings and bytes */
            size_t len;
        } text;
        bool boolean;
        int64_t integer;
        double real;
        struct {
            const struct otel_value *items;
            size_t count;
        } array;
        struct {
            const struct otel_attribute *items;
            size_t count;
        } map;
    } as;
};

struct otel_attribute {
    const char *key; /* NUL-terminated; NULL or "" is refused and counted */
    struct otel_value value;
};

static inline struct otel_value otel_value_string(const char *data, size_t len) {
    struct otel_value value;
    value.type = OTEL_VALUE_STRING;
    value.as.text.data = data;
    value.as.text.len = len;
    return value;
}
/** A NUL-terminated string; NULL makes an empty value, which is not recorded. */
static inline struct otel_attribute otel_text(const char *key, const char *text) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value = otel_value_string(text, text != NULL ? strlen(text) : 0);
    if (text == NULL)
        attribute.value.type = OTEL_VALUE_EMPTY;
    return attribute;
}
static inline struct otel_attribute otel_text_len(const char *key, const char *text, size_t len) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value = otel_value_string(text, len);
    return attribute;
}
static inline struct otel_attribute otel_bytes(const char *key, const void *data, size_t len) {
    struct otel_attribute attribute = otel_text_len(key, (const char *)data, len);
    attribute.value.type = OTEL_VALUE_BYTES;
    return attribute;
}
static inline struct otel_attribute otel_bool(const char *key, bool boolean) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value.type = OTEL_VALUE_BOOL;
    attribute.value.as.boolean = boolean;
    return attribute;
}
static inline struct otel_attribute otel_int(const char *key, int64_t integer) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value.type = OTEL_VALUE_INT;
    attribute.value.as.integer = integer;
    return attribute;
}
static inline struct otel_attribute otel_double(const char *key, double real) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value.type = OTEL_VALUE_DOUBLE;
    attribute.value.as.real = real;
    return attribute;
}
static inline struct otel_attribute otel_array(const char *key, const struct otel_value *items,
                                               size_t count) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value.type = OTEL_VALUE_ARRAY;
    attribute.value.as.array.items = items;
    attribute.value.as.array.count = count;
    return attribute;
}
static inline struct otel_attribute otel_map(const char *key, const struct otel_attribute *items,
                                             size_t count) {
    struct otel_attribute attribute;
    attribute.key = key;
    attribute.value.type = OTEL_VALUE_MAP;
    attribute.value.as.map.items = items;
    attribute.value.as.map.count = count;
    return attribute;
}

/* Who makes spans, instruments and log records: an instrumentation scope. Zero means none. */
struct otel_scope_info {
    const char *name;
    const char *version;
    const char *schema_url;
    const struct otel_attribute *attributes;
    size_t attribute_count;
};

#ifdef __cplusplus
}
#endif
#endif
