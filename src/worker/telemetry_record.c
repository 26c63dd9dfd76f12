// SPDX-License-Identifier: Apache-2.0
// Messages of OTLP as tables of their fields. Source: opentelemetry-proto 1.11, trace.proto, logs.proto, common.proto.
#include "worker/telemetry_record.h"

#include "base/str.h"
#include "otel/pipeline/check.h"
#include "otel/wire/protobuf.h"
#include "worker/ring.h"

enum { SHORT_ATTRIBUTE_DEPTH = 2, TRACE_ID_BYTES = 16, SPAN_ID_BYTES = 8, RECORD_HEAD = 8 };

enum rule { NONE, VARINT, FIXED64, FIXED32, TEXT, BYTES, TRACE_ID, SPAN_ID, PARENT_ID, MESSAGE };
enum message {
    SCOPE,
    SPAN,
    EVENT,
    LINK,
    STATUS,
    LOG,
    KEY_VALUE,
    ANY_VALUE,
    ARRAY,
    KEY_VALUES,
    MESSAGE_COUNT
};
enum { FIELDS_MAX = 17 };

struct field {
    enum rule rule;
    enum message message; // of rule MESSAGE
};
static const struct field FIELDS[MESSAGE_COUNT][FIELDS_MAX] = {
    [SCOPE] = {[1] = {TEXT, 0},             [2] = {TEXT, 0}, [3] = {MESSAGE, KEY_VALUE}, [4] = {VARINT, 0}},
    [SPAN] = {[1] = {TRACE_ID, 0},
               [2] = {SPAN_ID, 0},
               [3] = {TEXT, 0},
               [4] = {PARENT_ID, 0},
               [5] = {TEXT, 0},
               [6] = {VARINT, 0},
               [7] = {FIXED64, 0},
               [8] = {FIXED64, 0},
               [9] = {MESSAGE, KEY_VALUE},
               [10] = {VARINT, 0},
               [11] = {MESSAGE, EVENT},
               [12] = {VARINT, 0},
               [13] = {MESSAGE, LINK},
               [14] = {VARINT, 0},
               [15] = {MESSAGE, STATUS},
               [16] = {FIXED32, 0}},
    [EVENT] = {[1] = {FIXED64, 0},                           [2] = {TEXT, 0}, [3] = {MESSAGE, KEY_VALUE}, [4] = {VARINT, 0}},
    [LINK] = {[1] = {TRACE_ID, 0},
               [2] = {SPAN_ID, 0},
               [3] = {TEXT, 0},
               [4] = {MESSAGE, KEY_VALUE},
               [5] = {VARINT, 0},
               [6] = {FIXED32, 0}},
    [STATUS] = {[2] = {TEXT, 0},        [3] = {VARINT, 0}},
    [LOG] = {[1] = {FIXED64, 0},
               [2] = {VARINT, 0},
               [3] = {TEXT, 0},
               [5] = {MESSAGE, ANY_VALUE},
               [6] = {MESSAGE, KEY_VALUE},
               [7] = {VARINT, 0},
               [8] = {FIXED32, 0},
               [9] = {TRACE_ID, 0},
               [10] = {SPAN_ID, 0},
               [11] = {FIXED64, 0},
               [12] = {TEXT, 0}},
    [KEY_VALUE] = {[1] = {TEXT, 0},          [2] = {MESSAGE, ANY_VALUE}},
    [ANY_VALUE] = {[1] = {TEXT, 0},
               [2] = {VARINT, 0},
               [3] = {VARINT, 0},
               [4] = {FIXED64, 0},
               [5] = {MESSAGE, ARRAY},
               [6] = {MESSAGE, KEY_VALUES},
               [7] = {BYTES, 0}},
    [ARRAY] = {[1] = {MESSAGE, ANY_VALUE}         },
    [KEY_VALUES] = {[1] = {MESSAGE, KEY_VALUE}         },
};
// What one of each must have, as bits of field numbers.
static const uint32_t REQUIRED[MESSAGE_COUNT] = {
    [SPAN] = 1u << 1 | 1u << 2, [LINK] = 1u << 1 | 1u << 2, [KEY_VALUE] = 1u << 1};

static bool is_zero(const uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool is_id(const struct otel_pb_field *field, size_t len) {
    return field->type == OTEL_PB_BYTES && field->len == len && !is_zero(field->bytes, len);
}

static bool is_text(const uint8_t *bytes, size_t len) {
    uint64_t any = 0, word;
    if (len >= sizeof word) { // the last word over the end of the one before it
        for (size_t at = 0; at < len - sizeof word; at += sizeof word) {
            memcpy(&word, bytes + at, sizeof word);
            any |= word;
        }
        memcpy(&word, bytes + len - sizeof word, sizeof word);
        any |= word;
    } else {
        for (size_t at = 0; at < len; at++)
            any |= bytes[at];
    }
    return (any & 0x8080808080808080ull) == 0 || fq_str_is_utf8((fq_str){(const char *)bytes, len});
}

// The attribute that nearly all are: a key and a string or a small number, with lengths of one byte. Any other has to be read
// field by field.
static bool is_short_attribute(const uint8_t *bytes, size_t len) {
    enum { KEY_TAG = 0x0a, VALUE_TAG = 0x12, STRING_TAG = 0x0a, INT_TAG = 0x18, HEADS = 6 };
    if (len < HEADS || bytes[0] != KEY_TAG || bytes[1] >= 0x80 || (size_t)bytes[1] + HEADS > len)
        return false;
    size_t key_len = bytes[1], value_len = len - 4 - key_len;
    const uint8_t *value = bytes + 4 + key_len;
    if (value[-2] != VALUE_TAG || value[-1] != value_len || value_len >= 0x80 || !is_text(bytes + 2, key_len))
        return false;
    if (value[0] == INT_TAG)
        return value_len == 2 && value[1] < 0x80;
    return value[0] == STRING_TAG && value[1] == value_len - 2 && is_text(value + 2, value_len - 2);
}

// As otel_pb_next, with the short form of a length-delimited field in front.
static int next_field(struct otel_pb_reader *reader, struct otel_pb_field *ret_field) {
    const uint8_t *at = reader->at;
    if (reader->end - at >= 2 && at[0] < 0x80 && (at[0] & 7) == OTEL_PB_BYTES && at[0] > 7 && at[1] < 0x80 &&
        at[1] <= reader->end - at - 2) {
        ret_field->number = at[0] >> 3;
        ret_field->type = OTEL_PB_BYTES;
        ret_field->bytes = at + 2;
        ret_field->len = at[1];
        reader->at = at + 2 + at[1];
        return 1;
    }
    return otel_pb_next(reader, ret_field);
}

static bool is_message(enum message message, const uint8_t *bytes, size_t len, unsigned depth);

static bool obeys(const struct field *wanted, const struct otel_pb_field *field, unsigned depth) {
    switch (wanted->rule) {
    case VARINT: return field->type == OTEL_PB_VARINT;
    case FIXED64: return field->type == OTEL_PB_FIXED64;
    case FIXED32: return field->type == OTEL_PB_FIXED32;
    case TEXT: return field->type == OTEL_PB_BYTES && is_text(field->bytes, field->len);
    case BYTES: return field->type == OTEL_PB_BYTES;
    case TRACE_ID: return is_id(field, TRACE_ID_BYTES);
    case SPAN_ID: return is_id(field, SPAN_ID_BYTES);
    case PARENT_ID: return is_id(field, SPAN_ID_BYTES) || (field->type == OTEL_PB_BYTES && field->len == 0);
    case MESSAGE:
        return field->type == OTEL_PB_BYTES &&
               ((wanted->message == KEY_VALUE && depth + SHORT_ATTRIBUTE_DEPTH <= OTEL_RECORD_DEPTH_MAX &&
                 is_short_attribute(field->bytes, field->len)) ||
                is_message(wanted->message, field->bytes, field->len, depth + 1));
    case NONE: break;
    }
    return false;
}

static bool is_message(enum message message, const uint8_t *bytes, size_t len, unsigned depth) {
    if (depth > OTEL_RECORD_DEPTH_MAX)
        return false;
    struct otel_pb_reader reader = {bytes, bytes + len};
    struct otel_pb_field field;
    uint32_t seen = 0;
    int got;
    while ((got = next_field(&reader, &field)) == 1) {
        if (field.number >= FIELDS_MAX || !obeys(&FIELDS[message][field.number], &field, depth))
            return false;
        seen |= 1u << field.number;
    }
    return got == 0 && (seen & REQUIRED[message]) == REQUIRED[message];
}

// Of a message that was found good.
static void read_span_id(const uint8_t *bytes, size_t len, uint8_t ret_id[SPAN_ID_BYTES]) {
    struct otel_pb_reader reader = {bytes, bytes + len};
    struct otel_pb_field field;
    while (next_field(&reader, &field) == 1)
        if (field.number == 2) {
            memcpy(ret_id, field.bytes, SPAN_ID_BYTES);
            return;
        }
}

int fq_record_check(uint8_t type, const void *bytes, size_t len, struct fq_record_facts *ret_facts) {
    uint32_t head[2];
    if (len < RECORD_HEAD || (type != FQ_RING_SPAN && type != FQ_RING_LOG))
        return FQ_ECORRUPT;
    memcpy(head, bytes, sizeof head);
    const uint8_t *at = (const uint8_t *)bytes + RECORD_HEAD;
    size_t left = len - RECORD_HEAD;
    if (head[0] > left || head[1] > left - head[0])
        return FQ_ECORRUPT;
    const uint8_t *url = at + head[0], *body = url + head[1];
    size_t body_len = left - head[0] - head[1];
    if (!is_message(SCOPE, at, head[0], 0) || !is_text(url, head[1]) || body_len == 0 ||
        !is_message(type == FQ_RING_SPAN ? SPAN : LOG, body, body_len, 0))
        return FQ_ECORRUPT;
    struct fq_record_facts facts = {{0}};
    if (type == FQ_RING_SPAN)
        read_span_id(body, body_len, facts.span_id);
    *ret_facts = facts;
    return 0;
}
