// SPDX-License-Identifier: Apache-2.0
// Records from another process: one malformed field would make a receiver refuse the whole request it stands in, so each is
// checked to the bottom before it is put among others.
#ifndef OTEL_PIPELINE_CHECK_H
#define OTEL_PIPELINE_CHECK_H

#include "otel/exporter.h"

// Messages inside each other in a record, 0 = none. Protobuf's own parsers read 100; three stand around a span or log record.
enum { OTEL_RECORD_DEPTH_MAX = 97 };

/** Lengths fit; scope and Span (or LogRecord) are well-formed messages of known fields; texts are UTF-8; ids have their
 *  sizes. */
bool otel_record_is_sound(enum otel_signal signal, const void *record, size_t len);

#endif
