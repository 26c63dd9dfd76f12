// SPDX-License-Identifier: Apache-2.0
// An OTLP/gRPC receiver that counts and forgets: what a Collector would be without what a Collector does with spans.
//
//   sink PORT      on loopback; SIGTERM ends it and prints what came as one line of JSON
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "otel/wire/protobuf.h"

enum { CONNECTIONS = 64 };

struct totals {
    unsigned long requests, spans, submits, attempts, bytes;
};
struct connection {
    int fd;
    nghttp2_session *session;
    struct totals *totals;
};
struct request {
    fq_buf body;
    bool is_traces;
};

static volatile sig_atomic_t ended;
static void on_signal(int number) {
    (void)number;
    ended = 1;
}

static void count_span(const uint8_t *at, size_t len, struct totals *totals) {
    struct otel_pb_reader reader = {at, at + len};
    struct otel_pb_field field;
    totals->spans++;
    while (otel_pb_next(&reader, &field) > 0)
        if (field.number == 5) { // the name
            totals->submits += field.len == 18 && memcmp(field.bytes, "client.submit_task", 18) == 0;
            totals->attempts += field.len == 19 && memcmp(field.bytes, "worker.execute_task", 19) == 0;
            return;
        }
}

// TracesData: resource_spans = 1, in them scope_spans = 2, in them spans = 2.
static void count_spans(const uint8_t *at, size_t len, int depth, struct totals *totals) {
    struct otel_pb_reader reader = {at, at + len};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.number != (depth == 0 ? 1 : 2) || field.type != OTEL_PB_BYTES)
            continue;
        if (depth == 2)
            count_span(field.bytes, field.len, totals);
        else
            count_spans(field.bytes, field.len, depth + 1, totals);
    }
}

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *context) {
    struct connection *connection = context;
    (void)session, (void)flags;
    ssize_t sent = send(connection->fd, data, len, MSG_NOSIGNAL);
    return sent >= 0 ? sent : errno == EAGAIN ? NGHTTP2_ERR_WOULDBLOCK : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)context;
    struct request *request = calloc(1, sizeof *request);
    return request != NULL && nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, request) == 0
               ? 0
               : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *context) {
    (void)flags, (void)context;
    struct request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (name_len == 5 && memcmp(name, ":path", 5) == 0)
        request->is_traces = memmem(value, value_len, "TraceService", 12) != NULL;
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
                   void *context) {
    (void)flags, (void)context;
    struct request *request = nghttp2_session_get_stream_user_data(session, stream);
    return fq_buf_append(&request->body, data, len) < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

// The library copies both.
static nghttp2_nv header(const char *name, const char *value) {
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value,
                        .namelen = strlen(name),
                        .valuelen = strlen(value)};
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t len, uint32_t *flags,
                         nghttp2_data_source *source, void *context) {
    (void)len, (void)source, (void)context;
    nghttp2_nv status[] = {header("grpc-status", "0")};
    memset(buf, 0, 5); // one empty message
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream, status, 1);
    return 5;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct connection *connection = context;
    if ((frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct request *request = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    fq_str body = fq_buf_str(&request->body);
    connection->totals->requests++;
    connection->totals->bytes += body.len;
    if (request->is_traces && body.len > 5)
        count_spans((const uint8_t *)body.ptr + 5, body.len - 5, 0, connection->totals);
    nghttp2_nv headers[] = {header(":status", "200"), header("content-type", "application/grpc")};
    nghttp2_data_provider provider = {.read_callback = read_body};
    return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &provider);
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *context) {
    (void)error, (void)context;
    struct request *request = nghttp2_session_get_stream_user_data(session, stream);
    if (request != NULL)
        fq_buf_done(&request->body);
    free(request);
    return 0;
}

static bool open_connection(struct connection *connection, int fd, struct totals *totals) {
    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return false;
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    *connection = (struct connection){.fd = fd, .totals = totals};
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 4 << 20}
    };
    int rc = nghttp2_session_server_new(&connection->session, callbacks, connection);
    nghttp2_session_callbacks_del(callbacks);
    return rc == 0 && nghttp2_submit_settings(connection->session, 0, settings, 1) == 0 &&
           nghttp2_session_set_local_window_size(connection->session, 0, 0, 4 << 20) == 0 &&
           nghttp2_session_send(connection->session) == 0;
}

// False when the connection has ended.
static bool serve(struct connection *connection) {
    static uint8_t memory[1 << 18];
    ssize_t got = recv(connection->fd, memory, sizeof memory, 0);
    if (got <= 0 || nghttp2_session_mem_recv(connection->session, memory, (size_t)got) < 0 ||
        nghttp2_session_send(connection->session) != 0) {
        nghttp2_session_del(connection->session);
        close(connection->fd);
        return false;
    }
    return true;
}

static int listen_on(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0) {
        perror("sink");
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: sink PORT\n", stderr);
        return 2;
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    static struct connection connections[CONNECTIONS];
    struct pollfd polled[CONNECTIONS + 1] = {
        {.fd = listen_on(argv[1]), .events = POLLIN}
    };
    struct totals totals = {0};
    size_t count = 0;
    while (!ended) {
        for (size_t i = 0; i < count; i++)
            polled[i + 1] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        if (poll(polled, count + 1, -1) < 0)
            continue;
        for (size_t i = count; i-- > 0;) {
            if (polled[i + 1].revents == 0 || serve(&connections[i]))
                continue;
            connections[i] = connections[--count];
            if (i < count)
                nghttp2_session_set_user_data(connections[i].session, &connections[i]);
        }
        if (polled[0].revents != 0 && count < CONNECTIONS) {
            int fd = accept(polled[0].fd, NULL, NULL), one = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            if (fd >= 0 && open_connection(&connections[count], fd, &totals))
                count++;
        }
    }
    printf("{\"requests\":%lu,\"spans\":%lu,\"submits\":%lu,\"attempts\":%lu,\"bytes\":%lu}\n",
           totals.requests, totals.spans, totals.submits, totals.attempts, totals.bytes);
    return 0;
}
