// SPDX-License-Identifier: Apache-2.0
// The traceparent header: `version-traceid-parentid-flags`, lower-case hex, W3C trace-context level 2, section 3.2.
#include "otel/context.h"

#include <string.h>

// The value of a digit and 1; 0 = none, as upper case is by the specification. Ids are random: a branch for each digit would be
// guessed wrong every other time.
static const uint8_t HEX[256] = {
    ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16};

static int hex_bytes(const char *text, uint8_t *bytes, size_t count) {
    unsigned wrong = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned high = HEX[(uint8_t)text[2 * i]] - 1U, low = HEX[(uint8_t)text[2 * i + 1]] - 1U;
        wrong |= high | low;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return wrong <= 0xf ? 0 : -1;
}

static bool all_zero(const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

bool otel_span_context_is_valid(const struct otel_span_context *context) {
    return !all_zero(context->trace_id, sizeof context->trace_id) &&
           !all_zero(context->span_id, sizeof context->span_id);
}

int otel_traceparent_parse(const char *text, size_t len, struct otel_span_context *ret_context) {
    struct otel_span_context context = {.remote = true};
    uint8_t version;
    if (len < OTEL_TRACEPARENT_TEXT || hex_bytes(text, &version, 1) < 0 || version == 0xff)
        return -1;
    bool exact = version == 0;
    if ((exact && len != OTEL_TRACEPARENT_TEXT) || (!exact && len > OTEL_TRACEPARENT_TEXT && text[55] != '-'))
        return -1;
    if (text[2] != '-' || text[35] != '-' || text[52] != '-')
        return -1;
    if (hex_bytes(text + 3, context.trace_id, 16) < 0 || hex_bytes(text + 36, context.span_id, 8) < 0 ||
        hex_bytes(text + 53, &context.flags, 1) < 0)
        return -1;
    if (!otel_span_context_is_valid(&context))
        return -1;
    context.flags &=
        OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM; // what else a later level says is not ours to pass on
    *ret_context = context;
    return 0;
}

void otel_traceparent_format(const struct otel_span_context *context, char text[OTEL_TRACEPARENT_TEXT]) {
    static const char digits[] = "0123456789abcdef";
    memcpy(text, "00-", 3);
    for (size_t i = 0; i < 16; i++) {
        text[3 + 2 * i] = digits[context->trace_id[i] >> 4];
        text[4 + 2 * i] = digits[context->trace_id[i] & 15];
    }
    text[35] = '-';
    for (size_t i = 0; i < 8; i++) {
        text[36 + 2 * i] = digits[context->span_id[i] >> 4];
        text[37 + 2 * i] = digits[context->span_id[i] & 15];
    }
    text[52] = '-';
    text[53] = '0';
    text[54] = digits[context->flags & (OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM)];
}
