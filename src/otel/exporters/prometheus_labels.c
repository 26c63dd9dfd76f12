// SPDX-License-Identifier: Apache-2.0
// Attributes as labels. Names that become equal are one label, whose values stand behind one another with semicolons.
#include "otel/exporters/prometheus_model.h"

#include "otel/wire/protobuf.h"

#include <stdio.h>

enum { DEPTH_MAX = 16 };

// --- values as text --------------------------------------------------------------------------------------------------
static void put(struct otel_prometheus_label_list *list, fq_buf *out, fq_str text) {
    if (list->failed == 0)
        list->failed = fq_buf_append_str(out, text);
}

static void put_json_string(struct otel_prometheus_label_list *list, fq_buf *out, fq_str text) {
    put(list, out, FQ_STR("\""));
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i], escaped[8];
        if (c == '"' || c == '\\')
            snprintf(escaped, sizeof escaped, "\\%c", c);
        else if ((unsigned char)c < 0x20)
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)c);
        else
            snprintf(escaped, sizeof escaped, "%c", c);
        put(list, out, fq_str_of(escaped));
    }
    put(list, out, FQ_STR("\""));
}

static void put_value(struct otel_prometheus_label_list *list, fq_buf *out, const struct otel_pb_field *value,
                      int depth);

// Values of an array, or pairs of a map.
static void put_items(struct otel_prometheus_label_list *list, fq_buf *out, const struct otel_pb_field *items,
                      bool is_map, int depth) {
    struct otel_pb_reader reader = {.at = items->bytes, .end = items->bytes + items->len};
    struct otel_pb_field item, field;
    bool is_first = true;
    put(list, out, is_map ? FQ_STR("{") : FQ_STR("["));
    while (depth < DEPTH_MAX && otel_pb_next(&reader, &item) == 1 && item.type == OTEL_PB_BYTES) {
        put(list, out, is_first ? FQ_STR("") : FQ_STR(","));
        is_first = false;
        struct otel_pb_reader fields = {.at = item.bytes, .end = item.bytes + item.len};
        if (!is_map) {
            put_value(list, out, &item, depth + 1);
            continue;
        }
        while (otel_pb_next(&fields, &field) == 1 && field.type == OTEL_PB_BYTES) {
            if (field.number == 1) {
                put_json_string(list, out, (fq_str){(const char *)field.bytes, field.len});
                put(list, out, FQ_STR(":"));
            } else {
                put_value(list, out, &field, depth + 1);
            }
        }
    }
    put(list, out, is_map ? FQ_STR("}") : FQ_STR("]"));
}

static void put_value(struct otel_prometheus_label_list *list, fq_buf *out, const struct otel_pb_field *value,
                      int depth) {
    struct otel_pb_reader reader = {.at = value->bytes, .end = value->bytes + value->len};
    struct otel_pb_field field;
    char text[40];
    if (otel_pb_next(&reader, &field) != 1)
        return;
    fq_str bytes = field.type == OTEL_PB_BYTES ? (fq_str){(const char *)field.bytes, field.len} : FQ_STR("");
    double real;
    switch (field.number) {
    case 1:
        if (depth == 0)
            put(list, out, bytes);
        else
            put_json_string(list, out, bytes);
        break;
    case 2: put(list, out, field.value != 0 ? FQ_STR("true") : FQ_STR("false")); break;
    case 3:
        snprintf(text, sizeof text, "%lld", (long long)field.value);
        put(list, out, fq_str_of(text));
        break;
    case 4:
        memcpy(&real, &field.value, sizeof real);
        snprintf(text, sizeof text, "%.15g", real);
        put(list, out, fq_str_of(text));
        break;
    case 5: put_items(list, out, &field, false, depth); break;
    case 6: put_items(list, out, &field, true, depth); break;
    case 7:
        for (size_t i = 0; i < bytes.len; i++) {
            snprintf(text, sizeof text, "%02x", (unsigned char)bytes.ptr[i]);
            put(list, out, fq_str_of(text));
        }
        break;
    default: break;
    }
}

// --- the list --------------------------------------------------------------------------------------------------------
// Where the value of a label ends that has this name, 0 if there is none.
static size_t find(const struct otel_prometheus_label_list *list, const char *name) {
    const char *key = list->key.data != NULL ? list->key.data + list->key.begin : NULL;
    for (size_t at = 0; at < fq_buf_len(&list->key);) {
        const char *this_name = key + at;
        size_t value = at + strlen(this_name) + 1, end = value + strlen(key + value);
        if (strcmp(this_name, name) == 0)
            return end;
        at = end + 1;
    }
    return 0;
}

// The value goes behind the one that is there.
static void join(struct otel_prometheus_label_list *list, size_t end, fq_str value) {
    size_t grown = value.len + 1, tail = fq_buf_len(&list->key) - end;
    if (fq_buf_reserve(&list->key, grown) != 0) {
        list->failed = FQ_ENOMEM;
        return;
    }
    char *at = list->key.data + list->key.begin + end;
    memmove(at + grown, at, tail);
    *at = ';';
    memcpy(at + 1, value.ptr, value.len);
    fq_buf_commit(&list->key, grown);
}

void otel_prometheus_labels_put_text(struct otel_prometheus_label_list *list, fq_str name, fq_str value) {
    fq_buf label = {0};
    int error = otel_prometheus_label_name(list->strategy, name, &label);
    const char *nul = value.len > 0 ? memchr(value.ptr, 0, value.len) : NULL;
    if (nul != NULL)
        value.len = (size_t)(nul - value.ptr);
    size_t end = error == 0 ? find(list, fq_buf_str(&label).ptr) : 0;
    if (error != 0) {
        list->failed = error;
    } else if (end != 0) {
        join(list, end, value);
    } else if (fq_buf_len(&label) > 1) {
        put(list, &list->key, fq_buf_str(&label));
        put(list, &list->key, value);
        list->failed = list->failed != 0 ? list->failed : fq_buf_append_byte(&list->key, 0);
    }
    fq_buf_done(&label);
}

void otel_prometheus_labels_put(struct otel_prometheus_label_list *list, const char *prefix, const void *pair,
                                size_t len) {
    struct otel_pb_reader reader = {.at = pair, .end = (const uint8_t *)pair + len};
    struct otel_pb_field field;
    fq_buf name = {0}, value = {0};
    put(list, &name, fq_str_of(prefix));
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.type == OTEL_PB_BYTES && field.number == 1)
            put(list, &name, (fq_str){(const char *)field.bytes, field.len});
        else if (field.type == OTEL_PB_BYTES && field.number == 2)
            put_value(list, &value, &field, 0);
    }
    if (list->failed == 0)
        otel_prometheus_labels_put_text(list, fq_buf_str(&name), fq_buf_str(&value));
    fq_buf_done(&name);
    fq_buf_done(&value);
}

size_t otel_prometheus_labels(fq_str key, struct otel_prometheus_label *labels, size_t max) {
    size_t count = 0;
    for (size_t at = 0; at < key.len && count < max; count++) {
        labels[count].name = key.ptr + at;
        at += strlen(key.ptr + at) + 1;
        labels[count].value = fq_str_of(key.ptr + at);
        at += labels[count].value.len + 1;
    }
    return count;
}
