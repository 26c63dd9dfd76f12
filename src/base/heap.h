// SPDX-License-Identifier: Apache-2.0
// A 4-ary min-heap of (key, item) that keeps each item's place inside the item, so that any item can be moved or taken
// out. Equal keys are ordered by a second number that the item holds, where the order matters: reading it is a cache miss. The
// order never depends on addresses.
// Memory comes in two steps: fq_heap_reserve (may fail, changes nothing) and fq_heap_adopt (cannot fail).
#ifndef FQ_BASE_HEAP_H
#define FQ_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fq_heap_entry {
    int64_t key;
    void *item;
};

typedef struct fq_heap {
    struct fq_heap_entry *entries;
    uint32_t count, capacity;
    uint16_t place_offset; // of a uint32_t in the item: index + 1, 0 = not in the heap
    uint16_t tie_offset;   // of a uint64_t in the item, or FQ_HEAP_NO_TIE
} fq_heap;

// Room for a bigger heap, not yet its own.
typedef struct fq_heap_spare {
    struct fq_heap_entry *entries;
    uint32_t capacity;
} fq_heap_spare;

enum { FQ_HEAP_ARITY = 4, FQ_HEAP_NO_TIE = UINT16_MAX };

void fq_heap_init(fq_heap *heap, size_t place_offset, size_t tie_offset);
/** Frees the heap's memory, not the items. */
void fq_heap_done(fq_heap *heap);

/** fq_heap_reserve() where the heap's own room does not do. */
int fq_heap_reserve_spare(const fq_heap *heap, uint32_t extra, fq_heap_spare *spare);
/** Sees to room for `extra` more entries, in the heap or in `spare`. 0 or FQ_ENOMEM. */
static inline int fq_heap_reserve(const fq_heap *heap, uint32_t extra, fq_heap_spare *spare) {
    return extra <= heap->capacity - heap->count ? 0 : fq_heap_reserve_spare(heap, extra, spare);
}
/** Takes the spare's memory if it is larger than the heap's. */
void fq_heap_adopt(fq_heap *heap, fq_heap_spare *spare);
void fq_heap_spare_done(fq_heap_spare *spare);

/** Room must have been reserved; the item must not be in the heap. */
void fq_heap_push(fq_heap *heap, int64_t key, void *item);
void fq_heap_update(fq_heap *heap, int64_t key, void *item);
/** No effect if the item is not in the heap. */
void fq_heap_remove(fq_heap *heap, void *item);
/** Restores order after the keys were changed in place. */
void fq_heap_rebuild(fq_heap *heap);

bool fq_heap_contains(const fq_heap *heap, const void *item);
/** Key of an item that is in the heap. */
int64_t fq_heap_key(const fq_heap *heap, const void *item);
uint64_t fq_heap_tie(const fq_heap *heap, uint32_t index);

#endif
