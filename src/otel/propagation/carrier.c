// SPDX-License-Identifier: Apache-2.0
#include "otel/propagation/propagation.h"

#include "otel/context/context.h"

#include <stdlib.h>

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

bool otel_carrier_get(const struct otel_carrier_reader *reader, const char *key, size_t index,
                      fq_str *ret_value) {
    size_t len = 0;
    const char *text = reader->get(reader->carrier, key, index, &len);
    if (text == NULL)
        return false;
    while (len > 0 && is_blank(text[0])) {
        text++;
        len--;
    }
    while (len > 0 && is_blank(text[len - 1]))
        len--;
    *ret_value = (fq_str){text, len};
    return true;
}

bool otel_carrier_get_joined(const struct otel_carrier_reader *reader, const char *key, fq_str *ret_value,
                             char **ret_memory) {
    fq_str first, next;
    *ret_memory = NULL;
    if (!otel_carrier_get(reader, key, 0, &first) || first.len > OTEL_CARRIER_VALUE_MAX)
        return false;
    *ret_value = first;
    size_t total = first.len;
    for (size_t i = 1; otel_carrier_get(reader, key, i, &next); i++) {
        total += 1 + next.len;
        if (total > OTEL_CARRIER_VALUE_MAX)
            return false;
    }
    if (total == first.len)
        return true;
    char *memory = malloc(total), *end = memory;
    if (memory == NULL)
        return false;
    for (size_t i = 0; otel_carrier_get(reader, key, i, &next); i++) {
        size_t need = next.len + (i > 0);
        if (need > total - (size_t)(end - memory))
            break; // a carrier that changes its mind
        if (i > 0)
            *end++ = ',';
        if (next.len > 0)
            memcpy(end, next.ptr, next.len);
        end += next.len;
    }
    *ret_value = (fq_str){memory, (size_t)(end - memory)};
    *ret_memory = memory;
    return true;
}

void otel_carrier_set(const struct otel_carrier_writer *writer, const char *key, const char *value,
                      size_t len) {
    writer->set(writer->carrier, key, value, len);
}

otel_context *otel_extracted(const otel_context *context, const struct otel_span_context *span,
                             const char *tracestate, size_t tracestate_len) {
    otel_context *made = otel_context_with_span_context(context, span, tracestate, tracestate_len);
    return made != NULL ? made : otel_context_retain(context);
}

otel_context *otel_extracted_baggage(const otel_context *context, otel_baggage *baggage) {
    if (baggage == NULL)
        return otel_context_retain(context);
    otel_baggage *merged = otel_baggage_merge(otel_context_baggage(context), baggage);
    otel_context *made = merged != NULL ? otel_context_with_baggage(context, merged) : NULL;
    otel_baggage_release(merged);
    otel_baggage_release(baggage);
    return made != NULL ? made : otel_context_retain(context);
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool otel_read_hex(fq_str text, uint8_t *bytes, size_t size) {
    if (text.len == 0 || text.len > 2 * size)
        return false;
    memset(bytes, 0, size);
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex(text.ptr[text.len - 1 - i]);
        if (digit < 0)
            return false;
        uint8_t *byte = &bytes[size - 1 - i / 2];
        *byte = (uint8_t)(*byte | digit << (i % 2 * 4));
    }
    return true;
}

void otel_write_hex(const uint8_t *bytes, size_t size, char *text) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
}

// A key is an address; this one has no name to be looked up.
static const char debug_mark;
static const otel_context_key *debug_key(void) {
    return (const otel_context_key *)(const void *)&debug_mark;
}

bool otel_context_is_debug(const otel_context *context) {
    return otel_context_value(context, debug_key()) != NULL;
}

otel_context *otel_context_with_debug(otel_context *context) {
    otel_context *marked =
        otel_context_with_value(context, debug_key(), (void *)(uintptr_t)&debug_mark, NULL);
    if (marked == NULL)
        return context;
    otel_context_release(context);
    return marked;
}
