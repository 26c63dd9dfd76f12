// SPDX-License-Identifier: Apache-2.0
// Pieces of the console's text, read from OTLP bytes. What is malformed is left out.
#ifndef OTEL_EXPORTERS_CONSOLE_VALUE_H
#define OTEL_EXPORTERS_CONSOLE_VALUE_H

#include "base/buf.h"
#include "otel/wire/protobuf.h"

/** A field's bytes; empty if it is of another type. */
fq_str otel_console_bytes(const struct otel_pb_field *field);
struct otel_pb_reader otel_console_inner(const struct otel_pb_field *field);
/** Text of a program: what could command a terminal becomes '?'. */
void otel_console_text(fq_buf *text, fq_str bytes);
void otel_console_hex(fq_buf *text, fq_str bytes);
/** An AnyValue; `depth` counts how deep it lies. */
void otel_console_value(fq_buf *text, struct otel_pb_reader reader, int depth);
/** Fields `number` of the message, KeyValues, a line each. */
void otel_console_attributes(fq_buf *text, struct otel_pb_reader reader, uint32_t number, const char *indent);
/** A Metric with its points, a line each. */
void otel_console_metric(fq_buf *text, struct otel_pb_reader reader, fq_str scope);

#endif
