// SPDX-License-Identifier: Apache-2.0
#include "client/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

struct addrinfo fq_dial_hints(void) {
    return (struct addrinfo){.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
}

void fq_dial_service(const struct fq_address *address, char text[8]) {
    snprintf(text, 8, "%u", address->port);
}

socklen_t fq_dial_unix(const struct fq_address *address, struct sockaddr_un *ret_name) {
    *ret_name = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t len = strlen(address->path);
    memcpy(ret_name->sun_path, address->path, len + 1);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

int fq_dial_start(const struct sockaddr *name, socklen_t len, int *ret_fd) {
    int fd = socket(name->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return FQ_ECONNECT;
    if (name->sa_family != AF_UNIX) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (connect(fd, name, len) < 0 && errno != EINPROGRESS && errno != EINTR) {
        int cause = errno;
        close(fd);
        errno = cause;
        return FQ_ECONNECT;
    }
    *ret_fd = fd;
    return 0;
}

int fq_dial_result(int fd) {
    int cause = 0;
    socklen_t size = sizeof cause;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &size) < 0)
        return errno;
    return cause;
}
