// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: fdatasync() fails with EIO from the moment that the file $FAILING_SYNC exists, as a disk does
// that has lost a write. Then it works again, for the pages are marked clean: the trap that a retry would fall into.
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int fd) {
    const char *path = getenv("FAILING_SYNC");
    if (path != NULL && unlink(path) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}
