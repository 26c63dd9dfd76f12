// SPDX-License-Identifier: Apache-2.0
// UTF-8 by the table of well-formed byte sequences of the Unicode standard (table 3-7); each maximal part of a broken
// sequence counts as one code point, U+FFFD.
#include "otel/wire/utf8.h"

#include <string.h>

static const uint8_t REPLACEMENT[3] = {0xef, 0xbf, 0xbd};

static bool is_between(uint8_t byte, uint8_t low, uint8_t high) {
    return byte >= low && byte <= high;
}

// Length of the sequence at `text`; *ret_valid says whether it is one. Broken: length of the part to be replaced.
static size_t sequence(const uint8_t *text, size_t len, bool *ret_valid) {
    uint8_t first = text[0];
    *ret_valid = first < 0x80;
    if (first < 0xc2 || first > 0xf4)
        return 1;
    size_t want = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t have = 1;
    while (have < want && have < len && is_between(text[have], low, high)) {
        have++;
        low = 0x80;
        high = 0xbf;
    }
    *ret_valid = have == want;
    return have;
}

// Bytes at the front that are all ASCII, counted in words.
static size_t ascii_prefix(const uint8_t *text, size_t len) {
    size_t at = 0;
    for (uint64_t word; len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            return at;
    }
    while (at < len && text[at] < 0x80)
        at++;
    return at;
}

struct otel_text_measure otel_text_measure(const char *text, size_t len, uint32_t limit) {
    const uint8_t *bytes = (const uint8_t *)text;
    if (limit >= len && ascii_prefix(bytes, len) == len)
        return (struct otel_text_measure){len, len, true};
    struct otel_text_measure measure = {.clean = true};
    for (uint32_t points = 0; measure.in < len && points < limit; points++) {
        bool valid;
        size_t step = sequence(bytes + measure.in, len - measure.in, &valid);
        measure.in += step;
        measure.out += valid ? step : sizeof REPLACEMENT;
        measure.clean = measure.clean && valid;
        if (limit == UINT32_MAX)
            points = 0; // no limit
    }
    return measure;
}

void otel_text_write(uint8_t *out, const char *text, struct otel_text_measure measure) {
    if (measure.clean) {
        if (measure.in > 0)
            memcpy(out, text, measure.in);
        return;
    }
    const uint8_t *bytes = (const uint8_t *)text;
    for (size_t in = 0; in < measure.in;) {
        bool valid;
        size_t step = sequence(bytes + in, measure.in - in, &valid);
        memcpy(out, valid ? bytes + in : REPLACEMENT, valid ? step : sizeof REPLACEMENT);
        out += valid ? step : sizeof REPLACEMENT;
        in += step;
    }
}
