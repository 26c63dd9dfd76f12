// SPDX-License-Identifier: Apache-2.0
#include "journal/disk.h"

#include <errno.h>
#include <string.h>

int fq_disk_clear(fq_disk *disk, const char *path) {
    char directory[256] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        size_t len = (size_t)(slash - path);
        if (len >= sizeof directory)
            return -ENAMETOOLONG;
        memcpy(directory, path, len);
        directory[len] = '\0';
    }
    int result = disk->ops->remove(disk, path);
    if (result == -ENOENT)
        return 0;
    return result < 0 ? result : disk->ops->sync_directory(disk, directory);
}
