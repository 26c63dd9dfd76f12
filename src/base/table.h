// SPDX-License-Identifier: Apache-2.0
// A hash table of 8 bytes a slot: open addressing, Robin Hood order, deletion without tombstones, growth in small steps.
//
// Entries are numbers of 44 bits, not 0: an index, or a pointer that is a multiple of 16 (fq_table_value). The table keeps
// of each the number, 12 bits of its hash and its distance from home; keys live with the entries, and the owner compares
// them. Slots are ordered by the high bits of the hash, whatever the size of the table: that makes fq_table_scan stable
// while the table grows. Memory comes in two steps: fq_table_reserve (may fail, changes nothing), fq_table_adopt (cannot).
#ifndef FQ_BASE_TABLE_H
#define FQ_BASE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fq_table_ops {
    uint64_t (*hash)(const void *context, uint64_t value);
    bool (*equal)(const void *context, uint64_t value, const void *key);
};

typedef struct fq_table {
    uint64_t *slots;
    uint64_t *old_slots; // being emptied into `slots`; NULL when not growing
    uint64_t count;      // entries in both
    uint64_t old_cursor; // first slot of the old array that may hold something
    uint32_t bits, old_bits;
    const struct fq_table_ops *ops;
    const void *context; // of the ops
} fq_table;

typedef struct fq_table_spare {
    uint64_t *slots;
    uint32_t bits;
} fq_table_spare;

static inline uint64_t fq_table_value(const void *pointer) {
    return (uint64_t)(uintptr_t)pointer >> 4;
}
static inline void *fq_table_pointer(uint64_t value) {
    return (void *)(uintptr_t)(value << 4);
}

/** Has the memory fetched where an entry of `hash` is or will be: for who asks a little later. */
static inline void fq_table_prefetch(const fq_table *table, uint64_t hash) {
    if (table->slots != NULL)
        __builtin_prefetch(&table->slots[hash >> (64 - table->bits)]);
    if (table->old_slots != NULL)
        __builtin_prefetch(&table->old_slots[hash >> (64 - table->old_bits)]);
}

void fq_table_init(fq_table *table, const struct fq_table_ops *ops, const void *context);
/** Frees the table's memory, not what the entries stand for. */
void fq_table_done(fq_table *table);

/** Sees to room for `extra` more entries, in the table or in `spare`. 0 or FQ_ENOMEM. */
int fq_table_reserve(const fq_table *table, uint64_t extra, fq_table_spare *spare);
void fq_table_adopt(fq_table *table, fq_table_spare *spare);
void fq_table_spare_done(fq_table_spare *spare);

/** The entry that equals `key`, 0 if there is none. */
uint64_t fq_table_find(const fq_table *table, uint64_t hash, const void *key);
/** The caller knows that no equal entry is there and has reserved room. */
void fq_table_insert(fq_table *table, uint64_t hash, uint64_t value);
/** `value` must be in the table under `hash`. */
void fq_table_remove(fq_table *table, uint64_t hash, uint64_t value);
/** `value` gives its place to `successor`, which has the same hash. */
void fq_table_replace(fq_table *table, uint64_t hash, uint64_t value, uint64_t successor);

/**
 * Calls `visit` for entries in the order of their hashes, from *cursor on (0 = from the start), until it returns false or
 * `look_max` entries were seen. *cursor is where to go on: an entry for which visit returned false is seen again; 0 at
 * the end. Entries that stay in the table are seen exactly once whatever else comes, goes or grows between calls.
 */
void fq_table_scan(const fq_table *table, uint64_t *cursor, uint64_t look_max,
                   bool (*visit)(void *context, uint64_t value), void *context);

/** Calls `visit` for every entry in no useful order, reading no entry: for taking everything down. */
void fq_table_each(const fq_table *table, void (*visit)(void *context, uint64_t value), void *context);

#endif
