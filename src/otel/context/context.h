// SPDX-License-Identifier: Apache-2.0
// What the tracer, the loggers and the propagators read of the current context without making one.
#ifndef OTEL_CONTEXT_CONTEXT_H
#define OTEL_CONTEXT_CONTEXT_H

#include "otel/context.h"

/** The innermost scope of the calling thread, NULL = none. Its `span` and `context` are what is current. */
const struct otel_scope *otel_scope_current(void);
/** As otel_current_span_context, with the W3C text of the tracestate ("" = none), borrowed from what is current. */
bool otel_current_span_identity(struct otel_span_context *ret_context, const char **ret_tracestate,
                                size_t *ret_len);
/** A new baggage with the members of both; those of `over` win. Either may be NULL. NULL when empty or out of memory. */
otel_baggage *otel_baggage_merge(const otel_baggage *base, const otel_baggage *over);

#endif
