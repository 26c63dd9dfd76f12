// SPDX-License-Identifier: Apache-2.0
// Text on its way into a protobuf string: what is not UTF-8 becomes U+FFFD, what is too long is cut between code points.
#ifndef OTEL_WIRE_UTF8_H
#define OTEL_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct otel_text_measure {
    size_t in;  // bytes of the text that are used
    size_t out; // bytes that they become
    bool clean; // in == out, to be copied as they are
};
/** At most `limit` code points (UINT32_MAX = all). */
struct otel_text_measure otel_text_measure(const char *text, size_t len, uint32_t limit);
/** Writes what was measured: `measure.out` bytes. */
void otel_text_write(uint8_t *out, const char *text, struct otel_text_measure measure);

#endif
