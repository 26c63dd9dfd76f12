// SPDX-License-Identifier: Apache-2.0
// The receiver's gRPC side.
#include "support/otlp_server_state.h"

#include "base/assert.h"
#include "base/base64.h"
#include "otel/exporters/gzip.h"
#include "otel/wire/protobuf.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

enum { HUGE_HEADERS = 256 * 1024, BOMB_BYTES = 8 * 1024 * 1024 };

struct stream {
    struct stream *next;
    int32_t id;
    char path[256];
    char headers[4096];
    fq_buf body, reply;
    struct otlp_answer answer;
    int64_t answer_at_ns; // of slow; 0 = none
    bool is_answered, resets;
};

struct http2 {
    nghttp2_session *session;
    struct stream *streams;
    bool is_stranger;
};

static struct http2 *http2_of(void *context) {
    return ((struct otlp_connection *)context)->protocol;
}

static struct stream *find(struct http2 *http2, int32_t id) {
    struct stream *stream = http2->streams;
    while (stream != NULL && stream->id != id)
        stream = stream->next;
    return stream;
}

// --- answers ---------------------------------------------------------------------------------------------------------
static nghttp2_nv field(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

// RetryInfo in a google.rpc.Status, as grpc-status-details-bin.
static void write_retry_info(long ms, char *text) {
    uint8_t duration[32], retry[64], any[128], status[256];
    struct otel_pb pb = otel_pb_begin(duration, sizeof duration);
    otel_pb_uint(&pb, 1, (uint64_t)ms / 1000);
    otel_pb_uint(&pb, 2, (uint64_t)ms % 1000 * 1000000);
    struct otel_pb outer = otel_pb_begin(retry, sizeof retry);
    otel_pb_bytes(&outer, 1, duration, (size_t)(pb.at - duration));
    static const char url[] = "type.googleapis.com/google.rpc.RetryInfo";
    struct otel_pb wrapped = otel_pb_begin(any, sizeof any);
    otel_pb_bytes(&wrapped, 1, url, sizeof url - 1);
    otel_pb_bytes(&wrapped, 2, retry, (size_t)(outer.at - retry));
    struct otel_pb last = otel_pb_begin(status, sizeof status);
    otel_pb_uint(&last, 1, 14);
    otel_pb_bytes(&last, 2, "wait", 4);
    otel_pb_bytes(&last, 3, any, (size_t)(wrapped.at - any));
    size_t len = (size_t)(last.at - status);
    fq_base64_encode(status, len, text);
    text[fq_base64_size(len)] = '\0';
}

// Trailers of "N[:retry=MS][:text]".
static size_t status_fields(const struct otlp_answer *answer, nghttp2_nv *fields, char *number,
                            char *details) {
    size_t count = 0;
    snprintf(number, 16, "%ld", answer->number);
    fields[count++] = field("grpc-status", number);
    const char *rest = answer->is_number ? answer->rest : "";
    if (strncmp(rest, "retry=", 6) == 0) {
        write_retry_info(strtol(rest + 6, NULL, 10), details);
        fields[count++] = field("grpc-status-details-bin", details);
        rest += strcspn(rest, ":");
        rest += *rest == ':';
    }
    if (rest[0] != '\0')
        fields[count++] = field("grpc-message", rest);
    return count;
}

static ssize_t read_reply(nghttp2_session *session, int32_t id, uint8_t *memory, size_t size, uint32_t *flags,
                          nghttp2_data_source *source, void *context) {
    (void)context;
    struct stream *stream = source->ptr;
    size_t len = fq_buf_len(&stream->reply) < size ? fq_buf_len(&stream->reply) : size;
    memcpy(memory, fq_buf_str(&stream->reply).ptr, len);
    fq_buf_consume(&stream->reply, len);
    if (fq_buf_len(&stream->reply) == 0) {
        char number[16], details[512];
        nghttp2_nv trailers[4];
        struct otlp_answer answer = stream->answer;
        if (strcmp(answer.name, "late") != 0)
            answer = (struct otlp_answer){.is_number = true};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        FQ_ASSERT(nghttp2_submit_trailer(session, id, trailers,
                                         status_fields(&answer, trailers, number, details)) == 0);
    }
    return (ssize_t)len;
}

static void put_message(struct stream *stream, bool is_compressed, const void *bytes, size_t len) {
    const uint8_t head[] = {is_compressed, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                            (uint8_t)len};
    FQ_ASSERT(fq_buf_append(&stream->reply, head, sizeof head) == 0);
    FQ_ASSERT(fq_buf_append(&stream->reply, bytes, len) == 0);
}

static void answer_body(struct http2 *http2, struct stream *stream, const char *content_type,
                        const char *encoding) {
    nghttp2_nv headers[] = {field(":status", "200"), field("content-type", content_type),
                            field("grpc-encoding", encoding)};
    nghttp2_data_provider body = {.source.ptr = stream, .read_callback = read_reply};
    FQ_ASSERT(nghttp2_submit_response(http2->session, stream->id, headers, 3, &body) == 0);
}

static void answer_status(struct http2 *http2, struct stream *stream) {
    char number[16], details[512];
    nghttp2_nv headers[6] = {field(":status", "200"), field("content-type", "application/grpc")};
    size_t count = 2 + status_fields(&stream->answer, headers + 2, number, details);
    FQ_ASSERT(nghttp2_submit_response(http2->session, stream->id, headers, count, NULL) == 0);
}

static void answer_http(struct http2 *http2, struct stream *stream, long status) {
    char number[16];
    snprintf(number, sizeof number, "%ld", status);
    const nghttp2_nv headers[] = {field(":status", number), field("content-type", "text/html")};
    FQ_ASSERT(nghttp2_submit_response(http2->session, stream->id, headers, 2, NULL) == 0);
}

static void answer_huge_headers(struct http2 *http2, struct stream *stream) {
    static char value[4096];
    enum { FIELDS = HUGE_HEADERS / 4096 };
    nghttp2_nv headers[FIELDS + 1] = {field(":status", "200")};
    memset(value, 'x', sizeof value - 1);
    for (size_t i = 1; i <= FIELDS; i++)
        headers[i] = field("x-padding", value);
    // As many blocks as it takes, each below what one may be.
    for (size_t at = 0; at + 14 < FIELDS; at += 14)
        nghttp2_submit_headers(http2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, headers + at, 14, NULL);
}

static void answer_bomb(struct http2 *http2, struct stream *stream) {
    uint8_t *zeros = calloc(1, BOMB_BYTES);
    fq_buf packed = {0};
    FQ_ASSERT(zeros != NULL && otel_gzip(zeros, BOMB_BYTES, &packed) == 0);
    put_message(stream, true, packed.data, fq_buf_len(&packed));
    answer_body(http2, stream, "application/grpc", "gzip");
    free(zeros);
    fq_buf_done(&packed);
}

// Answers that are no HTTP/2.
static bool answer_raw(struct otlp_connection *connection, const struct otlp_answer *answer) {
    static const char http1[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char cut[] =
        "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03\x01\x04\x00\x00\x00\x01\x7f\xff\xff";
    static const char half[] = "\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x01\x00\x01\x04\x00\x00\x00\x01\x88";
    if (strcmp(answer->name, "close") == 0) {
        connection->closes = true;
    } else if (strcmp(answer->name, "http1") == 0) {
        otlp_connection_put(connection, http1, sizeof http1 - 1);
        connection->closes = true;
    } else if (strcmp(answer->name, "hpack") == 0) {
        otlp_connection_put(connection, cut, sizeof cut - 1);
        connection->is_mute = true;
    } else if (strcmp(answer->name, "half") == 0) {
        otlp_connection_put(connection, half, sizeof half - 1);
        connection->closes = connection->resets = connection->is_mute = true;
    } else if (strcmp(answer->name, "garbage") == 0) {
        for (uint32_t i = 0; i < 4096; i++)
            otlp_connection_put(connection, &(const uint8_t){(uint8_t)(i * 2654435761u >> 24)}, 1);
        connection->is_mute = true;
    } else {
        return false;
    }
    return true;
}

static void answer_trickle(struct otlp_connection *connection) {
    // PING after PING, a byte at a time: valid, alive, and no answer.
    static const char ping[] = "\x00\x00\x08\x06\x00\x00\x00\x00\x00tricklex";
    static const char settings[] = "\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    otlp_connection_put(connection, settings, sizeof settings - 1);
    for (int i = 0; i < 4096; i++)
        otlp_connection_put(connection, ping, sizeof ping - 1);
    connection->trickle_ns = otlp_now_ns();
    connection->is_mute = true;
}

static void answer(struct otlp_connection *connection, struct stream *stream) {
    struct http2 *http2 = connection->protocol;
    const struct otlp_answer *answer = &stream->answer;
    uint8_t message[OTLP_WORD_MAX];
    stream->is_answered = true;
    if (answer->is_number) {
        answer_status(http2, stream);
    } else if (strcmp(answer->name, "http") == 0) {
        answer_http(http2, stream, answer->number);
    } else if (strcmp(answer->name, "reset") == 0) {
        nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream->id, (uint32_t)answer->number);
    } else if (strcmp(answer->name, "refuse") == 0) {
        nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, stream->id - 2 > 0 ? stream->id - 2 : 0,
                              NGHTTP2_NO_ERROR, NULL, 0);
        connection->closes = true;
    } else if (strcmp(answer->name, "headers") == 0) {
        answer_huge_headers(http2, stream);
    } else if (strcmp(answer->name, "bomb") == 0) {
        answer_bomb(http2, stream);
    } else if (strcmp(answer->name, "trickle") == 0) {
        answer_trickle(connection);
    } else if (strcmp(answer->name, "flood") == 0) {
        otlp_connection_put(connection, "\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9); // SETTINGS
        connection->floods = connection->is_mute = true;
    } else if (strcmp(answer->name, "hang") != 0 && !answer_raw(connection, answer)) {
        size_t len = strcmp(answer->name, "partial") == 0 ? otlp_partial_message(answer->rest, message) : 0;
        if (strcmp(answer->name, "body") == 0) {
            uint8_t *big = calloc(1, (size_t)answer->number);
            put_message(stream, false, big, (size_t)answer->number);
            free(big);
        } else {
            put_message(stream, false, message, len);
        }
        answer_body(http2, stream, strcmp(answer->name, "type") == 0 ? "text/html" : "application/grpc",
                    "identity");
        if (strcmp(answer->name, "goaway") == 0)
            nghttp2_submit_goaway(http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR, NULL, 0);
    }
}

// --- requests --------------------------------------------------------------------------------------------------------
static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)session;
    struct http2 *http2 = http2_of(context);
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct stream *stream = calloc(1, sizeof *stream);
    FQ_ASSERT(stream != NULL);
    stream->id = frame->hd.stream_id;
    stream->next = http2->streams;
    http2->streams = stream;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *context) {
    (void)session;
    (void)flags;
    struct stream *stream = find(http2_of(context), frame->hd.stream_id);
    size_t used = strlen(stream->headers);
    snprintf(stream->headers + used, sizeof stream->headers - used, "%.*s: %.*s\n", (int)name_len,
             (const char *)name, (int)value_len, (const char *)value);
    if (name_len == 5 && memcmp(name, ":path", 5) == 0)
        snprintf(stream->path, sizeof stream->path, "%.*s", (int)value_len, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t len,
                   void *context) {
    (void)session;
    (void)flags;
    FQ_ASSERT(fq_buf_append(&find(http2_of(context), id)->body, bytes, len) == 0);
    return 0;
}

static void take_request(struct otlp_connection *connection, struct stream *stream) {
    fq_str body = fq_buf_str(&stream->body);
    FQ_ASSERT(body.len >= 5);
    otlp_keep(connection, stream->path, stream->headers, body.ptr[0] != 0, body.ptr + 5, body.len - 5);
    if (strcmp(stream->answer.name, "slow") == 0)
        stream->answer_at_ns = otlp_now_ns() + stream->answer.number * 1000000;
    else
        answer(connection, stream);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)session;
    struct otlp_connection *connection = context;
    struct stream *stream = find(connection->protocol, frame->hd.stream_id);
    if (stream == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        stream->answer = otlp_next_answer(connection->server);
        if (strcmp(stream->answer.name, "early") == 0) {
            stream->is_answered = true;
            stream->resets = true; // behind the answer, which a reset would take back if it were still here
            answer_status(connection->protocol, stream);
        }
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && !stream->is_answered)
        take_request(connection, stream);
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error, void *context) {
    (void)session;
    (void)error;
    struct http2 *http2 = http2_of(context);
    for (struct stream **at = &http2->streams; *at != NULL; at = &(*at)->next) {
        struct stream *stream = *at;
        if (stream->id != id)
            continue;
        *at = stream->next;
        if (strcmp(stream->answer.name, "goaway") == 0)
            ((struct otlp_connection *)context)->closes = true;
        fq_buf_done(&stream->body);
        fq_buf_done(&stream->reply);
        free(stream);
        break;
    }
    return 0;
}

// --- the connection --------------------------------------------------------------------------------------------------
bool otlp_http2_open(struct otlp_connection *connection) {
    struct http2 *http2 = calloc(1, sizeof *http2);
    nghttp2_session_callbacks *callbacks;
    FQ_ASSERT(http2 != NULL && nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    FQ_ASSERT(nghttp2_session_server_new(&http2->session, callbacks, connection) == 0);
    nghttp2_session_callbacks_del(callbacks);
    FQ_ASSERT(nghttp2_submit_settings(http2->session, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
    connection->protocol = http2;
    // Who is no HTTP/2 server does not begin like one.
    http2->is_stranger =
        otlp_script_is_at(connection->server, "http1") || otlp_script_is_at(connection->server, "garbage");
    return true;
}

static void collect(struct otlp_connection *connection) {
    struct http2 *http2 = connection->protocol;
    const uint8_t *bytes;
    ssize_t len;
    while (!connection->is_mute && !http2->is_stranger &&
           (len = nghttp2_session_mem_send(http2->session, &bytes)) > 0)
        otlp_connection_put(connection, bytes, (size_t)len);
    for (struct stream *stream = http2->streams; stream != NULL; stream = stream->next) {
        if (!stream->resets)
            continue;
        stream->resets = false;
        nghttp2_submit_rst_stream(http2->session, NGHTTP2_FLAG_NONE, stream->id, NGHTTP2_NO_ERROR);
        collect(connection);
        return;
    }
}

bool otlp_http2_receive(struct otlp_connection *connection, const void *bytes, size_t len) {
    struct http2 *http2 = connection->protocol;
    if (nghttp2_session_mem_recv(http2->session, bytes, len) < 0)
        return false;
    collect(connection);
    return nghttp2_session_want_read(http2->session) != 0 || fq_buf_len(&connection->out) > 0;
}

void otlp_http2_tick(struct otlp_connection *connection, int64_t now_ns) {
    struct http2 *http2 = connection->protocol;
    for (struct stream *stream = http2->streams; stream != NULL; stream = stream->next) {
        if (stream->answer_at_ns != 0 && stream->answer_at_ns <= now_ns) {
            stream->answer_at_ns = 0;
            answer(connection, stream);
        }
    }
    collect(connection);
}

void otlp_http2_close(struct otlp_connection *connection) {
    struct http2 *http2 = connection->protocol;
    while (http2->streams != NULL)
        on_close(http2->session, http2->streams->id, 0, connection);
    nghttp2_session_del(http2->session);
    free(http2);
}
