// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include "base/assert.h"
#include "fastqueue/error.h"

#include <string.h>

enum { FIRST_CAPACITY = 64 };

void fq_heap_init(fq_heap *heap, size_t place_offset, size_t tie_offset) {
    FQ_ASSERT(place_offset <= UINT16_MAX && tie_offset <= UINT16_MAX);
    *heap = (fq_heap){.place_offset = (uint16_t)place_offset, .tie_offset = (uint16_t)tie_offset};
}

void fq_heap_done(fq_heap *heap) {
    free(heap->entries);
    heap->entries = NULL;
    heap->count = 0;
    heap->capacity = 0;
}

int fq_heap_reserve_spare(const fq_heap *heap, uint32_t extra, fq_heap_spare *spare) {
    uint64_t need = (uint64_t)heap->count + extra;
    if (need <= spare->capacity)
        return 0;
    uint64_t capacity = heap->capacity != 0 ? heap->capacity : FIRST_CAPACITY;
    while (capacity < need)
        capacity += capacity / 2;
    if (capacity > UINT32_MAX - 1)
        return FQ_ENOMEM;
    struct fq_heap_entry *entries = malloc((size_t)capacity * sizeof *entries);
    if (entries == NULL)
        return FQ_ENOMEM;
    free(spare->entries);
    *spare = (fq_heap_spare){entries, (uint32_t)capacity};
    return 0;
}

void fq_heap_adopt(fq_heap *heap, fq_heap_spare *spare) {
    if (spare->entries == NULL || spare->capacity <= heap->capacity)
        return;
    if (heap->count > 0)
        memcpy(spare->entries, heap->entries, heap->count * sizeof *heap->entries);
    free(heap->entries);
    heap->entries = spare->entries;
    heap->capacity = spare->capacity;
    *spare = (fq_heap_spare){0};
}

void fq_heap_spare_done(fq_heap_spare *spare) {
    free(spare->entries);
    *spare = (fq_heap_spare){0};
}

static uint32_t *place_of(const fq_heap *heap, void *item) {
    return (uint32_t *)(void *)((char *)item + heap->place_offset);
}

static uint64_t tie_of(const fq_heap *heap, const void *item) {
    if (heap->tie_offset == FQ_HEAP_NO_TIE)
        return 0;
    uint64_t tie;
    memcpy(&tie, (const char *)item + heap->tie_offset, sizeof tie);
    return tie;
}

static bool comes_before(const fq_heap *heap, struct fq_heap_entry a, struct fq_heap_entry b) {
    if (a.key != b.key)
        return a.key < b.key;
    return tie_of(heap, a.item) < tie_of(heap, b.item);
}

static void put(fq_heap *heap, uint32_t index, struct fq_heap_entry entry) {
    heap->entries[index] = entry;
    *place_of(heap, entry.item) = index + 1;
}

static void sift_up(fq_heap *heap, uint32_t index, struct fq_heap_entry entry) {
    while (index > 0) {
        uint32_t parent = (index - 1) / FQ_HEAP_ARITY;
        if (!comes_before(heap, entry, heap->entries[parent]))
            break;
        put(heap, index, heap->entries[parent]);
        index = parent;
    }
    put(heap, index, entry);
}

static void sift_down(fq_heap *heap, uint32_t index, struct fq_heap_entry entry) {
    for (;;) {
        uint64_t first = (uint64_t)index * FQ_HEAP_ARITY + 1;
        if (first >= heap->count)
            break;
        uint64_t end = first + FQ_HEAP_ARITY < heap->count ? first + FQ_HEAP_ARITY : heap->count;
        uint32_t least = (uint32_t)first;
        for (uint32_t child = least + 1; child < end; child++) {
            if (comes_before(heap, heap->entries[child], heap->entries[least]))
                least = child;
        }
        if (!comes_before(heap, heap->entries[least], entry))
            break;
        put(heap, index, heap->entries[least]);
        index = least;
    }
    put(heap, index, entry);
}

static void settle(fq_heap *heap, uint32_t index, struct fq_heap_entry entry) {
    if (index > 0 && comes_before(heap, entry, heap->entries[(index - 1) / FQ_HEAP_ARITY]))
        sift_up(heap, index, entry);
    else
        sift_down(heap, index, entry);
}

void fq_heap_push(fq_heap *heap, int64_t key, void *item) {
    FQ_ASSERT(heap->count < heap->capacity);
    FQ_ASSERT(*place_of(heap, item) == 0);
    sift_up(heap, heap->count++, (struct fq_heap_entry){key, item});
}

static uint32_t index_of(const fq_heap *heap, const void *item) {
    uint32_t place;
    memcpy(&place, (const char *)item + heap->place_offset, sizeof place);
    FQ_ASSERT(place > 0 && place <= heap->count && heap->entries[place - 1].item == item);
    return place - 1;
}

void fq_heap_update(fq_heap *heap, int64_t key, void *item) {
    settle(heap, index_of(heap, item), (struct fq_heap_entry){key, item});
}

void fq_heap_remove(fq_heap *heap, void *item) {
    if (*place_of(heap, item) == 0)
        return;
    uint32_t index = index_of(heap, item);
    *place_of(heap, item) = 0;
    struct fq_heap_entry last = heap->entries[--heap->count];
    if (index < heap->count)
        settle(heap, index, last);
}

void fq_heap_rebuild(fq_heap *heap) {
    for (uint32_t index = heap->count; index-- > 0;)
        sift_down(heap, index, heap->entries[index]);
}

bool fq_heap_contains(const fq_heap *heap, const void *item) {
    uint32_t place;
    memcpy(&place, (const char *)item + heap->place_offset, sizeof place);
    return place != 0;
}

int64_t fq_heap_key(const fq_heap *heap, const void *item) {
    return heap->entries[index_of(heap, item)].key;
}

uint64_t fq_heap_tie(const fq_heap *heap, uint32_t index) {
    return tie_of(heap, heap->entries[index].item);
}
