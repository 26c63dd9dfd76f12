// SPDX-License-Identifier: Apache-2.0
// What the disk itself takes: `append DIR COUNT` writes 4 KiB after 4 KiB into a file of zeroes in DIR, each followed by
// fdatasync, and prints percentiles of the pairs as one line of JSON. The file is removed.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire.h"

enum { BLOCK = 4096, BLOCKS = 16384 };

// Offsets wrap: the file stays at 64 MiB, all of it written before.
static int zeroed_file(const char *folder) {
    static char zeroes[BLOCK];
    char path[4096];
    if (snprintf(path, sizeof path, "%s/append", folder) >= (int)sizeof path)
        die("%s: too long", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || unlink(path) < 0)
        die("%s", path);
    for (int i = 0; i < BLOCKS; i++)
        if (write(fd, zeroes, sizeof zeroes) != (ssize_t)sizeof zeroes)
            die("write");
    if (fsync(fd) < 0)
        die("fsync");
    return fd;
}

int main(int argc, char **argv) {
    long count = argc == 3 ? atol(argv[2]) : 0;
    if (count < 1) {
        fputs("usage: append DIR COUNT\n", stderr);
        return 2;
    }
    char block[BLOCK];
    double *seconds = calloc((size_t)count, sizeof *seconds);
    if (seconds == NULL)
        die("memory");
    memset(block, 'x', sizeof block);
    int fd = zeroed_file(argv[1]);
    for (long i = 0; i < count; i++) {
        double start = now_s();
        if (pwrite(fd, block, sizeof block, i % BLOCKS * BLOCK) != (ssize_t)sizeof block || fdatasync(fd) < 0)
            die("append");
        seconds[i] = now_s() - start;
    }
    printf("{\"count\":%ld", count);
    print_percentiles(seconds, count);
    puts("}");
    free(seconds);
    return 0;
}
