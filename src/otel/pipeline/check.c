// SPDX-License-Identifier: Apache-2.0
// One table for each message: its fields, in the words of opentelemetry-proto 1.11.
#include "otel/pipeline/check.h"

#include "otel/pipeline/request.h"
#include "otel/wire/protobuf.h"
#include "otel/wire/utf8.h"

enum message {
    ANY_VALUE,
    ARRAY_VALUE,
    KEY_VALUE_LIST,
    KEY_VALUE,
    SCOPE,
    EVENT,
    LINK,
    STATUS,
    SPAN,
    LOG_RECORD
};

enum form {
    NONE, // no such field
    NUMBER,
    FIXED64,
    FIXED32,
    TEXT,
    BYTES,
    TRACE_ID,
    SPAN_ID,
    MESSAGES, // and above: MESSAGES + enum message
};
#define MESSAGE(name) (MESSAGES + (name))

// By field number, from 0, which there is none of.
static const uint8_t ANY_VALUE_FORMS[] = {
    NONE, TEXT, NUMBER, NUMBER, FIXED64, MESSAGE(ARRAY_VALUE), MESSAGE(KEY_VALUE_LIST), BYTES};
static const uint8_t ARRAY_VALUE_FORMS[] = {NONE, MESSAGE(ANY_VALUE)};
static const uint8_t KEY_VALUE_LIST_FORMS[] = {NONE, MESSAGE(KEY_VALUE)};
static const uint8_t KEY_VALUE_FORMS[] = {NONE, TEXT, MESSAGE(ANY_VALUE)};
static const uint8_t SCOPE_FORMS[] = {NONE, TEXT, TEXT, MESSAGE(KEY_VALUE), NUMBER};
static const uint8_t EVENT_FORMS[] = {NONE, FIXED64, TEXT, MESSAGE(KEY_VALUE), NUMBER};
static const uint8_t LINK_FORMS[] = {NONE, TRACE_ID, SPAN_ID, TEXT, MESSAGE(KEY_VALUE), NUMBER, FIXED32};
static const uint8_t STATUS_FORMS[] = {NONE, NONE, TEXT, NUMBER};
static const uint8_t SPAN_FORMS[] = {
    NONE,    TRACE_ID,           SPAN_ID, TEXT,           SPAN_ID, TEXT,          NUMBER, FIXED64,
    FIXED64, MESSAGE(KEY_VALUE), NUMBER,  MESSAGE(EVENT), NUMBER,  MESSAGE(LINK), NUMBER, MESSAGE(STATUS),
    FIXED32};
static const uint8_t LOG_RECORD_FORMS[] = {
    NONE,    FIXED64,  NUMBER,  TEXT,    NONE, MESSAGE(ANY_VALUE), MESSAGE(KEY_VALUE), NUMBER,
    FIXED32, TRACE_ID, SPAN_ID, FIXED64, TEXT};

#define FORMS_OF(forms)                                                                                      \
    { forms, sizeof forms }
static const struct {
    const uint8_t *forms;
    size_t count;
} MESSAGE_FORMS[] = { // in the order of enum message
    FORMS_OF(ANY_VALUE_FORMS), FORMS_OF(ARRAY_VALUE_FORMS), FORMS_OF(KEY_VALUE_LIST_FORMS),
    FORMS_OF(KEY_VALUE_FORMS), FORMS_OF(SCOPE_FORMS),       FORMS_OF(EVENT_FORMS),
    FORMS_OF(LINK_FORMS),      FORMS_OF(STATUS_FORMS),      FORMS_OF(SPAN_FORMS),
    FORMS_OF(LOG_RECORD_FORMS)};

static bool message_is_sound(enum message message, const uint8_t *bytes, size_t len, int depth);

static bool field_is_sound(enum message message, const struct otel_pb_field *field, int depth) {
    unsigned form =
        field->number < MESSAGE_FORMS[message].count ? MESSAGE_FORMS[message].forms[field->number] : NONE;
    switch (form) {
    case NONE: return false;
    case NUMBER: return field->type == OTEL_PB_VARINT;
    case FIXED64: return field->type == OTEL_PB_FIXED64;
    case FIXED32: return field->type == OTEL_PB_FIXED32;
    default: break;
    }
    if (field->type != OTEL_PB_BYTES)
        return false;
    if (form == TEXT)
        return otel_text_measure((const char *)field->bytes, field->len, UINT32_MAX).clean;
    if (form == TRACE_ID)
        return field->len == 16;
    if (form == SPAN_ID)
        return field->len == 8;
    return form == BYTES ||
           message_is_sound((enum message)(form - MESSAGES), field->bytes, field->len, depth + 1);
}

static bool message_is_sound(enum message message, const uint8_t *bytes, size_t len, int depth) {
    struct otel_pb_reader reader = {bytes, bytes + len};
    struct otel_pb_field field;
    int got;
    if (depth > OTEL_RECORD_DEPTH_MAX)
        return false;
    while ((got = otel_pb_next(&reader, &field)) == 1) {
        if (!field_is_sound(message, &field, depth))
            return false;
    }
    return got == 0;
}

bool otel_record_is_sound(enum otel_signal signal, const void *record, size_t len) {
    if (!otel_record_is_whole(record, len))
        return false;
    uint32_t lens[2];
    memcpy(lens, record, sizeof lens);
    const uint8_t *scope = (const uint8_t *)record + sizeof lens, *schema = scope + lens[0];
    const uint8_t *item = schema + lens[1];
    size_t item_len = len - (size_t)(item - (const uint8_t *)record);
    return message_is_sound(SCOPE, scope, lens[0], 0) &&
           otel_text_measure((const char *)schema, lens[1], UINT32_MAX).clean &&
           message_is_sound(signal == OTEL_SIGNAL_LOGS ? LOG_RECORD : SPAN, item, item_len, 0);
}
