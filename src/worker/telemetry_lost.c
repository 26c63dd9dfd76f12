// SPDX-License-Identifier: Apache-2.0
// Ends the span of an attempt in place of its runner: the same identity, parent and links, so that what already hangs on it
// is connected. Written as OTLP by hand, because no tracer starts a span under an identity that somebody else chose.
#include "fastqueue/version.h"
#include "net/address.h"
#include "otel/wire/attribute.h"
#include "worker/telemetry_record.h"
#include "worker/telemetry_state.h"

enum { FLAG_REMOTE_KNOWN = 0x100, FLAG_REMOTE = 0x200, STATUS_ERROR_CODE = 2, NS_PER_US = 1000 };

// Field numbers of opentelemetry-proto.
enum {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID,
    SPAN_TRACE_STATE,
    SPAN_PARENT_ID,
    SPAN_NAME,
    SPAN_KIND,
    SPAN_START,
    SPAN_END,
    SPAN_ATTRIBUTE,
    SPAN_EVENT = 11,
    SPAN_LINK = 13,
    SPAN_STATUS = 15,
    SPAN_FLAGS = 16,
    EVENT_TIME = 1,
    EVENT_NAME,
    EVENT_ATTRIBUTE,
    LINK_TRACE_ID = 1,
    LINK_SPAN_ID,
    LINK_FLAGS = 6,
    STATUS_MESSAGE = 2,
    STATUS_CODE = 3,
};

static void put_attributes(struct otel_pb *pb, uint32_t field, const struct otel_attribute *attributes,
                           size_t count) {
    for (size_t i = 0; i < count; i++)
        if (attributes[i].value.type != OTEL_VALUE_EMPTY)
            otel_pb_attribute(pb, field, &attributes[i], OTEL_NO_LIMIT);
}

static void put_links(struct otel_pb *pb, const struct fq_board_span *span) {
    for (uint8_t i = 0; i < span->link_count; i++) {
        const struct fq_board_link *link = &span->links[i];
        uint8_t memory[64];
        struct otel_pb inner = otel_pb_begin(memory, sizeof memory);
        otel_pb_bytes(&inner, LINK_TRACE_ID, link->trace_id, sizeof link->trace_id);
        otel_pb_bytes(&inner, LINK_SPAN_ID, link->span_id, sizeof link->span_id);
        otel_pb_fixed32(&inner, LINK_FLAGS, (uint32_t)link->flags | FLAG_REMOTE_KNOWN | FLAG_REMOTE);
        otel_pb_bytes(pb, SPAN_LINK, memory, (size_t)(inner.at - memory));
    }
}

static struct otel_attribute text(const char *key, fq_str value) {
    return otel_text_len(key, value.ptr, value.len);
}

// The exception as an event, its type and message once more as attributes, and the status.
static void put_failure(struct otel_pb *pb, const struct fq_execute_failure *failure, uint64_t end_unix_ns) {
    const struct otel_attribute exception[] = {text("exception.type", failure->type),
                                               text("exception.message", failure->message),
                                               text("exception.stacktrace", failure->stack)};
    const struct otel_attribute more[] = {text(FQ_ATTR_ERROR_TYPE, failure->error_type != NULL
                                                                       ? fq_str_of(failure->error_type)
                                                                       : failure->type),
                                          otel_text(FQ_ATTR_STATE, failure->state)};
    put_attributes(pb, SPAN_ATTRIBUTE, exception, 2);
    put_attributes(pb, SPAN_ATTRIBUTE, more, 2);
    uint8_t memory[FQ_EXECUTE_STACK_MAX * 3 + FQ_EXECUTE_MESSAGE_MAX * 3 + 1024];
    struct otel_pb inner = otel_pb_begin(memory, sizeof memory);
    otel_pb_fixed64(&inner, EVENT_TIME, end_unix_ns);
    otel_pb_text(&inner, EVENT_NAME, "exception", 9, OTEL_NO_LIMIT);
    put_attributes(&inner, EVENT_ATTRIBUTE, exception, failure->stack.len > 0 ? 3 : 2);
    if (!inner.failed)
        otel_pb_bytes(pb, SPAN_EVENT, memory, (size_t)(inner.at - memory));
    inner = otel_pb_begin(memory, sizeof memory);
    otel_pb_text(&inner, STATUS_MESSAGE, failure->message.ptr, failure->message.len, OTEL_NO_LIMIT);
    otel_pb_uint(&inner, STATUS_CODE, STATUS_ERROR_CODE);
    if (!inner.failed)
        otel_pb_bytes(pb, SPAN_STATUS, memory, (size_t)(inner.at - memory));
}

static bool is_root(const struct fq_board_span *span) {
    static const uint8_t none[sizeof span->parent_span_id];
    return memcmp(span->parent_span_id, none, sizeof none) == 0;
}

static void put_identity(struct otel_pb *pb, const struct fq_board_span *span) {
    otel_pb_bytes(pb, SPAN_TRACE_ID, span->trace_id, sizeof span->trace_id);
    otel_pb_bytes(pb, SPAN_SPAN_ID, span->span_id, sizeof span->span_id);
    if (span->tracestate_len > 0)
        otel_pb_text(pb, SPAN_TRACE_STATE, span->tracestate, span->tracestate_len, OTEL_NO_LIMIT);
    if (!is_root(span))
        otel_pb_bytes(pb, SPAN_PARENT_ID, span->parent_span_id, sizeof span->parent_span_id);
}

static void put_span(struct otel_pb *pb, const struct fq_worker_telemetry *telemetry,
                     const struct fq_lost_attempt *lost) {
    const struct fq_board_span *span = lost->span;
    char id[FQ_UUID_TEXT + 1];
    fq_uuid_format(&lost->task->id, id);
    const struct fq_execute_task task = {.id = id,
                                         .name = lost->name,
                                         .priority = span->priority,
                                         .attempt = lost->task->attempt,
                                         .delay_ms = span->delay_ms,
                                         .wait_ms = span->wait_ms,
                                         .transfer_ms = span->transfer_ms};
    struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX];
    size_t count = fq_execute_attributes(&telemetry->place, &task, attributes);
    uint64_t start = (uint64_t)span->start_unix_ns;
    uint64_t end = start + (uint64_t)lost->duration_us * NS_PER_US;
    put_identity(pb, span);
    otel_pb_text(pb, SPAN_NAME, FQ_SPAN_EXECUTE, sizeof FQ_SPAN_EXECUTE - 1, OTEL_NO_LIMIT);
    otel_pb_uint(pb, SPAN_KIND, OTEL_SPAN_CONSUMER);
    otel_pb_fixed64(pb, SPAN_START, start);
    otel_pb_fixed64(pb, SPAN_END, end);
    put_attributes(pb, SPAN_ATTRIBUTE, attributes, count);
    if (lost->failure != NULL)
        put_failure(pb, lost->failure, end);
    put_links(pb, span);
    otel_pb_fixed32(pb, SPAN_FLAGS,
                    (uint32_t)span->flags | FLAG_REMOTE_KNOWN | (is_root(span) ? 0u : FLAG_REMOTE));
}

void fq_worker_telemetry_end_lost(struct fq_worker_telemetry *telemetry, const struct fq_lost_attempt *lost) {
    if ((lost->span->flags & OTEL_FLAG_SAMPLED) == 0)
        return;
    const struct otel_scope_info scope = {.name = FQ_TELEMETRY_SCOPE, .version = FQ_VERSION};
    uint32_t head[2] = {0, 0};
    struct otel_pb pb =
        otel_pb_begin(telemetry->record + sizeof head, sizeof telemetry->record - sizeof head);
    otel_pb_scope(&pb, &scope);
    head[0] = (uint32_t)(pb.at - (telemetry->record + sizeof head));
    put_span(&pb, telemetry, lost);
    memcpy(telemetry->record, head, sizeof head);
    size_t len = (size_t)(pb.at - telemetry->record);
    struct fq_record_facts facts; // what lay on the board was written by a process that runs user code
    if (!pb.failed && fq_record_check(FQ_RING_SPAN, telemetry->record, len, &facts) == 0)
        (void)fq_backlog_put(telemetry, OTEL_RECORD_SPAN, telemetry->record, len);
}
