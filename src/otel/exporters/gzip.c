// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/gzip.h"

#include "otel/attribute.h"

#include <limits.h>
#include <zlib.h>

// Telemetry is repetitive: level 1 takes most of what there is to win. The window bits say "gzip" to zlib. A small hash
// keeps the compressor at 68 KiB; it lives only during the call.
enum { LEVEL = 1, WINDOW_GZIP = 14 + 16, MEMORY_LEVEL = 7, INFLATE_GZIP = 15 + 16, STEP = 16 * 1024 };

static int deflate_all(z_stream *zlib, fq_buf *out) {
    for (;;) {
        if (fq_buf_reserve(out, STEP) < 0)
            return OTEL_FAILED;
        zlib->next_out = (Bytef *)fq_buf_tail(out);
        zlib->avail_out = STEP;
        int result = deflate(zlib, Z_FINISH);
        fq_buf_commit(out, STEP - zlib->avail_out);
        if (result == Z_STREAM_END)
            return OTEL_OK;
        if (result != Z_OK && result != Z_BUF_ERROR)
            return OTEL_FAILED;
    }
}

int otel_gzip(const void *bytes, size_t len, fq_buf *out) {
    z_stream zlib = {0};
    if (len > UINT_MAX ||
        deflateInit2(&zlib, LEVEL, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return OTEL_FAILED;
    zlib.next_in = (Bytef *)(uintptr_t)bytes;
    zlib.avail_in = (uInt)len;
    int result = deflate_all(&zlib, out);
    deflateEnd(&zlib);
    return result;
}

static int inflate_all(z_stream *zlib, size_t max, fq_buf *out) {
    for (size_t total = 0;;) {
        if (fq_buf_reserve(out, STEP) < 0)
            return OTEL_FAILED;
        zlib->next_out = (Bytef *)fq_buf_tail(out);
        zlib->avail_out = STEP;
        int result = inflate(zlib, Z_NO_FLUSH);
        size_t count = STEP - zlib->avail_out;
        total += count;
        if (total > max)
            return OTEL_FAILED;
        fq_buf_commit(out, count);
        if (result == Z_STREAM_END)
            return OTEL_OK;
        if (result != Z_OK || (count == 0 && zlib->avail_in == 0))
            return OTEL_FAILED;
    }
}

int otel_gunzip(const void *bytes, size_t len, size_t max, fq_buf *out) {
    z_stream zlib = {0};
    if (len > UINT_MAX || inflateInit2(&zlib, INFLATE_GZIP) != Z_OK)
        return OTEL_FAILED;
    zlib.next_in = (Bytef *)(uintptr_t)bytes;
    zlib.avail_in = (uInt)len;
    int result = inflate_all(&zlib, max, out);
    inflateEnd(&zlib);
    return result;
}
