// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000 };

struct output {
    struct otel_exporter_ops ops;
    enum otel_signal signal;
    int fd;
    otel_output_format format;
    pthread_mutex_t lock; // of all below
    bool is_shut_down;
    struct otel_exporter_stats stats;
};

// A pipe that poll() calls writable takes PIPE_BUF bytes without blocking, whoever else has the descriptor. A file takes all
// at once, so that the lines of several processes that append to it stay whole.
static size_t largest_piece(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) ? SIZE_MAX : PIPE_BUF;
}

static int write_pieces(int fd, fq_str text) {
    size_t most = largest_piece(fd);
    for (size_t at = 0; at < text.len;) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        int count = poll(&ready, 1, PATIENCE_MS);
        if (count == 0)
            return OTEL_TIMEOUT;
        size_t piece = text.len - at < most ? text.len - at : most;
        ssize_t written = count < 0 ? -1 : write(fd, text.ptr + at, piece);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return OTEL_FAILED;
        at += written > 0 ? (size_t)written : 0;
    }
    return OTEL_OK;
}

int otel_output_write(int fd, fq_str text) {
    FILE *stream = fd == STDOUT_FILENO ? stdout : fd == STDERR_FILENO ? stderr : NULL;
    if (stream != NULL)
        flockfile(stream);
    int result = write_pieces(fd, text);
    if (stream != NULL)
        funlockfile(stream);
    return result;
}

static int export_batch(void *self, const struct otel_export_batch *batch) {
    struct output *output = self;
    fq_buf text = {0};
    pthread_mutex_lock(&output->lock);
    int result =
        output->is_shut_down ? OTEL_FAILED : output->format(output->signal, batch->bytes, batch->len, &text);
    if (result == OTEL_OK)
        result = otel_output_write(output->fd, fq_buf_str(&text));
    *(result == OTEL_OK ? &output->stats.exported : &output->stats.failed) += batch->item_count;
    pthread_mutex_unlock(&output->lock);
    fq_buf_done(&text);
    return result;
}

static int shut_down(void *self, int64_t timeout_ms) {
    (void)timeout_ms;
    struct output *output = self;
    pthread_mutex_lock(&output->lock);
    output->is_shut_down = true;
    pthread_mutex_unlock(&output->lock);
    return OTEL_OK;
}

static void after_fork(void *self) {
    struct output *output = self;
    pthread_mutex_init(&output->lock, NULL);
}

static void copy_stats(void *self, struct otel_exporter_stats *ret_stats) {
    struct output *output = self;
    pthread_mutex_lock(&output->lock);
    *ret_stats = output->stats;
    pthread_mutex_unlock(&output->lock);
}

static void free_output(void *self) {
    struct output *output = self;
    pthread_mutex_destroy(&output->lock);
    free(output);
}

int otel_output_exporter_new(enum otel_signal signal, int fd, otel_output_format format,
                             const char *component_type, struct otel_exporter *ret_exporter) {
    struct output *output = calloc(1, sizeof *output);
    if (output == NULL)
        return OTEL_FAILED;
    *output = (struct output){
        .ops = {.component_type = component_type,
                .export_batch = export_batch,
                .shutdown = shut_down,
                .after_fork = after_fork,
                .free = free_output,
                .stats = copy_stats},
        .signal = signal,
        .fd = fd,
        .format = format
    };
    pthread_mutex_init(&output->lock, NULL);
    *ret_exporter = (struct otel_exporter){.ops = &output->ops, .self = output};
    return OTEL_OK;
}
