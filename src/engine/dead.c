// SPDX-License-Identifier: Apache-2.0
#include "engine/dead.h"

#include "fastqueue/error.h"

enum { FIRST_CAPACITY = 64 };

int fq_dead_reserve(const struct fq_dead *dead, size_t extra, struct fq_dead_entry **spare,
                    size_t *spare_capacity) {
    if (extra <= dead->capacity - dead->end)
        return 0;
    size_t need = (size_t)dead->count + extra;
    if (*spare != NULL && *spare_capacity >= need)
        return 0;
    size_t capacity = FIRST_CAPACITY;
    while (capacity < need + need / 2)
        capacity *= 2;
    struct fq_dead_entry *entries = malloc(capacity * sizeof *entries);
    if (entries == NULL)
        return FQ_ENOMEM;
    free(*spare);
    *spare = entries;
    *spare_capacity = capacity;
    return 0;
}

void fq_dead_adopt(struct fq_dead *dead, struct fq_dead_entry **spare, size_t *spare_capacity) {
    if (*spare == NULL)
        return;
    size_t kept = 0;
    for (size_t i = dead->begin; i < dead->end; i++) {
        if (dead->entries[i].task != NULL)
            (*spare)[kept++] = dead->entries[i];
    }
    free(dead->entries);
    dead->entries = *spare;
    dead->capacity = *spare_capacity;
    dead->begin = 0;
    dead->end = kept;
    *spare = NULL;
    *spare_capacity = 0;
}

void fq_dead_add(struct fq_dead *dead, struct fq_task *task) {
    size_t at = dead->end;
    FQ_ASSERT(at < dead->capacity);
    // A snapshot lists them in order; anything else is put in its place.
    for (; at > dead->begin && dead->entries[at - 1].order > task->order; at--)
        dead->entries[at] = dead->entries[at - 1];
    dead->entries[at] = (struct fq_dead_entry){task->order, task};
    dead->end++;
    dead->count++;
}

size_t fq_dead_seek(const struct fq_dead *dead, uint64_t order) {
    size_t low = dead->begin, high = dead->end;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (dead->entries[middle].order < order)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void fq_dead_remove(struct fq_dead *dead, const struct fq_task *task) {
    size_t at = fq_dead_seek(dead, task->order);
    while (at < dead->end && dead->entries[at].task != task)
        at++;
    FQ_ASSERT(at < dead->end);
    dead->entries[at].task = NULL;
    dead->count--;
    while (dead->begin < dead->end && dead->entries[dead->begin].task == NULL)
        dead->begin++;
    while (dead->end > dead->begin && dead->entries[dead->end - 1].task == NULL)
        dead->end--;
    if (dead->begin == dead->end) {
        dead->begin = 0;
        dead->end = 0;
    }
}
