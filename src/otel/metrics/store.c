// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/store.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 64 * 1024 };

struct otel_store_chunk {
    _Alignas(OTEL_BLOCK_ALIGN) struct otel_store_chunk *next;
};

bool otel_store_init(struct otel_store *store, void *area, size_t area_len) {
    *store = (struct otel_store){0};
    if (area == NULL)
        return true;
    if (area_len < 2 * sizeof(struct otel_area_head) || (uintptr_t)area % OTEL_BLOCK_ALIGN != 0)
        return false;
    struct otel_area_head *head = area;
    head->version = OTEL_AREA_VERSION;
    head->size = area_len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)area_len;
    atomic_store_explicit(&head->used, (uint32_t)sizeof *head, memory_order_relaxed);
    atomic_store_explicit(&head->magic, OTEL_AREA_MAGIC, memory_order_release);
    store->area = head;
    return true;
}

void otel_store_done(struct otel_store *store) {
    for (struct otel_store_chunk *chunk = store->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *store = (struct otel_store){0};
}

static uint8_t *take_own(struct otel_store *store, size_t len) {
    if (len > store->left) {
        size_t room = len > CHUNK_BYTES / 4 ? len : CHUNK_BYTES - sizeof(struct otel_store_chunk);
        struct otel_store_chunk *chunk = aligned_alloc(OTEL_BLOCK_ALIGN, sizeof *chunk + room);
        if (chunk == NULL)
            return NULL;
        memset(chunk, 0, sizeof *chunk + room);
        chunk->next = store->chunks;
        store->chunks = chunk;
        store->at = (uint8_t *)(chunk + 1);
        store->left = room;
    }
    uint8_t *bytes = store->at;
    store->at += len;
    store->left -= len;
    return bytes;
}

static uint8_t *take_shared(struct otel_store *store, size_t len) {
    uint32_t used = atomic_load_explicit(&store->area->used, memory_order_relaxed);
    if (len > store->area->size - used)
        return NULL;
    // A fork child or an earlier owner may have left bytes behind the end.
    return memset((uint8_t *)store->area + used, 0, len);
}

void *otel_store_take(struct otel_store *store, enum otel_block_type type, uint32_t parent, size_t len) {
    len = (len + OTEL_BLOCK_ALIGN - 1) / OTEL_BLOCK_ALIGN * OTEL_BLOCK_ALIGN;
    if (len > OTEL_BLOCK_BYTES_MAX)
        return NULL;
    struct otel_block *block = (void *)(store->area != NULL ? take_shared(store, len) : take_own(store, len));
    if (block != NULL)
        *block = (struct otel_block){.len = (uint32_t)len, .type = type, .parent = parent};
    return block;
}

uint32_t otel_store_show(struct otel_store *store, const void *block) {
    if (store->area == NULL)
        return 0;
    const struct otel_block *head = block;
    uint32_t offset = (uint32_t)((const uint8_t *)block - (const uint8_t *)store->area);
    atomic_store_explicit(&store->area->used, offset + head->len, memory_order_release);
    return offset;
}

void otel_store_count_lost(struct otel_store *store) {
    if (store->area != NULL)
        atomic_fetch_add_explicit(&store->area->no_room, 1, memory_order_relaxed);
}
