// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: fdatasync() fails with EIO from the moment that the file $FAILING_SYNC exists, as a disk does
// that has lost a write. Then it works again, for the pages are marked clean: the trap that a retry would fall into.
// While the file $HELD_SYNC exists, fdatasync() does not return: a disk that hangs.
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *held = getenv("HELD_SYNC");
    while (held != NULL && access(held, F_OK) == 0)
        usleep(1000);
    const char *path = getenv("FAILING_SYNC");
    if (path != NULL && unlink(path) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}
