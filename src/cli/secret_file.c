// SPDX-License-Identifier: Apache-2.0
#include "cli/secret_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The first line of the file, without space around it.
static int read_file(const char *path, char ret_token[FQ_TOKEN_SIZE]) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[FQ_TOKEN_SIZE];
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    struct stat info;
    bool readable_by_all = fd >= 0 && fstat(fd, &info) == 0 && (info.st_mode & S_IROTH) != 0;
    if (len < 0)
        fprintf(stderr, "fastqueue: cannot read the token file %s: %m\n", path);
    if (fd >= 0)
        close(fd);
    if (len < 0)
        return FQ_EIO;
    text[len] = '\0';
    text[strcspn(text, "\r\n \t")] = '\0';
    if (text[0] == '\0') {
        fprintf(stderr, "fastqueue: the token file %s is empty\n", path);
        return FQ_EINVALID;
    }
    if (readable_by_all)
        fprintf(stderr, "fastqueue: every user can read the token file %s; chmod 600 it\n", path);
    memcpy(ret_token, text, sizeof text);
    return 1;
}

int fq_token_read(const struct fq_options *options, char ret_token[FQ_TOKEN_SIZE]) {
    const struct fq_option_value *file = &options->values[FQ_OPTION_TOKEN_FILE];
    const char *token = fq_option_text(options, FQ_OPTION_TOKEN);
    if (file->origin == FQ_ORIGIN_FLAG || (file->text != NULL && token == NULL))
        return read_file(file->text, ret_token);
    if (token == NULL)
        return 0;
    if (strlen(token) >= FQ_TOKEN_SIZE) {
        fprintf(stderr, "fastqueue: FASTQUEUE_TOKEN is longer than %d bytes\n", FQ_TOKEN_SIZE - 1);
        return FQ_EINVALID;
    }
    snprintf(ret_token, FQ_TOKEN_SIZE, "%s", token);
    return 1;
}
