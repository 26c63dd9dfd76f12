// SPDX-License-Identifier: Apache-2.0
// What the built-in propagators share: reading and writing carriers, and the span and baggage of a context.
#ifndef OTEL_PROPAGATION_PROPAGATION_H
#define OTEL_PROPAGATION_PROPAGATION_H

#include "base/str.h"
#include "otel/propagation.h"

extern const struct otel_propagator_ops otel_propagate_tracecontext, otel_propagate_baggage,
    otel_propagate_b3, otel_propagate_b3multi, otel_propagate_jaeger;

/** The index-th value without blanks around it. False if there is none. */
bool otel_carrier_get(const struct otel_carrier_reader *reader, const char *key, size_t index,
                      fq_str *ret_value);
/** All values of a key, joined by commas: borrowed when there is one, else in *ret_memory (freed by the caller; NULL = not
 *  needed). False if there is none, or more than OTEL_CARRIER_VALUE_MAX bytes. */
enum { OTEL_CARRIER_VALUE_MAX = 64 * 1024 };
bool otel_carrier_get_joined(const struct otel_carrier_reader *reader, const char *key, fq_str *ret_value,
                             char **ret_memory);
void otel_carrier_set(const struct otel_carrier_writer *writer, const char *key, const char *value,
                      size_t len);

/** The context with this remote span; itself retained when out of memory. */
otel_context *otel_extracted(const otel_context *context, const struct otel_span_context *span,
                             const char *tracestate, size_t tracestate_len);
/** The context with these members added to its baggage; takes the baggage over. */
otel_context *otel_extracted_baggage(const otel_context *context, otel_baggage *baggage);

/** Hexadecimal digits of either case, at most 2 * size, right-aligned in `bytes`. False if there is anything else. */
bool otel_read_hex(fq_str text, uint8_t *bytes, size_t size);
void otel_write_hex(const uint8_t *bytes, size_t size, char *text);
/** B3's and Jaeger's debug mark, kept with the context and passed on. */
bool otel_context_is_debug(const otel_context *context);
/** Takes the context over. */
otel_context *otel_context_with_debug(otel_context *context);

#endif
