// SPDX-License-Identifier: Apache-2.0
// Preloaded into the programs of a test: the n-th call of one kind in one process fails, or all from the n-th on. The orders
// stand in the file $FQ_SWEEP_ORDERS, mapped by the driver too (sweep_calls.py), so that what happened is known of a process
// that is gone. Only the process whose arguments hold the word of the orders is meant; libraries' calls count like its own.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WORD_MAX = 32 };

// As sweep_calls.py packs it.
struct orders {
    char kind[WORD_MAX]; // the name of a kind below
    char role[WORD_MAX]; // a word among the arguments of the process that is meant
    uint64_t at;         // the call that fails, from 1; 0 = none
    uint64_t sticky;
    uint64_t error;
    uint64_t calls; // counted so far
    uint64_t hits;
};

static struct orders *orders;

static bool has_role(const char *role) {
    char line[4096];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : syscall(SYS_read, fd, line, sizeof line - 1);
    if (fd >= 0)
        syscall(SYS_close, fd);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(line + at) + 1) {
        line[len] = '\0';
        if (strcmp(line + at, role) == 0)
            return true;
    }
    return false;
}

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FQ_SWEEP_ORDERS");
    int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = (void *)syscall(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map != MAP_FAILED && has_role(((struct orders *)map)->role))
        orders = map;
}

static bool fails(const char *kind) {
    if (orders == NULL || strcmp(orders->kind, kind) != 0)
        return false;
    uint64_t number = __atomic_add_fetch(&orders->calls, 1, __ATOMIC_SEQ_CST);
    if (orders->at == 0 || number < orders->at || (number > orders->at && orders->sticky == 0))
        return false;
    __atomic_add_fetch(&orders->hits, 1, __ATOMIC_SEQ_CST);
    errno = (int)orders->error;
    return true;
}

// Files and sockets are read and written by the same calls: they are told apart by what the handle is.
static bool is_socket(int fd) {
    int type;
    socklen_t len = sizeof type;
    int error = errno;
    bool found = syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0;
    errno = error;
    return found;
}
// An eventfd is a number in the kernel's memory, and a pipe to the process itself not much more: neither can fail.
static bool is_own_plumbing(int fd) {
    char link[64], name[32] = "";
    int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, name, sizeof name - 1);
    errno = error;
    return len > 0 && fd > STDERR_FILENO &&
           (strstr(name, "[eventfd]") != NULL || strstr(name, "pipe:[") != NULL);
}
static const char *reading(int fd) {
    return is_socket(fd) ? "recv" : is_own_plumbing(fd) ? "" : "read";
}
static const char *writing(int fd) {
    return is_socket(fd) ? "send" : is_own_plumbing(fd) ? "" : "write";
}

// --- files
static int open_at(int directory, const char *path, int flags, va_list more) {
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
    return fails("open") ? -1 : (int)syscall(SYS_openat, directory, path, flags, mode);
}
int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_at(AT_FDCWD, path, flags, more);
    va_end(more);
    return fd;
}
int openat(int directory, const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    int fd = open_at(directory, path, flags, more);
    va_end(more);
    return fd;
}
int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int directory, const char *path, int flags, ...) __attribute__((alias("openat")));

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) {
    return fails("pwrite") ? -1 : syscall(SYS_pwrite64, fd, bytes, len, offset);
}
ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) __attribute__((alias("pwrite")));
ssize_t pread(int fd, void *bytes, size_t len, off_t offset) {
    return fails("pread") ? -1 : syscall(SYS_pread64, fd, bytes, len, offset);
}
ssize_t pread64(int fd, void *bytes, size_t len, off64_t offset) __attribute__((alias("pread")));
int fdatasync(int fd) {
    return fails("fdatasync") ? -1 : (int)syscall(SYS_fdatasync, fd);
}
int fsync(int fd) {
    return fails("fsync") ? -1 : (int)syscall(SYS_fsync, fd);
}
int rename(const char *from, const char *to) {
    return fails("rename") ? -1 : (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return fails("rename") ? -1 : (int)syscall(SYS_renameat, from_directory, from, to_directory, to);
}
int unlink(const char *path) {
    return fails("unlink") ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int unlinkat(int directory, const char *path, int flags) {
    return fails("unlink") ? -1 : (int)syscall(SYS_unlinkat, directory, path, flags);
}

// --- bytes
ssize_t read(int fd, void *bytes, size_t len) {
    return fails(reading(fd)) ? -1 : syscall(SYS_read, fd, bytes, len);
}
ssize_t write(int fd, const void *bytes, size_t len) {
    return fails(writing(fd)) ? -1 : syscall(SYS_write, fd, bytes, len);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    return fails(writing(fd)) ? -1 : syscall(SYS_writev, fd, parts, count);
}
ssize_t recv(int fd, void *bytes, size_t len, int flags) {
    return fails("recv") ? -1 : syscall(SYS_recvfrom, fd, bytes, len, flags, NULL, NULL);
}
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    return fails("recv") ? -1 : syscall(SYS_recvmsg, fd, message, flags);
}
ssize_t send(int fd, const void *bytes, size_t len, int flags) {
    return fails("send") ? -1 : syscall(SYS_sendto, fd, bytes, len, flags, NULL, 0);
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return fails("send") ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}

// --- handles and processes
int socket(int domain, int type, int protocol) {
    return fails("socket") ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}
int socketpair(int domain, int type, int protocol, int fds[2]) {
    return fails("socket") ? -1 : (int)syscall(SYS_socketpair, domain, type, protocol, fds);
}
int connect(int fd, const struct sockaddr *address, socklen_t len) {
    return fails("connect") ? -1 : (int)syscall(SYS_connect, fd, address, len);
}
int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags) {
    return fails("accept4") ? -1 : (int)syscall(SYS_accept4, fd, address, len, flags);
}
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    return fails("epoll_ctl") ? -1 : (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}
int eventfd(unsigned count, int flags) {
    return fails("eventfd") ? -1 : (int)syscall(SYS_eventfd2, count, flags);
}
int timerfd_create(int clock, int flags) {
    return fails("eventfd") ? -1 : (int)syscall(SYS_timerfd_create, clock, flags);
}
int pipe2(int fds[2], int flags) {
    return fails("pipe") ? -1 : (int)syscall(SYS_pipe2, fds, flags);
}
int memfd_create(const char *name, unsigned flags) {
    return fails("mmap") ? -1 : (int)syscall(SYS_memfd_create, name, flags);
}
void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset) {
    return fails("mmap") ? MAP_FAILED
                         : (void *)syscall(SYS_mmap, address, len, protection, flags, fd, offset);
}
void *mmap64(void *address, size_t len, int protection, int flags, int fd, off64_t offset)
    __attribute__((alias("mmap")));

int posix_spawn(pid_t *restrict ret_pid, const char *restrict path,
                const posix_spawn_file_actions_t *restrict actions,
                const posix_spawnattr_t *restrict attributes, char *const *restrict argv,
                char *const *restrict environment) {
    int (*beneath)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                   char *const *, char *const *);
    if (fails("spawn"))
        return (int)orders->error;
    *(void **)&beneath = dlsym(RTLD_NEXT, "posix_spawn");
    return beneath(ret_pid, path, actions, attributes, argv, environment);
}
int pthread_create(pthread_t *restrict ret_thread, const pthread_attr_t *restrict attributes,
                   void *(*run)(void *), void *restrict context) {
    int (*beneath)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (fails("thread"))
        return (int)orders->error;
    *(void **)&beneath = dlsym(RTLD_NEXT, "pthread_create");
    return beneath(ret_thread, attributes, run, context);
}
pid_t fork(void) {
    pid_t (*beneath)(void);
    if (fails("spawn"))
        return -1;
    *(void **)&beneath = dlsym(RTLD_NEXT, "fork");
    return beneath();
}
