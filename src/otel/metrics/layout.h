// SPDX-License-Identifier: Apache-2.0
// How series lie in memory, a provider's own or one that it shares with a collecting process: blocks behind one another,
// each in cache lines of its own, none with a pointer in it. A block becomes visible when `used` passes its end.
//
// Cells are written with plain stores in an order that keeps what is finished true at any instant, so that a writer may be
// killed between any two instructions.
#ifndef OTEL_METRICS_LAYOUT_H
#define OTEL_METRICS_LAYOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OTEL_AREA_VERSION = 1, OTEL_BLOCK_ALIGN = 64, OTEL_BLOCK_BYTES_MAX = 64 * 1024 };
#define OTEL_AREA_MAGIC UINT64_C(0x6165726171666f74)

struct otel_area_head {
    _Alignas(OTEL_BLOCK_ALIGN) _Atomic uint64_t magic; // last thing written
    uint32_t version, size;
    _Atomic uint32_t used;    // bytes with this header; blocks end there
    _Atomic uint64_t no_room; // measurements that found none
};

enum otel_block_type {
    OTEL_BLOCK_STREAM = 1,
    OTEL_BLOCK_ROW,       // of the stream at `parent`
    OTEL_BLOCK_CELL,      // of the row at `parent`, one for each thread
    OTEL_BLOCK_RESERVOIR, // of the row at `parent`
};
struct otel_block {
    uint32_t len; // with this header and padding
    uint32_t type;
    uint32_t parent; // offset of another block in the area; 0 in memory of one's own
    uint32_t reserved;
};

// What the aggregation of a stream is, and who made it. Bounds, then the texts one behind the other, follow.
struct otel_stream_block {
    struct otel_block block;
    uint8_t kind, aggregation, integer, has_min_max;
    uint32_t bound_count;
    int32_t max_size, max_scale;
    uint32_t name_len, unit_len, description_len, schema_url_len;
    uint32_t scope_len; // an encoded InstrumentationScope
    uint32_t reserved;
};
struct otel_row_block {
    struct otel_block block;
    int64_t start_unix_ns;
    uint32_t key_len; // an attribute set (attribute_set.h) follows
    uint32_t reserved;
};

// Which measurements become exemplars is decided by a writer alone.
struct otel_dice {
    uint32_t epoch, random;
};

struct otel_sum_cell {
    struct otel_block block;
    _Atomic uint64_t sum; // bits of a double, or an int64
    _Atomic uint64_t count;
    struct otel_dice dice;
    uint32_t seen;
};

// A measurement is written into the half that does not count, then its bucket is incremented: that makes the sum of all
// buckets odd or even, which is what says which half counts.
struct otel_histogram_half {
    _Atomic double sum, min, max;
    _Atomic uint32_t window; // of min and max
};
struct otel_histogram_cell {
    struct otel_block block;
    uint64_t count; // writer's own
    struct otel_dice dice;
    struct otel_histogram_half half[2];
    _Atomic uint64_t buckets[]; // bound_count + 1; behind them a uint32_t for each: seen
};

static inline uint32_t *otel_histogram_seen(struct otel_histogram_cell *cell, uint32_t bucket_count) {
    uint8_t *bytes = (uint8_t *)cell;
    return (uint32_t *)(void *)(bytes + sizeof *cell + bucket_count * sizeof(uint64_t));
}

struct otel_exemplar_slot {
    _Atomic uint32_t version; // odd while it is written
    uint32_t filtered_len;
    uint64_t value;  // as in otel_sum_cell
    int64_t unix_ns; // 0 = empty
    uint8_t trace_id[16], span_id[8];
    uint8_t filtered[]; // an attribute set
};
struct otel_reservoir {
    struct otel_block block;
    uint32_t slot_count, stride;
    uint64_t reserved[5];
    // slots
};
enum { OTEL_FILTERED_BYTES_MAX = 256 };

static inline struct otel_exemplar_slot *otel_reservoir_slot(struct otel_reservoir *reservoir,
                                                             uint32_t index) {
    return (struct otel_exemplar_slot *)((uint8_t *)(reservoir + 1) + (size_t)index * reservoir->stride);
}

#endif
