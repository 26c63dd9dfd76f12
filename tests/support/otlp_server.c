// SPDX-License-Identifier: Apache-2.0
#include "support/otlp_server_state.h"

#include "base/assert.h"
#include "otel/exporters/gzip.h"
#include "otel/wire/protobuf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, REQUESTS_MAX = 65536, TICK_MS = 5, READ_BYTES = 65536 };

struct otlp_server {
    struct otlp_server_options options;
    SSL_CTX *tls;
    int listener, wake_fd;
    int fillers[8]; // connections that fill a deaf listener's backlog
    uint16_t port;
    pthread_t thread;
    struct otlp_connection *connections; // the thread's

    pthread_mutex_t lock; // of all below
    pthread_cond_t changed;
    char *script, *script_at;
    struct otlp_request *requests[REQUESTS_MAX];
    size_t count;
    unsigned connection_count;
    bool stops, drops;
};

int64_t otlp_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// --- scripts ---------------------------------------------------------------------------------------------------------
struct otlp_answer otlp_next_answer(otlp_server *server) {
    struct otlp_answer answer = {0};
    pthread_mutex_lock(&server->lock);
    size_t len = strcspn(server->script_at, " ");
    size_t name = strcspn(server->script_at, ": ");
    snprintf(answer.name, sizeof answer.name, "%.*s", (int)name, server->script_at);
    if (name < len)
        snprintf(answer.rest, sizeof answer.rest, "%.*s", (int)(len - name - 1),
                 server->script_at + name + 1);
    if (server->script_at[len] == ' ')
        server->script_at += len + 1;
    pthread_mutex_unlock(&server->lock);
    char *end;
    answer.number = strtol(answer.name, &end, 10);
    answer.is_number = end != answer.name && *end == '\0';
    if (!answer.is_number)
        answer.number = strtol(answer.rest, NULL, 10);
    for (char *c = answer.rest; *c != '\0'; c++)
        *c = *c == '_' ? ' ' : *c;
    return answer;
}

bool otlp_script_is_at(otlp_server *server, const char *word) {
    pthread_mutex_lock(&server->lock);
    bool is_at = strncmp(server->script_at, word, strlen(word)) == 0;
    pthread_mutex_unlock(&server->lock);
    return is_at;
}

void otlp_server_set_script(otlp_server *server, const char *script) {
    pthread_mutex_lock(&server->lock);
    free(server->script);
    server->script = server->script_at = strdup(script != NULL ? script : "ok");
    FQ_ASSERT(server->script != NULL);
    pthread_mutex_unlock(&server->lock);
}

size_t otlp_partial_message(const char *rest, uint8_t message[OTLP_WORD_MAX]) {
    char *text;
    unsigned long rejected = strtoul(rest, &text, 10);
    text += *text == ':';
    uint8_t inner[OTLP_WORD_MAX / 2];
    struct otel_pb pb = otel_pb_begin(inner, sizeof inner);
    otel_pb_uint(&pb, 1, rejected);
    otel_pb_bytes(&pb, 2, text, strlen(text));
    struct otel_pb outer = otel_pb_begin(message, OTLP_WORD_MAX);
    otel_pb_bytes(&outer, 1, inner, (size_t)(pb.at - inner));
    FQ_ASSERT(!pb.failed && !outer.failed);
    return (size_t)(outer.at - message);
}

// --- what came -------------------------------------------------------------------------------------------------------
void otlp_keep(struct otlp_connection *connection, const char *path, const char *headers, bool is_compressed,
               const void *bytes, size_t len) {
    otlp_server *server = connection->server;
    struct otlp_request *request = calloc(1, sizeof *request);
    fq_buf body = {0};
    FQ_ASSERT(request != NULL);
    if (is_compressed)
        FQ_ASSERT(otel_gunzip(bytes, len, SIZE_MAX, &body) == 0);
    else
        FQ_ASSERT(fq_buf_append(&body, bytes, len) == 0);
    request->signal = strstr(path, "etric") != NULL ? OTEL_SIGNAL_METRICS
                      : strstr(path, "og") != NULL  ? OTEL_SIGNAL_LOGS
                                                    : OTEL_SIGNAL_TRACES;
    snprintf(request->path, sizeof request->path, "%s", path);
    snprintf(request->headers, sizeof request->headers, "%s", headers);
    request->body = (uint8_t *)body.data;
    request->len = fq_buf_len(&body);
    request->was_compressed = is_compressed;
    request->connection = connection->number;
    if (server->options.on_request != NULL)
        server->options.on_request(server->options.context, request);
    pthread_mutex_lock(&server->lock);
    FQ_ASSERT(server->count < REQUESTS_MAX);
    server->requests[server->count++] = request;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

size_t otlp_server_wait(otlp_server *server, size_t count) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&server->lock);
    while (server->count < count && pthread_cond_timedwait(&server->changed, &server->lock, &until) == 0)
        ;
    size_t have = server->count;
    pthread_mutex_unlock(&server->lock);
    return have;
}

const struct otlp_request *otlp_server_request(otlp_server *server, size_t index) {
    pthread_mutex_lock(&server->lock);
    FQ_ASSERT(index < server->count);
    const struct otlp_request *request = server->requests[index];
    pthread_mutex_unlock(&server->lock);
    return request;
}

unsigned otlp_server_connections(otlp_server *server) {
    pthread_mutex_lock(&server->lock);
    unsigned count = server->connection_count;
    pthread_mutex_unlock(&server->lock);
    return count;
}

// --- connections -----------------------------------------------------------------------------------------------------
void otlp_connection_put(struct otlp_connection *connection, const void *bytes, size_t len) {
    FQ_ASSERT(fq_buf_append(&connection->out, bytes, len) == 0);
}

static void open_connection(otlp_server *server, int fd) {
    struct otlp_connection *connection = calloc(1, sizeof *connection);
    FQ_ASSERT(connection != NULL);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    *connection = (struct otlp_connection){.server = server, .fd = fd, .next = server->connections};
    if (server->tls != NULL) {
        connection->ssl = SSL_new(server->tls);
        SSL_set_fd(connection->ssl, fd);
        SSL_set_accept_state(connection->ssl);
    }
    pthread_mutex_lock(&server->lock);
    connection->number = ++server->connection_count;
    pthread_mutex_unlock(&server->lock);
    server->connections = connection;
    FQ_ASSERT(server->options.is_http ? otlp_http1_open(connection) : otlp_http2_open(connection));
}

static void close_connection(struct otlp_connection **at) {
    struct otlp_connection *connection = *at;
    *at = connection->next;
    if (connection->resets) {
        const struct linger linger = {.l_onoff = 1};
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    if (connection->server->options.is_http)
        otlp_http1_close(connection);
    else
        otlp_http2_close(connection);
    SSL_free(connection->ssl);
    close(connection->fd);
    fq_buf_done(&connection->out);
    free(connection);
}

// Bytes moved, 0 = none now, -1 = over.
static ssize_t move(struct otlp_connection *connection, void *bytes, size_t len, bool is_write) {
    if (connection->ssl == NULL) {
        ssize_t count =
            is_write ? send(connection->fd, bytes, len, MSG_NOSIGNAL) : recv(connection->fd, bytes, len, 0);
        return count > 0 ? count : count < 0 && errno == EAGAIN ? 0 : -1;
    }
    int count =
        is_write ? SSL_write(connection->ssl, bytes, (int)len) : SSL_read(connection->ssl, bytes, (int)len);
    int error = SSL_get_error(connection->ssl, count);
    return count > 0 ? count : error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

// More than a peer can read in the time that it takes to make them: small frames, each of which it has to look at.
static void put_flood(struct otlp_connection *connection) {
    static const char window_update[] = "\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x00\x01";
    enum { FRAME = sizeof window_update - 1, FRAMES = 1000 };
    char frames[FRAME * FRAMES];
    for (size_t i = 0; i < FRAMES; i++)
        memcpy(frames + i * FRAME, window_update, FRAME);
    for (int i = 0; i < 40; i++)
        otlp_connection_put(connection, frames, sizeof frames);
}

static bool send_out(struct otlp_connection *connection) {
    if (connection->floods && fq_buf_len(&connection->out) == 0)
        put_flood(connection);
    while (fq_buf_len(&connection->out) > 0) {
        size_t len = connection->trickle_ns != 0 ? 1 : fq_buf_len(&connection->out);
        if (connection->trickle_ns > otlp_now_ns())
            return true;
        ssize_t count = move(connection, connection->out.data + connection->out.begin, len, true);
        if (count <= 0)
            return count == 0;
        fq_buf_consume(&connection->out, (size_t)count);
        if (connection->trickle_ns != 0)
            connection->trickle_ns = otlp_now_ns() + 20000000;
    }
    return !connection->closes;
}

static bool serve(struct otlp_connection *connection) {
    static const size_t size = READ_BYTES;
    bool is_http = connection->server->options.is_http;
    uint8_t *bytes = malloc(size);
    ssize_t count;
    bool goes_on = true;
    FQ_ASSERT(bytes != NULL);
    while (goes_on && (count = move(connection, bytes, size, false)) != 0) {
        if (count < 0)
            goes_on = false;
        else if (!connection->is_mute)
            goes_on = is_http ? otlp_http1_receive(connection, bytes, (size_t)count)
                              : otlp_http2_receive(connection, bytes, (size_t)count);
    }
    free(bytes);
    if (is_http)
        otlp_http1_tick(connection, otlp_now_ns());
    else
        otlp_http2_tick(connection, otlp_now_ns());
    return send_out(connection) && goes_on;
}

// --- the thread ------------------------------------------------------------------------------------------------------
static bool look_at_wishes(otlp_server *server) {
    pthread_mutex_lock(&server->lock);
    bool goes_on = !server->stops, drops = server->drops;
    server->drops = false;
    pthread_mutex_unlock(&server->lock);
    while (drops && server->connections != NULL)
        close_connection(&server->connections);
    return goes_on;
}

static void *run(void *context) {
    otlp_server *server = context;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); // OpenSSL writes to clients that are gone
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    while (look_at_wishes(server)) {
        struct pollfd fds[CONNECTIONS_MAX + 2] = {
            {.fd = server->options.is_deaf ? -1 : server->listener, .events = POLLIN},
            {.fd = server->wake_fd,                                 .events = POLLIN},
        };
        nfds_t count = 2;
        for (struct otlp_connection *at = server->connections; at != NULL && count < CONNECTIONS_MAX;
             at = at->next)
            fds[count++] = (struct pollfd){
                .fd = at->fd,
                .events =
                    (short)(POLLIN |
                            ((fq_buf_len(&at->out) > 0 && at->trickle_ns == 0) || at->floods ? POLLOUT : 0))};
        poll(fds, count, TICK_MS);
        if (fds[1].revents != 0) {
            uint64_t drained;
            FQ_ASSERT(read(server->wake_fd, &drained, sizeof drained) == sizeof drained);
        }
        if (fds[0].revents != 0) {
            int fd = accept(server->listener, NULL, NULL);
            if (fd >= 0)
                open_connection(server, fd);
        }
        for (struct otlp_connection **at = &server->connections; *at != NULL;) {
            if (serve(*at))
                at = &(*at)->next;
            else
                close_connection(at);
        }
    }
    return NULL;
}

static void listen_somewhere(otlp_server *server) {
    const char *path = server->options.unix_path;
    int backlog = server->options.is_deaf ? 0 : 128, on = 1;
    server->listener = socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FQ_ASSERT(server->listener >= 0);
    if (path != NULL) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        FQ_ASSERT(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                      .sin_port = htons(server->options.port)};
        socklen_t len = sizeof address;
        setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        FQ_ASSERT(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
        FQ_ASSERT(getsockname(server->listener, (struct sockaddr *)&address, &len) == 0);
        server->port = ntohs(address.sin_port);
    }
    FQ_ASSERT(listen(server->listener, backlog) == 0);
}

// A listener whose backlog is full swallows what comes next.
static void fill_backlog(otlp_server *server) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(server->port)};
    for (size_t i = 0; i < sizeof server->fillers / sizeof server->fillers[0]; i++) {
        server->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(server->fillers[i], (struct sockaddr *)&address, sizeof address);
    }
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                     unsigned in_len, void *context) {
    static const unsigned char h2[] = "\x02h2", http1[] = "\x08http/1.1";
    const otlp_server *server = context;
    (void)ssl;
    unsigned char *chosen;
    int result = SSL_select_next_proto(&chosen, out_len, server->options.is_http ? http1 : h2,
                                       server->options.is_http ? 9 : 3, in, in_len);
    *out = chosen;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static void make_tls(otlp_server *server) {
    const struct otlp_server_options *options = &server->options;
    server->tls = SSL_CTX_new(TLS_server_method());
    FQ_ASSERT(SSL_CTX_use_certificate_chain_file(server->tls, options->cert) == 1);
    FQ_ASSERT(SSL_CTX_use_PrivateKey_file(server->tls, options->key, SSL_FILETYPE_PEM) == 1);
    SSL_CTX_set_alpn_select_cb(server->tls, choose_h2, server);
    SSL_CTX_set_mode(server->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (options->client_ca != NULL) {
        FQ_ASSERT(SSL_CTX_load_verify_file(server->tls, options->client_ca) == 1);
        SSL_CTX_set_verify(server->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
}

otlp_server *otlp_server_start(const struct otlp_server_options *options) {
    otlp_server *server = calloc(1, sizeof *server);
    FQ_ASSERT(server != NULL);
    server->options = *options;
    server->wake_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    otlp_server_set_script(server, options->script);
    if (options->cert != NULL)
        make_tls(server);
    listen_somewhere(server);
    if (options->is_deaf)
        fill_backlog(server);
    FQ_ASSERT(pthread_create(&server->thread, NULL, run, server) == 0);
    return server;
}

static void wish(otlp_server *server, bool *what) {
    uint64_t one = 1;
    pthread_mutex_lock(&server->lock);
    *what = true;
    pthread_mutex_unlock(&server->lock);
    FQ_ASSERT(write(server->wake_fd, &one, sizeof one) == sizeof one);
}

void otlp_server_drop_connections(otlp_server *server) {
    wish(server, &server->drops);
    for (bool pending = true; pending;) {
        pthread_mutex_lock(&server->lock);
        pending = server->drops;
        pthread_mutex_unlock(&server->lock);
        usleep(1000);
    }
}

otlp_server *otlp_server_stop(otlp_server *server) {
    if (server == NULL)
        return NULL;
    wish(server, &server->stops);
    pthread_join(server->thread, NULL);
    while (server->connections != NULL)
        close_connection(&server->connections);
    for (size_t i = 0; server->options.is_deaf && i < sizeof server->fillers / sizeof server->fillers[0]; i++)
        close(server->fillers[i]);
    for (size_t i = 0; i < server->count; i++) {
        free(server->requests[i]->body);
        free(server->requests[i]);
    }
    close(server->listener);
    close(server->wake_fd);
    SSL_CTX_free(server->tls);
    free(server->script);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
    return NULL;
}

uint16_t otlp_server_port(const otlp_server *server) {
    return server->port;
}
