// SPDX-License-Identifier: Apache-2.0
#include "net/connect_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// Begins one connect: the socket, or -errno.
static int begin_connect(const struct sockaddr *peer, socklen_t len) {
    int fd = socket(peer->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (peer->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    int done;
    do
        done = connect(fd, peer, len);
    while (done < 0 && errno == EINTR);
    if (done == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

static int connect_unix(const char *path) {
    struct sockaddr_un peer = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof peer.sun_path)
        return -ENAMETOOLONG;
    memcpy(peer.sun_path, path, strlen(path) + 1);
    return begin_connect((const struct sockaddr *)&peer, sizeof peer);
}

// The first address, counted from `attempt`, whose connect could begin.
static int connect_one_of(const struct addrinfo *all, unsigned attempt) {
    unsigned count = 0;
    for (const struct addrinfo *info = all; info != NULL; info = info->ai_next)
        count++;
    int fd = -EADDRNOTAVAIL;
    for (unsigned i = 0; i < count && fd < 0; i++) {
        const struct addrinfo *info = all;
        for (unsigned skip = (attempt + i) % count; skip > 0; skip--)
            info = info->ai_next;
        fd = begin_connect(info->ai_addr, info->ai_addrlen);
    }
    return fd;
}

int fq_connect_socket(const struct fq_address *address, unsigned attempt, char *errstr, size_t errstr_size,
                      int *ret_fd) {
    char text[FQ_ADDRESS_TEXT], port[8];
    fq_address_format(address, text);
    int fd;
    if (address->kind == FQ_ADDRESS_UNIX) {
        fd = connect_unix(address->path);
    } else {
        snprintf(port, sizeof port, "%u", (unsigned)address->port);
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *all = NULL;
        int failed = getaddrinfo(address->host, port, &hints, &all);
        if (failed != 0) {
            snprintf(errstr, errstr_size, "cannot resolve %s: %s", address->host, gai_strerror(failed));
            return FQ_ECONNECT;
        }
        fd = connect_one_of(all, attempt);
        freeaddrinfo(all);
    }
    if (fd < 0) {
        snprintf(errstr, errstr_size, "cannot connect to %s: %s", text, strerror(-fd));
        return FQ_ECONNECT;
    }
    *ret_fd = fd;
    return 0;
}
