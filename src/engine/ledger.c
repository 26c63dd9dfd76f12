// SPDX-License-Identifier: Apache-2.0
#include "engine/ledger.h"

#include "fastqueue/error.h"

_Static_assert(sizeof(struct fq_ledger_entry) == 28, "an entry and its share of the table fit in 48 bytes");

const struct fq_ledger_entry *fq_ledger_at(const struct fq_ledger *ledger, uint64_t serial) {
    uint64_t offset = serial - ledger->base;
    return &ledger->chunks[offset / FQ_LEDGER_CHUNK][offset % FQ_LEDGER_CHUNK];
}

static uint64_t table_hash(const void *context, uint64_t value) {
    const struct fq_ledger *ledger = context;
    return fq_hash_uuid(&fq_ledger_at(ledger, value)->id, ledger->seed);
}
static bool table_equal(const void *context, uint64_t value, const void *key) {
    return fq_uuid_equal(&fq_ledger_at(context, value)->id, key);
}
const struct fq_table_ops fq_ledger_table_ops = {.hash = table_hash, .equal = table_equal};

void fq_ledger_init(struct fq_ledger *ledger, uint64_t seed) {
    *ledger = (struct fq_ledger){.seed = seed, .base = FQ_LEDGER_CHUNK};
    ledger->first = ledger->base; // serials are never 0
    ledger->next = ledger->base;
    fq_table_init(&ledger->table, &fq_ledger_table_ops, ledger);
}

void fq_ledger_done(struct fq_ledger *ledger) {
    for (uint64_t i = 0; i < ledger->chunk_count; i++)
        free(ledger->chunks[i]);
    free(ledger->chunks);
    fq_table_done(&ledger->table);
}

static uint64_t room_left(const struct fq_ledger *ledger) {
    return ledger->base + ledger->chunk_count * FQ_LEDGER_CHUNK - ledger->next;
}

int fq_ledger_reserve(const struct fq_ledger *ledger, uint64_t extra, struct fq_reservation *reservation) {
    FQ_ASSERT(extra <= FQ_LEDGER_CHUNK);
    int rc = fq_table_reserve(&ledger->table, extra, &reservation->ledger);
    if (rc < 0 || extra <= room_left(ledger))
        return rc;
    if (reservation->ledger_chunk == NULL) {
        reservation->ledger_chunk = malloc(FQ_LEDGER_CHUNK * sizeof *reservation->ledger_chunk);
        if (reservation->ledger_chunk == NULL)
            return FQ_ENOMEM;
    }
    if (ledger->chunk_count < ledger->chunk_capacity ||
        reservation->ledger_chunk_capacity > ledger->chunk_count)
        return 0;
    uint64_t capacity = ledger->chunk_capacity != 0 ? 2 * ledger->chunk_capacity : 16;
    struct fq_ledger_entry **chunks = malloc((size_t)capacity * sizeof(void *));
    if (chunks == NULL)
        return FQ_ENOMEM;
    free(reservation->ledger_chunks);
    reservation->ledger_chunks = chunks;
    reservation->ledger_chunk_capacity = capacity;
    return 0;
}

void fq_ledger_adopt(struct fq_ledger *ledger, struct fq_reservation *reservation) {
    fq_table_adopt(&ledger->table, &reservation->ledger);
    if (reservation->ledger_chunk_capacity <= ledger->chunk_capacity)
        return;
    for (uint64_t i = 0; i < ledger->chunk_count; i++)
        reservation->ledger_chunks[i] = ledger->chunks[i];
    free(ledger->chunks);
    ledger->chunks = reservation->ledger_chunks;
    ledger->chunk_capacity = reservation->ledger_chunk_capacity;
    reservation->ledger_chunks = NULL;
    reservation->ledger_chunk_capacity = 0;
}

void fq_ledger_add(struct fq_ledger *ledger, struct fq_reservation *reservation, const fq_uuid *id,
                   const struct fq_ledger_record *record) {
    if (room_left(ledger) == 0) {
        FQ_ASSERT(reservation->ledger_chunk != NULL && ledger->chunk_count < ledger->chunk_capacity);
        ledger->chunks[ledger->chunk_count++] = reservation->ledger_chunk;
        reservation->ledger_chunk = NULL;
    }
    uint64_t serial = ledger->next++;
    uint64_t offset = serial - ledger->base;
    struct fq_ledger_entry *entry = &ledger->chunks[offset / FQ_LEDGER_CHUNK][offset % FQ_LEDGER_CHUNK];
    int64_t finished_s = record->finished_us / FQ_US_PER_S;
    *entry = (struct fq_ledger_entry){
        .id = *id,
        .finished_s = finished_s < 0            ? 0
                      : finished_s > UINT32_MAX ? UINT32_MAX
                                                : (uint32_t)finished_s,
        .hash_low = (uint32_t)record->body_hash,
        .hash_high_state = (uint32_t)(record->body_hash >> 32 & 0xffffff) << 8 |
                           (uint32_t)(record->state & 15) << 4 | (uint32_t)(record->fate & 15),
    };
    fq_table_insert(&ledger->table, fq_hash_uuid(id, ledger->seed), serial);
}

const struct fq_ledger_entry *fq_ledger_find(const struct fq_ledger *ledger, const fq_uuid *id) {
    uint64_t serial = fq_table_find(&ledger->table, fq_hash_uuid(id, ledger->seed), id);
    return serial != 0 ? fq_ledger_at(ledger, serial) : NULL;
}

void fq_ledger_remove_first(struct fq_ledger *ledger) {
    FQ_ASSERT(ledger->first < ledger->next);
    uint64_t serial = ledger->first;
    fq_table_remove(&ledger->table, table_hash(ledger, serial), serial);
    ledger->first++;
    if (ledger->first - ledger->base < FQ_LEDGER_CHUNK)
        return;
    free(ledger->chunks[0]);
    ledger->chunk_count--;
    memmove(ledger->chunks, ledger->chunks + 1, (size_t)ledger->chunk_count * sizeof(void *));
    ledger->base += FQ_LEDGER_CHUNK;
}

struct fq_ledger_record fq_ledger_record_of(const struct fq_ledger_entry *entry) {
    return (struct fq_ledger_record){
        .body_hash = (uint64_t)(entry->hash_high_state >> 8) << 32 | entry->hash_low,
        .finished_us = (int64_t)entry->finished_s * FQ_US_PER_S,
        .state = entry->hash_high_state >> 4 & 15,
        .fate = entry->hash_high_state & 15,
    };
}

bool fq_ledger_matches(const struct fq_ledger_entry *entry, uint64_t body_hash) {
    return fq_ledger_record_of(entry).body_hash == (body_hash & (((uint64_t)1 << FQ_LEDGER_HASH_BITS) - 1));
}

uint64_t fq_ledger_hash(const struct fq_ledger_entry *entry) {
    return fq_hash_bytes(entry, sizeof *entry, 0);
}
