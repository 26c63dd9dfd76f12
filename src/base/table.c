// SPDX-License-Identifier: Apache-2.0
// Slot: 44 bits value | 12 bits tag | 8 bits distance from home. A distance of 255 or more is kept as 255 and computed from the
// entry's hash when needed. Slot 0 is empty. The tag is the part of the hash behind its first 16 bits: together with the home it
// tells where an entry belongs in a table up to 2^28 slots, so that growing looks at no entry, which would be a cache miss each.
#include "base/table.h"

#include "base/assert.h"
#include "fastqueue/error.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BITS = 4, BITS_MAX = 40, VALUE_BITS = 44, TAG_MASK = 0xfff, FAR = 0xff, MOVES_PER_INSERT = 4 };
enum { TAG_BEGIN = 16, TAG_END = 28 }; // bits of the hash, counted from its first

static uint64_t value_of(uint64_t slot) {
    return slot >> 20;
}
static uint64_t tag_of(uint64_t hash) {
    return hash >> (64 - TAG_END) & TAG_MASK;
}
static uint64_t home_of(uint64_t hash, uint32_t bits) {
    return hash >> (64 - bits);
}
static uint64_t mask_of(uint32_t bits) {
    return ((uint64_t)1 << bits) - 1;
}
static uint64_t limit_of(uint32_t bits) {
    uint64_t capacity = (uint64_t)1 << bits;
    return capacity - capacity / 8;
}
static uint64_t make_slot(uint64_t value, uint64_t tag, uint64_t distance) {
    return value << 20 | tag << 8 | (distance < FAR ? distance : FAR);
}

static uint64_t distance_of(const fq_table *table, uint64_t slot, uint64_t position, uint32_t bits) {
    uint64_t distance = slot & FAR;
    if (distance < FAR)
        return distance;
    uint64_t home = home_of(table->ops->hash(table->context, value_of(slot)), bits);
    return (position - home) & mask_of(bits);
}

void fq_table_init(fq_table *table, const struct fq_table_ops *ops, const void *context) {
    *table = (fq_table){.ops = ops, .context = context};
}

void fq_table_done(fq_table *table) {
    free(table->slots);
    free(table->old_slots);
    *table = (fq_table){.ops = table->ops, .context = table->context};
}

int fq_table_reserve(const fq_table *table, uint64_t extra, fq_table_spare *spare) {
    uint64_t need;
    if (__builtin_add_overflow(table->count, extra, &need))
        return FQ_ENOMEM;
    if (table->slots != NULL && need <= limit_of(table->bits))
        return 0;
    uint32_t bits = table->slots != NULL ? table->bits + 1 : FIRST_BITS;
    while (bits <= BITS_MAX && limit_of(bits) < need)
        bits++;
    if (bits > BITS_MAX)
        return FQ_ENOMEM;
    if (spare->slots != NULL && spare->bits >= bits)
        return 0;
    uint64_t *slots = calloc((size_t)1 << bits, sizeof *slots);
    if (slots == NULL)
        return FQ_ENOMEM;
    free(spare->slots);
    *spare = (fq_table_spare){slots, bits};
    return 0;
}

void fq_table_spare_done(fq_table_spare *spare) {
    free(spare->slots);
    *spare = (fq_table_spare){0};
}

static void place(const fq_table *table, uint64_t *slots, uint32_t bits, uint64_t hash, uint64_t value) {
    uint64_t mask = mask_of(bits);
    uint64_t position = home_of(hash, bits);
    uint64_t tag = tag_of(hash);
    for (uint64_t distance = 0;; distance++, position = (position + 1) & mask) {
        uint64_t slot = slots[position];
        if (slot == 0) {
            slots[position] = make_slot(value, tag, distance);
            return;
        }
        uint64_t theirs = distance_of(table, slot, position, bits);
        if (theirs < distance) { // the richer entry moves on
            slots[position] = make_slot(value, tag, distance);
            value = value_of(slot);
            tag = slot >> 8 & TAG_MASK;
            distance = theirs;
        }
    }
}

// Takes the slot at `position` out; the entries behind it close up.
static void close_gap(const fq_table *table, uint64_t *slots, uint32_t bits, uint64_t position) {
    uint64_t mask = mask_of(bits);
    for (;;) {
        uint64_t next = (position + 1) & mask;
        uint64_t slot = slots[next];
        uint64_t distance = slot != 0 ? distance_of(table, slot, next, bits) : 0;
        if (distance == 0)
            break;
        slots[position] = make_slot(value_of(slot), slot >> 8 & TAG_MASK, distance - 1);
        position = next;
    }
    slots[position] = 0;
}

// The hash of an entry of the old array, or as much of it as the new array asks for.
static uint64_t hash_for_move(const fq_table *table, uint64_t slot, uint64_t position) {
    if (table->old_bits < TAG_BEGIN || table->bits > TAG_END)
        return table->ops->hash(table->context, value_of(slot));
    uint64_t distance = distance_of(table, slot, position, table->old_bits);
    uint64_t home = (position - distance) & mask_of(table->old_bits);
    return home << (64 - table->old_bits) | (slot >> 8 & TAG_MASK) << (64 - TAG_END);
}

static void move_some(fq_table *table, uint64_t slot_count) {
    if (table->old_slots == NULL)
        return;
    uint64_t end = (uint64_t)1 << table->old_bits;
    while (slot_count > 0 && table->old_cursor < end) {
        uint64_t slot = table->old_slots[table->old_cursor];
        if (slot != 0) {
            uint64_t hash = hash_for_move(table, slot, table->old_cursor);
            close_gap(table, table->old_slots, table->old_bits, table->old_cursor);
            place(table, table->slots, table->bits, hash, value_of(slot));
        } else {
            table->old_cursor++;
        }
        slot_count--;
    }
    if (table->old_cursor == end) {
        free(table->old_slots);
        table->old_slots = NULL;
    }
}

void fq_table_adopt(fq_table *table, fq_table_spare *spare) {
    if (spare->slots == NULL || (table->slots != NULL && spare->bits <= table->bits))
        return;
    move_some(table, UINT64_MAX);
    table->old_slots = table->slots;
    table->old_bits = table->bits;
    table->old_cursor = 0;
    table->slots = spare->slots;
    table->bits = spare->bits;
    *spare = (fq_table_spare){0};
}

// Position of the entry for which value or key match; UINT64_MAX if there is none.
static uint64_t locate(const fq_table *table, const uint64_t *slots, uint32_t bits, uint64_t hash,
                       uint64_t value, const void *key) {
    if (slots == NULL)
        return UINT64_MAX;
    uint64_t mask = mask_of(bits);
    uint64_t position = home_of(hash, bits);
    for (uint64_t distance = 0;; distance++, position = (position + 1) & mask) {
        uint64_t slot = slots[position];
        if (slot == 0 || distance_of(table, slot, position, bits) < distance)
            return UINT64_MAX;
        if ((slot >> 8 & TAG_MASK) != tag_of(hash))
            continue;
        if (value != 0 ? value_of(slot) == value : table->ops->equal(table->context, value_of(slot), key))
            return position;
    }
}

uint64_t fq_table_find(const fq_table *table, uint64_t hash, const void *key) {
    uint64_t position = locate(table, table->slots, table->bits, hash, 0, key);
    if (position != UINT64_MAX)
        return value_of(table->slots[position]);
    position = locate(table, table->old_slots, table->old_bits, hash, 0, key);
    return position != UINT64_MAX ? value_of(table->old_slots[position]) : 0;
}

void fq_table_insert(fq_table *table, uint64_t hash, uint64_t value) {
    FQ_ASSERT(value != 0 && value >> VALUE_BITS == 0);
    FQ_ASSERT(table->slots != NULL && table->count < limit_of(table->bits));
    place(table, table->slots, table->bits, hash, value);
    table->count++;
    move_some(table, MOVES_PER_INSERT);
}

void fq_table_remove(fq_table *table, uint64_t hash, uint64_t value) {
    uint64_t position = locate(table, table->slots, table->bits, hash, value, NULL);
    if (position != UINT64_MAX) {
        close_gap(table, table->slots, table->bits, position);
    } else {
        position = locate(table, table->old_slots, table->old_bits, hash, value, NULL);
        FQ_ASSERT(position != UINT64_MAX);
        close_gap(table, table->old_slots, table->old_bits, position);
    }
    table->count--;
}

void fq_table_replace(fq_table *table, uint64_t hash, uint64_t value, uint64_t successor) {
    FQ_ASSERT(successor != 0 && successor >> VALUE_BITS == 0);
    uint64_t *slots = table->slots;
    uint64_t position = locate(table, slots, table->bits, hash, value, NULL);
    if (position == UINT64_MAX) {
        slots = table->old_slots;
        position = locate(table, slots, table->old_bits, hash, value, NULL);
    }
    FQ_ASSERT(position != UINT64_MAX);
    slots[position] = successor << 20 | (slots[position] & ((1u << 20) - 1));
}

// --- scan -----------------------------------------------------------------------------------------------------------
enum { GROUP_MAX = 256 };

struct scan_group {
    uint64_t hashes[GROUP_MAX], values[GROUP_MAX];
    size_t count;
};

static void group_add(struct scan_group *group, uint64_t hash, uint64_t value) {
    FQ_ASSERT(group->count < GROUP_MAX);
    size_t at = group->count++;
    for (; at > 0 && group->hashes[at - 1] > hash; at--) {
        group->hashes[at] = group->hashes[at - 1];
        group->values[at] = group->values[at - 1];
    }
    group->hashes[at] = hash;
    group->values[at] = value;
}

// Entries of the array whose home is `home`, if their hash lies in slot `fine_home` of a table of `fine_bits`.
static void group_collect(const fq_table *table, const uint64_t *slots, uint32_t bits, uint64_t home,
                          uint32_t fine_bits, uint64_t fine_home, struct scan_group *group) {
    uint64_t mask = mask_of(bits);
    for (uint64_t step = 0; step <= mask; step++) {
        uint64_t position = (home + step) & mask;
        uint64_t slot = slots[position];
        uint64_t distance = slot != 0 ? distance_of(table, slot, position, bits) : 0;
        if (slot == 0 || distance < step)
            return; // homes only grow along a run
        if (distance > step)
            continue; // at home further ahead
        uint64_t hash = table->ops->hash(table->context, value_of(slot));
        if (home_of(hash, fine_bits) == fine_home)
            group_add(group, hash, value_of(slot));
    }
}

void fq_table_scan(const fq_table *table, uint64_t *cursor, uint64_t look_max,
                   bool (*visit)(void *context, uint64_t value), void *context) {
    if (table->slots == NULL) {
        *cursor = 0;
        return;
    }
    uint32_t bits = table->bits;
    uint64_t seen = 0;
    uint64_t homes_left = look_max * 8 + 64; // an emptied table is wide
    for (uint64_t home = home_of(*cursor, bits); home <= mask_of(bits); home++) {
        if (homes_left-- == 0) {
            *cursor = home << (64 - bits);
            return;
        }
        struct scan_group group;
        group.count = 0;
        group_collect(table, table->slots, bits, home, bits, home, &group);
        if (table->old_slots != NULL)
            group_collect(table, table->old_slots, table->old_bits, home >> (bits - table->old_bits), bits,
                          home, &group);
        for (size_t i = 0; i < group.count; i++) {
            if (group.hashes[i] < *cursor)
                continue;
            if (seen++ == look_max || !visit(context, group.values[i])) {
                *cursor = group.hashes[i];
                return;
            }
        }
    }
    *cursor = 0;
}

static void each_of(const uint64_t *slots, uint32_t bits, void (*visit)(void *context, uint64_t value),
                    void *context) {
    if (slots == NULL)
        return;
    for (uint64_t position = 0; position <= mask_of(bits); position++) {
        if (slots[position] != 0)
            visit(context, value_of(slots[position]));
    }
}

void fq_table_each(const fq_table *table, void (*visit)(void *context, uint64_t value), void *context) {
    each_of(table->slots, table->bits, visit, context);
    each_of(table->old_slots, table->old_bits, visit, context);
}
