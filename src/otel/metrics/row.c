// SPDX-License-Identifier: Apache-2.0
// Rows of a stream and their cells: made once, under the provider's lock.
#include "otel/metrics/model.h"

#include "base/hash.h"
#include "otel/wire/attribute.h"

#include <math.h>
#include <sched.h>
#include <stdlib.h>

void otel_row_lock_slowly(_Atomic bool *lock) {
    for (int turns = 0;; turns++) {
        if (!atomic_load_explicit(lock, memory_order_relaxed) &&
            !atomic_exchange_explicit(lock, true, memory_order_acquire))
            return;
        if (turns % 64 == 63)
            sched_yield();
    }
}

static struct otel_row *find(const struct otel_row_table *table, uint64_t hash, const uint8_t *key,
                             size_t key_len) {
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct otel_row *row = table->slots != NULL ? table->slots[i & table->mask] : NULL;
        if (row == NULL)
            return NULL;
        if (row->hash == hash && row->key_len == key_len && memcmp(row->key, key, key_len) == 0)
            return row;
    }
}

static void put(struct otel_row_table *table, struct otel_row *row) {
    uint32_t i = (uint32_t)row->hash;
    while (table->slots[i & table->mask] != NULL)
        i++;
    table->slots[i & table->mask] = row;
    table->count++;
}

static bool grow(struct otel_row_table *table) {
    uint32_t old_size = table->slots != NULL ? table->mask + 1 : 0;
    if (table->count + 1 <= old_size / 2)
        return true;
    uint32_t size = old_size != 0 ? old_size * 2 : 8;
    struct otel_row_table next = {.slots = calloc(size, sizeof(struct otel_row *)), .mask = size - 1};
    if (next.slots == NULL)
        return false;
    for (uint32_t i = 0; i < old_size; i++) {
        if (table->slots[i] != NULL)
            put(&next, table->slots[i]);
    }
    free(table->slots);
    *table = next;
    return true;
}

// The row as the collecting process sees it. False when the area is full.
static bool show(struct otel_stream *stream, struct otel_row *row) {
    struct otel_store *store = &stream->instrument->meter->provider->store;
    if (store->area == NULL)
        return true;
    struct otel_row_block *block =
        stream->offset != 0
            ? otel_store_take(store, OTEL_BLOCK_ROW, stream->offset, sizeof *block + row->key_len)
            : NULL;
    if (block == NULL)
        return false;
    block->start_unix_ns = row->start_unix_ns;
    block->key_len = row->key_len;
    memcpy(block + 1, row->key, row->key_len);
    row->offset = otel_store_show(store, block);
    return true;
}

// Rows of asynchronous instruments come and go; others live as long as the provider.
static struct otel_row *new_row(struct otel_stream *stream, uint64_t hash, const uint8_t *key,
                                size_t key_len) {
    struct otel_meter_provider *provider = stream->instrument->meter->provider;
    struct otel_row *row = otel_kind_is_observable(stream->instrument->kind)
                               ? calloc(1, sizeof *row + key_len)
                               : otel_pool_take(&provider->pool, sizeof *row + key_len);
    if (row == NULL)
        return NULL;
    memcpy(row + 1, key, key_len);
    row->stream = stream;
    row->key = (const uint8_t *)(row + 1);
    row->key_len = (uint32_t)key_len;
    row->hash = hash;
    row->start_unix_ns = otel_unix_ns(provider->runtime);
    if (stream->reservoir != NULL)
        row->custom_reservoir =
            stream->reservoir->create(stream->reservoir_context, stream->bounds, stream->bound_count);
    (void)show(stream, row); // without room it counts what it loses
    if (stream->last != NULL)
        atomic_store_explicit(&stream->last->next, row, memory_order_release);
    else
        atomic_store_explicit(&stream->first, row, memory_order_release);
    stream->last = row;
    return row;
}

struct otel_row *otel_stream_overflow_row(struct otel_stream *stream) {
    if (stream->overflow == NULL) {
        uint8_t key[64];
        struct otel_attribute attribute = otel_bool("otel.metric.overflow", true);
        struct otel_pb pb = otel_pb_begin(key, sizeof key);
        otel_pb_attribute(&pb, 1, &attribute, OTEL_NO_LIMIT);
        stream->overflow = new_row(stream, 0, key, (size_t)(pb.at - key));
        if (stream->overflow != NULL)
            stream->overflow->is_overflow = true;
    }
    return stream->overflow;
}

// Of observations, those of this collection that came first have the places: one that was not observed yet makes room.
static bool evict_unobserved(struct otel_stream *stream) {
    struct otel_row *previous = NULL, *row = atomic_load(&stream->first);
    while (row != NULL && (row->is_observed || row->is_overflow)) {
        previous = row;
        row = atomic_load(&row->next);
    }
    if (row == NULL || !otel_kind_is_observable(stream->instrument->kind))
        return false;
    atomic_store(previous != NULL ? &previous->next : &stream->first, atomic_load(&row->next));
    if (stream->last == row)
        stream->last = previous;
    otel_row_done(row);
    memset(stream->table.slots, 0, (stream->table.mask + 1) * sizeof(struct otel_row *));
    stream->table.count = 0;
    for (row = atomic_load(&stream->first); row != NULL; row = atomic_load(&row->next)) {
        if (!row->is_overflow)
            put(&stream->table, row);
    }
    return true;
}

bool otel_stream_would_keep(const struct otel_stream *stream, const uint8_t *key, size_t key_len) {
    uint64_t hash = fq_hash_bytes(key, key_len, stream->instrument->meter->provider->seed);
    return stream->table.count < stream->limit || find(&stream->table, hash, key, key_len) != NULL;
}

struct otel_row *otel_stream_row(struct otel_stream *stream, const uint8_t *key, size_t key_len) {
    struct otel_row_table *table = &stream->table;
    uint64_t hash = fq_hash_bytes(key, key_len, stream->instrument->meter->provider->seed);
    struct otel_row *row = find(table, hash, key, key_len);
    if (row != NULL)
        return row;
    if (table->count >= stream->limit && !evict_unobserved(stream))
        return otel_stream_overflow_row(stream);
    if (!grow(table))
        return NULL;
    row = new_row(stream, hash, key, key_len);
    if (row != NULL)
        put(table, row);
    return row;
}

void otel_row_done(struct otel_row *row) {
    const struct otel_stream *stream = row->stream;
    uint32_t readers = stream->instrument->meter->provider->reader_count;
    for (uint32_t i = 0; row->baselines != NULL && i < readers; i++)
        free(row->baselines[i].buckets);
    free(row->baselines);
    if (row->custom_reservoir != NULL && stream->reservoir->free != NULL)
        stream->reservoir->free(row->custom_reservoir);
    if (otel_kind_is_observable(stream->instrument->kind))
        free(row);
}

static size_t cell_bytes(const struct otel_stream *stream) {
    size_t buckets = (size_t)stream->bound_count + 1;
    switch (stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM:
        return sizeof(struct otel_histogram_cell) + buckets * (sizeof(uint64_t) + sizeof(uint32_t));
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM:
        return sizeof(struct otel_exponential_cell) + 2 * otel_exponential_bytes((uint32_t)stream->max_size);
    default: return sizeof(struct otel_sum_cell);
    }
}

void otel_cell_start(struct otel_block *block, const struct otel_stream *stream, uint32_t random) {
    if (stream->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM) {
        struct otel_histogram_cell *cell = (void *)block;
        cell->dice.random = random;
        for (int i = 0; i < 2; i++) {
            atomic_store_explicit(&cell->half[i].min, (double)INFINITY, memory_order_relaxed);
            atomic_store_explicit(&cell->half[i].max, (double)-INFINITY, memory_order_relaxed);
        }
    } else if (stream->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM) {
        struct otel_exponential_cell *cell = (void *)block;
        cell->dice.random = random;
        for (unsigned i = 0; i < 2; i++)
            otel_exponential_init(otel_exponential_copy(cell, i, (uint32_t)stream->max_size),
                                  (uint32_t)stream->max_size, stream->max_scale);
    } else {
        ((struct otel_sum_cell *)(void *)block)->dice.random = random;
    }
}

static _Atomic(struct otel_block *) *cell_place(struct otel_row *row, unsigned slot) {
    if (slot < OTEL_ROW_CELLS)
        return &row->cells[slot];
    struct otel_more_cells *more = atomic_load_explicit(&row->more, memory_order_acquire);
    if (more == NULL) {
        more = otel_pool_take(&row->stream->instrument->meter->provider->pool, sizeof *more);
        if (more == NULL)
            return NULL;
        atomic_store_explicit(&row->more, more, memory_order_release);
    }
    return &more->cells[slot - OTEL_ROW_CELLS];
}

struct otel_block *otel_row_make_cell(struct otel_row *row, unsigned slot) {
    const struct otel_stream *stream = row->stream;
    struct otel_meter_provider *provider = stream->instrument->meter->provider;
    pthread_mutex_lock(&provider->lock);
    _Atomic(struct otel_block *) *place = cell_place(row, slot);
    struct otel_block *block = place != NULL ? atomic_load_explicit(place, memory_order_relaxed) : NULL;
    bool has_room = provider->store.area == NULL || row->offset != 0;
    if (block == NULL && place != NULL && has_room) {
        block = otel_store_take(&provider->store, OTEL_BLOCK_CELL, row->offset, cell_bytes(stream));
        if (block != NULL) {
            provider->random = provider->random * 1664525 + 1013904223;
            otel_cell_start(block, stream, provider->random | 1);
            otel_store_show(&provider->store, block);
            atomic_store_explicit(place, block, memory_order_release);
        }
    }
    pthread_mutex_unlock(&provider->lock);
    if (atomic_load_explicit(&provider->threads_are_gone, memory_order_relaxed))
        otel_readers_start(provider);
    return block;
}
