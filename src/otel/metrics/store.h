// SPDX-License-Identifier: Apache-2.0
// Where blocks come from: memory of the provider's own, which grows, or an area of a fixed size that another process reads.
#ifndef OTEL_METRICS_STORE_H
#define OTEL_METRICS_STORE_H

#include "otel/metrics/layout.h"

#include <stddef.h>

struct otel_store {
    struct otel_area_head *area; // NULL = memory of one's own
    struct otel_store_chunk *chunks;
    uint8_t *at;
    size_t left;
};
/** `area` NULL = own memory. False when the area is too small or not aligned: own memory is used then. */
bool otel_store_init(struct otel_store *store, void *area, size_t area_len);
void otel_store_done(struct otel_store *store);
/** A zeroed block with its header filled; NULL when there is no room. Not seen by others until it is shown; one block at a
 *  time. */
void *otel_store_take(struct otel_store *store, enum otel_block_type type, uint32_t parent, size_t len);
/** The taken block is complete. Returns what children name as their parent. */
uint32_t otel_store_show(struct otel_store *store, const void *block);
/** A measurement was lost for want of room. Any thread. */
void otel_store_count_lost(struct otel_store *store);

#endif
