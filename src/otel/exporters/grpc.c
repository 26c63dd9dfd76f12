// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/grpc.h"

#include "otel/exporters/gzip.h"
#include "otel/exporters/otlp_settings.h"
#include "otel/exporters/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_HEAD = 5, TIMEOUT_DIGITS_MAX = 99999999 };

struct grpc {
    struct otel_otlp_settings settings;
    const struct otel_runtime *runtime;
    otel_grpc_channel *channel; // the endpoint's
};

static const char *const paths[OTEL_SIGNAL_COUNT] = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};

// --- the request -----------------------------------------------------------------------------------------------------
static void frame_head(uint8_t head[FRAME_HEAD], bool is_compressed, size_t len) {
    head[0] = is_compressed;
    for (int i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(len >> (24 - 8 * i));
}

// Flag, length, message.
static int write_frame(const struct otel_export_batch *batch, bool gzip, fq_buf *frame) {
    static const uint8_t room[FRAME_HEAD] = {0};
    int result = fq_buf_reserve(frame, FRAME_HEAD + (gzip ? batch->len / 4 : batch->len));
    if (result == 0)
        result = fq_buf_append(frame, room, sizeof room);
    if (result == 0)
        result = gzip ? otel_gzip(batch->bytes, batch->len, frame)
                      : fq_buf_append(frame, batch->bytes, batch->len);
    if (result < 0)
        return OTEL_FAILED;
    frame_head((uint8_t *)frame->data + frame->begin, gzip, fq_buf_len(frame) - FRAME_HEAD);
    return OTEL_OK;
}

// At most eight digits and a unit. NULL = no deadline.
static const char *write_timeout(const struct otel_runtime *runtime, int64_t deadline_ns, char text[16]) {
    if (deadline_ns == INT64_MAX)
        return NULL;
    int64_t left_ms = (deadline_ns - otel_monotonic_ns(runtime)) / 1000000;
    left_ms = left_ms > 0 ? left_ms : 1;
    if (left_ms <= TIMEOUT_DIGITS_MAX)
        snprintf(text, 16, "%lldm", (long long)left_ms);
    else
        snprintf(text, 16, "%lldS",
                 (long long)(left_ms / 1000 < TIMEOUT_DIGITS_MAX ? left_ms / 1000 : TIMEOUT_DIGITS_MAX));
    return text;
}

// --- the answer ------------------------------------------------------------------------------------------------------
static void put_error(const struct otel_grpc_call *call, int status, const char *fallback,
                      struct otel_attempt *attempt) {
    struct otel_rpc_status details = {0};
    char message[OTEL_ANSWER_TEXT_MAX];
    if (call->details_len > 0)
        (void)otel_answer_status_details(call->details, call->details_len, &details);
    otel_answer_percent_line(message, sizeof message, call->message, call->message_len);
    const char *said = message[0] != '\0' ? message : details.message[0] != '\0' ? details.message : fallback;
    const char *name = otel_grpc_status_name(status), *remedy = otel_grpc_remedy(status);
    bool is_transient = otel_grpc_is_transient(status, details.has_retry_info) || call->refused;
    otel_attempt_put(attempt, is_transient ? OTEL_ATTEMPT_TRANSIENT : OTEL_ATTEMPT_REFUSED, name, "");
    snprintf(attempt->status, sizeof attempt->status, "%s", name);
    snprintf(attempt->text, sizeof attempt->text, "%s%s%s%s%s", name, said[0] != '\0' ? ": " : "", said,
             remedy[0] != '\0' ? "; " : "", remedy);
    attempt->retry_ms = details.retry_delay_ms;
    attempt->is_throttled = details.retry_delay_ms > 0 && is_transient;
    attempt->is_unsupported = status == OTEL_GRPC_UNIMPLEMENTED && call->grpc_status == status;
}

// The one message of a successful answer. An empty body counts as an empty message.
static int read_message(const struct otel_grpc_call *call, size_t response_max,
                        struct otel_partial_success *partial) {
    fq_str body = fq_buf_str(&call->answer);
    if (body.len == 0)
        return OTEL_OK;
    const uint8_t *bytes = (const uint8_t *)body.ptr;
    if (body.len < FRAME_HEAD)
        return OTEL_FAILED;
    size_t len = (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | bytes[4];
    if (len != body.len - FRAME_HEAD || bytes[0] > 1)
        return OTEL_FAILED;
    if (bytes[0] == 0)
        return otel_answer_partial_success(bytes + FRAME_HEAD, len, partial);
    fq_buf plain = {0};
    int result = call->encoding != OTEL_GRPC_GZIP
                     ? OTEL_FAILED
                     : otel_gunzip(bytes + FRAME_HEAD, len, response_max, &plain);
    if (result == OTEL_OK)
        result = otel_answer_partial_success(fq_buf_str(&plain).ptr, fq_buf_len(&plain), partial);
    fq_buf_done(&plain);
    return result;
}

void otel_grpc_judge(const struct otel_grpc_call *call, size_t response_max,
                     struct otel_attempt *ret_attempt) {
    if (call->too_large) {
        otel_attempt_put(ret_attempt, OTEL_ATTEMPT_REFUSED, "response_too_large",
                         "the answer is larger than an answer may be");
    } else if (call->grpc_status == OTEL_GRPC_OK) {
        otel_attempt_put(ret_attempt, OTEL_ATTEMPT_ACCEPTED, "", "");
        snprintf(ret_attempt->status, sizeof ret_attempt->status, "OK");
        if (call->wrong_content_type || read_message(call, response_max, &ret_attempt->partial) < 0)
            otel_attempt_put(ret_attempt, OTEL_ATTEMPT_REFUSED, "bad_response",
                             "the answer is no OTLP response");
    } else if (call->grpc_status > 0) {
        put_error(call, call->grpc_status, "", ret_attempt);
    } else if (call->lost) {
        otel_attempt_put(ret_attempt, OTEL_ATTEMPT_TRANSIENT, "connection_lost",
                         call->heard_nothing
                             ? "the connection broke before the server said a word; check that this is a "
                               "gRPC port (4317), and of TLS only with https://"
                             : "the connection broke before the answer was complete");
    } else if (call->http_status >= 0 && (call->http_status != 200 || call->wrong_content_type)) {
        char text[64];
        snprintf(text, sizeof text, "HTTP status %d without gRPC's; is this a gRPC port?", call->http_status);
        put_error(call, otel_grpc_status_of_http(call->http_status), text, ret_attempt);
    } else if (call->reset != 0 || call->refused) {
        char text[64];
        snprintf(text, sizeof text, "the stream was reset with HTTP/2 error %u", call->reset);
        put_error(call, otel_grpc_status_of_reset(call->reset), text, ret_attempt);
    } else {
        put_error(call, OTEL_GRPC_UNKNOWN, "the answer carries no status", ret_attempt);
    }
}

// --- an attempt ------------------------------------------------------------------------------------------------------
static void judge_end(const struct grpc *grpc, enum otel_call_end end, const struct otel_grpc_call *call,
                      const char *reason, struct otel_attempt *attempt) {
    switch (end) {
    case OTEL_CALL_ANSWERED: otel_grpc_judge(call, grpc->settings.response_max, attempt); break;
    case OTEL_CALL_UNREACHABLE:
        otel_attempt_put(attempt, OTEL_ATTEMPT_TRANSIENT, "connection_failed", reason);
        break;
    case OTEL_CALL_TIMEOUT:
        otel_attempt_put(attempt, OTEL_ATTEMPT_TIMEOUT, "timeout",
                         reason[0] != '\0'
                             ? reason
                             : "no answer in time; see to the receiver, or raise OTEL_EXPORTER_OTLP_TIMEOUT");
        break;
    case OTEL_CALL_GIVEN_UP:
        otel_attempt_put(attempt, OTEL_ATTEMPT_GIVEN_UP, "cancelled",
                         "given up, for the exporter is shutting down");
        break;
    case OTEL_CALL_NO_GRPC:
        otel_attempt_put(attempt, OTEL_ATTEMPT_REFUSED, "no_grpc",
                         "the server does not speak gRPC (HTTP/2); use its gRPC port (4317), or set "
                         "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
        break;
    }
}

static void attempt(void *self, const struct otel_export_batch *batch, const struct otel_call_limits *limits,
                    struct otel_attempt *ret_attempt) {
    struct grpc *grpc = self;
    const struct otel_target *target = otel_grpc_channel_target(grpc->channel);
    char timeout[16], reason[OTEL_STREAM_REASON_MAX];
    fq_buf frame = {0};
    if (write_frame(batch, grpc->settings.gzip, &frame) < 0) {
        fq_buf_done(&frame);
        otel_attempt_put(ret_attempt, OTEL_ATTEMPT_REFUSED, "out_of_memory", "out of memory");
        return;
    }
    struct otel_grpc_call call;
    otel_grpc_call_init(&call);
    call.scheme = target->is_tls ? "https" : "http";
    call.authority = target->authority;
    call.path = paths[grpc->settings.signal];
    call.user_agent = grpc->settings.user_agent;
    call.timeout = write_timeout(grpc->runtime, limits->deadline_ns, timeout);
    call.headers = grpc->settings.headers;
    call.header_count = grpc->settings.header_count;
    call.gzip = grpc->settings.gzip;
    call.body = (const uint8_t *)fq_buf_str(&frame).ptr;
    call.body_len = fq_buf_len(&frame);
    call.response_max = grpc->settings.response_max + FRAME_HEAD;
    enum otel_call_end end = otel_grpc_channel_call(grpc->channel, &call, limits, reason);
    judge_end(grpc, end, &call, reason, ret_attempt);
    otel_grpc_call_done(&call);
    fq_buf_done(&frame);
}

// --- making it -------------------------------------------------------------------------------------------------------
static void free_grpc(void *self) {
    struct grpc *grpc = self;
    otel_otlp_settings_done(&grpc->settings);
    free(grpc);
}

static const struct otel_transport_ops grpc_ops = {
    .component_types = {"otlp_grpc_span_exporter", "otlp_grpc_metric_exporter", "otlp_grpc_log_exporter"},
    .attempt = attempt,
    .free = free_grpc,
};

int otel_grpc_exporter_new(const struct otel_otlp_options *options, struct otel_exporter *ret_exporter,
                           char *reason, size_t reason_size) {
    struct otel_endpoint *endpoint = otel_endpoint_take(options, reason, reason_size);
    if (endpoint == NULL)
        return OTEL_FAILED;
    struct grpc *grpc = calloc(1, sizeof *grpc);
    if (grpc == NULL || otel_otlp_settings_copy(options, true, &grpc->settings) < 0) {
        free(grpc);
        otel_endpoint_leave(endpoint);
        snprintf(reason, reason_size, "out of memory");
        return OTEL_FAILED;
    }
    grpc->runtime = options->runtime;
    grpc->channel = endpoint->channel;
    const struct otel_target *target = otel_grpc_channel_target(endpoint->channel);
    if (target->has_path)
        otel_report(options->runtime, OTEL_LEVEL_WARN,
                    "the path in the endpoint of OTLP over gRPC is ignored; gRPC has none (%s)",
                    target->authority);
    if (otel_delivery_new(options, &grpc_ops, grpc, endpoint, target, ret_exporter) < 0) {
        snprintf(reason, reason_size, "out of memory");
        return OTEL_FAILED;
    }
    return OTEL_OK;
}
