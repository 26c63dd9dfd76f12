// SPDX-License-Identifier: Apache-2.0
#include "net/stream.h"

#include "base/assert.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct fq_stream {
    union {
        uv_handle_t any;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } handle;
    fq_stream_pool *pool;
    const struct fq_stream_handler *handler;
    void *context;
    fq_tls *tls;
    fq_buf in_flight; // owned by write_request while is_writing
    uv_write_t write_request;
    uv_shutdown_t shutdown_request;
    uv_idle_t *breaker; // tells of a failed write from the loop, not out of the owner's call
    const char *broken; // why; NULL = fine
    bool is_writing, is_secure, is_reading, is_finishing, has_shut, can_read, is_dead, is_closed;
};

void fq_stream_pool_init(fq_stream_pool *pool, uv_loop_t *loop) {
    pool->loop = loop;
    fq_buf_init(&pool->plain, 0);
}

void fq_stream_pool_done(fq_stream_pool *pool) {
    fq_buf_done(&pool->plain);
}

// --- ends -------------------------------------------------------------------------------------------------------------

static void stop_reading(fq_stream *stream) {
    uv_read_stop(&stream->handle.stream);
    stream->is_reading = false;
    stream->can_read = false;
}

static void report_end(fq_stream *stream) {
    if (!stream->can_read || stream->is_closed)
        return;
    stop_reading(stream);
    stream->handler->on_end(stream->context, NULL);
}

static void report_broken(fq_stream *stream, const char *reason) {
    if (stream->is_dead || stream->is_closed)
        return;
    stream->is_dead = true;
    stream->broken = reason;
    stop_reading(stream);
    stream->handler->on_end(stream->context, reason);
}

static void free_idle(uv_handle_t *handle) {
    free(handle);
}

static void on_breaker(uv_idle_t *idle) {
    fq_stream *stream = idle->data;
    stream->breaker = NULL;
    uv_close((uv_handle_t *)idle, free_idle);
    report_broken(stream, stream->broken);
}

static void break_later(fq_stream *stream, const char *reason) {
    if (stream->broken != NULL)
        return;
    stream->broken = reason;
    uv_idle_t *idle = malloc(sizeof *idle);
    if (idle == NULL)
        return; // the read side or the owner's sweep will find out
    uv_idle_init(stream->pool->loop, idle);
    idle->data = stream;
    uv_idle_start(idle, on_breaker);
    stream->breaker = idle;
}

static void free_stream(uv_handle_t *handle) {
    fq_stream *stream = handle->data;
    fq_buf_done(&stream->in_flight);
    fq_tls_free(stream->tls);
    free(stream);
}

fq_stream *fq_stream_close(fq_stream *stream) {
    if (stream == NULL)
        return NULL;
    FQ_ASSERT(!stream->is_closed);
    stream->is_closed = true;
    if (stream->breaker != NULL)
        uv_close((uv_handle_t *)stream->breaker, free_idle);
    uv_close(&stream->handle.any, free_stream);
    return NULL;
}

// --- writing ------------------------------------------------------------------------------------------------------------

static void pump(fq_stream *stream);

static void on_written(uv_write_t *request, int status) {
    fq_stream *stream = request->data;
    stream->is_writing = false;
    fq_buf_clear(&stream->in_flight);
    if (stream->is_closed)
        return;
    if (status < 0) {
        report_broken(stream, uv_strerror(status));
        return;
    }
    pump(stream);
    if (!stream->is_writing && !stream->is_finishing)
        stream->handler->on_writable(stream->context);
}

// Sends what is in `in_flight`: what the kernel takes now, the rest through the loop.
static void send_in_flight(fq_stream *stream) {
    fq_str rest = fq_buf_str(&stream->in_flight);
    uv_buf_t part = uv_buf_init((char *)(uintptr_t)rest.ptr, (unsigned)rest.len);
    int count = uv_try_write(&stream->handle.stream, &part, 1);
    if (count < 0 && count != UV_EAGAIN) {
        break_later(stream, uv_strerror(count));
        return;
    }
    if (count > 0)
        fq_buf_consume(&stream->in_flight, (size_t)count);
    if (fq_buf_len(&stream->in_flight) == 0)
        return;
    rest = fq_buf_str(&stream->in_flight);
    part = uv_buf_init((char *)(uintptr_t)rest.ptr, (unsigned)rest.len);
    stream->write_request.data = stream;
    if (uv_write(&stream->write_request, &stream->handle.stream, &part, 1, on_written) < 0)
        break_later(stream, "write failed");
    else
        stream->is_writing = true;
}

static void on_shut(uv_shutdown_t *request, int status) {
    (void)request;
    (void)status;
}

// Brings out what TLS has made by itself, and the end of the stream behind everything else.
static void pump(fq_stream *stream) {
    if (stream->is_writing || stream->broken != NULL)
        return;
    if (stream->tls != NULL) {
        fq_buf *output = fq_tls_output(stream->tls);
        if (fq_buf_len(output) > 0) {
            fq_buf sent = stream->in_flight;
            stream->in_flight = *output;
            fq_buf_clear(&sent);
            *output = sent;
            send_in_flight(stream);
        }
    }
    if (stream->is_finishing && !stream->has_shut && !stream->is_writing && stream->broken == NULL) {
        stream->has_shut = true;
        (void)uv_shutdown(&stream->shutdown_request, &stream->handle.stream, on_shut);
    }
}

static size_t write_plain(fq_stream *stream, fq_str bytes) {
    unsigned len = bytes.len > INT32_MAX ? INT32_MAX : (unsigned)bytes.len;
    uv_buf_t part = uv_buf_init((char *)(uintptr_t)bytes.ptr, len);
    int count = uv_try_write(&stream->handle.stream, &part, 1);
    if (count < 0 && count != UV_EAGAIN) {
        break_later(stream, uv_strerror(count));
        return 0;
    }
    size_t taken = count > 0 ? (size_t)count : 0;
    if (taken == bytes.len)
        return taken;
    size_t rest = bytes.len - taken < FQ_STREAM_CHUNK_BYTES ? bytes.len - taken : FQ_STREAM_CHUNK_BYTES;
    fq_buf_clear(&stream->in_flight);
    if (fq_buf_append(&stream->in_flight, bytes.ptr + taken, rest) < 0) {
        break_later(stream, "out of memory");
        return taken;
    }
    send_in_flight(stream);
    return taken + rest;
}

size_t fq_stream_write(fq_stream *stream, fq_str bytes) {
    if (bytes.len == 0 || stream->is_writing || stream->broken != NULL || stream->is_finishing)
        return 0;
    if (stream->tls == NULL)
        return write_plain(stream, bytes);
    size_t total = 0;
    while (total < bytes.len && !stream->is_writing && stream->broken == NULL) {
        size_t rest = bytes.len - total, taken = 0;
        fq_str part = {bytes.ptr + total, rest < FQ_STREAM_CHUNK_BYTES ? rest : FQ_STREAM_CHUNK_BYTES};
        if (fq_tls_write(stream->tls, part, &taken) < 0)
            break_later(stream, fq_tls_error(stream->tls));
        if (taken == 0)
            break;
        total += taken;
        pump(stream);
    }
    return total;
}

bool fq_stream_is_flushed(const fq_stream *stream) {
    return !stream->is_writing;
}

void fq_stream_finish(fq_stream *stream) {
    if (stream->is_finishing)
        return;
    stream->is_finishing = true;
    if (stream->tls != NULL)
        fq_tls_finish(stream->tls);
    pump(stream);
    fq_stream_set_reading(stream, true);
}

// --- reading ------------------------------------------------------------------------------------------------------------

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer) {
    (void)suggested;
    fq_stream *stream = handle->data;
    *ret_buffer = uv_buf_init(stream->pool->read, sizeof stream->pool->read);
}

static void feed_tls(fq_stream *stream, fq_str cipher) {
    fq_buf *plain = &stream->pool->plain;
    fq_buf_clear(plain);
    int result = fq_tls_feed(stream->tls, cipher, plain);
    pump(stream);
    if (!stream->is_secure && fq_tls_is_ready(stream->tls)) {
        stream->is_secure = true;
        stream->handler->on_secure(stream->context);
    }
    if (!stream->is_closed && fq_buf_len(plain) > 0)
        stream->handler->on_bytes(stream->context, fq_buf_str(plain));
    if (result == FQ_ECLOSED)
        report_end(stream);
    else if (result < 0)
        report_broken(stream, result == FQ_ETLS ? fq_tls_error(stream->tls) : fq_strerror(result));
}

static void on_read(uv_stream_t *handle, ssize_t count, const uv_buf_t *buffer) {
    fq_stream *stream = handle->data;
    if (count == 0)
        return;
    if (count < 0) {
        if (count == UV_EOF)
            report_end(stream);
        else
            report_broken(stream, uv_strerror((int)count));
        return;
    }
    if (stream->is_finishing)
        return;
    fq_str bytes = {buffer->base, (size_t)count};
    if (stream->tls != NULL)
        feed_tls(stream, bytes);
    else
        stream->handler->on_bytes(stream->context, bytes);
}

void fq_stream_set_reading(fq_stream *stream, bool reading) {
    if (reading == stream->is_reading || !stream->can_read || stream->is_closed)
        return;
    stream->is_reading = reading;
    if (!reading)
        uv_read_stop(&stream->handle.stream);
    else if (uv_read_start(&stream->handle.stream, on_allocate, on_read) < 0)
        break_later(stream, "cannot read");
}

// --- opening ------------------------------------------------------------------------------------------------------------

// A peer whose machine vanished is found within half a minute, whether bytes are on their way to it (the limit on what is
// not acknowledged) or not (the probes). Replies are whole when they are written, so Nagle only delays.
static void tune_tcp(int fd) {
    static const int on = 1, idle_s = 10, interval_s = 5, probes = 3;
    static const unsigned unacknowledged_ms = 25000;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

static int attach(fq_stream *stream, int fd) {
    int family = AF_UNSPEC;
    socklen_t size = sizeof family;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
        return FQ_EIO;
    if (family == AF_UNIX) {
        uv_pipe_init(stream->pool->loop, &stream->handle.pipe, 0);
        return uv_pipe_open(&stream->handle.pipe, fd) < 0 ? FQ_EIO : 0;
    }
    tune_tcp(fd);
    uv_tcp_init(stream->pool->loop, &stream->handle.tcp);
    return uv_tcp_open(&stream->handle.tcp, fd) < 0 ? FQ_EIO : 0;
}

int fq_stream_open(fq_stream_pool *pool, int fd, fq_tls *tls, const struct fq_stream_handler *handler,
                   void *context, fq_stream **ret_stream) {
    fq_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        close(fd);
        fq_tls_free(tls);
        return FQ_ENOMEM;
    }
    stream->pool = pool;
    stream->handler = handler;
    stream->context = context;
    stream->tls = tls;
    stream->is_secure = tls == NULL;
    stream->can_read = true;
    if (attach(stream, fd) < 0) {
        close(fd);
        stream->handle.any.data = stream;
        if (stream->handle.any.type == UV_UNKNOWN_HANDLE)
            free_stream(&stream->handle.any);
        else
            fq_stream_close(stream);
        return FQ_EIO;
    }
    stream->handle.any.data = stream;
    if (tls != NULL)
        pump(stream);
    *ret_stream = stream;
    return 0;
}

const fq_tls *fq_stream_tls(const fq_stream *stream) {
    return stream->tls;
}
