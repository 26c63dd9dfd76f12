// SPDX-License-Identifier: Apache-2.0
// Preloaded into a control plane, and so into its compactor: writes each system call that changes the data directory
// FQ_RECORD_DIR, with its data, to the file FQ_RECORD_FILE (call_log.h), once the call has happened.
#include "call_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { FD_MAX = 1024, PATH_LEN = 64 };

static struct {
    int log; // -1: nothing is recorded
    dev_t device;
    ino_t directory;
    struct {
        uint64_t file; // 0 = not one of the data directory's
        bool is_directory;
        char path[PATH_LEN]; // of a directory
    } fds[FD_MAX];
} recorder = {.log = -1};

__attribute__((constructor)) static void begin(void) {
    const char *directory = getenv("FQ_RECORD_DIR"), *file = getenv("FQ_RECORD_FILE");
    struct stat facts;
    if (directory == NULL || file == NULL || stat(directory, &facts) != 0)
        return;
    recorder.device = facts.st_dev;
    recorder.directory = facts.st_ino;
    recorder.log = (int)syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void record(struct call_entry entry, const void *data, size_t len) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    entry.time_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    entry.data_len = (uint32_t)len;
    struct iovec parts[] = {
        {&entry,                  sizeof entry},
        {(void *)(uintptr_t)data, len         }
    };
    int before = errno;
    if (writev(recorder.log, parts, len > 0 ? 2 : 1) != (ssize_t)(sizeof entry + len)) {
        static const char message[] = "record_calls: the log cannot be written\n";
        (void)!write(2, message, sizeof message - 1);
        _exit(99);
    }
    errno = before;
}

static void record_paths(enum call_kind kind, uint64_t file, const char *path, const char *other) {
    char text[2 * PATH_LEN];
    int len = snprintf(text, sizeof text, "%s%c%s", path, 0, other);
    record((struct call_entry){.kind = kind, .file = file}, text, (size_t)len + 1);
}

static bool is_ours(int directory) {
    struct stat facts;
    return recorder.log >= 0 && directory >= 0 && fstat(directory, &facts) == 0 &&
           facts.st_dev == recorder.device && facts.st_ino == recorder.directory;
}

static uint64_t file_of(int fd) {
    return fd >= 0 && fd < FD_MAX ? recorder.fds[fd].file : 0;
}

int openat(int directory, const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    bool ours = is_ours(directory);
    bool is_new = ours && (flags & O_CREAT) != 0 && syscall(SYS_faccessat, directory, path, F_OK) != 0;
    int fd = (int)syscall(SYS_openat, directory, path, flags, mode);
    struct stat facts;
    if (fd >= 0 && fd < FD_MAX)
        recorder.fds[fd].file = 0; // closedir() closes unseen
    if (!ours || fd < 0 || fd >= FD_MAX || fstat(fd, &facts) != 0)
        return fd;
    recorder.fds[fd].is_directory = S_ISDIR(facts.st_mode);
    snprintf(recorder.fds[fd].path, PATH_LEN, "%s", path);
    recorder.fds[fd].file = facts.st_ino;
    if (is_new)
        record_paths(CALL_CREATE, facts.st_ino, path, "");
    return fd;
}

int close(int fd) {
    if (file_of(fd) != 0)
        recorder.fds[fd].file = 0;
    return (int)syscall(SYS_close, fd);
}

static bool is_zero(const char *bytes, size_t len) {
    return len > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset) {
    ssize_t put = syscall(SYS_pwrite64, fd, bytes, len, offset);
    uint64_t file = file_of(fd);
    if (file == 0 || put <= 0)
        return put;
    struct call_entry entry = {
        .kind = CALL_WRITE, .file = file, .offset = (uint64_t)offset, .length = (uint64_t)put};
    if (is_zero(bytes, (size_t)put)) {
        entry.kind = CALL_ZEROS;
        record(entry, NULL, 0);
    } else {
        record(entry, bytes, (size_t)put);
    }
    return put;
}

int ftruncate(int fd, off_t length) {
    int result = (int)syscall(SYS_ftruncate, fd, length);
    if (result == 0 && file_of(fd) != 0)
        record((struct call_entry){.kind = CALL_TRUNCATE, .file = file_of(fd), .length = (uint64_t)length},
               NULL, 0);
    return result;
}

static int note_sync(int fd, int result) {
    if (result != 0 || file_of(fd) == 0)
        return result;
    if (recorder.fds[fd].is_directory)
        record_paths(CALL_SYNC_DIRECTORY, 0, recorder.fds[fd].path, "");
    else
        record((struct call_entry){.kind = CALL_SYNC, .file = file_of(fd)}, NULL, 0);
    return result;
}

int fdatasync(int fd) {
    return note_sync(fd, (int)syscall(SYS_fdatasync, fd));
}

int fsync(int fd) {
    return note_sync(fd, (int)syscall(SYS_fsync, fd));
}

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    bool ours = is_ours(from_directory);
    int result = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, 0);
    if (ours && result == 0)
        record_paths(CALL_RENAME, 0, from, to);
    return result;
}

int unlinkat(int directory, const char *path, int flags) {
    bool ours = is_ours(directory);
    int result = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (ours && result == 0)
        record_paths(CALL_UNLINK, 0, path, "");
    return result;
}

int mkdirat(int directory, const char *path, mode_t mode) {
    bool ours = is_ours(directory);
    int result = (int)syscall(SYS_mkdirat, directory, path, mode);
    if (ours && result == 0)
        record_paths(CALL_MAKE_DIRECTORY, 0, path, "");
    return result;
}
