// SPDX-License-Identifier: Apache-2.0
// OTLP's messages as tables, for turning bytes into JSON. Source: opentelemetry-proto 1.11 and its JSON mapping.
#ifndef OTEL_WIRE_JSON_SCHEMA_H
#define OTEL_WIRE_JSON_SCHEMA_H

#include "otel/exporter.h"

enum otel_json_kind {
    OTEL_JSON_STRING,
    OTEL_JSON_HEX,     // bytes: trace and span ids
    OTEL_JSON_BASE64,  // bytes
    OTEL_JSON_BOOL,    // varint
    OTEL_JSON_INT32,   // varint: a number; enums too
    OTEL_JSON_SINT32,  // zigzag varint: a number
    OTEL_JSON_FIXED32, // a number
    OTEL_JSON_INT64,   // varint: a decimal string
    OTEL_JSON_UINT64,  // varint: a decimal string
    OTEL_JSON_FIXED64, // unsigned: a decimal string
    OTEL_JSON_SFIXED64,
    OTEL_JSON_DOUBLE,
    OTEL_JSON_MESSAGE,
};

struct otel_json_message;
struct otel_json_field {
    uint32_t number;
    enum otel_json_kind kind;
    bool is_repeated; // an array; numbers may be packed
    const char *name;
    const struct otel_json_message *message; // of MESSAGE
};
struct otel_json_message {
    const struct otel_json_field *fields;
    size_t count;
};

/** TracesData, MetricsData or LogsData. */
const struct otel_json_message *otel_json_root(enum otel_signal signal);

#endif
