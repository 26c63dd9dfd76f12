// SPDX-License-Identifier: Apache-2.0
// Finds things by a hash of their key: open addressing, linear probing, no tombstones. The caller hashes with a secret
// seed and compares keys; the index owns nothing but its slots.
#ifndef FQ_SERVER_INDEX_H
#define FQ_SERVER_INDEX_H

#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fq_index_slot {
    uint64_t hash;
    void *item; // NULL = free
};
// All zero is an empty index.
struct fq_index {
    struct fq_index_slot *slots;
    size_t room; // a power of two, or 0
    size_t count;
};

void fq_index_done(struct fq_index *index);
/** Adds; the key must not be there yet. 0 or FQ_ENOMEM. */
FQ_MUST_USE int fq_index_add(struct fq_index *index, uint64_t hash, void *item);
/** The item of `hash` for which `is_key(item, key)`; NULL if there is none. */
void *fq_index_find(const struct fq_index *index, uint64_t hash,
                    bool (*is_key)(const void *item, const void *key), const void *key);
/** Removes `item`, which is there under `hash`. */
void fq_index_remove(struct fq_index *index, uint64_t hash, const void *item);
/** Any item, for emptying; NULL when empty. */
void *fq_index_any(const struct fq_index *index);

#endif
