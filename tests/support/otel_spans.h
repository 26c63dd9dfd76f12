// SPDX-License-Identifier: Apache-2.0
// A tracer provider whose clock and ids a test knows, and whose spans end up in memory, decoded.
#ifndef TESTS_SUPPORT_OTEL_SPANS_H
#define TESTS_SUPPORT_OTEL_SPANS_H

#include "otel/pipeline/request.h"
#include "otel/trace/provider.h"

enum { SPANS_MAX = 64 };

struct span_fixture {
    struct otel_runtime runtime;
    int64_t unix_ns, monotonic_ns;
    uint64_t next_id;
    struct otel_sink sink;
    // Whole records in the order of their ends.
    uint8_t *records[SPANS_MAX];
    uint32_t record_len[SPANS_MAX];
    unsigned record_count;
    bool is_full; // the sink takes nothing
    char report[256];
    unsigned report_count;
    otel_tracer_provider *provider;
    otel_tracer *tracer; // scope "test"
};

/** `options` NULL = defaults; runtime and sinks are filled in here. */
void span_fixture_open(struct span_fixture *fixture, const struct otel_tracer_provider_options *options);
void span_fixture_close(struct span_fixture *fixture);

// One record, decoded; what is borrowed points into it.
struct span_seen {
    uint8_t trace_id[16], span_id[8], parent_span_id[8];
    bool has_parent;
    char tracestate[600], name[256], description[256];
    int64_t kind, start_ns, end_ns, status;
    uint32_t flags;
    unsigned attributes, events, links;
    uint64_t dropped_attributes, dropped_events, dropped_links;
    const uint8_t *message; // the Span message
    size_t message_len;
};
void span_seen(const struct span_fixture *fixture, unsigned index, struct span_seen *ret);
/** The field `number` of a message, its `index`-th; false if there is none. */
bool message_field(const void *message, size_t len, uint32_t number, unsigned index,
                   const uint8_t **ret_bytes, size_t *ret_len, uint64_t *ret_value);
/** The string value of an attribute among the KeyValues `number` of a message; NULL if there is none. Static memory. */
const char *message_text(const void *message, size_t len, uint32_t number, const char *key);
/** A TracesData message of all records, as the exporter gets it; freed by the caller. */
uint8_t *span_request(const struct span_fixture *fixture, const void *resource, size_t resource_len,
                      size_t *ret_len);

#endif
