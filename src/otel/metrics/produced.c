// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/produced.h"
#include "base/hash.h"
#include "base/table.h"

#include <stdlib.h>

struct total {
    uint64_t hash;
    uint32_t collection; // that saw it last
    size_t key_len, bucket_count;
    int64_t integer;
    double real;
    uint64_t *buckets; // behind this struct, the key behind them
    char *key;
};

struct otel_produced_totals {
    fq_table table;
    uint32_t collection;
};

static uint64_t hash_of(const void *context, uint64_t value) {
    (void)context;
    return ((const struct total *)fq_table_pointer(value))->hash;
}
static bool is_key(const void *context, uint64_t value, const void *key) {
    (void)context;
    const struct total *total = fq_table_pointer(value);
    const fq_str *wanted = key;
    return total->key_len == wanted->len && memcmp(total->key, wanted->ptr, wanted->len) == 0;
}
static const struct fq_table_ops table_ops = {.hash = hash_of, .equal = is_key};

static otel_produced_totals *make(void) {
    otel_produced_totals *totals = calloc(1, sizeof *totals);
    if (totals != NULL)
        fq_table_init(&totals->table, &table_ops, NULL);
    return totals;
}

static void free_total(void *context, uint64_t value) {
    (void)context;
    free(fq_table_pointer(value));
}

otel_produced_totals *otel_produced_totals_free(otel_produced_totals *totals) {
    if (totals == NULL)
        return NULL;
    fq_table_each(&totals->table, free_total, NULL);
    fq_table_done(&totals->table);
    free(totals);
    return NULL;
}

static struct total *add(otel_produced_totals *totals, uint64_t hash, fq_str key, size_t bucket_count) {
    fq_table_spare spare = {0};
    struct total *total = calloc(1, sizeof *total + bucket_count * sizeof *total->buckets + key.len);
    if (total == NULL || fq_table_reserve(&totals->table, 1, &spare) != 0) {
        free(total);
        return NULL;
    }
    fq_table_adopt(&totals->table, &spare);
    total->hash = hash;
    total->bucket_count = bucket_count;
    total->buckets = (uint64_t *)(void *)(total + 1);
    total->key_len = key.len;
    total->key = (char *)(total->buckets + bucket_count);
    memcpy(total->key, key.ptr, key.len);
    fq_table_insert(&totals->table, hash, fq_table_value(total));
    return total;
}

// The total under a key, made if it is not there; NULL without memory, or if a histogram has other buckets than before.
static struct total *find(otel_produced_totals **totals, fq_str key, size_t bucket_count, bool *ret_first) {
    *ret_first = true;
    if (*totals == NULL)
        *totals = make();
    if (*totals == NULL)
        return NULL;
    uint64_t hash = fq_hash_str(key, 0);
    uint64_t value = fq_table_find(&(*totals)->table, hash, &key);
    struct total *total = value != 0 ? fq_table_pointer(value) : add(*totals, hash, key, bucket_count);
    if (total == NULL || total->bucket_count != bucket_count)
        return NULL;
    *ret_first = value == 0;
    total->collection = (*totals)->collection;
    return total;
}

bool otel_produced_since_int(otel_produced_totals **totals, fq_str key, int64_t *value, bool *ret_first) {
    struct total *total = find(totals, key, 0, ret_first);
    if (total == NULL)
        return true;
    int64_t now = *value;
    *value = now >= total->integer ? now - total->integer : now;
    total->integer = now;
    return *value != 0 || *ret_first;
}

bool otel_produced_since_double(otel_produced_totals **totals, fq_str key, double *value, bool *ret_first) {
    struct total *total = find(totals, key, 0, ret_first);
    if (total == NULL)
        return true;
    double now = *value;
    *value = now >= total->real ? now - total->real : now;
    total->real = now;
    return *value > 0 || *ret_first;
}

bool otel_produced_since_histogram(otel_produced_totals **totals, fq_str key, uint64_t *buckets,
                                   size_t bound_count, double *sum, bool *ret_first) {
    size_t count = bound_count + 1;
    struct total *total = find(totals, key, count, ret_first);
    if (total == NULL)
        return true;
    bool started_anew = false;
    for (size_t i = 0; i < count; i++)
        started_anew = started_anew || buckets[i] < total->buckets[i];
    uint64_t measured = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t now = buckets[i];
        buckets[i] = started_anew ? now : now - total->buckets[i];
        total->buckets[i] = now;
        measured += buckets[i];
    }
    double now = *sum;
    *sum = started_anew ? now : now - total->real;
    total->real = now;
    return measured > 0 || *ret_first;
}

struct sweep {
    otel_produced_totals *totals;
    struct total *stale;
};

static bool find_stale(void *context, uint64_t value) {
    struct sweep *sweep = context;
    struct total *total = fq_table_pointer(value);
    if (total->collection == sweep->totals->collection)
        return true;
    sweep->stale = total;
    return false;
}

void otel_produced_totals_sweep(otel_produced_totals *totals) {
    if (totals == NULL)
        return;
    uint64_t cursor = 0;
    do {
        struct sweep sweep = {.totals = totals};
        fq_table_scan(&totals->table, &cursor, UINT64_MAX, find_stale, &sweep);
        if (sweep.stale != NULL) {
            fq_table_remove(&totals->table, sweep.stale->hash, fq_table_value(sweep.stale));
            free(sweep.stale);
        }
    } while (cursor != 0);
    totals->collection++;
}
