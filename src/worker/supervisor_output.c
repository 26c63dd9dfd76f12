// SPDX-License-Identifier: Apache-2.0
// What runners print, when log records are exported: read from two pipes for each runner, passed on unchanged to the
// supervisor's own output, and turned into log records of the tasks that printed it. Nothing here waits: if our own output
// does not take more, the pipe is left alone for a while, and only who prints into it will have to wait.
#include "worker/supervisor_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CHUNK = 4096,       // a pipe that can be written takes so much at once
    TURN_BYTES = 65536, // of one stream in one turn of the loop
    RETRY_MS = 10,
    LAST_BYTES = 1024 * 1024,
};

// One of the two streams of a runner.
struct stream {
    struct fq_output *output;
    int index, fd;
    uint64_t read;
    uv_poll_t poll;
    uv_timer_t retry;
};
struct fq_output {
    struct fq_child *child;
    int open_handles;
    bool closing;
    struct stream streams[FQ_OUTPUT_STREAMS];
    struct fq_output_lines lines[FQ_OUTPUT_STREAMS];
};

static void on_readable(uv_poll_t *poll, int status, int events);

// --- whose it is -----------------------------------------------------------------------------------------------------

static struct fq_output_owner present_owner(const struct fq_child *child) {
    struct fq_output_owner owner;
    memset(&owner, 0, sizeof owner);
    uint64_t word = fq_board_get(&child->board, FQ_BOARD_ON_CPU);
    struct fq_slot_view view;
    if (word < 1 || word > FQ_BOARD_SLOTS || fq_slot_look(&child->board, (uint32_t)word - 1, &view) != 1)
        return owner;
    owner.id = view.task.id;
    owner.name = view.task.name;
    owner.attempt = view.task.attempt;
    owner.is_known = 1;
    struct fq_board_span span;
    if (fq_board_span_look(&child->board, (uint32_t)word - 1, view.sequence, &span) == 1) {
        memcpy(owner.trace_id, span.trace_id, sizeof owner.trace_id);
        memcpy(owner.span_id, span.span_id, sizeof owner.span_id);
        owner.flags = span.flags;
    }
    return owner;
}

static void emit(void *context, int stream, fq_str line, const struct fq_output_owner *owner) {
    const struct fq_child *child = context;
    fq_worker_telemetry_log(child->supervisor->telemetry, stream, line, owner,
                            fq_supervisor_name(child, owner->name), child->pid);
}

static void take(struct stream *stream, const char *bytes, size_t len) {
    struct fq_child *child = stream->output->child;
    // In this order: who wrote these bytes is still on the processor, or its mark is in the ring by now.
    const struct fq_output_owner present = present_owner(child);
    (void)fq_feed_read(child->supervisor->telemetry, &child->feed);
    fq_output_take(stream->output->lines, &child->feed.marks, stream->index, bytes, len, &present, emit,
                   child);
}

// --- passing on ------------------------------------------------------------------------------------------------------

static bool can_write(int fd) {
    struct pollfd wait = {.fd = fd, .events = POLLOUT};
    // An output that is gone takes everything.
    return poll(&wait, 1, 0) != 0;
}

static void pass_on(int fd, const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t written = write(fd, bytes, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        len -= (size_t)written;
    }
}

static enum fq_board_word word_of(const struct stream *stream) {
    return stream->index == 0 ? FQ_BOARD_OUT_READ : FQ_BOARD_ERR_READ;
}

// 1 read something, 0 nothing there now, -1 the end.
static int read_some(struct stream *stream, char chunk[CHUNK], size_t *ret_len) {
    const struct fq_board *board = &stream->output->child->board;
    (void)fq_board_swap(board, word_of(stream), stream->read << 1 | 1);
    ssize_t got;
    do
        got = read(stream->fd, chunk, CHUNK);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        stream->read += (uint64_t)got;
    (void)fq_board_swap(board, word_of(stream), stream->read << 1);
    if (got > 0)
        *ret_len = (size_t)got;
    return got > 0 ? 1 : got < 0 && errno == EAGAIN ? 0 : -1;
}

static void on_retry(uv_timer_t *timer) {
    struct stream *stream = timer->data;
    uv_poll_start(&stream->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    struct stream *stream = poll->data;
    char chunk[CHUNK];
    for (size_t done = 0; done < TURN_BYTES;) {
        size_t len;
        if (!can_write(STDOUT_FILENO + stream->index)) {
            uv_poll_stop(poll);
            uv_timer_start(&stream->retry, on_retry, RETRY_MS, 0);
            return;
        }
        int got = read_some(stream, chunk, &len);
        if (got < 0)
            uv_poll_stop(poll);
        if (got <= 0)
            return;
        pass_on(STDOUT_FILENO + stream->index, chunk, len);
        take(stream, chunk, len);
        done += len;
    }
}

// --- life ------------------------------------------------------------------------------------------------------------

int fq_output_pipes(const struct fq_supervisor *supervisor, struct fq_output_ends *ret_ends) {
    *ret_ends = FQ_OUTPUT_ENDS_NONE;
    if (!fq_worker_telemetry_has_logs(supervisor->telemetry))
        return 0;
    for (int i = 0; i < FQ_OUTPUT_STREAMS; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) {
            fq_output_close_ends(ret_ends);
            return FQ_EIO;
        }
        ret_ends->ours[i] = ends[0];
        ret_ends->theirs[i] = ends[1];
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    }
    return 0;
}

static void close_end(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void fq_output_close_theirs(struct fq_output_ends *ends) {
    for (int i = 0; i < FQ_OUTPUT_STREAMS; i++)
        close_end(&ends->theirs[i]);
}

void fq_output_close_ends(struct fq_output_ends *ends) {
    fq_output_close_theirs(ends);
    for (int i = 0; i < FQ_OUTPUT_STREAMS; i++)
        close_end(&ends->ours[i]);
}

static void on_closed(uv_handle_t *handle) {
    struct stream *stream = handle->data;
    struct fq_output *output = stream->output;
    if (--output->open_handles > 0)
        return;
    for (int i = 0; i < FQ_OUTPUT_STREAMS; i++)
        close(output->streams[i].fd);
    free(output);
}

// Handles that libuv could not make leave nothing to be closed by it.
static void close_handles(struct fq_output *output) {
    for (int i = 0; i < FQ_OUTPUT_STREAMS; i++) {
        struct stream *stream = &output->streams[i];
        if (stream->poll.data != NULL)
            uv_close((uv_handle_t *)&stream->poll, on_closed);
        uv_close((uv_handle_t *)&stream->retry, on_closed);
    }
}

int fq_output_watch(struct fq_child *child, struct fq_output_ends *ends) {
    if (ends->ours[0] < 0)
        return 0;
    struct fq_output *output = calloc(1, sizeof *output);
    if (output == NULL)
        return FQ_ENOMEM;
    uv_loop_t *loop = &child->supervisor->loop;
    int error = 0;
    output->child = child;
    for (int i = 0; i < FQ_OUTPUT_STREAMS; i++) {
        struct stream *stream = &output->streams[i];
        *stream = (struct stream){.output = output, .index = i, .fd = ends->ours[i]};
        ends->ours[i] = -1;
        uv_timer_init(loop, &stream->retry);
        stream->retry.data = stream;
        output->open_handles++;
        if (uv_poll_init(loop, &stream->poll, stream->fd) < 0) {
            error = FQ_EIO;
            continue;
        }
        stream->poll.data = stream;
        output->open_handles++;
        uv_poll_start(&stream->poll, UV_READABLE, on_readable);
    }
    if (error < 0)
        close_handles(output);
    else
        child->output = output;
    return error;
}

// The last words of a dead runner: what its pipes hold, which is bounded, as far as our own output takes it.
void fq_output_finish(struct fq_child *child) {
    struct fq_output *output = child->output;
    char chunk[CHUNK];
    size_t len = 0;
    for (int i = 0; output != NULL && i < FQ_OUTPUT_STREAMS; i++)
        for (size_t done = 0; done < LAST_BYTES && read_some(&output->streams[i], chunk, &len) == 1;
             done += len) {
            if (can_write(STDOUT_FILENO + i))
                pass_on(STDOUT_FILENO + i, chunk, len);
            take(&output->streams[i], chunk, len);
        }
    if (output != NULL)
        fq_output_end(output->lines, emit, child);
}

void fq_output_close(struct fq_child *child) {
    struct fq_output *output = child->output;
    child->output = NULL;
    if (output != NULL)
        close_handles(output);
}
