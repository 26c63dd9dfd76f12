// SPDX-License-Identifier: Apache-2.0
#include "otel/trace/threshold.h"

#include "otel/context/tracestate.h"

#include <math.h>

enum { PRECISION = 4, DIGITS = 14 };

// Digits of the threshold that count: four, not counting leading `f`s, so that small ratios stay distinguishable.
uint64_t otel_threshold_of(double ratio) {
    if (!(ratio >= ldexp(1, -56)))
        return OTEL_THRESHOLD_NEVER;
    if (ratio >= 1)
        return 0;
    int exponent;
    frexp(ratio, &exponent);
    int digits = PRECISION + -exponent / 4;
    if (digits >= DIGITS)
        return OTEL_THRESHOLD_NEVER - (uint64_t)llround(ldexp(ratio, 56));
    // Rounded to that many digits in units of the last one.
    int unit_bits = 4 * (DIGITS - digits);
    uint64_t kept = (uint64_t)llround(ldexp(ratio, 56 - unit_bits));
    if (kept == 0)
        kept = 1;
    return OTEL_THRESHOLD_NEVER - (kept << unit_bits);
}

size_t otel_threshold_format(uint64_t threshold, char ret_text[OTEL_THRESHOLD_TEXT + 1]) {
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;
    do {
        ret_text[len++] = hex[threshold >> 52 & 15];
        threshold = threshold << 4 & (OTEL_THRESHOLD_NEVER - 1);
    } while (threshold != 0);
    ret_text[len] = '\0';
    return len;
}

static bool parse_hex(const char *text, size_t len, uint64_t *ret_value) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool is_digit = c >= '0' && c <= '9';
        if (!is_digit && (c < 'a' || c > 'f'))
            return false;
        value = value << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    *ret_value = value;
    return true;
}

bool otel_threshold_parse(const char *text, size_t len, uint64_t *ret_threshold) {
    uint64_t value;
    if (len == 0 || len > DIGITS || !parse_hex(text, len, &value))
        return false;
    *ret_threshold = value << (4 * (DIGITS - len));
    return true;
}

static bool explicit_randomness(const char *tracestate, size_t len, uint64_t *ret_value) {
    const char *text;
    size_t text_len;
    return otel_tracestate_find_ot(tracestate, len, "rv", &text, &text_len) && text_len == DIGITS &&
           parse_hex(text, text_len, ret_value);
}

bool otel_randomness_is_explicit(const char *tracestate, size_t tracestate_len) {
    uint64_t value;
    return explicit_randomness(tracestate, tracestate_len, &value);
}

uint64_t otel_randomness(const uint8_t *trace_id, const char *tracestate, size_t tracestate_len) {
    uint64_t value = 0;
    if (explicit_randomness(tracestate, tracestate_len, &value))
        return value;
    for (size_t i = 9; i < 16; i++)
        value = value << 8 | trace_id[i];
    return value;
}
