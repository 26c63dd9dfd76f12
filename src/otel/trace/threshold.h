// SPDX-License-Identifier: Apache-2.0
// Consistent probability sampling: a trace has 56 bits of randomness R, a sampler a threshold T; it keeps what has R >= T.
#ifndef OTEL_TRACE_THRESHOLD_H
#define OTEL_TRACE_THRESHOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OTEL_THRESHOLD_TEXT = 14 };
#define OTEL_THRESHOLD_NEVER (UINT64_C(1) << 56) // above all randomness

/** Threshold of a ratio in [0, 1], rounded to four significant hex digits; below 2^-56: never. */
uint64_t otel_threshold_of(double ratio);
/** As in `th`: hex digits without the zeros at their end. Returns the length. */
size_t otel_threshold_format(uint64_t threshold, char ret_text[OTEL_THRESHOLD_TEXT + 1]);
bool otel_threshold_parse(const char *text, size_t len, uint64_t *ret_threshold);
/** `rv` of the tracestate, else the last 7 bytes of the trace id. */
uint64_t otel_randomness(const uint8_t *trace_id, const char *tracestate, size_t tracestate_len);
/** True if the tracestate says the randomness explicitly. */
bool otel_randomness_is_explicit(const char *tracestate, size_t tracestate_len);

#endif
