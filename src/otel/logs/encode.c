// SPDX-License-Identifier: Apache-2.0
// A log record as OTLP's LogRecord message, in ascending order of its fields.
#include "otel/logs/logger.h"

#include "otel/wire/attribute.h"

#include <stdlib.h>

enum {
    FIELD_TIME = 1,
    FIELD_SEVERITY = 2,
    FIELD_SEVERITY_TEXT = 3,
    FIELD_BODY = 5,
    FIELD_ATTRIBUTE = 6,
    FIELD_DROPPED = 7,
    FIELD_FLAGS = 8,
    FIELD_TRACE_ID = 9,
    FIELD_SPAN_ID = 10,
    FIELD_OBSERVED = 11,
    FIELD_EVENT_NAME = 12,
    HEAD_FIELDS_MAX = 32, // time, severity, head of its text
    TAIL_FIELDS_MAX = 64, // what follows the attributes, without the event name
    NAME_MAX_LEN = 1024,  // of severity text and event name
    ON_STACK = 2048,
    KEPT_MAX = 512,
};

// The attributes to be written: each key once, the last value given for it.
struct kept {
    uint32_t limit, count, dropped;
    const struct otel_attribute *at[KEPT_MAX];
};

static void keep(struct kept *kept, const struct otel_attribute *attribute, bool replaces) {
    if (attribute->key == NULL || attribute->key[0] == '\0') {
        kept->dropped++;
        return;
    }
    if (attribute->value.type == OTEL_VALUE_EMPTY)
        return;
    for (uint32_t i = 0; i < kept->count; i++) {
        if (strcmp(kept->at[i]->key, attribute->key) != 0)
            continue;
        if (replaces)
            kept->at[i] = attribute;
        return;
    }
    if (kept->count == kept->limit)
        kept->dropped++;
    else
        kept->at[kept->count++] = attribute;
}

static size_t cut_name(const char *text) {
    return text != NULL ? strnlen(text, NAME_MAX_LEN) : 0;
}

// A long text is cut where a character begins.
static struct otel_value fitting_body(struct otel_value body) {
    bool is_text = body.type == OTEL_VALUE_STRING || body.type == OTEL_VALUE_BYTES;
    if (is_text && body.as.text.len > OTEL_LOG_BODY_MAX) {
        body.as.text.len = OTEL_LOG_BODY_MAX;
        while (body.type == OTEL_VALUE_STRING && body.as.text.len > OTEL_LOG_BODY_MAX - 4 &&
               ((unsigned char)body.as.text.data[body.as.text.len] & 0xc0) == 0x80)
            body.as.text.len--;
    }
    return body;
}

static size_t body_size_max(const struct otel_value *body) {
    const struct otel_attribute sized = {.key = "", .value = *body};
    return body->type != OTEL_VALUE_EMPTY ? otel_attribute_size_max(&sized) : 0;
}

static size_t size_max(const struct otel_log_record *record, const struct otel_value *body,
                       const struct kept *kept) {
    size_t size = HEAD_FIELDS_MAX + TAIL_FIELDS_MAX + body_size_max(body) +
                  3 * cut_name(record->severity_text) + 3 * cut_name(record->event_name);
    for (uint32_t i = 0; i < kept->count; i++)
        size += otel_attribute_size_max(kept->at[i]);
    return size;
}

static void write_span(struct otel_pb *pb, const struct otel_span_context *span) {
    if (span == NULL)
        return;
    if (span->flags != 0)
        otel_pb_fixed32(pb, FIELD_FLAGS, span->flags);
    otel_pb_bytes(pb, FIELD_TRACE_ID, span->trace_id, sizeof span->trace_id);
    otel_pb_bytes(pb, FIELD_SPAN_ID, span->span_id, sizeof span->span_id);
}

static void write_name(struct otel_pb *pb, uint32_t field, const char *text) {
    size_t len = cut_name(text);
    if (len > 0)
        otel_pb_text(pb, field, text, len, OTEL_NO_LIMIT);
}

// `tail` is room kept for what follows the attributes.
static void write_attributes(struct otel_pb *pb, const struct kept *kept, uint32_t value_limit, size_t tail) {
    uint32_t dropped = kept->dropped;
    for (uint32_t i = 0; i < kept->count; i++) {
        if (otel_attribute_size_max(kept->at[i]) + tail > (size_t)(pb->end - pb->at))
            dropped++;
        else
            otel_pb_attribute(pb, FIELD_ATTRIBUTE, kept->at[i], value_limit);
    }
    if (dropped > 0)
        otel_pb_uint(pb, FIELD_DROPPED, dropped);
}

static void write_record(struct otel_pb *pb, const struct otel_log_record *record, struct otel_value body,
                         struct kept *kept, uint32_t value_limit) {
    size_t tail = TAIL_FIELDS_MAX + 3 * cut_name(record->event_name);
    otel_pb_fixed64(pb, FIELD_TIME, (uint64_t)record->unix_ns);
    if (record->severity > 0)
        otel_pb_uint(pb, FIELD_SEVERITY, (uint64_t)record->severity);
    write_name(pb, FIELD_SEVERITY_TEXT, record->severity_text);
    size_t body_max = body_size_max(&body);
    if (body_max > 0 && body_max + tail <= (size_t)(pb->end - pb->at))
        otel_pb_value(pb, FIELD_BODY, &body, OTEL_NO_LIMIT);
    else if (body_max > 0)
        kept->dropped++; // a map or list that fits nowhere
    write_attributes(pb, kept, value_limit, tail);
    write_span(pb, record->no_span ? NULL : record->span);
    otel_pb_fixed64(pb, FIELD_OBSERVED, (uint64_t)record->observed_unix_ns);
    write_name(pb, FIELD_EVENT_NAME, record->event_name);
}

static void put(const otel_logger *logger, const uint8_t *message, size_t len) {
    const otel_logger_provider *provider = logger->provider;
    for (size_t i = 0; i < provider->sink_count; i++) {
        const struct otel_sink *sink = &provider->sinks[i];
        uint8_t *at = sink->reserve(sink->context, OTEL_RECORD_LOG, (uint32_t)(logger->prefix_len + len));
        if (at == NULL)
            continue;
        memcpy(at, logger->prefix, logger->prefix_len);
        memcpy(at + logger->prefix_len, message, len);
        sink->commit(sink->context, at);
    }
}

void otel_log_write(const otel_logger *logger, const struct otel_log_record *record) {
    const otel_logger_provider *provider = logger->provider;
    const struct otel_attribute exception[] = {
        otel_text("exception.type", record->exception_type),
        otel_text("exception.message", record->exception_message),
        otel_text("exception.stacktrace", record->exception_stacktrace)};
    uint32_t limit = provider->limits.attributes;
    struct kept kept = {.limit = limit < KEPT_MAX ? limit : KEPT_MAX};
    for (size_t i = 0; i < record->attribute_count; i++)
        keep(&kept, &record->attributes[i], true);
    for (size_t i = 0; i < sizeof exception / sizeof exception[0]; i++)
        keep(&kept, &exception[i], false);
    struct otel_value body = fitting_body(record->body);
    size_t size = size_max(record, &body, &kept), most = OTEL_RECORD_BYTES_MAX - logger->prefix_len;
    uint8_t on_stack[ON_STACK], *memory = on_stack;
    if (size > most)
        size = most;
    if (size > sizeof on_stack)
        memory = malloc(size);
    if (memory == NULL)
        return;
    struct otel_pb pb = otel_pb_begin(memory, size);
    write_record(&pb, record, body, &kept, provider->limits.value_length);
    if (!pb.failed)
        put(logger, memory, (size_t)(pb.at - memory));
    if (memory != on_stack)
        free(memory);
}
