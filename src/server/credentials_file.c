// SPDX-License-Identifier: Apache-2.0
// The users file on disk. It holds digests, not secrets, but who can write it can log in and who can read it can guess.
#include "server/credentials.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 1 << 20, READ_BYTES = 65536 };

static int refuse(char *error, size_t size, const char *path, int code, const char *why) {
    snprintf(error, size, "%s: %s", path, why);
    return code;
}

static int read_all(int fd, const char *path, fq_buf *text, char *error, size_t size) {
    for (;;) {
        if (fq_buf_reserve(text, READ_BYTES) < 0)
            return refuse(error, size, path, FQ_EINVALID, "larger than 1 MiB, or out of memory");
        ssize_t got = read(fd, fq_buf_tail(text), READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return refuse(error, size, path, FQ_EIO, strerror(errno));
        if (got == 0)
            return 0;
        fq_buf_commit(text, (size_t)got);
    }
}

int fq_credentials_read_file(fq_credentials *credentials, const char *path, char *error, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refuse(error, size, path, FQ_EIO, strerror(errno));
    struct stat status;
    int rc = 0;
    if (fstat(fd, &status) < 0)
        rc = refuse(error, size, path, FQ_EIO, strerror(errno));
    else if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
        rc = refuse(error, size, path, FQ_EINVALID, "others may read or write it: chmod 0600 (or 0640)");
    fq_buf text;
    fq_buf_init(&text, FILE_BYTES_MAX + READ_BYTES);
    if (rc == 0)
        rc = read_all(fd, path, &text, error, size);
    close(fd);
    if (rc == 0) {
        char why[200];
        rc = fq_credentials_parse(credentials, fq_buf_str(&text), why, sizeof why);
        if (rc < 0)
            snprintf(error, size, "%s: %s", path, why);
    }
    fq_buf_done(&text);
    return rc;
}
