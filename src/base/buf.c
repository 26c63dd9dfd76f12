// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include "base/assert.h"
#include "fastqueue/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

// Where growing begins. FQ_TIGHT, where accesses and failing allocations are watched: small buffers hold no byte beyond what
// was asked for.
static size_t first_capacity(const fq_buf *buf, size_t need) {
#ifdef FQ_TIGHT
    if (need > 0 && need <= 2 * (size_t)FIRST_CAPACITY)
        return need;
#else
    (void)need;
#endif
    return buf->capacity != 0 ? buf->capacity : FIRST_CAPACITY;
}

void fq_buf_init(fq_buf *buf, size_t max) {
    *buf = (fq_buf){.max = max};
}

void fq_buf_done(fq_buf *buf) {
    if (buf == NULL)
        return;
    free(buf->data);
    *buf = (fq_buf){.max = buf->max};
}

// Moves the unread bytes to the front when at least half of the memory is behind the cursor.
static void compact(fq_buf *buf) {
    size_t len = fq_buf_len(buf);
    if (buf->begin == 0)
        return;
    if (len > 0)
        memmove(buf->data, buf->data + buf->begin, len);
    buf->begin = 0;
    buf->end = len;
}

int fq_buf_grow(fq_buf *buf, size_t extra) {
    size_t len = fq_buf_len(buf);
    size_t need;
    if (__builtin_add_overflow(len, extra, &need))
        return FQ_ENOMEM;
    if (buf->max != 0 && need > buf->max)
        return FQ_ETOOBIG;
    if (need <= buf->capacity && buf->begin >= buf->capacity / 2) {
        compact(buf);
        return 0;
    }
    size_t capacity = first_capacity(buf, need);
    while (capacity < need) {
        if (__builtin_mul_overflow(capacity, 2u, &capacity))
            return FQ_ENOMEM;
    }
    if (capacity == buf->capacity && need <= capacity) {
        compact(buf);
        return 0;
    }
    char *data = malloc(capacity);
    if (data == NULL)
        return FQ_ENOMEM;
    if (len > 0)
        memcpy(data, buf->data + buf->begin, len);
    free(buf->data);
    buf->data = data;
    buf->begin = 0;
    buf->end = len;
    buf->capacity = capacity;
    return 0;
}

int fq_buf_append(fq_buf *buf, const void *bytes, size_t len) {
    int rc = fq_buf_reserve(buf, len);
    if (rc < 0)
        return rc;
    if (len > 0)
        memcpy(buf->data + buf->end, bytes, len);
    buf->end += len;
    return 0;
}

int fq_buf_append_str(fq_buf *buf, fq_str text) {
    return fq_buf_append(buf, text.ptr, text.len);
}

int fq_buf_append_byte(fq_buf *buf, char byte) {
    return fq_buf_append(buf, &byte, 1);
}

int fq_buf_printf(fq_buf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    FQ_ASSERT(len >= 0);
    int rc = fq_buf_reserve(buf, (size_t)len + 1);
    if (rc < 0)
        return rc;
    va_start(args, format);
    vsnprintf(buf->data + buf->end, (size_t)len + 1, format, args);
    va_end(args);
    buf->end += (size_t)len;
    return 0;
}

void fq_buf_consume(fq_buf *buf, size_t len) {
    FQ_ASSERT(len <= fq_buf_len(buf));
    buf->begin += len;
    if (buf->begin == buf->end) {
        buf->begin = 0;
        buf->end = 0;
    }
}

void fq_buf_clear(fq_buf *buf) {
    buf->begin = 0;
    buf->end = 0;
}
