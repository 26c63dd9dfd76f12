// SPDX-License-Identifier: Apache-2.0
#include "client/transport.h"

#include "base/buf.h"
#include "base/time.h"
#include "client/dial.h"
#include "net/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

struct fq_transport {
    int fd;
    fq_tls *tls;  // NULL = plain
    fq_buf plain; // decrypted, borrowed by the last reader
    bool unread;  // `plain` holds what came with the end of the handshake
    bool has_output;
    bool peer_closed; // FQ_ECLOSED is to be told with the next read
    char error[256];
    char chunk[READ_BYTES];
};

// --- sockets ------------------------------------------------------------------------------------------------------------
// poll() takes milliseconds: rounded up, so that a deadline has passed when it returns 0.
static int milliseconds_until(int64_t deadline_us) {
    if (deadline_us == FQ_NEVER_US)
        return -1;
    int64_t left_us = deadline_us - fq_clock_now().boot_us;
    if (left_us <= 0)
        return 0;
    int64_t ms = (left_us + FQ_US_PER_MS - 1) / FQ_US_PER_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int wait_for(int fd, short events, int64_t deadline_us) {
    struct pollfd entry = {.fd = fd, .events = events};
    return poll(&entry, 1, milliseconds_until(deadline_us));
}

// Waits out EINTR: true when the events came before the deadline.
static bool wait_surely(int fd, short events, int64_t deadline_us) {
    for (;;) {
        int count = wait_for(fd, events, deadline_us);
        if (count > 0)
            return true;
        if (count == 0 || errno != EINTR)
            return false;
    }
}

static int broken(fq_transport *transport, const char *what) {
    snprintf(transport->error, sizeof transport->error, "%s: %s", what, strerror(errno));
    return FQ_EDISCONNECTED;
}

static bool would_block(void) {
    return errno == EAGAIN || errno == EINTR;
}

static int send_bytes(fq_transport *transport, fq_str bytes, size_t *ret_taken) {
    size_t taken = 0;
    while (taken < bytes.len) {
        ssize_t count = send(transport->fd, bytes.ptr + taken, bytes.len - taken, MSG_NOSIGNAL);
        if (count < 0 && would_block())
            break;
        if (count < 0)
            return broken(transport, "cannot send");
        taken += (size_t)count;
    }
    *ret_taken = taken;
    return 0;
}

// --- TLS ----------------------------------------------------------------------------------------------------------------
static int tls_failed(fq_transport *transport, int error) {
    snprintf(transport->error, sizeof transport->error, "%s",
             error == FQ_ETLS ? fq_tls_error(transport->tls) : fq_strerror(error));
    return error;
}

static int flush_tls(fq_transport *transport) {
    fq_buf *output = fq_tls_output(transport->tls);
    size_t taken = 0;
    int rc = send_bytes(transport, fq_buf_str(output), &taken);
    if (rc < 0)
        return rc;
    fq_buf_consume(output, taken);
    transport->has_output = fq_buf_len(output) > 0;
    return 0;
}

static int shake_hands(fq_transport *transport, int64_t deadline_us) {
    while (!fq_tls_is_ready(transport->tls)) {
        int rc = flush_tls(transport);
        if (rc < 0)
            return rc;
        short events = transport->has_output ? POLLIN | POLLOUT : POLLIN;
        if (!wait_surely(transport->fd, events, deadline_us)) {
            snprintf(transport->error, sizeof transport->error, "no TLS handshake in time");
            return FQ_ETIMEOUT;
        }
        ssize_t count = recv(transport->fd, transport->chunk, sizeof transport->chunk, 0);
        if (count < 0 && would_block())
            continue;
        if (count < 0)
            return broken(transport, "TLS handshake");
        if (count == 0) {
            snprintf(transport->error, sizeof transport->error, "the peer closed during the TLS handshake");
            return FQ_ETLS;
        }
        rc = fq_tls_feed(transport->tls, (fq_str){transport->chunk, (size_t)count}, &transport->plain);
        if (rc < 0) {
            (void)flush_tls(transport); // the alert tells the peer why
            return tls_failed(transport, rc == FQ_ECLOSED ? FQ_ETLS : rc);
        }
    }
    transport->unread = fq_buf_len(&transport->plain) > 0;
    return flush_tls(transport);
}

// --- opening ------------------------------------------------------------------------------------------------------------
// 0, or the errno of why not.
static int connect_one(fq_transport *transport, const struct sockaddr *name, socklen_t len,
                       int64_t deadline_us) {
    int fd;
    if (fq_dial_start(name, len, &fd) < 0)
        return errno;
    int cause = wait_surely(fd, POLLOUT, deadline_us) ? fq_dial_result(fd) : ETIMEDOUT;
    if (cause != 0) {
        close(fd);
        return cause;
    }
    transport->fd = fd;
    return 0;
}

// Each address of the name gets its share of the time left, so that one that swallows packets leaves some to the next.
static int connect_any(fq_transport *transport, const struct addrinfo *list, int64_t deadline_us) {
    int64_t count = 0;
    int cause = EADDRNOTAVAIL;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next)
        count++;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next, count--) {
        int64_t now_us = fq_clock_now().boot_us;
        int64_t share_us = deadline_us > now_us ? (deadline_us - now_us) / count : 0;
        cause = connect_one(transport, at->ai_addr, at->ai_addrlen, fq_time_add(now_us, share_us));
        if (cause == 0)
            return 0;
    }
    return cause;
}

static int connect_socket(fq_transport *transport, const struct fq_address *address, int64_t deadline_us) {
    const char *reason = NULL;
    int cause = 0;
    if (address->kind == FQ_ADDRESS_UNIX) {
        struct sockaddr_un name;
        socklen_t len = fq_dial_unix(address, &name);
        cause = connect_one(transport, (const struct sockaddr *)&name, len, deadline_us);
    } else {
        struct addrinfo hints = fq_dial_hints(), *list;
        char service[8];
        fq_dial_service(address, service);
        int rc = getaddrinfo(address->host, service, &hints, &list);
        if (rc != 0) {
            reason = gai_strerror(rc);
        } else {
            cause = connect_any(transport, list, deadline_us);
            freeaddrinfo(list);
        }
    }
    if (cause == 0 && reason == NULL)
        return 0;
    snprintf(transport->error, sizeof transport->error, "%s", reason != NULL ? reason : strerror(cause));
    return cause == ETIMEDOUT ? FQ_ETIMEOUT : FQ_ECONNECT;
}

static int open_transport(fq_transport *transport, const struct fq_address *address, fq_tls_context *tls,
                          int64_t deadline_us) {
    int rc = connect_socket(transport, address, deadline_us);
    if (rc < 0 || address->kind != FQ_ADDRESS_TLS)
        return rc;
    rc = fq_tls_new(tls, address->host, &transport->tls);
    if (rc < 0) {
        snprintf(transport->error, sizeof transport->error, "%s", fq_strerror(rc));
        return rc;
    }
    return shake_hands(transport, deadline_us);
}

int fq_transport_open(const struct fq_address *address, fq_tls_context *tls, int64_t deadline_us, char *error,
                      size_t error_size, fq_transport **ret_transport) {
    fq_transport *transport = malloc(sizeof *transport);
    if (transport == NULL) {
        snprintf(error, error_size, "out of memory");
        return FQ_ENOMEM;
    }
    memset(transport, 0, offsetof(fq_transport, chunk));
    transport->fd = -1;
    int rc = open_transport(transport, address, tls, deadline_us);
    if (rc < 0) {
        char name[FQ_ADDRESS_TEXT];
        fq_address_format(address, name);
        snprintf(error, error_size, "cannot connect to %s: %s", name, transport->error);
        fq_transport_close(transport);
        return rc;
    }
    *ret_transport = transport;
    return 0;
}

fq_transport *fq_transport_close(fq_transport *transport) {
    if (transport == NULL)
        return NULL;
    if (transport->tls != NULL && transport->fd >= 0) {
        fq_tls_finish(transport->tls);
        (void)flush_tls(transport);
    }
    if (transport->fd >= 0)
        close(transport->fd);
    fq_tls_free(transport->tls);
    fq_buf_done(&transport->plain);
    free(transport);
    return NULL;
}

// --- use ----------------------------------------------------------------------------------------------------------------
int fq_transport_write(fq_transport *transport, fq_str bytes, size_t *ret_taken) {
    if (transport->tls == NULL)
        return send_bytes(transport, bytes, ret_taken);
    int rc = flush_tls(transport);
    if (rc < 0)
        return rc;
    if (transport->has_output) { // what was encrypted already goes first
        *ret_taken = 0;
        return 0;
    }
    rc = fq_tls_write(transport->tls, bytes, ret_taken);
    return rc < 0 ? tls_failed(transport, rc) : flush_tls(transport);
}

int fq_transport_flush(fq_transport *transport) {
    return transport->has_output ? flush_tls(transport) : 0;
}

static int decrypt(fq_transport *transport, size_t len, fq_str *ret_bytes) {
    int rc = fq_tls_feed(transport->tls, (fq_str){transport->chunk, len}, &transport->plain);
    if (rc < 0 && rc != FQ_ECLOSED)
        return tls_failed(transport, rc);
    transport->peer_closed = rc == FQ_ECLOSED;
    rc = flush_tls(transport);
    *ret_bytes = fq_buf_str(&transport->plain);
    return rc;
}

int fq_transport_read(fq_transport *transport, fq_str *ret_bytes) {
    *ret_bytes = (fq_str){"", 0};
    if (transport->unread) {
        transport->unread = false;
        *ret_bytes = fq_buf_str(&transport->plain);
        return 0;
    }
    fq_buf_clear(&transport->plain);
    if (transport->peer_closed)
        return FQ_ECLOSED;
    ssize_t count = recv(transport->fd, transport->chunk, sizeof transport->chunk, 0);
    if (count < 0 && would_block())
        return 0;
    if (count < 0)
        return broken(transport, "cannot receive");
    if (count == 0) {
        snprintf(transport->error, sizeof transport->error, "the peer closed the connection");
        return FQ_ECLOSED;
    }
    if (transport->tls != NULL)
        return decrypt(transport, (size_t)count, ret_bytes);
    *ret_bytes = (fq_str){transport->chunk, (size_t)count};
    return 0;
}

int fq_transport_wait(fq_transport *transport, bool write, int64_t deadline_us) {
    short events = write || transport->has_output ? POLLIN | POLLOUT : POLLIN;
    if (transport->unread || transport->peer_closed)
        return 0;
    (void)wait_for(transport->fd, events, deadline_us);
    return 0;
}

const char *fq_transport_error(const fq_transport *transport) {
    return transport->error;
}
