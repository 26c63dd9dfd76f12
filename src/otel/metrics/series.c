// SPDX-License-Identifier: Apache-2.0
// From attributes to series. Attributes that were seen before in the same order are found by their bytes, without a lock;
// others are sorted, and the series is found or made under the provider's lock.
#include "otel/metrics/model.h"

#include "base/hash.h"

#include <stdlib.h>

enum { GIVEN_BYTES_MAX = 1024, SORTED_ON_STACK = 32, ALIASES_PER_SERIES = 2, SERIES_PER_ROW = 16 };

// --- attributes as they were given, as bytes that are quick to make ---------------------------------------------------
struct given {
    uint32_t len;
    uint8_t bytes[GIVEN_BYTES_MAX];
};

static bool append(struct given *given, const void *bytes, size_t len) {
    if (len > GIVEN_BYTES_MAX - given->len)
        return false;
    memcpy(given->bytes + given->len, bytes, len);
    given->len += (uint32_t)len;
    return true;
}

static bool append_value(struct given *given, const struct otel_value *value) {
    uint32_t head = (uint32_t)value->type;
    switch (value->type) {
    case OTEL_VALUE_EMPTY: return append(given, &head, sizeof head);
    case OTEL_VALUE_STRING:
    case OTEL_VALUE_BYTES:
        head |= (uint32_t)value->as.text.len << 4;
        return value->as.text.len < GIVEN_BYTES_MAX && append(given, &head, sizeof head) &&
               append(given, value->as.text.data, value->as.text.len);
    case OTEL_VALUE_BOOL: head |= value->as.boolean ? 16 : 0; return append(given, &head, sizeof head);
    case OTEL_VALUE_INT:
    case OTEL_VALUE_DOUBLE:
        return append(given, &head, sizeof head) && append(given, &value->as.integer, sizeof(int64_t));
    default: return false; // arrays and maps take the slow way
    }
}

static bool describe(struct given *given, const struct otel_attribute *attributes, size_t count) {
    given->len = 0;
    for (size_t i = 0; i < count; i++) {
        const char *key = attributes[i].key != NULL ? attributes[i].key : "";
        if (!append(given, key, strlen(key) + 1) || !append_value(given, &attributes[i].value))
            return false;
    }
    return true;
}

static struct otel_series *find_alias(struct otel_instrument *instrument, const struct given *given,
                                      uint64_t hash) {
    const struct otel_alias_table *table = atomic_load_explicit(&instrument->aliases, memory_order_acquire);
    if (table == NULL)
        return NULL;
    for (uint32_t i = (uint32_t)hash;; i++) {
        const struct otel_alias *alias =
            atomic_load_explicit(&table->slots[i & table->mask], memory_order_acquire);
        if (alias == NULL)
            return NULL;
        if (alias->hash == hash && alias->len == given->len &&
            memcmp(alias->bytes, given->bytes, given->len) == 0)
            return alias->series;
    }
}

static void put_alias(struct otel_alias_table *table, struct otel_alias *alias) {
    uint32_t i = (uint32_t)alias->hash;
    while (atomic_load_explicit(&table->slots[i & table->mask], memory_order_relaxed) != NULL)
        i++;
    atomic_store_explicit(&table->slots[i & table->mask], alias, memory_order_release);
    table->count++;
}

// Twice the size; the old table stays for those who are looking into it.
static struct otel_alias_table *grow_aliases(struct otel_instrument *instrument) {
    struct otel_alias_table *old = atomic_load_explicit(&instrument->aliases, memory_order_relaxed);
    uint32_t size = old != NULL ? (old->mask + 1) * 2 : 8;
    struct otel_alias_table *table = otel_pool_take(
        &instrument->meter->provider->pool, sizeof *table + size * sizeof(_Atomic(struct otel_alias *)));
    if (table == NULL)
        return NULL;
    table->older = old;
    table->mask = size - 1;
    for (uint32_t i = 0; old != NULL && i <= old->mask; i++) {
        struct otel_alias *alias = atomic_load_explicit(&old->slots[i], memory_order_relaxed);
        if (alias != NULL)
            put_alias(table, alias);
    }
    atomic_store_explicit(&instrument->aliases, table, memory_order_release);
    return table;
}

static void add_alias(struct otel_instrument *instrument, const struct given *given, uint64_t hash,
                      struct otel_series *series) {
    struct otel_alias_table *table = atomic_load_explicit(&instrument->aliases, memory_order_relaxed);
    if (find_alias(instrument, given, hash) != NULL ||
        (table != NULL && table->count >= ALIASES_PER_SERIES * instrument->series_max))
        return;
    if (table == NULL || table->count + 1 > (table->mask + 1) / 2)
        table = grow_aliases(instrument);
    struct otel_alias *alias =
        table != NULL ? otel_pool_take(&instrument->meter->provider->pool, sizeof *alias + given->len) : NULL;
    if (alias == NULL)
        return;
    *alias = (struct otel_alias){.hash = hash, .series = series, .len = given->len};
    memcpy(alias->bytes, given->bytes, given->len);
    put_alias(table, alias);
}

// --- sorted ----------------------------------------------------------------------------------------------------------
static struct otel_series *find_series(const struct otel_instrument *instrument, uint64_t hash, fq_str key) {
    for (uint32_t i = (uint32_t)hash; instrument->series_slots != NULL; i++) {
        struct otel_series *series = instrument->series_slots[i & instrument->series_mask];
        if (series == NULL)
            break;
        if (series->hash == hash && fq_str_equal((fq_str){(const char *)series->key, series->key_len}, key))
            return series;
    }
    return NULL;
}

static void put_series(struct otel_instrument *instrument, struct otel_series *series) {
    uint32_t i = (uint32_t)series->hash;
    while (instrument->series_slots[i & instrument->series_mask] != NULL)
        i++;
    instrument->series_slots[i & instrument->series_mask] = series;
}

static bool grow_series(struct otel_instrument *instrument) {
    uint32_t size = instrument->series_slots != NULL ? instrument->series_mask + 1 : 0;
    if (instrument->series_count + 1 <= size / 2)
        return true;
    size = size != 0 ? size * 2 : 8;
    struct otel_series **slots = calloc(size, sizeof *slots);
    if (slots == NULL)
        return false;
    free(instrument->series_slots);
    instrument->series_slots = slots;
    instrument->series_mask = size - 1;
    for (struct otel_series *series = instrument->series; series != NULL; series = series->next)
        put_series(instrument, series);
    return true;
}

struct sorted {
    const struct otel_attribute **attributes;
    size_t count;
    bool is_overflow; // stands for all that found no row
};

static bool keep_attributes(struct otel_series *series, const struct sorted *sorted) {
    struct otel_pool *pool = &series->instrument->meter->provider->pool;
    struct otel_attribute *kept = otel_pool_take(pool, (sorted->count + 1) * sizeof *kept);
    for (size_t i = 0; kept != NULL && i < sorted->count; i++) {
        if (!otel_pool_attribute(pool, sorted->attributes[i], &kept[i]))
            return false;
    }
    series->attributes = kept;
    series->attribute_count = sorted->count;
    return kept != NULL;
}

static bool link_row(struct otel_series *series, struct otel_stream *stream, const struct sorted *sorted,
                     struct otel_row_link *link) {
    fq_buf kept = {0}, dropped = {0};
    int error =
        otel_attribute_set_encode(sorted->attributes, sorted->count, &stream->filter, &kept, &dropped);
    fq_str key = fq_buf_str(&kept), filtered = fq_buf_str(&dropped);
    if (sorted->is_overflow)
        link->row = otel_stream_overflow_row(stream);
    else if (error == 0)
        link->row = otel_stream_row(stream, (const uint8_t *)key.ptr, key.len);
    if (link->row != NULL && filtered.len > 0) {
        void *copy = otel_pool_take(&series->instrument->meter->provider->pool, filtered.len);
        if (copy != NULL) {
            link->filtered = memcpy(copy, filtered.ptr, filtered.len);
            link->filtered_len = (uint32_t)filtered.len;
        }
    }
    if (link->row != NULL && stream->reservoir != NULL && series->attributes == NULL)
        (void)keep_attributes(series, sorted);
    fq_buf_done(&kept);
    fq_buf_done(&dropped);
    return link->row != NULL;
}

static struct otel_series *new_series(struct otel_instrument *instrument, const struct sorted *sorted,
                                      uint64_t hash, fq_str key) {
    struct otel_pool *pool = &instrument->meter->provider->pool;
    size_t links = instrument->stream_count * sizeof(struct otel_row_link);
    struct otel_series *series =
        grow_series(instrument) ? otel_pool_take(pool, sizeof *series + links + key.len) : NULL;
    if (series == NULL)
        return NULL;
    uint8_t *key_copy = (uint8_t *)series + sizeof *series + links;
    if (key.len > 0)
        memcpy(key_copy, key.ptr, key.len);
    series->instrument = instrument;
    series->key = key_copy;
    series->key_len = (uint32_t)key.len;
    series->hash = hash;
    for (struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next) {
        if (!link_row(series, stream, sorted, &series->links[series->link_count++]))
            return NULL;
    }
    series->next = instrument->series;
    instrument->series = series;
    instrument->series_count++;
    put_series(instrument, series);
    return series;
}

// Past series_max, only what some stream keeps tells series apart: of those there are as many as rows.
static bool any_stream_keeps(const struct otel_instrument *instrument, const char *key) {
    for (const struct otel_stream *stream = instrument->streams; stream != NULL; stream = stream->next) {
        if (otel_key_filter_keeps(&stream->filter, key))
            return true;
    }
    return false;
}

static void leave_out_what_no_stream_keeps(const struct otel_instrument *instrument, struct sorted *sorted) {
    size_t kept = 0;
    for (size_t i = 0; i < sorted->count; i++) {
        if (any_stream_keeps(instrument, sorted->attributes[i]->key))
            sorted->attributes[kept++] = sorted->attributes[i];
    }
    sorted->count = kept;
}

// Whether some stream has a row of its own for these attributes.
static bool some_stream_would_keep(const struct otel_instrument *instrument, const struct sorted *sorted) {
    bool keeps = false;
    for (const struct otel_stream *stream = instrument->streams; stream != NULL && !keeps;
         stream = stream->next) {
        fq_buf key = {0};
        keeps =
            otel_attribute_set_encode(sorted->attributes, sorted->count, &stream->filter, &key, NULL) == 0 &&
            otel_stream_would_keep(stream, (const uint8_t *)fq_buf_str(&key).ptr, fq_buf_len(&key));
        fq_buf_done(&key);
    }
    return keeps;
}

// Series of what is kept may be many more than rows where streams keep different keys: even they have an end.
static bool may_make(const struct otel_instrument *instrument, const struct sorted *sorted, int attempt) {
    if (attempt == 0)
        return instrument->series_count < instrument->series_max;
    return attempt == 2 || (instrument->series_count < SERIES_PER_ROW * (uint64_t)instrument->series_max &&
                            some_stream_would_keep(instrument, sorted));
}

static struct otel_series *find_or_make(struct otel_instrument *instrument, struct sorted *sorted) {
    static const struct otel_attribute overflow = {
        .key = "otel.metric.overflow", .value = {.type = OTEL_VALUE_BOOL, .as = {.boolean = true}}
    };
    const struct otel_attribute *only_overflow = &overflow;
    struct otel_series *series = NULL;
    for (int attempt = 0; attempt < 3 && series == NULL; attempt++) {
        bool is_last = attempt == 2;
        if (attempt == 1)
            leave_out_what_no_stream_keeps(instrument, sorted);
        struct sorted overflowed = {&only_overflow, 1, true};
        const struct sorted *wanted = is_last ? &overflowed : sorted;
        fq_buf key = {0};
        if (otel_attribute_set_encode(wanted->attributes, wanted->count, NULL, &key, NULL) == 0) {
            fq_str text = fq_buf_str(&key);
            uint64_t hash = fq_hash_str(text, instrument->meter->provider->seed);
            series = find_series(instrument, hash, text);
            if (series == NULL && may_make(instrument, wanted, attempt))
                series = new_series(instrument, wanted, hash, text);
        }
        fq_buf_done(&key);
    }
    return series;
}

static struct otel_series *find_sorted(struct otel_instrument *instrument,
                                       const struct otel_attribute *attributes, size_t count,
                                       const struct given *given, uint64_t hash) {
    const struct otel_attribute *on_stack[SORTED_ON_STACK];
    const struct otel_attribute **sorted = on_stack;
    if (count > SORTED_ON_STACK && (sorted = malloc(count * sizeof *sorted)) == NULL)
        return NULL;
    struct sorted set = {sorted, otel_attribute_set_sort(attributes, count, sorted), false};
    pthread_mutex_lock(&instrument->meter->provider->lock);
    struct otel_series *series = find_or_make(instrument, &set);
    if (series != NULL && given != NULL)
        add_alias(instrument, given, hash, series);
    pthread_mutex_unlock(&instrument->meter->provider->lock);
    if (sorted != on_stack)
        free(sorted);
    return series;
}

struct otel_series *otel_series_find(struct otel_instrument *instrument,
                                     const struct otel_attribute *attributes, size_t count) {
    struct given given;
    if (!describe(&given, attributes, count))
        return find_sorted(instrument, attributes, count, NULL, 0);
    uint64_t hash = fq_hash_bytes(given.bytes, given.len, instrument->meter->provider->seed);
    struct otel_series *series = find_alias(instrument, &given, hash);
    return series != NULL ? series : find_sorted(instrument, attributes, count, &given, hash);
}

otel_series *otel_bind(otel_instrument *instrument, const struct otel_attribute *attributes, size_t count) {
    if (instrument == NULL || otel_kind_is_observable(instrument->kind))
        return NULL;
    return otel_series_find(instrument, attributes, attributes != NULL ? count : 0);
}
