// SPDX-License-Identifier: Apache-2.0
// Headers of all propagators. The input is lines `key:value`; what is read from them and written again is read as the same,
// and tracestate and baggage stay within their limits.
#include "target.h"

#include "base/assert.h"
#include "otel/context/tracestate.h"
#include "otel/propagation.h"

#include <string.h>
#include <strings.h>

enum { LINES_MAX = 16 };
struct lines {
    size_t count;
    struct line {
        char key[64];
        char value[OTEL_BAGGAGE_BYTES_MAX + 1];
        size_t len;
    } at[LINES_MAX];
};

static void add(void *carrier, const char *key, const char *value, size_t len) {
    struct lines *lines = carrier;
    if (lines->count == LINES_MAX || strlen(key) >= sizeof lines->at[0].key || len > OTEL_BAGGAGE_BYTES_MAX)
        return;
    struct line *line = &lines->at[lines->count++];
    strcpy(line->key, key);
    memcpy(line->value, value, len);
    line->len = len;
}

static const char *get(void *carrier, const char *key, size_t index, size_t *ret_len) {
    struct lines *lines = carrier;
    for (size_t i = 0; i < lines->count; i++) {
        if (strcasecmp(lines->at[i].key, key) == 0 && index-- == 0) {
            *ret_len = lines->at[i].len;
            return lines->at[i].value;
        }
    }
    return NULL;
}

static const char *key_at(void *carrier, size_t index) {
    struct lines *lines = carrier;
    return index < lines->count ? lines->at[index].key : NULL;
}

static void read_input(const uint8_t *data, size_t size, struct lines *lines) {
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline != NULL ? newline : end;
        const char *colon = memchr(at, ':', (size_t)(stop - at));
        char key[64] = "";
        if (colon != NULL && (size_t)(colon - at) < sizeof key) {
            memcpy(key, at, (size_t)(colon - at));
            add(lines, key, colon + 1, (size_t)(stop - colon - 1));
        }
        at = stop + 1;
    }
}

static void check_tracestate(const char *text, size_t len) {
    char edited[OTEL_TRACESTATE_KEPT_MAX + 1];
    FQ_ASSERT(len <= OTEL_TRACESTATE_KEPT_MAX && strlen(text) == len);
    size_t edited_len = otel_tracestate_set_ot(text, len, "th", "8", 1, edited);
    FQ_ASSERT(edited_len <= OTEL_TRACESTATE_KEPT_MAX);
    const char *value;
    size_t value_len;
    FQ_ASSERT(otel_tracestate_find_ot(edited, edited_len, "th", &value, &value_len));
    FQ_ASSERT(value_len == 1 && value[0] == '8');
}

static void check_same(const otel_context *before, const otel_context *after) {
    struct otel_span_context a, b;
    const char *a_state = "", *b_state = "";
    size_t a_len = 0, b_len = 0;
    bool has_a = otel_context_span_context(before, &a, &a_state, &a_len);
    bool has_b = otel_context_span_context(after, &b, &b_state, &b_len);
    FQ_ASSERT(has_a == has_b && a_len == b_len && memcmp(a_state, b_state, a_len) == 0);
    if (has_a) {
        FQ_ASSERT(memcmp(a.trace_id, b.trace_id, 16) == 0 && memcmp(a.span_id, b.span_id, 8) == 0);
        FQ_ASSERT(a.flags == b.flags && otel_span_context_is_valid(&a));
        check_tracestate(a_state, a_len);
    }
    const otel_baggage *one = otel_context_baggage(before), *two = otel_context_baggage(after);
    FQ_ASSERT(otel_baggage_count(one) == otel_baggage_count(two));
    for (size_t i = 0; i < otel_baggage_count(one); i++) {
        const char *key, *value, *metadata;
        otel_baggage_at(one, i, &key, &value, &metadata);
        FQ_ASSERT(strcmp(otel_baggage_get(two, key), value) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lines heard, said;
    const otel_propagator *all[] = {otel_propagator_builtin(OTEL_PROPAGATE_JAEGER),
                                    otel_propagator_builtin(OTEL_PROPAGATE_B3),
                                    otel_propagator_builtin(OTEL_PROPAGATE_TRACECONTEXT),
                                    otel_propagator_builtin(OTEL_PROPAGATE_BAGGAGE)};
    heard.count = said.count = 0;
    read_input(data, size, &heard);
    struct otel_carrier_reader from_heard = {.get = get, .key_at = key_at, .carrier = &heard};
    struct otel_carrier_reader from_said = {.get = get, .key_at = key_at, .carrier = &said};
    struct otel_carrier_writer writer = {.set = add, .carrier = &said};
    otel_propagator *composite = otel_propagator_composite(all, 4);
    otel_context *before = otel_extract(composite, NULL, &from_heard);
    if (before != NULL)
        otel_inject(NULL, before, &writer); // by W3C's headers
    otel_context *after = otel_extract(NULL, NULL, &from_said);
    check_same(before, after);
    otel_context_release(before);
    otel_context_release(after);
    otel_propagator_free(composite);
    return 0;
}
