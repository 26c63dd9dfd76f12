// SPDX-License-Identifier: Apache-2.0
#include "net/listener.h"

#include "net/listen_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_POLL = 64, // so that a flood of callers does not starve those who are connected
    PAUSE_MS = 100,
};

struct door {
    uv_poll_t poll;
    fq_listener *listener;
    int fd;
};

struct fq_listener {
    struct door doors[FQ_LISTEN_SOCKET_MAX];
    size_t door_count;
    uv_timer_t pause;
    int reserve_fd; // -1 while it is given up
    size_t open_handles;
    struct fq_address address;
    const struct fq_listener_handler *handler;
    void *context;
    bool is_closed;
};

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer) {
    fq_listener *listener = timer->data;
    if (listener->reserve_fd < 0)
        listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < listener->door_count; i++)
        uv_poll_start(&listener->doors[i].poll, UV_READABLE, on_acceptable);
}

// Out of descriptors: with the reserved one the callers in the backlog are picked up and hung up on, which tells them more
// than a connection that never answers.
static void turn_away(fq_listener *listener, int listen_fd, int error) {
    if (listener->reserve_fd >= 0) {
        close(listener->reserve_fd);
        for (int i = 0; i < ACCEPTS_PER_POLL; i++) {
            int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
            if (fd < 0)
                break;
            close(fd);
        }
        listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    for (size_t i = 0; i < listener->door_count; i++)
        uv_poll_stop(&listener->doors[i].poll);
    uv_timer_start(&listener->pause, on_pause_over, PAUSE_MS, 0);
    listener->handler->on_exhausted(listener->context, strerror(error));
}

static void on_acceptable(uv_poll_t *poll, int status, int events) {
    struct door *door = poll->data;
    fq_listener *listener = door->listener;
    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < ACCEPTS_PER_POLL && !listener->is_closed; i++) {
        struct sockaddr_storage from = {.ss_family = AF_UNSPEC};
        socklen_t size = sizeof from;
        int fd = accept4(door->fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            struct fq_peer peer;
            fq_peer_describe((const struct sockaddr *)&from, listener->address.path, &peer);
            listener->handler->on_socket(listener->context, fd, &peer);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            turn_away(listener, door->fd, errno);
            return;
        } else if (errno == EAGAIN) {
            return;
        } // else: this caller has hung up already; the next may not have
    }
}

static int start_doors(fq_listener *listener, uv_loop_t *loop, const int *fds, size_t count) {
    uv_timer_init(loop, &listener->pause);
    listener->pause.data = listener;
    listener->open_handles = 1;
    for (size_t i = 0; i < count; i++) {
        struct door *door = &listener->doors[i];
        door->listener = listener;
        door->fd = fds[i];
        door->poll.data = door;
        if (uv_poll_init(loop, &door->poll, door->fd) < 0) {
            for (; i < count; i++)
                close(fds[i]);
            return FQ_EIO;
        }
        listener->open_handles++;
        listener->door_count++;
        uv_poll_start(&door->poll, UV_READABLE, on_acceptable);
    }
    return 0;
}

int fq_listener_open(uv_loop_t *loop, const struct fq_address *address,
                     const struct fq_listener_handler *handler, void *context, char *error, size_t size,
                     fq_listener **ret_listener) {
    int fds[FQ_LISTEN_SOCKET_MAX];
    size_t count;
    fq_listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        snprintf(error, size, "out of memory");
        return FQ_ENOMEM;
    }
    listener->address = *address;
    listener->handler = handler;
    listener->context = context;
    int result = fq_listen_sockets(&listener->address, fds, &count, error, size);
    if (result < 0) {
        free(listener);
        return result;
    }
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    result = start_doors(listener, loop, fds, count);
    if (result < 0) {
        snprintf(error, size, "the event loop refuses the socket");
        fq_listener_close(listener);
        return result;
    }
    *ret_listener = listener;
    return 0;
}

const struct fq_address *fq_listener_address(const fq_listener *listener) {
    return &listener->address;
}

static void on_handle_closed(fq_listener *listener) {
    if (--listener->open_handles > 0)
        return;
    free(listener);
}

static void on_door_closed(uv_handle_t *handle) {
    struct door *door = handle->data;
    close(door->fd);
    on_handle_closed(door->listener);
}

static void on_pause_closed(uv_handle_t *handle) {
    on_handle_closed(handle->data);
}

fq_listener *fq_listener_close(fq_listener *listener) {
    if (listener == NULL || listener->is_closed)
        return NULL;
    listener->is_closed = true;
    if (listener->address.kind == FQ_ADDRESS_UNIX)
        unlink(listener->address.path);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    for (size_t i = 0; i < listener->door_count; i++)
        uv_close((uv_handle_t *)&listener->doors[i].poll, on_door_closed);
    uv_close((uv_handle_t *)&listener->pause, on_pause_closed);
    return NULL;
}
