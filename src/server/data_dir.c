// SPDX-License-Identifier: Apache-2.0
#include "server/data_dir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value != NULL && value[0] != 0 ? value : NULL;
}

int fq_data_dir_find(const char *given, char *ret_path, size_t path_size, char *error, size_t size) {
    char path[PATH_MAX];
    const char *state = variable("STATE_DIRECTORY"), *xdg = variable("XDG_STATE_HOME"),
               *home = variable("HOME");
    int len;
    if (given != NULL && given[0] != 0)
        len = snprintf(path, sizeof path, "%s", given);
    else if (state != NULL) // systemd separates several directories with colons; ours is the first
        len = snprintf(path, sizeof path, "%.*s", (int)strcspn(state, ":"), state);
    else if (xdg != NULL)
        len = snprintf(path, sizeof path, "%s/fastqueue", xdg);
    else if (home != NULL)
        len = snprintf(path, sizeof path, "%s/.local/state/fastqueue", home);
    else {
        snprintf(error, size,
                 "no place for the journal: give --data-dir (or set HOME); `none` keeps it in memory");
        return FQ_EINVALID;
    }
    if (len < 0 || (size_t)len >= sizeof path || (size_t)len >= path_size) {
        snprintf(error, size, "the path of the data directory is too long");
        return FQ_EINVALID;
    }
    memcpy(ret_path, path, (size_t)len + 1);
    return 0;
}

int fq_data_dir_make(const char *path, char *error, size_t size) {
    char part[PATH_MAX];
    int len = snprintf(part, sizeof part, "%s", path);
    if (len < 0 || (size_t)len >= sizeof part) {
        snprintf(error, size, "the path of the data directory is too long");
        return FQ_EINVALID;
    }
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != 0)
            continue;
        char end = *at;
        *at = 0;
        if (mkdir(part, 0700) < 0 && errno != EEXIST) {
            snprintf(error, size, "cannot make %s: %s", part, strerror(errno));
            return FQ_EIO;
        }
        *at = end;
        if (end == 0)
            return 0;
    }
}
