// SPDX-License-Identifier: Apache-2.0
// Memory that is given back all at once: texts and values of a resource or a configuration.
#ifndef OTEL_POOL_H
#define OTEL_POOL_H

#include "otel/attribute.h"

// All-zero is a valid empty pool.
struct otel_pool {
    struct otel_pool_chunk *chunks;
    size_t left;
    char *at;
    bool failed; // memory ran out once: what was made since may be incomplete
};
void otel_pool_done(struct otel_pool *pool);
/** Zeroed memory, aligned for anything; NULL when out of memory. */
void *otel_pool_take(struct otel_pool *pool, size_t size);
/** A copy with NUL. */
char *otel_pool_text(struct otel_pool *pool, const char *text, size_t len);
char *otel_pool_format(struct otel_pool *pool, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Deep copies; what is nested deeper than 64 becomes empty. False when out of memory: a value that could not be
 *  had is empty then, a key "". */
bool otel_pool_attribute(struct otel_pool *pool, const struct otel_attribute *from,
                         struct otel_attribute *ret);

#endif
