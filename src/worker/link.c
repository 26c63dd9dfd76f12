// SPDX-License-Identifier: Apache-2.0
#include "worker/link.h"

#include "base/scratch.h"
#include "base/time.h"
#include "client/dial.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINK_READ_BYTES = 64 * 1024, LINK_READS_A_STEP = 16 };

int fq_link_open(struct fq_link *link, const struct fq_link_options *options) {
    *link = (struct fq_link){.epoll_fd = options->epoll_fd, .fd = -1};
    int error = fq_target_init(&link->target, &options->target, link->error, sizeof link->error);
    if (error < 0)
        return error;
    struct fq_session_options session;
    fq_session_options_init(&session);
    session.user = link->target.user;
    session.token = link->target.token;
    session.client_name = options->client_name;
    session.seed = options->seed;
    link->session = fq_session_new(&session);
    if (link->session == NULL) {
        fq_link_close(link);
        snprintf(link->error, sizeof link->error, "out of memory");
        return FQ_ENOMEM;
    }
    return 0;
}

static void drop_socket(struct fq_link *link) {
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
    link->connecting = link->wants_write = false;
    link->tls = fq_tls_free(link->tls);
    fq_buf_clear(&link->plain);
}

void fq_link_close(struct fq_link *link) {
    drop_socket(link);
    link->session = fq_session_free(link->session);
    fq_target_done(&link->target);
    fq_buf_done(&link->plain);
}

void fq_link_forget(struct fq_link *link) {
    // A plain close says nothing to the peer: the parent's descriptor keeps the connection open.
    if (link->fd >= 0)
        close(link->fd);
    link->fd = -1;
}

static void lose(struct fq_link *link, int64_t now_us) {
    bool was_up = link->fd >= 0 && !link->connecting;
    drop_socket(link);
    const char *leader = fq_session_leader(link->session);
    if (leader != NULL)
        fq_target_follow(&link->target, leader);
    else if (!was_up)
        fq_target_advance(&link->target);
    fq_session_disconnected(link->session, now_us);
    int64_t delay = fq_session_reconnect_delay_us(link->session);
    link->retry_at_us = fq_time_add(now_us, delay);
}

static void watch(struct fq_link *link, int operation, bool wants_write) {
    struct epoll_event event = {.events = EPOLLIN | (wants_write ? EPOLLOUT : 0u), .data.fd = link->fd};
    link->wants_write = wants_write;
    (void)epoll_ctl(link->epoll_fd, operation, link->fd, &event);
}

// The first address, counted from the attempts made, to which a connect can begin.
static int dial_one_of(const struct addrinfo *all, unsigned attempt, int *ret_fd) {
    unsigned count = 0;
    for (const struct addrinfo *info = all; info != NULL; info = info->ai_next)
        count++;
    int error = FQ_ECONNECT;
    for (unsigned i = 0; i < count && error < 0; i++) {
        const struct addrinfo *info = all;
        for (unsigned skip = (attempt + i) % count; skip > 0; skip--)
            info = info->ai_next;
        error = fq_dial_start(info->ai_addr, info->ai_addrlen, ret_fd);
    }
    return error;
}

static int dial(struct fq_link *link, int *ret_fd) {
    const struct fq_address *address = fq_target_address(&link->target);
    if (address->kind == FQ_ADDRESS_UNIX) {
        struct sockaddr_un name;
        socklen_t len = fq_dial_unix(address, &name);
        return fq_dial_start((const struct sockaddr *)&name, len, ret_fd);
    }
    char service[8];
    fq_dial_service(address, service);
    struct addrinfo hints = fq_dial_hints(), *all = NULL;
    int failed = getaddrinfo(address->host, service, &hints, &all);
    if (failed != 0) {
        snprintf(link->error, sizeof link->error, "cannot resolve %.255s: %s", address->host,
                 gai_strerror(failed));
        return FQ_EINVALID;
    }
    int error = dial_one_of(all, link->attempts++, ret_fd);
    freeaddrinfo(all);
    return error;
}

static void connect_now(struct fq_link *link, int64_t now_us) {
    int error = dial(link, &link->fd);
    if (error == FQ_ECONNECT)
        snprintf(link->error, sizeof link->error, "cannot connect: %s", strerror(errno));
    if (error < 0) {
        link->fd = -1;
        lose(link, now_us);
        return;
    }
    link->connecting = true;
    watch(link, EPOLL_CTL_ADD, true);
}

// The connect ended, well or badly; or it is still under way.
static void finish_connect(struct fq_link *link, int64_t now_us) {
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    int error = fq_dial_result(link->fd);
    if (error == 0 && getpeername(link->fd, (struct sockaddr *)&peer, &peer_len) != 0) {
        if (errno == ENOTCONN)
            return;
        error = errno;
    }
    const struct fq_address *address = fq_target_address(&link->target);
    if (error == 0 && address->kind == FQ_ADDRESS_TLS &&
        fq_tls_new(link->target.tls, address->host, &link->tls) < 0)
        error = ENOMEM;
    if (error != 0) {
        snprintf(link->error, sizeof link->error, "cannot connect: %s", strerror(error));
        lose(link, now_us);
        return;
    }
    link->connecting = false;
    if (fq_session_connected(link->session, now_us) < 0)
        lose(link, now_us);
}

// Gives bytes from the socket to the session. Negative: the connection is of no use any more.
static int take_bytes(struct fq_link *link, const char *bytes, size_t len, int64_t now_us) {
    if (link->tls == NULL)
        return fq_session_feed(link->session, bytes, len, now_us);
    int error = fq_tls_feed(link->tls, (fq_str){bytes, len}, &link->plain);
    fq_str plain = fq_buf_str(&link->plain);
    int fed = plain.len > 0 ? fq_session_feed(link->session, plain.ptr, plain.len, now_us) : 0;
    fq_buf_clear(&link->plain);
    return error < 0 ? error : fed;
}

static void read_socket(struct fq_link *link, int64_t now_us) {
    FQ_SCRATCH char bytes[LINK_READ_BYTES];
    for (int i = 0; i < LINK_READS_A_STEP; i++) {
        ssize_t got = recv(link->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN))
            return;
        int error = got > 0 ? take_bytes(link, bytes, (size_t)got, now_us) : FQ_EDISCONNECTED;
        if (error < 0) {
            snprintf(link->error, sizeof link->error, "%s",
                     got > 0 ? fq_session_error(link->session) : "the control plane closed the connection");
            lose(link, now_us);
            return;
        }
        if ((size_t)got < sizeof bytes)
            return;
    }
}

// Sends to the socket: bytes taken, 0 if it takes none now, -1 if it is broken.
static ssize_t send_some(const struct fq_link *link, const char *bytes, size_t len) {
    ssize_t sent;
    do
        sent = send(link->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN))
        return 0;
    return sent;
}

// Encrypts what the session has and sends what is encrypted. As send_some.
static ssize_t send_secured(struct fq_link *link) {
    fq_slice output = fq_session_output(link->session);
    size_t taken = 0;
    if (output.len > 0 && fq_buf_len(fq_tls_output(link->tls)) == 0) {
        if (fq_tls_write(link->tls, (fq_str){output.ptr, output.len}, &taken) < 0)
            return -1;
        fq_session_sent(link->session, taken);
    }
    fq_buf *cipher = fq_tls_output(link->tls);
    fq_str bytes = fq_buf_str(cipher);
    if (bytes.len == 0)
        return (ssize_t)taken;
    ssize_t sent = send_some(link, bytes.ptr, bytes.len);
    if (sent > 0)
        fq_buf_consume(cipher, (size_t)sent);
    return sent;
}

static ssize_t send_plain(struct fq_link *link) {
    fq_slice output = fq_session_output(link->session);
    if (output.len == 0)
        return 0;
    ssize_t sent = send_some(link, output.ptr, output.len);
    if (sent > 0)
        fq_session_sent(link->session, (size_t)sent);
    return sent;
}

bool fq_link_is_flushed(const struct fq_link *link) {
    return fq_session_output(link->session).len == 0 &&
           (link->tls == NULL || fq_buf_len(fq_tls_output(link->tls)) == 0);
}

void fq_link_write(struct fq_link *link, int64_t now_us) {
    if (link->fd < 0 || link->connecting)
        return;
    ssize_t sent;
    do
        sent = link->tls != NULL ? send_secured(link) : send_plain(link);
    while (sent > 0);
    if (sent < 0) {
        snprintf(link->error, sizeof link->error, "the connection broke");
        lose(link, now_us);
        return;
    }
    // During a TLS handshake plain bytes wait for the peer, not for room in the socket.
    bool wants_write = link->tls != NULL ? fq_buf_len(fq_tls_output(link->tls)) > 0
                                         : fq_session_output(link->session).len > 0;
    if (wants_write != link->wants_write)
        watch(link, EPOLL_CTL_MOD, wants_write);
}

void fq_link_step(struct fq_link *link, int64_t now_us) {
    if (link->fd < 0 && now_us >= link->retry_at_us)
        connect_now(link, now_us);
    if (link->fd >= 0 && link->connecting)
        finish_connect(link, now_us);
    if (link->fd >= 0 && !link->connecting)
        read_socket(link, now_us);
    if (link->fd >= 0 && !link->connecting && fq_session_tick(link->session, now_us) < 0)
        lose(link, now_us);
    fq_link_write(link, now_us);
}

int64_t fq_link_deadline(const struct fq_link *link) {
    if (link->fd < 0)
        return link->retry_at_us;
    return fq_session_deadline(link->session);
}
