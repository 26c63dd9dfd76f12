// SPDX-License-Identifier: Apache-2.0
// gzip, whole messages at a time.
#ifndef OTEL_EXPORTERS_GZIP_H
#define OTEL_EXPORTERS_GZIP_H

#include "base/buf.h"

/** Appends the compressed bytes. OTEL_OK or OTEL_FAILED (memory). */
int otel_gzip(const void *bytes, size_t len, fq_buf *out);
/** Appends what `bytes` hold decompressed, at most `max` bytes of it. OTEL_FAILED: no gzip, damaged, or more than that. */
int otel_gunzip(const void *bytes, size_t len, size_t max, fq_buf *out);

#endif
