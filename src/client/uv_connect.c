// SPDX-License-Identifier: Apache-2.0
#include "client/uv_connect.h"

#include "client/dial.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

// Alive until its timer, its look-up and its poll handle are closed, whatever the owner does meanwhile.
struct fq_uv_connect {
    uv_loop_t *loop;
    uv_timer_t timer;
    uv_poll_t poll;
    uv_getaddrinfo_t lookup;
    struct fq_address address;
    struct addrinfo *list, *next; // owned; the one to be tried
    int64_t timeout_ms;
    int fd;
    int cause; // errno of the last attempt
    bool poll_is_open, lookup_is_open, timer_is_open;
    bool is_over;
    fq_uv_connect_done *done;
    void *context;
};

static void free_if_closed(fq_uv_connect *connect) {
    if (!connect->is_over || connect->poll_is_open || connect->lookup_is_open || connect->timer_is_open)
        return;
    if (connect->list != NULL)
        uv_freeaddrinfo(connect->list);
    free(connect);
}

static void on_timer_closed(uv_handle_t *handle) {
    fq_uv_connect *connect = handle->data;
    connect->timer_is_open = false;
    free_if_closed(connect);
}

static void end(fq_uv_connect *connect, int fd, const char *reason) {
    connect->is_over = true;
    uv_close((uv_handle_t *)&connect->timer, on_timer_closed);
    connect->done(connect->context, fd, reason);
}

static void try_next(fq_uv_connect *connect);

// The socket belongs to nobody's poll handle any more: it is handed on, or closed.
static void on_poll_closed(uv_handle_t *handle) {
    fq_uv_connect *connect = handle->data;
    int fd = connect->fd;
    connect->poll_is_open = false;
    connect->fd = -1;
    if (connect->is_over) {
        close(fd);
        free_if_closed(connect);
    } else if (connect->cause == 0) {
        end(connect, fd, NULL);
    } else {
        close(fd);
        try_next(connect);
    }
}

static void close_poll(fq_uv_connect *connect, int cause) {
    connect->cause = cause;
    uv_timer_stop(&connect->timer);
    if (!uv_is_closing((const uv_handle_t *)&connect->poll))
        uv_close((uv_handle_t *)&connect->poll, on_poll_closed);
}

static void on_writable(uv_poll_t *poll, int status, int events) {
    (void)events;
    fq_uv_connect *connect = poll->data;
    int cause = fq_dial_result(connect->fd); // `status` says only that there is one
    close_poll(connect, cause == 0 && status < 0 ? -status : cause);
}

// Time is over for this address, or before there was one.
static void on_timeout(uv_timer_t *timer) {
    fq_uv_connect *connect = timer->data;
    if (connect->poll_is_open) {
        close_poll(connect, ETIMEDOUT);
        return;
    }
    if (connect->lookup_is_open)
        (void)uv_cancel((uv_req_t *)&connect->lookup);
    end(connect, -1, "the name look-up takes too long");
}

static int watch(fq_uv_connect *connect) {
    int rc = uv_poll_init(connect->loop, &connect->poll, connect->fd);
    if (rc < 0)
        return -rc;
    connect->poll.data = connect;
    connect->poll_is_open = true;
    rc = uv_poll_start(&connect->poll, UV_WRITABLE, on_writable);
    if (rc < 0)
        close_poll(connect, -rc);
    return 0;
}

// 0 when the attempt is under way, or its errno.
static int attempt(fq_uv_connect *connect, const struct sockaddr *name, socklen_t len, int64_t timeout_ms) {
    if (fq_dial_start(name, len, &connect->fd) < 0)
        return errno;
    uv_timer_start(&connect->timer, on_timeout, (uint64_t)timeout_ms, 0);
    int cause = watch(connect);
    if (cause != 0) {
        close(connect->fd);
        connect->fd = -1;
    }
    return cause;
}

// Each address of the name gets an equal share of the time.
static int64_t share(const fq_uv_connect *connect) {
    int64_t count = 0;
    for (const struct addrinfo *at = connect->list; at != NULL; at = at->ai_next)
        count++;
    return connect->timeout_ms / (count > 0 ? count : 1) + 1;
}

static void try_next(fq_uv_connect *connect) {
    while (connect->next != NULL) {
        const struct addrinfo *at = connect->next;
        connect->next = at->ai_next;
        connect->cause = attempt(connect, at->ai_addr, at->ai_addrlen, share(connect));
        if (connect->cause == 0)
            return;
    }
    end(connect, -1, strerror(connect->cause));
}

static void on_looked_up(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list) {
    fq_uv_connect *connect = lookup->data;
    connect->lookup_is_open = false;
    connect->list = list;
    connect->next = list;
    connect->cause = EADDRNOTAVAIL;
    if (connect->is_over)
        free_if_closed(connect);
    else if (status < 0)
        end(connect, -1, uv_strerror(status));
    else
        try_next(connect);
}

// The first step comes from the loop, so that `done` is never called out of fq_uv_connect_start.
static void on_start(uv_timer_t *timer) {
    fq_uv_connect *connect = timer->data;
    if (connect->address.kind == FQ_ADDRESS_UNIX) {
        struct sockaddr_un name;
        socklen_t len = fq_dial_unix(&connect->address, &name);
        int cause = attempt(connect, (const struct sockaddr *)&name, len, connect->timeout_ms);
        if (cause != 0)
            end(connect, -1, strerror(cause));
        return;
    }
    struct addrinfo hints = fq_dial_hints();
    char service[8];
    fq_dial_service(&connect->address, service);
    uv_timer_start(&connect->timer, on_timeout, (uint64_t)connect->timeout_ms, 0);
    int rc =
        uv_getaddrinfo(connect->loop, &connect->lookup, on_looked_up, connect->address.host, service, &hints);
    if (rc < 0)
        end(connect, -1, uv_strerror(rc));
    else
        connect->lookup_is_open = true;
}

fq_uv_connect *fq_uv_connect_start(uv_loop_t *loop, const struct fq_address *address, int64_t timeout_ms,
                                   fq_uv_connect_done *done, void *context) {
    fq_uv_connect *connect = calloc(1, sizeof *connect);
    if (connect == NULL)
        return NULL;
    connect->loop = loop;
    connect->address = *address;
    connect->timeout_ms = timeout_ms;
    connect->fd = -1;
    connect->done = done;
    connect->context = context;
    connect->lookup.data = connect;
    uv_timer_init(loop, &connect->timer);
    connect->timer.data = connect;
    connect->timer_is_open = true;
    uv_timer_start(&connect->timer, on_start, 0, 0);
    return connect;
}

fq_uv_connect *fq_uv_connect_cancel(fq_uv_connect *connect) {
    if (connect == NULL)
        return NULL;
    connect->is_over = true;
    if (connect->lookup_is_open)
        (void)uv_cancel((uv_req_t *)&connect->lookup);
    if (connect->poll_is_open && !uv_is_closing((const uv_handle_t *)&connect->poll))
        uv_close((uv_handle_t *)&connect->poll, on_poll_closed);
    uv_close((uv_handle_t *)&connect->timer, on_timer_closed);
    return NULL;
}
