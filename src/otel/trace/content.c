// SPDX-License-Identifier: Apache-2.0
// The sections of a span: new parts are encoded behind all of them, looked at, and moved to where they belong.
#include "otel/trace/span.h"

#include "otel/wire/attribute.h"
#include "otel/wire/utf8.h"

#include <stdlib.h>

static uint32_t total(const otel_span *span) {
    return span->content.end[OTEL_SECTION_COUNT - 1];
}

bool otel_span_grow(otel_span *span, size_t len) {
    size_t need = total(span) + len;
    if (need <= span->capacity)
        return true;
    if (need > span->tracer->content_max)
        return false;
    size_t capacity = span->capacity;
    while (capacity < need)
        capacity *= 2;
    bool is_inline = span->bytes == span->room;
    uint8_t *bytes = realloc(is_inline ? NULL : span->bytes, capacity);
    if (bytes == NULL)
        return false;
    if (is_inline)
        memcpy(bytes, span->room, total(span));
    span->bytes = bytes;
    span->capacity = (uint32_t)capacity;
    return true;
}

struct otel_pb otel_span_draft(otel_span *span) {
    size_t limit = span->capacity < span->tracer->content_max ? span->capacity : span->tracer->content_max;
    return otel_pb_begin(span->bytes + total(span), limit - total(span));
}

static void reverse(uint8_t *bytes, size_t len) {
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t byte = bytes[i];
        bytes[i] = bytes[len - 1 - i];
        bytes[len - 1 - i] = byte;
    }
}

// The last `len` of the bytes come first.
static void rotate(uint8_t *bytes, size_t all, size_t len) {
    uint8_t moved[256];
    if (len <= sizeof moved) {
        memcpy(moved, bytes + all - len, len);
        memmove(bytes + len, bytes, all - len);
        memcpy(bytes, moved, len);
        return;
    }
    reverse(bytes, all - len);
    reverse(bytes + all - len, len);
    reverse(bytes, all);
}

// The `len` bytes drafted behind all sections become part of a section, at `at`.
static void insert(otel_span *span, enum otel_section section, uint32_t at, size_t len) {
    uint32_t behind = total(span) - at;
    if (behind > 0)
        rotate(span->bytes + at, behind + len, len);
    for (int i = section; i < OTEL_SECTION_COUNT; i++)
        span->content.end[i] += (uint32_t)len;
}

void otel_span_accept(otel_span *span, enum otel_section section, size_t len) {
    insert(span, section, span->content.end[section], len);
}

// Takes `len` bytes at `at` out of a section; `drafted` bytes behind all sections move with the rest.
static void take_out(otel_span *span, enum otel_section section, uint32_t at, uint32_t len, size_t drafted) {
    uint8_t *place = span->bytes + at;
    memmove(place, place + len, total(span) + drafted - at - len);
    for (int i = section; i < OTEL_SECTION_COUNT; i++)
        span->content.end[i] -= len;
}

bool otel_span_set_text(otel_span *span, enum otel_section section, const char *text, size_t len) {
    struct otel_text_measure measure = otel_text_measure(text, len, UINT32_MAX);
    if (measure.out > OTEL_SPAN_TEXT_MAX)
        measure = otel_text_measure(text, len, OTEL_SPAN_TEXT_MAX / 4);
    if (!otel_span_grow(span, measure.out + 1))
        return false;
    uint8_t *at = span->bytes + total(span);
    otel_text_write(at, text, measure);
    at[measure.out] = '\0';
    uint32_t old_len = otel_section_len(span, section);
    if (old_len > 0)
        take_out(span, section, otel_section_begin(span, section), old_len, measure.out + 1);
    otel_span_accept(span, section, measure.out + 1);
    return true;
}

// --- attributes ------------------------------------------------------------------------------------------------------
// A KeyValue in a section: its extent and its key.
struct slot {
    const uint8_t *begin, *end, *key;
    size_t key_len;
};

static const uint8_t *skip_varint(const uint8_t *at, size_t *ret_value) {
    size_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *at++;
        value |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    *ret_value = value;
    return at;
}

// The bytes are the encoder's own: one byte of tag, length, one byte of tag, length of the key.
static struct slot read_slot(const uint8_t *begin) {
    size_t len, key_len;
    const uint8_t *at = skip_varint(begin + 1, &len);
    const uint8_t *key = skip_varint(at + 1, &key_len);
    return (struct slot){begin, at + len, key, key_len};
}

static unsigned key_hash(const uint8_t *key, size_t len) {
    unsigned hash = (unsigned)len * 7U + key[len / 2] * 31U + key[len - 1 - len / 8] * 13U + key[0];
    return (hash ^ hash >> 6) % (64 * OTEL_SPAN_KEY_WORDS);
}

static bool may_have_key(const struct otel_span_content *content, unsigned hash) {
    return (content->keys[hash / 64] >> hash % 64 & 1) != 0;
}

static void note_key(struct otel_span_content *content, unsigned hash) {
    content->keys[hash / 64] |= UINT64_C(1) << hash % 64;
}

static bool find_key(const otel_span *span, const struct slot *like, struct slot *ret_slot) {
    const uint8_t *at = span->bytes + otel_section_begin(span, OTEL_SECTION_ATTRIBUTES);
    const uint8_t *end = span->bytes + span->content.end[OTEL_SECTION_ATTRIBUTES];
    while (at < end) {
        struct slot slot = read_slot(at);
        if (slot.key_len == like->key_len && memcmp(slot.key, like->key, like->key_len) == 0) {
            *ret_slot = slot;
            return true;
        }
        at = slot.end;
    }
    return false;
}

// Encodes an attribute behind all sections; its length, 0 when there is no room.
static size_t draft_attribute(otel_span *span, const struct otel_attribute *attribute) {
    uint32_t limit = span->tracer->provider->limits.value_length;
    struct otel_pb pb = otel_span_draft(span);
    otel_pb_attribute(&pb, OTEL_SPAN_ATTRIBUTES, attribute, limit);
    if (pb.failed) {
        if (!otel_span_grow(span, otel_attribute_size_max(attribute)))
            return 0;
        pb = otel_span_draft(span);
        otel_pb_attribute(&pb, OTEL_SPAN_ATTRIBUTES, attribute, limit);
        if (pb.failed)
            return 0;
    }
    return (size_t)(pb.at - span->bytes) - total(span);
}

// Any attribute, anywhere.
static void put_attribute(otel_span *span, const struct otel_attribute *attribute) {
    struct otel_span_content *content = &span->content;
    if (attribute->value.type == OTEL_VALUE_EMPTY && attribute->key != NULL && attribute->key[0] != '\0')
        return;
    size_t len = attribute->key != NULL && attribute->key[0] != '\0' ? draft_attribute(span, attribute) : 0;
    if (len == 0) {
        content->dropped_attributes++;
        return;
    }
    struct slot drafted = read_slot(span->bytes + total(span)), old;
    unsigned hash = key_hash(drafted.key, drafted.key_len);
    bool replaces = may_have_key(content, hash) && find_key(span, &drafted, &old);
    if (!replaces && content->attributes >= span->tracer->provider->limits.attributes) {
        content->dropped_attributes++;
        return;
    }
    note_key(content, hash);
    content->attributes += !replaces;
    uint32_t at = content->end[OTEL_SECTION_ATTRIBUTES];
    if (replaces) { // in its old place: attributes keep the order in which they were first set
        at = (uint32_t)(old.begin - span->bytes);
        take_out(span, OTEL_SECTION_ATTRIBUTES, at, (uint32_t)(old.end - old.begin), len);
    }
    insert(span, OTEL_SECTION_ATTRIBUTES, at, len);
}

// As many of the attributes as are short and surely new, behind each other; returns how many that were.
static size_t put_new_attributes(otel_span *span, const struct otel_attribute *attributes, size_t count) {
    struct otel_span_content *content = &span->content;
    const struct otel_limits *limits = &span->tracer->provider->limits;
    struct otel_pb pb = otel_span_draft(span);
    const uint8_t *begin = pb.at;
    size_t i = 0;
    for (; i < count && content->attributes < limits->attributes && attributes[i].key != NULL; i++) {
        uint8_t *at = pb.at;
        size_t key_len =
            otel_pb_short_attribute(&pb, OTEL_SPAN_ATTRIBUTES, &attributes[i], limits->value_length);
        unsigned hash = key_len > 0 ? key_hash(at + 4, key_len) : 0;
        if (key_len == 0 || may_have_key(content, hash)) {
            pb.at = at;
            break;
        }
        note_key(content, hash);
        content->attributes++;
    }
    if (i > 0)
        otel_span_accept(span, OTEL_SECTION_ATTRIBUTES, (size_t)(pb.at - begin));
    return i;
}

void otel_span_put_attributes(otel_span *span, const struct otel_attribute *attributes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        i += put_new_attributes(span, attributes + i, count - i);
        if (i < count)
            put_attribute(span, &attributes[i]);
    }
}
