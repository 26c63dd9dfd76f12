// SPDX-License-Identifier: Apache-2.0
#include "server/index.h"

#include "base/assert.h"

#include <stdlib.h>

enum { FIRST_ROOM = 16 };

void fq_index_done(struct fq_index *index) {
    free(index->slots);
    *index = (struct fq_index){0};
}

static void put(struct fq_index_slot *slots, size_t room, uint64_t hash, void *item) {
    size_t at = hash & (room - 1);
    while (slots[at].item != NULL)
        at = (at + 1) & (room - 1);
    slots[at] = (struct fq_index_slot){hash, item};
}

static int grow(struct fq_index *index) {
    size_t room = index->room != 0 ? index->room * 2 : FIRST_ROOM;
    struct fq_index_slot *slots = calloc(room, sizeof *slots);
    if (slots == NULL)
        return FQ_ENOMEM;
    for (size_t i = 0; i < index->room; i++) {
        if (index->slots[i].item != NULL)
            put(slots, room, index->slots[i].hash, index->slots[i].item);
    }
    free(index->slots);
    index->slots = slots;
    index->room = room;
    return 0;
}

int fq_index_add(struct fq_index *index, uint64_t hash, void *item) {
    if (index->count >= index->room - index->room / 4) {
        int rc = grow(index);
        if (rc < 0)
            return rc;
    }
    put(index->slots, index->room, hash, item);
    index->count++;
    return 0;
}

void *fq_index_find(const struct fq_index *index, uint64_t hash,
                    bool (*is_key)(const void *item, const void *key), const void *key) {
    if (index->count == 0)
        return NULL;
    size_t mask = index->room - 1;
    for (size_t at = hash & mask; index->slots[at].item != NULL; at = (at + 1) & mask) {
        if (index->slots[at].hash == hash && is_key(index->slots[at].item, key))
            return index->slots[at].item;
    }
    return NULL;
}

// Closes the gap at `at`: later slots of the run move up if that brings them nearer to their home.
static void close_gap(struct fq_index *index, size_t at) {
    size_t mask = index->room - 1;
    size_t gap = at;
    for (size_t next = (at + 1) & mask; index->slots[next].item != NULL; next = (next + 1) & mask) {
        size_t home = index->slots[next].hash & mask;
        if (((next - home) & mask) >= ((next - gap) & mask)) {
            index->slots[gap] = index->slots[next];
            gap = next;
        }
    }
    index->slots[gap] = (struct fq_index_slot){0};
}

void fq_index_remove(struct fq_index *index, uint64_t hash, const void *item) {
    FQ_ASSERT(index->count > 0);
    size_t mask = index->room - 1;
    size_t at = hash & mask;
    while (index->slots[at].item != item) {
        FQ_ASSERT(index->slots[at].item != NULL);
        at = (at + 1) & mask;
    }
    close_gap(index, at);
    if (--index->count == 0)
        fq_index_done(index);
}

void *fq_index_any(const struct fq_index *index) {
    for (size_t i = 0; i < index->room; i++) {
        if (index->slots[i].item != NULL)
            return index->slots[i].item;
    }
    return NULL;
}
