// SPDX-License-Identifier: Apache-2.0
#include "otel/system/system.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, char *text, size_t max, size_t *ret_len) {
    size_t len = 0;
    while (len <= max) {
        ssize_t got = read(fd, text + len, max + 1 - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *ret_len = len;
    return 0;
}

int otel_system_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                          const char **ret_reason) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        *ret_reason = strerror(errno);
        return OTEL_FAILED;
    }
    char *text = malloc(max + 2);
    size_t len = 0;
    const char *reason = NULL;
    if (text == NULL)
        reason = "out of memory";
    else if (read_all(fd, text, max, &len) < 0)
        reason = strerror(errno);
    else if (len > max)
        reason = "too long";
    close(fd);
    if (reason != NULL) {
        free(text);
        *ret_reason = reason;
        return OTEL_FAILED;
    }
    text[len] = '\0';
    *ret_text = text;
    *ret_len = len;
    return OTEL_OK;
}

int otel_system_open_append(const char *path, const char **ret_reason) {
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd < 0)
        *ret_reason = strerror(errno);
    return fd;
}

void otel_system_close(int fd) {
    close(fd);
}
