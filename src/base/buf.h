// SPDX-License-Identifier: Apache-2.0
// A growable byte buffer with a read cursor: bytes are appended at the end and consumed from the front.
#ifndef FQ_BASE_BUF_H
#define FQ_BASE_BUF_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

// All-zero is a valid empty buffer without a maximum.
typedef struct fq_buf {
    char *data;
    size_t begin;    // first unread byte
    size_t end;      // one past the last byte
    size_t capacity; // bytes allocated
    size_t max;      // refuse to hold more unread bytes than this; 0 = no bound
} fq_buf;

void fq_buf_init(fq_buf *buf, size_t max);
/** Frees the memory; the buffer is empty and usable again. NULL is fine. */
void fq_buf_done(fq_buf *buf);

static inline size_t fq_buf_len(const fq_buf *buf) {
    return buf->end - buf->begin;
}
static inline fq_str fq_buf_str(const fq_buf *buf) {
    return (fq_str){buf->data != NULL ? buf->data + buf->begin : "", buf->end - buf->begin};
}

/** fq_buf_reserve() where the room at the end does not do. */
int fq_buf_grow(fq_buf *buf, size_t extra);
/** Makes room for `extra` bytes behind the end. 0, FQ_ENOMEM, or FQ_ETOOBIG when `max` would be passed. */
static inline int fq_buf_reserve(fq_buf *buf, size_t extra) {
    if (extra <= buf->capacity - buf->end && (buf->max == 0 || fq_buf_len(buf) + extra <= buf->max))
        return 0;
    return fq_buf_grow(buf, extra);
}
/** Room at the end after fq_buf_reserve(); write there, then fq_buf_commit(). */
static inline char *fq_buf_tail(fq_buf *buf) {
    return buf->data + buf->end;
}
static inline void fq_buf_commit(fq_buf *buf, size_t written) {
    buf->end += written;
}

int fq_buf_append(fq_buf *buf, const void *bytes, size_t len);
int fq_buf_append_str(fq_buf *buf, fq_str text);
int fq_buf_append_byte(fq_buf *buf, char byte);
/** printf into the buffer; no trailing NUL is counted. */
int fq_buf_printf(fq_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Drops `len` bytes (at most all) from the front. */
void fq_buf_consume(fq_buf *buf, size_t len);
/** Forgets the content, keeps the memory. */
void fq_buf_clear(fq_buf *buf);

#endif
