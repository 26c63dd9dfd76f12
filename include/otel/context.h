// SPDX-License-Identifier: Apache-2.0
/** W3C trace context: the identity of a span as it travels between processes. */
#ifndef OTEL_CONTEXT_H
#define OTEL_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { OTEL_TRACEPARENT_TEXT = 55 };

struct otel_span_context {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags; /* bit 0: sampled, bit 1: random trace id (level 2) */
    bool remote;
};

/** Neither id all zero. */
bool otel_span_context_is_valid(const struct otel_span_context *context);
/** W3C trace-context level 2, 2.2: version 00 exactly, later versions by their known prefix. 0, or -1 if it is none. */
int otel_traceparent_parse(const char *text, size_t len, struct otel_span_context *ret_context);
/** Writes 55 characters, no NUL. */
void otel_traceparent_format(const struct otel_span_context *context, char text[OTEL_TRACEPARENT_TEXT]);

#ifdef __cplusplus
}
#endif
#endif
