// SPDX-License-Identifier: Apache-2.0
// A byte stream on a libuv loop: TCP or Unix socket, plain or through TLS. It keeps no queue of its own: a write takes
// what the kernel takes plus at most one chunk, and says when it can take more, so that what a slow reader leaves unsent
// stays with the owner, who has a limit for it. All on the loop's thread.
#ifndef FQ_NET_STREAM_H
#define FQ_NET_STREAM_H

#include "base/str.h"
#include "fastqueue/error.h"
#include "net/tls.h"

#include <stdbool.h>
#include <uv.h>

enum {
    FQ_STREAM_READ_BYTES = 64 * 1024,
    FQ_STREAM_CHUNK_BYTES = 256 * 1024,
};

typedef struct fq_stream fq_stream;

struct fq_stream_handler {
    /** Plain bytes from the peer; valid during the call. */
    void (*on_bytes)(void *context, fq_str bytes);
    /** A TLS handshake is done (never called without TLS): fq_stream_write takes bytes from now on. */
    void (*on_secure)(void *context);
    /** What was in flight has left; more can be written. */
    void (*on_writable)(void *context);
    /** The peer will send no more (`reason` NULL, once; writing may still work), or the stream broke and one line says why
     *  (once, the last call). Never out of a call on the stream by the owner, who still has to close. */
    void (*on_end)(void *context, const char *reason);
};

// What the streams of one loop share: the buffers into which they read.
typedef struct fq_stream_pool {
    uv_loop_t *loop;
    char read[FQ_STREAM_READ_BYTES];
    fq_buf plain; // of the TLS stream that is being read
} fq_stream_pool;

void fq_stream_pool_init(fq_stream_pool *pool, uv_loop_t *loop);
void fq_stream_pool_done(fq_stream_pool *pool);

/**
 * Takes `fd`, a connected socket (closed also on failure), and `tls` (NULL = plain; freed also on failure). Reading is
 * off until fq_stream_set_reading. Handler and pool are borrowed. FQ_ENOMEM or FQ_EIO.
 */
FQ_MUST_USE int fq_stream_open(fq_stream_pool *pool, int fd, fq_tls *tls,
                               const struct fq_stream_handler *handler, void *context,
                               fq_stream **ret_stream);
void fq_stream_set_reading(fq_stream *stream, bool reading);
/** How many of the bytes were taken; on_writable follows if not all. A broken stream takes none and on_end follows. */
size_t fq_stream_write(fq_stream *stream, fq_str bytes);
/** Nothing that was taken is still to be sent. */
bool fq_stream_is_flushed(const fq_stream *stream);
/** Ends the sending half behind what was taken; what the peer still sends is read and thrown away, until the owner
 *  closes. A close right away would let the kernel's reset destroy the last reply on its way. */
void fq_stream_finish(fq_stream *stream);
/** Closes at once; no handler is called any more. NULL is fine. Returns NULL. */
fq_stream *fq_stream_close(fq_stream *stream);
/** The TLS session, NULL if plain. */
const fq_tls *fq_stream_tls(const fq_stream *stream);

#endif
