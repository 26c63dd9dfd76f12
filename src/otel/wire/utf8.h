// SPDX-License-Identifier: Apache-2.0
// Text on its way into a protobuf string: what is not UTF-8 becomes U+FFFD, what is too long is cut between code points.
#ifndef OTEL_WIRE_UTF8_H
#define OTEL_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct otel_text_measure {
    size_t in;  // bytes of the text that are used
    size_t out; // bytes that they become
    bool clean; // in == out, to be copied as they are
};
/** At most `limit` code points (UINT32_MAX = all). */
struct otel_text_measure otel_text_measure(const char *text, size_t len, uint32_t limit);
/** Writes what was measured: `measure.out` bytes. */
void otel_text_write(uint8_t *out, const char *text, struct otel_text_measure measure);

/** Copies the text if it is all ASCII. False if it is not: then `out` holds nothing of use. */
static inline bool otel_text_copy_ascii(uint8_t *out, const char *text, size_t len) {
    uint64_t word = 0, all = 0;
    if (len < sizeof word) {
        uint32_t half = 0, end;
        if (len >= sizeof half) { // both halves, which may overlap
            memcpy(&half, text, sizeof half);
            memcpy(&end, text + len - sizeof end, sizeof end);
            memcpy(out, &half, sizeof half);
            memcpy(out + len - sizeof end, &end, sizeof end);
            return ((half | end) & 0x80808080u) == 0;
        }
        for (size_t i = 0; i < len; i++) {
            out[i] = (uint8_t)text[i];
            all |= out[i];
        }
        return all < 0x80;
    }
    // Whole words, the last one over the end of the one before it.
    for (size_t at = 0; at < len - sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        memcpy(out + at, &word, sizeof word);
        all |= word;
    }
    memcpy(&word, text + len - sizeof word, sizeof word);
    memcpy(out + len - sizeof word, &word, sizeof word);
    return ((all | word) & UINT64_C(0x8080808080808080)) == 0;
}

#endif
