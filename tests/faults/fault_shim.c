// SPDX-License-Identifier: Apache-2.0
// Preloaded into the server, and so into the compactor that it starts: counts the calls that change files, and at the
// n-th of them kills the process, or makes the call fail; and shifts the wall clock. The orders stand in the file
// $FAULT_BOARD, mapped by the driver too, which may change them at any time (fault_board.py). With $FAULT_TRACE every
// counted call leaves a line there: number, process, kind, path.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // memmem
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE = 2, SYNC = 4, RENAME = 8, REMOVE = 16, DIRECTORY = 32, TRUNCATE = 64 };
enum action { KILL_BEFORE = 1, KILL_AFTER = 2, FAIL = 3, SHORT_WRITE = 4, KILL_COMPACTOR = 5 };
enum process { CONTROL_PLANE = 1, COMPACTOR = 2 };

struct board {
    uint64_t calls;  // counted so far
    uint64_t at;     // the call to act upon, 1 = the first; 0 = none
    uint64_t action; // enum action
    uint64_t error;  // errno of FAIL
    uint64_t kinds;  // enum kind, or-ed: those that count
    uint64_t processes;
    uint64_t main_pid; // of the control plane
    uint64_t repeat;   // so many further calls fail as well
    uint64_t hits;
    int64_t wall_shift_ns;
};

static struct board *orders;
static int trace = -1;
static enum process self = CONTROL_PLANE;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULT_BOARD"), *trace_path = getenv("FAULT_TRACE");
    int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        return;
    char line[512] = "";
    int cmdline = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = cmdline < 0 ? 0 : read(cmdline, line, sizeof line - 1);
    if (cmdline >= 0)
        close(cmdline);
    if (len > 0 && memmem(line, (size_t)len, "compact\0--data-dir", 18) != NULL)
        self = COMPACTOR;
    else
        ((struct board *)map)->main_pid = (uint64_t)getpid();
    if (trace_path != NULL)
        trace =
            (int)syscall(SYS_openat, AT_FDCWD, trace_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    orders = map;
}

static void die(bool everybody) {
    if (everybody && self == COMPACTOR)
        kill((pid_t)orders->main_pid, SIGKILL);
    kill(getpid(), SIGKILL);
}

static void note(uint64_t number, const char *kind, int fd, const char *name) {
    char path[256] = "", link[64], line[512];
    if (trace < 0)
        return;
    if (name == NULL) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, path, sizeof path - 1);
        path[len > 0 ? len : 0] = '\0';
        name = path;
    }
    int len =
        snprintf(line, sizeof line, "%llu %d %s %s\n", (unsigned long long)number, (int)self, kind, name);
    if (write(trace, line, (size_t)len) < 0)
        return;
}

// What has to be done at this call: 0 nothing, else an action that the caller carries out (FAIL, SHORT_WRITE, KILL_AFTER).
static uint64_t count(enum kind kind, const char *word, int fd, const char *name) {
    if (orders == NULL || (orders->kinds & kind) == 0 || (orders->processes & self) == 0)
        return 0;
    uint64_t number = __atomic_add_fetch(&orders->calls, 1, __ATOMIC_SEQ_CST), at = orders->at;
    note(number, word, fd, name);
    if (at == 0 || number < at || number - at > orders->repeat)
        return 0;
    __atomic_add_fetch(&orders->hits, 1, __ATOMIC_SEQ_CST);
    if (orders->action == KILL_BEFORE || orders->action == KILL_COMPACTOR)
        die(orders->action == KILL_BEFORE);
    if (orders->action == FAIL)
        errno = (int)orders->error;
    return orders->action;
}

static int ended(uint64_t action, int result) {
    int error = errno;
    if (action == KILL_AFTER)
        die(true);
    errno = error;
    return result;
}

int openat(int directory, const char *path, int flags, ...) {
    mode_t mode = 0;
    if (flags & O_CREAT) {
        va_list more;
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    uint64_t action = flags & O_CREAT ? count(CREATE, "create", -1, path) : 0;
    if (action == FAIL)
        return -1;
    return ended(action, (int)syscall(SYS_openat, directory, path, flags, mode));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) {
    uint64_t action = count(WRITE, "pwrite", fd, NULL);
    if (action == FAIL)
        return -1;
    if (action == SHORT_WRITE) // the disk takes half, and nothing more
        return len > 512 ? syscall(SYS_pwrite64, fd, bytes, len / 2 / 512 * 512, offset) : 0;
    ssize_t put = syscall(SYS_pwrite64, fd, bytes, len, offset);
    ended(action, 0);
    return put;
}

int fdatasync(int fd) {
    uint64_t action = count(SYNC, "fdatasync", fd, NULL);
    return action == FAIL ? -1 : ended(action, (int)syscall(SYS_fdatasync, fd));
}

int fsync(int fd) {
    uint64_t action = count(SYNC, "fsync", fd, NULL);
    return action == FAIL ? -1 : ended(action, (int)syscall(SYS_fsync, fd));
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    uint64_t action = count(RENAME, "rename", -1, to);
    return action == FAIL ? -1
                          : ended(action, (int)syscall(SYS_renameat, from_directory, from, to_directory, to));
}

int unlinkat(int directory, const char *path, int flags) {
    uint64_t action = count(REMOVE, "unlink", -1, path);
    return action == FAIL ? -1 : ended(action, (int)syscall(SYS_unlinkat, directory, path, flags));
}

int mkdirat(int directory, const char *path, mode_t mode) {
    uint64_t action = count(DIRECTORY, "mkdir", -1, path);
    return action == FAIL ? -1 : ended(action, (int)syscall(SYS_mkdirat, directory, path, mode));
}

int ftruncate(int fd, off_t size) {
    uint64_t action = count(TRUNCATE, "ftruncate", fd, NULL);
    return action == FAIL ? -1 : ended(action, (int)syscall(SYS_ftruncate, fd, size));
}

// --- the wall clock
int clock_gettime(clockid_t clock, struct timespec *ret_time) {
    int result = (int)syscall(SYS_clock_gettime, clock, ret_time);
    if (result != 0 || orders == NULL || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    int64_t ns = (int64_t)ret_time->tv_sec * 1000000000 + ret_time->tv_nsec + orders->wall_shift_ns;
    ret_time->tv_sec = ns / 1000000000;
    ret_time->tv_nsec = ns % 1000000000;
    return 0;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    *ret_time = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *ret_time) {
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time != NULL)
        *ret_time = now.tv_sec;
    return now.tv_sec;
}
