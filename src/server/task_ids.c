// SPDX-License-Identifier: Apache-2.0
#include "server/task_ids.h"

#include <stdlib.h>

int fq_task_ids_add(struct fq_task_ids *set, const fq_uuid *id) {
    // Events of one task often follow each other.
    if (set->count > 0 && fq_uuid_equal(&set->ids[set->count - 1], id))
        return 0;
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 64 : 2 * set->capacity;
        fq_uuid *ids = reallocarray(set->ids, capacity, sizeof *ids);
        if (ids == NULL)
            return FQ_ENOMEM;
        set->ids = ids;
        set->capacity = capacity;
    }
    set->ids[set->count++] = *id;
    return 0;
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, sizeof(fq_uuid));
}

void fq_task_ids_settle(struct fq_task_ids *set) {
    if (set->count == 0)
        return;
    qsort(set->ids, set->count, sizeof *set->ids, compare);
    size_t kept = 1;
    for (size_t i = 1; i < set->count; i++)
        if (!fq_uuid_equal(&set->ids[i], &set->ids[kept - 1]))
            set->ids[kept++] = set->ids[i];
    set->count = kept;
}

void fq_task_ids_done(struct fq_task_ids *set) {
    free(set->ids);
    *set = (struct fq_task_ids){0};
}
