// SPDX-License-Identifier: Apache-2.0
#include "otel/pipeline/ring.h"

#include <stdlib.h>
#include <string.h>

// Stands in front of each record.
struct head {
    uint32_t sequence, len;
};

static uint64_t position(uint32_t sequence, uint32_t at) {
    return (uint64_t)sequence << 32 | at;
}

// A record and its head.
static uint32_t units_of(uint32_t len) {
    return (uint32_t)((sizeof(struct head) + (uint64_t)len + OTEL_RING_UNIT - 1) / OTEL_RING_UNIT);
}

static uint32_t power_of_two(uint32_t at_least) {
    uint32_t power = 1;
    while (power < at_least && power < UINT32_C(1) << 30)
        power *= 2;
    return power;
}

bool otel_ring_init(struct otel_ring *ring, uint32_t records_max, uint32_t bytes_max) {
    uint32_t slots = power_of_two(records_max);
    size_t slot_bytes = (size_t)slots * sizeof *ring->slots;
    size_t bytes = bytes_max > 2 * slot_bytes ? bytes_max - slot_bytes : bytes_max;
    memset(ring, 0, sizeof *ring);
    ring->slot_mask = slots - 1;
    ring->records_max = records_max < slots ? records_max : slots;
    ring->units = (uint32_t)(bytes / OTEL_RING_UNIT);
    ring->slots = calloc(slots, sizeof *ring->slots);
    ring->bytes = malloc((size_t)ring->units * OTEL_RING_UNIT);
    if (ring->slots != NULL && ring->bytes != NULL)
        return true;
    otel_ring_done(ring);
    return false;
}

void otel_ring_done(struct otel_ring *ring) {
    free(ring->slots);
    free(ring->bytes);
    ring->slots = NULL;
    ring->bytes = NULL;
}

void otel_ring_reset(struct otel_ring *ring) {
    for (uint32_t i = 0; i <= ring->slot_mask; i++)
        atomic_store(&ring->slots[i].done, 0);
    atomic_store(&ring->tail, 0);
    atomic_store(&ring->head, 0);
}

// Where `need` units go in a queue from `head` to `tail`; false when they do not fit. A record never wraps: what is left at
// the end of the memory is skipped then.
static bool place(const struct otel_ring *ring, uint64_t head, uint64_t tail, uint32_t need,
                  uint32_t *ret_at) {
    uint32_t from = (uint32_t)head, to = (uint32_t)tail;
    bool is_empty = otel_ring_sequence(head) == otel_ring_sequence(tail);
    if (is_empty || to > from) {
        if (ring->units - to >= need) {
            *ret_at = to;
            return true;
        }
        *ret_at = 0;
        return (is_empty ? to : from) >= need;
    }
    *ret_at = to;
    return from - to >= need;
}

void *otel_ring_reserve(struct otel_ring *ring, uint32_t len) {
    uint32_t need = units_of(len);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t at;
    do {
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        uint32_t queued = otel_ring_sequence(tail) - otel_ring_sequence(head);
        if (queued >= ring->records_max) {
            // An old tail looks like a full queue when the head has overtaken it.
            uint64_t again = atomic_load_explicit(&ring->tail, memory_order_relaxed);
            if (again == tail)
                return NULL;
            tail = again;
            continue;
        }
        if (need > ring->units || !place(ring, head, tail, need, &at))
            return NULL;
        if (atomic_compare_exchange_weak_explicit(&ring->tail, &tail,
                                                  position(otel_ring_sequence(tail) + 1, at + need),
                                                  memory_order_seq_cst, memory_order_relaxed))
            break; // before the writer asks whether the reader sleeps
    } while (true);
    struct otel_ring_slot *slot = &ring->slots[otel_ring_sequence(tail) & ring->slot_mask];
    slot->at = at;
    slot->len = len;
    struct head *record = (struct head *)(void *)(ring->bytes + (size_t)at * OTEL_RING_UNIT);
    record->sequence = otel_ring_sequence(tail);
    record->len = len;
    return record + 1;
}

static uint32_t distance(const struct otel_ring *ring, uint64_t head, uint64_t tail) {
    if (otel_ring_sequence(head) == otel_ring_sequence(tail))
        return 0;
    uint32_t from = (uint32_t)head, to = (uint32_t)tail;
    return (to > from ? to - from : ring->units - from + to) * OTEL_RING_UNIT;
}

uint32_t otel_ring_commit(struct otel_ring *ring, void *reserved, uint32_t *ret_bytes) {
    uint32_t sequence = ((const struct head *)reserved - 1)->sequence;
    struct otel_ring_slot *slot = &ring->slots[sequence & ring->slot_mask];
    uint32_t end = slot->at + units_of(slot->len);
    atomic_store_explicit(&slot->done, sequence + 1, memory_order_release);
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t queued = sequence + 1 - otel_ring_sequence(head);
    if ((int32_t)queued <= 0) { // the reader was faster
        *ret_bytes = 0;
        return 0;
    }
    *ret_bytes = distance(ring, head, position(sequence + 1, end));
    return queued;
}

uint32_t otel_ring_bytes(const struct otel_ring *ring) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    return distance(ring, head, atomic_load_explicit(&ring->tail, memory_order_relaxed));
}

bool otel_ring_peek(const struct otel_ring *ring, uint32_t index, struct otel_ring_record *ret_record) {
    uint32_t sequence = otel_ring_sequence(atomic_load_explicit(&ring->head, memory_order_relaxed)) + index;
    const struct otel_ring_slot *slot = &ring->slots[sequence & ring->slot_mask];
    if (atomic_load_explicit(&slot->done, memory_order_acquire) != sequence + 1)
        return false;
    ret_record->bytes = ring->bytes + (size_t)slot->at * OTEL_RING_UNIT + sizeof(struct head);
    ret_record->len = slot->len;
    return true;
}

void otel_ring_release(struct otel_ring *ring, uint32_t count) {
    if (count == 0)
        return;
    uint32_t sequence = otel_ring_sequence(atomic_load_explicit(&ring->head, memory_order_relaxed)) + count;
    const struct otel_ring_slot *last = &ring->slots[(sequence - 1) & ring->slot_mask];
    atomic_store_explicit(&ring->head, position(sequence, last->at + units_of(last->len)),
                          memory_order_release);
}
