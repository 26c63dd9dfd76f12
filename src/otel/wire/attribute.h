// SPDX-License-Identifier: Apache-2.0
// Attributes and values as OTLP's KeyValue and AnyValue. Text that is not UTF-8 is repaired, values over a limit are cut
// (at code points), maps and arrays deeper than the limit become empty.
#ifndef OTEL_WIRE_ATTRIBUTE_H
#define OTEL_WIRE_ATTRIBUTE_H

#include "otel/attribute.h"
#include "otel/wire/protobuf.h"

// Maps and arrays inside each other. The specification suggests 64, but protobuf's own parsers of C++, Java and Python
// refuse a request of more than 100 messages inside each other, whole. A map costs 3 (KeyValueList, KeyValue, AnyValue), and
// the filtered attribute of an exemplar begins at 8: 8 + 3 * 30 and an empty list are 99.
enum { OTEL_VALUE_DEPTH_MAX = 30 };
static const uint32_t OTEL_NO_LIMIT = UINT32_MAX;

/** Writes `field` = KeyValue{key, value}. `value_limit` in code points (bytes for byte values). */
void otel_pb_attribute(struct otel_pb *pb, uint32_t field, const struct otel_attribute *attribute,
                       uint32_t value_limit);
/** The same for what nearly all are: a short key and short text, both ASCII, or an integer; `field` below 16. Returns the
 *  key's length; the key stands 4 bytes behind the beginning. 0 if it is none of these or finds no room: then nothing is written. */
size_t otel_pb_short_attribute(struct otel_pb *pb, uint32_t field, const struct otel_attribute *attribute,
                               uint32_t value_limit);
/** Writes `field` = AnyValue. */
void otel_pb_value(struct otel_pb *pb, uint32_t field, const struct otel_value *value, uint32_t value_limit);
/** Upper bound of what otel_pb_attribute writes, repaired text included. */
size_t otel_attribute_size_max(const struct otel_attribute *attribute);
/** Text as a string field, repaired. */
void otel_pb_text(struct otel_pb *pb, uint32_t field, const char *text, size_t len, uint32_t limit);
/** Fields of an InstrumentationScope message (name 1, version 2, attributes 3), without tag and length. */
void otel_pb_scope(struct otel_pb *pb, const struct otel_scope_info *scope);
size_t otel_scope_size_max(const struct otel_scope_info *scope);

#endif
