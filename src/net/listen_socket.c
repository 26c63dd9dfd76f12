// SPDX-License-Identifier: Apache-2.0
#include "net/listen_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

// Leaves errno as it was, for callers that look at the cause.
static int fail(int fd, const char *what, char *error, size_t size) {
    int cause = errno;
    snprintf(error, size, "%s: %s", what, strerror(cause));
    if (fd >= 0)
        close(fd);
    errno = cause;
    return FQ_EIO;
}

// --- Unix sockets -------------------------------------------------------------------------------------------------------

// A path left by a process that died can be taken over; one on which somebody answers cannot.
static bool is_stale(const struct sockaddr_un *where) {
    struct stat facts;
    if (lstat(where->sun_path, &facts) < 0 || !S_ISSOCK(facts.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused = connect(fd, (const struct sockaddr *)where, sizeof *where) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int listen_unix(const struct fq_address *address, int *ret_fd, char *error, size_t size) {
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", address->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, "socket", error, size);
    if (is_stale(&where))
        unlink(where.sun_path);
    if (bind(fd, (const struct sockaddr *)&where, sizeof where) < 0)
        return fail(fd, errno == EADDRINUSE ? "somebody listens there, or it is no socket" : "bind", error,
                    size);
    // Nobody can connect before listen(), so there is no moment with wider permissions.
    if (chmod(where.sun_path, 0660) < 0)
        return fail(fd, "chmod", error, size);
    if (listen(fd, BACKLOG) < 0)
        return fail(fd, "listen", error, size);
    *ret_fd = fd;
    return 0;
}

// --- TCP ------------------------------------------------------------------------------------------------------------------

static uint16_t bound_port(int fd) {
    struct sockaddr_storage where;
    socklen_t size = sizeof where;
    if (getsockname(fd, (struct sockaddr *)&where, &size) < 0)
        return 0;
    if (where.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&where)->sin6_port);
    return ntohs(((const struct sockaddr_in *)(const void *)&where)->sin_port);
}

static int listen_tcp(const struct addrinfo *info, bool is_wildcard, int *ret_fd, char *error, size_t size) {
    static const int on = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(fd, "socket", error, size);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // "::" stands for both families; every other IPv6 address only for itself.
    int v6_only = !is_wildcard;
    if (info->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0)
        return fail(fd, "bind", error, size);
    if (listen(fd, BACKLOG) < 0)
        return fail(fd, "listen", error, size);
    *ret_fd = fd;
    return 0;
}

// A name may stand for addresses that this machine cannot use (IPv6 switched off): one that works is enough.
static int listen_all(struct fq_address *address, const struct addrinfo *found, int *fds, size_t *ret_count,
                      char *error, size_t size) {
    bool is_wildcard = strcmp(address->host, "::") == 0;
    size_t count = 0;
    for (const struct addrinfo *info = found; info != NULL && count < FQ_LISTEN_SOCKET_MAX;
         info = info->ai_next) {
        // A port that the kernel chooses would differ from address to address.
        if (address->port == 0 && count > 0)
            break;
        if (listen_tcp(info, is_wildcard, &fds[count], error, size) == 0) {
            count++;
            continue;
        }
        if (errno != EADDRINUSE && errno != EACCES)
            continue;
        while (count > 0)
            close(fds[--count]);
        return FQ_EIO;
    }
    if (count == 0)
        return FQ_EIO;
    if (address->port == 0)
        address->port = bound_port(fds[0]);
    *ret_count = count;
    return 0;
}

int fq_listen_sockets(struct fq_address *address, int fds[FQ_LISTEN_SOCKET_MAX], size_t *ret_count,
                      char *error, size_t size) {
    if (address->kind == FQ_ADDRESS_UNIX) {
        int result = listen_unix(address, &fds[0], error, size);
        if (result == 0)
            *ret_count = 1;
        return result;
    }
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)address->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(address->host, port, &hints, &found);
    if (status != 0) {
        snprintf(error, size, "%s", gai_strerror(status));
        return FQ_EIO;
    }
    int result = listen_all(address, found, fds, ret_count, error, size);
    freeaddrinfo(found);
    return result;
}
