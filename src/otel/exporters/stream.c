// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static enum otel_wait_end say(char *reason, const char *what, const char *remedy) {
    snprintf(reason, OTEL_STREAM_REASON_MAX, "%s%s%s", what, remedy[0] != '\0' ? "; " : "", remedy);
    return OTEL_WAIT_WOKEN;
}

static void remember(const struct otel_dial *dial, int fd) {
    if (dial->ret_fd != NULL)
        atomic_store(dial->ret_fd, fd);
}

// --- connecting ------------------------------------------------------------------------------------------------------
static enum otel_wait_end say_errno(char *reason, int error) {
    const char *remedy = error == ECONNREFUSED || error == ENOENT
                             ? "start a collector there, or correct OTEL_EXPORTER_OTLP_ENDPOINT"
                             : "check OTEL_EXPORTER_OTLP_ENDPOINT and the network";
    char text[64];
    return say(reason, strerror_r(error, text, sizeof text), remedy);
}

// Waits for a connect under way; *ret_error is 0 or an errno.
static enum otel_wait_end finish_connect(int fd, const struct otel_wait *wait, int *ret_error) {
    enum otel_wait_end end;
    do
        end = otel_wait_for(wait, fd, POLLOUT);
    while (end == OTEL_WAIT_WOKEN);
    socklen_t size = sizeof *ret_error;
    if (end == OTEL_WAIT_READY && getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_error, &size) < 0)
        *ret_error = errno;
    return end;
}

static enum otel_wait_end connect_one(const struct otel_dial *dial, const struct otel_wait *wait, int family,
                                      const struct sockaddr *address, socklen_t len, int *ret_fd,
                                      int *ret_error) {
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *ret_error = errno;
        return OTEL_WAIT_READY;
    }
    remember(dial, fd);
    enum otel_wait_end end = OTEL_WAIT_READY;
    *ret_error = connect(fd, address, len) == 0 ? 0 : errno;
    if (*ret_error == EINPROGRESS || *ret_error == EINTR)
        end = finish_connect(fd, wait, ret_error);
    else if (*ret_error == EAGAIN) // a Unix listener whose backlog is full
        *ret_error = ECONNREFUSED;
    if (end == OTEL_WAIT_READY && *ret_error == 0) {
        *ret_fd = fd;
        return end;
    }
    remember(dial, -1);
    close(fd);
    return end;
}

// Addresses one after another, each with its share of the time, so that one that swallows packets leaves time for the next.
static enum otel_wait_end connect_any(const struct otel_dial *dial, const struct addrinfo *addresses,
                                      int *ret_fd, int *ret_error) {
    int left = 0;
    enum otel_wait_end end = OTEL_WAIT_TIMEOUT;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next)
        left++;
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next, left--) {
        struct otel_wait share = *dial->wait;
        if (share.deadline_ns != INT64_MAX) {
            int64_t now = otel_monotonic_ns(share.runtime);
            share.deadline_ns = now + (share.deadline_ns - now) / left;
        }
        end = connect_one(dial, &share, at->ai_family, at->ai_addr, at->ai_addrlen, ret_fd, ret_error);
        if (end == OTEL_WAIT_GIVEN_UP || (end == OTEL_WAIT_READY && *ret_error == 0))
            return end;
    }
    return end;
}

static enum otel_wait_end connect_tcp(const struct otel_dial *dial, int *ret_fd, char *reason) {
    const struct addrinfo *addresses;
    int error;
    if (*dial->lookup == NULL)
        *dial->lookup = otel_lookup_start(dial->target->host, dial->target->port);
    if (*dial->lookup == NULL)
        return say(reason, "no memory or thread to resolve the name", "");
    enum otel_wait_end end = otel_lookup_wait(*dial->lookup, dial->wait, &error, &addresses);
    if (end != OTEL_WAIT_READY) {
        snprintf(reason, OTEL_STREAM_REASON_MAX, "the name server did not answer in time");
        return end; // whoever dials next finds it further on
    }
    if (error != 0)
        say(reason, gai_strerror(error), "check the host in OTEL_EXPORTER_OTLP_ENDPOINT");
    else {
        snprintf(reason, OTEL_STREAM_REASON_MAX,
                 "no connection in time; check the address, and that nothing drops packets to it");
        end = connect_any(dial, addresses, ret_fd, &error);
        if (end == OTEL_WAIT_READY && error != 0)
            say_errno(reason, error);
    }
    *dial->lookup = otel_lookup_leave(*dial->lookup);
    return end == OTEL_WAIT_READY && error != 0 ? OTEL_WAIT_WOKEN : end;
}

static enum otel_wait_end connect_unix(const struct otel_dial *dial, int *ret_fd, char *reason) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, dial->target->path, strlen(dial->target->path));
    int error = 0;
    enum otel_wait_end end = connect_one(dial, dial->wait, AF_UNIX, (const struct sockaddr *)&address,
                                         sizeof address, ret_fd, &error);
    return end == OTEL_WAIT_READY && error != 0 ? say_errno(reason, error) : end;
}

// --- TLS -------------------------------------------------------------------------------------------------------------
static enum otel_wait_end say_tls(char *reason, SSL *ssl) {
    unsigned long code = ERR_peek_last_error();
    const char *text = ERR_reason_error_string(code);
    long verdict = SSL_get_verify_result(ssl);
    if (verdict != X509_V_OK)
        say(reason, X509_verify_cert_error_string(verdict),
            "name the authority's file in OTEL_EXPORTER_OTLP_CERTIFICATE");
    else if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        say(reason, "the server does not speak TLS", "write http:// in OTEL_EXPORTER_OTLP_ENDPOINT");
    else
        say(reason, text != NULL ? text : "the server ended the TLS handshake",
            "check the certificates and that the port is one of TLS");
    ERR_clear_error();
    return OTEL_WAIT_WOKEN;
}

static short wants_of(SSL *ssl, int result) {
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ: return POLLIN;
    case SSL_ERROR_WANT_WRITE: return POLLOUT;
    default: return 0;
    }
}

static bool is_address(const char *host) {
    unsigned char memory[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, memory) == 1 || inet_pton(AF_INET6, host, memory) == 1;
}

static bool expect_host(SSL *ssl, const char *host) {
    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

static enum otel_wait_end handshake(const struct otel_dial *dial, struct otel_stream *stream, char *reason) {
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(stream->ssl);
        if (result == 1)
            break;
        short wants = wants_of(stream->ssl, result);
        if (wants == 0)
            return say_tls(reason, stream->ssl);
        enum otel_wait_end end = otel_wait_for(dial->wait, stream->fd, wants);
        if (end == OTEL_WAIT_TIMEOUT)
            snprintf(reason, OTEL_STREAM_REASON_MAX,
                     "no TLS handshake in time: check that the port is one of TLS");
        if (end == OTEL_WAIT_TIMEOUT || end == OTEL_WAIT_GIVEN_UP)
            return end;
    }
    const unsigned char *protocol;
    unsigned len;
    SSL_get0_alpn_selected(stream->ssl, &protocol, &len);
    if (len != 2 || memcmp(protocol, "h2", 2) != 0)
        return say(reason, "the server does not offer HTTP/2",
                   "set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf");
    return OTEL_WAIT_READY;
}

static enum otel_wait_end start_tls(const struct otel_dial *dial, struct otel_stream *stream, char *reason) {
    stream->ssl = SSL_new(dial->tls);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1 ||
        !expect_host(stream->ssl, dial->target->host))
        return say(reason, "out of memory for TLS", "");
    return handshake(dial, stream, reason);
}

enum otel_wait_end otel_stream_open(const struct otel_dial *dial, struct otel_stream *ret_stream,
                                    char reason[OTEL_STREAM_REASON_MAX]) {
    struct otel_stream stream = {.fd = -1, .wants = POLLIN};
    reason[0] = '\0';
    enum otel_wait_end end = dial->target->is_unix ? connect_unix(dial, &stream.fd, reason)
                                                   : connect_tcp(dial, &stream.fd, reason);
    if (end == OTEL_WAIT_READY && !dial->target->is_unix) {
        int on = 1;
        (void)setsockopt(stream.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (end == OTEL_WAIT_READY && dial->target->is_tls)
        end = start_tls(dial, &stream, reason);
    if (end == OTEL_WAIT_READY) {
        reason[0] = '\0';
        *ret_stream = stream;
        return end;
    }
    remember(dial, -1);
    otel_stream_close(&stream, false);
    return end;
}

// --- bytes -----------------------------------------------------------------------------------------------------------
ssize_t otel_stream_read(struct otel_stream *stream, void *bytes, size_t size) {
    stream->wants = POLLIN;
    if (stream->ssl == NULL) {
        ssize_t count = recv(stream->fd, bytes, size, 0);
        if (count > 0)
            return count;
        return count < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : OTEL_FAILED;
    }
    ERR_clear_error();
    int count = SSL_read(stream->ssl, bytes, (int)size);
    if (count > 0)
        return count;
    stream->wants = wants_of(stream->ssl, count);
    return stream->wants != 0 ? 0 : OTEL_FAILED;
}

ssize_t otel_stream_write(struct otel_stream *stream, const void *bytes, size_t len) {
    stream->wants = POLLOUT;
    if (stream->ssl == NULL) {
        ssize_t count = send(stream->fd, bytes, len, MSG_NOSIGNAL);
        if (count >= 0)
            return count;
        return errno == EAGAIN || errno == EINTR ? 0 : OTEL_FAILED;
    }
    ERR_clear_error();
    int count = SSL_write(stream->ssl, bytes, (int)len);
    if (count > 0)
        return count;
    stream->wants = wants_of(stream->ssl, count);
    return stream->wants != 0 ? 0 : OTEL_FAILED;
}

void otel_stream_close(struct otel_stream *stream, bool politely) {
    if (stream->ssl != NULL) {
        if (politely)
            (void)SSL_shutdown(stream->ssl);
        else
            SSL_set_quiet_shutdown(stream->ssl, 1);
        SSL_free(stream->ssl);
        ERR_clear_error();
    }
    if (stream->fd >= 0)
        close(stream->fd);
    *stream = (struct otel_stream){.fd = -1};
}
