// SPDX-License-Identifier: Apache-2.0
// A bounded queue of records that any thread writes to without waiting and one thread reads. One number, changed by
// compare-and-swap, says where the next record goes and how many there have been; a slot for each record says whether it is
// finished.
#ifndef OTEL_PIPELINE_RING_H
#define OTEL_PIPELINE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OTEL_RING_UNIT = 8 };

struct otel_ring_slot {
    atomic_uint done; // sequence + 1 of the record that is finished in it
    uint32_t at, len; // where it lies, in units; its bytes
};

struct otel_ring {
    struct otel_ring_slot *slots;
    uint8_t *bytes;
    uint32_t slot_mask, units;
    uint32_t records_max;
    _Alignas(64) atomic_uint_least64_t tail; // sequence << 32 | place in units: of the next record
    _Alignas(64) atomic_uint_least64_t head; // of the oldest record
};

struct otel_ring_record {
    const uint8_t *bytes;
    uint32_t len;
};

/** Takes at most `bytes_max` in all. False when out of memory. */
bool otel_ring_init(struct otel_ring *ring, uint32_t records_max, uint32_t bytes_max);
void otel_ring_done(struct otel_ring *ring);
/** Forgets everything; nobody else may be at work. */
void otel_ring_reset(struct otel_ring *ring);

/** Room for `len` bytes, NULL when full. */
void *otel_ring_reserve(struct otel_ring *ring, uint32_t len);
/** Finishes a reserved record; returns how many were queued then up to itself, and about how many bytes. */
uint32_t otel_ring_commit(struct otel_ring *ring, void *reserved, uint32_t *ret_bytes);

static inline uint32_t otel_ring_sequence(uint64_t position) {
    return (uint32_t)(position >> 32);
}
/** Records queued, finished or not. Any thread. */
static inline uint32_t otel_ring_count(const struct otel_ring *ring) {
    return otel_ring_sequence(atomic_load_explicit(&ring->tail, memory_order_acquire)) -
           otel_ring_sequence(atomic_load_explicit(&ring->head, memory_order_relaxed));
}
/** Bytes taken, about. Any thread. */
uint32_t otel_ring_bytes(const struct otel_ring *ring);

// --- the reader ------------------------------------------------------------------------------------------------------
/** The record `index` behind the head; false if there is none, or it is not finished. */
bool otel_ring_peek(const struct otel_ring *ring, uint32_t index, struct otel_ring_record *ret_record);
/** Gives back the first `count` records, all of them peeked at. */
void otel_ring_release(struct otel_ring *ring, uint32_t count);

#endif
