// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: fdatasync() fails with EIO from the moment that the file $FAILING_SYNC exists, as a disk does
// that has lost a write. Then it works again, for the pages are marked clean: the trap that a retry would fall into.
// While the file $HELD_SYNC exists, fdatasync() does not return: a disk that hangs.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Space that another thread prepares holds no records, and a failure there is none of the journal's.
static int is_being_prepared(int fd) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, name, sizeof name);
    return len >= 4 && memcmp(name + len - 4, ".tmp", 4) == 0;
}

int fdatasync(int fd) {
    const char *held = getenv("HELD_SYNC");
    while (held != NULL && access(held, F_OK) == 0)
        usleep(1000);
    const char *path = getenv("FAILING_SYNC");
    if (path != NULL && !is_being_prepared(fd) && unlink(path) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}
