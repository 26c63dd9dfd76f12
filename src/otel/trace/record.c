// SPDX-License-Identifier: Apache-2.0
// An ended span as a record: a Span message with its fields in ascending order, behind the scope of its tracer.
#include "otel/trace/span.h"

enum { STATUS_MESSAGE = 2, STATUS_CODE = 3 };
enum { IDENTITY_BYTES = 18 + 10, PARENT_BYTES = 10, TIME_BYTES = 9, FLAGS_BYTES = 6 };

// Text sections hold a NUL at their end, which stays behind.
static size_t text_len(const otel_span *span, enum otel_section section) {
    size_t len = otel_section_len(span, section);
    return len > 0 ? len - 1 : 0;
}

static size_t bytes_size(size_t len) {
    return len > 0 ? 1 + otel_pb_varint_size(len) + len : 0;
}

static size_t count_size(uint32_t count) {
    return count > 0 ? 1 + otel_pb_varint_size(count) : 0;
}

static size_t status_size(const otel_span *span) {
    return span->status == OTEL_STATUS_UNSET ? 0 : 2 + bytes_size(text_len(span, OTEL_SECTION_DESCRIPTION));
}

static size_t span_size(const otel_span *span) {
    const struct otel_span_content *content = &span->content;
    return IDENTITY_BYTES + bytes_size(span->tracestate_len) + (span->has_parent ? PARENT_BYTES : 0) +
           bytes_size(text_len(span, OTEL_SECTION_NAME)) + 2 + 2 * TIME_BYTES +
           (content->end[OTEL_SECTION_LINKS] - content->end[OTEL_SECTION_NAME]) +
           count_size(content->dropped_attributes) + count_size(content->dropped_events) +
           count_size(content->dropped_links) + bytes_size(status_size(span)) + FLAGS_BYTES;
}

static void write_text(struct otel_pb *pb, uint32_t field, const char *text, size_t len) {
    if (len > 0)
        otel_pb_bytes(pb, field, text, len);
}

static void write_section(struct otel_pb *pb, const otel_span *span, enum otel_section section,
                          uint32_t dropped_field, uint32_t dropped) {
    otel_pb_raw(pb, span->bytes + otel_section_begin(span, section), otel_section_len(span, section));
    if (dropped > 0)
        otel_pb_uint(pb, dropped_field, dropped);
}

static void write_status(struct otel_pb *pb, const otel_span *span) {
    size_t size = status_size(span);
    if (size == 0)
        return;
    otel_pb_tag(pb, OTEL_SPAN_STATUS, OTEL_PB_BYTES);
    otel_pb_varint(pb, size);
    write_text(pb, STATUS_MESSAGE,
               (const char *)span->bytes + otel_section_begin(span, OTEL_SECTION_DESCRIPTION),
               text_len(span, OTEL_SECTION_DESCRIPTION));
    otel_pb_uint(pb, STATUS_CODE, span->status);
}

static void write_span(struct otel_pb *pb, const otel_span *span) {
    const struct otel_span_content *content = &span->content;
    otel_pb_bytes(pb, OTEL_SPAN_TRACE_ID, span->context.trace_id, sizeof span->context.trace_id);
    otel_pb_bytes(pb, OTEL_SPAN_SPAN_ID, span->context.span_id, sizeof span->context.span_id);
    write_text(pb, OTEL_SPAN_TRACE_STATE, span->tracestate, span->tracestate_len);
    if (span->has_parent)
        otel_pb_bytes(pb, OTEL_SPAN_PARENT_SPAN_ID, span->parent_span_id, sizeof span->parent_span_id);
    write_text(pb, OTEL_SPAN_NAME, (const char *)span->bytes, text_len(span, OTEL_SECTION_NAME));
    otel_pb_uint(pb, OTEL_SPAN_KIND, span->kind);
    otel_pb_fixed64(pb, OTEL_SPAN_START, (uint64_t)span->start_ns);
    otel_pb_fixed64(pb, OTEL_SPAN_END, (uint64_t)span->end_ns);
    write_section(pb, span, OTEL_SECTION_ATTRIBUTES, OTEL_SPAN_DROPPED_ATTRIBUTES,
                  content->dropped_attributes);
    write_section(pb, span, OTEL_SECTION_EVENTS, OTEL_SPAN_DROPPED_EVENTS, content->dropped_events);
    write_section(pb, span, OTEL_SECTION_LINKS, OTEL_SPAN_DROPPED_LINKS, content->dropped_links);
    write_status(pb, span);
    otel_pb_fixed32(pb, OTEL_SPAN_FLAGS,
                    span->context.flags | (uint32_t)OTEL_WIRE_IS_REMOTE_KNOWN |
                        (span->parent_is_remote ? (uint32_t)OTEL_WIRE_IS_REMOTE : 0));
}

void otel_span_write(const otel_span *span) {
    const otel_tracer *tracer = span->tracer;
    otel_tracer_provider *provider = tracer->provider;
    unsigned count = atomic_load_explicit(&provider->sink_count, memory_order_acquire);
    if (count == 0)
        return;
    size_t size = tracer->prefix_len + span_size(span);
    for (unsigned i = 0; i < count; i++) {
        const struct otel_sink *sink = &provider->sinks[i];
        uint8_t *place = sink->reserve(sink->context, OTEL_RECORD_SPAN, (uint32_t)size);
        if (place == NULL)
            continue; // counted by the sink
        struct otel_pb pb = otel_pb_begin(place, size);
        otel_pb_raw(&pb, tracer->prefix, tracer->prefix_len);
        write_span(&pb, span);
        sink->commit(sink->context, place);
    }
}
