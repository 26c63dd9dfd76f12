// SPDX-License-Identifier: Apache-2.0
// Taking in the blocks of an area. Everything is copied first and checked then: the other process may be writing, wildly.
#include "otel/metrics/area_source.h"
#include "otel/wire/protobuf.h"

#include <math.h>
#include <stdlib.h>

enum { NAME, UNIT, DESCRIPTION, SCHEMA_URL, SCOPE, TEXTS };

static const struct otel_area_head *head_of(const struct otel_area_source *source) {
    return (const void *)source->area;
}

static struct otel_area_entry *find(const struct otel_area_source *source, uint32_t offset, uint32_t type) {
    uint32_t low = 0, high = source->entry_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (source->entries[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == source->entry_count || source->entries[low].offset != offset ||
        source->entries[low].type != type)
        return NULL;
    return &source->entries[low];
}

// --- streams ---------------------------------------------------------------------------------------------------------
struct texts {
    const uint8_t *at[TEXTS];
    uint32_t len[TEXTS];
};

static bool find_texts(const struct otel_stream_block *block, struct texts *texts) {
    uint32_t lens[TEXTS] = {block->name_len, block->unit_len, block->description_len, block->schema_url_len,
                            block->scope_len};
    uint64_t used = sizeof *block + block->bound_count * sizeof(double);
    for (int i = 0; i < TEXTS; i++) {
        texts->at[i] = (const uint8_t *)block + used;
        texts->len[i] = lens[i];
        used += lens[i];
        if (used > block->block.len)
            return false;
    }
    return true;
}

static bool bounds_are_sound(const double *bounds, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (!isfinite(bounds[i]) || (i > 0 && !(bounds[i - 1] < bounds[i])))
            return false;
    }
    return true;
}

static bool stream_is_sound(const struct otel_stream_block *block, struct texts *texts) {
    bool has_bounds = block->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    return block->block.len >= sizeof *block && block->kind < OTEL_INSTRUMENT_KIND_COUNT &&
           !otel_kind_is_observable(block->kind) && block->aggregation >= OTEL_AGGREGATE_SUM &&
           block->aggregation <= OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM &&
           block->bound_count < OTEL_BOUNDS_MAX && (has_bounds || block->bound_count == 0) &&
           block->max_size >= 2 && block->max_size <= OTEL_BOUNDS_MAX && find_texts(block, texts) &&
           bounds_are_sound((const double *)(block + 1), block->bound_count);
}

static char *text_of(struct otel_pool *pool, const struct texts *texts, int which) {
    return otel_pool_text(pool, (const char *)texts->at[which], texts->len[which]);
}

// The scope's attributes as a set, and its name and version.
static bool read_scope(struct otel_pool *pool, const struct texts *texts, struct otel_scope_info *scope,
                       struct otel_decoded_set *attributes) {
    struct otel_pb_reader reader = {.at = texts->at[SCOPE], .end = texts->at[SCOPE] + texts->len[SCOPE]};
    struct otel_pb_field field;
    const uint8_t *from = reader.at;
    fq_buf set = {0};
    int more;
    while ((more = otel_pb_next(&reader, &field)) == 1) {
        if (field.type == OTEL_PB_BYTES && field.number == 1)
            scope->name = otel_pool_text(pool, (const char *)field.bytes, field.len);
        else if (field.type == OTEL_PB_BYTES && field.number == 2)
            scope->version = otel_pool_text(pool, (const char *)field.bytes, field.len);
        else if (field.type == OTEL_PB_BYTES && field.number == 3 &&
                 fq_buf_append_byte(&set, OTEL_SET_TAG) == 0)
            (void)fq_buf_append(&set, from + 1, (size_t)(reader.at - from) - 1);
        from = reader.at;
    }
    char *kept = otel_pool_text(pool, fq_buf_str(&set).ptr, fq_buf_len(&set));
    if (kept != NULL)
        otel_attribute_set_decode((const uint8_t *)kept, fq_buf_len(&set), attributes);
    fq_buf_done(&set);
    scope->attributes = attributes->attributes;
    scope->attribute_count = kept != NULL ? attributes->count : 0;
    return more == 0 && kept != NULL;
}

static struct otel_instrument *instrument_of(struct otel_meter_provider *provider,
                                             const struct otel_stream_block *block,
                                             const struct texts *texts) {
    struct otel_pool pool = {0};
    struct otel_decoded_set attributes;
    struct otel_scope_info scope = {.schema_url = text_of(&pool, texts, SCHEMA_URL)};
    struct otel_instrument_options options = {.kind = block->kind,
                                              .name = text_of(&pool, texts, NAME),
                                              .unit = text_of(&pool, texts, UNIT),
                                              .description = text_of(&pool, texts, DESCRIPTION),
                                              .integer = block->integer != 0};
    if (block->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM) {
        options.bounds = (const double *)(block + 1);
        options.bound_count = block->bound_count;
    }
    struct otel_instrument *instrument = NULL;
    if (read_scope(&pool, texts, &scope, &attributes) && !pool.failed && options.name[0] != 0 &&
        otel_meter_provider_has_room(provider, OTEL_AREA_INSTRUMENTS_MAX, &scope, &options))
        instrument = otel_instrument_new(otel_meter_get(provider, &scope), &options);
    otel_pool_done(&pool);
    return instrument;
}

static void *take_stream(struct otel_area_source *source, const struct otel_stream_block *block) {
    struct texts texts;
    if (!stream_is_sound(block, &texts))
        return NULL;
    size_t bounds_len = block->bound_count * sizeof(double);
    struct otel_area_stream *stream = calloc(1, sizeof *stream + bounds_len);
    if (stream == NULL)
        return NULL;
    memcpy(stream->bounds, block + 1, bounds_len);
    stream->aggregation = block->aggregation;
    stream->integer = block->integer != 0;
    stream->is_monotonic = block->kind == OTEL_COUNTER;
    stream->bound_count = block->bound_count;
    stream->max_size = block->max_size;
    stream->instrument = instrument_of(source->provider, block, &texts);
    return stream;
}

// --- rows, cells, reservoirs -----------------------------------------------------------------------------------------
static void *take_row(const struct otel_area_source *source, const struct otel_row_block *block) {
    const struct otel_area_entry *parent = find(source, block->block.parent, OTEL_BLOCK_STREAM);
    if (parent == NULL || block->block.len < sizeof *block ||
        block->key_len > block->block.len - sizeof *block)
        return NULL;
    struct otel_area_row *row = calloc(1, sizeof *row);
    if (row == NULL)
        return NULL;
    row->stream = parent->what;
    if (row->stream->instrument != NULL) {
        struct otel_decoded_set set;
        otel_attribute_set_decode((const uint8_t *)(block + 1), block->key_len, &set);
        row->series = otel_bind(row->stream->instrument, set.attributes, set.count);
    }
    return row;
}

static size_t cell_bytes(const struct otel_area_stream *stream) {
    switch (stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM:
        return sizeof(struct otel_histogram_cell) + (stream->bound_count + 1) * sizeof(uint64_t);
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM:
        return sizeof(struct otel_exponential_cell) + 2 * otel_exponential_bytes((uint32_t)stream->max_size);
    default: return sizeof(struct otel_sum_cell);
    }
}

static void *take_cell(const struct otel_area_source *source, const struct otel_block *block) {
    const struct otel_area_entry *parent = find(source, block->parent, OTEL_BLOCK_ROW);
    struct otel_area_row *row = parent != NULL ? parent->what : NULL;
    if (row == NULL || block->len < cell_bytes(row->stream))
        return NULL;
    const struct otel_area_stream *stream = row->stream;
    size_t buckets = stream->aggregation == OTEL_AGGREGATE_EXPLICIT_HISTOGRAM ? stream->bound_count + 1 : 0;
    size_t exponential = stream->aggregation == OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM
                             ? otel_exponential_bytes((uint32_t)stream->max_size)
                             : 0;
    struct otel_area_cell *cell = calloc(1, sizeof *cell + buckets * sizeof(uint64_t) + exponential);
    if (cell == NULL)
        return NULL;
    cell->row = row;
    if (buckets > 0)
        cell->buckets = (uint64_t *)(void *)(cell + 1);
    if (exponential > 0) {
        cell->exponential = (struct otel_exponential *)(void *)(cell + 1);
        otel_exponential_init(cell->exponential, (uint32_t)stream->max_size, OTEL_EXPONENTIAL_SCALE_MAX);
    }
    return cell;
}

static void *take_reservoir(const struct otel_area_source *source, const struct otel_reservoir *block) {
    const struct otel_area_entry *parent = find(source, block->block.parent, OTEL_BLOCK_ROW);
    uint32_t slots = block->slot_count, stride = block->stride;
    if (parent == NULL || block->block.len < sizeof *block || slots > OTEL_BOUNDS_MAX + 1 ||
        stride % 8 != 0 || stride < sizeof(struct otel_exemplar_slot) ||
        stride > sizeof(struct otel_exemplar_slot) + OTEL_FILTERED_BYTES_MAX ||
        (uint64_t)slots * stride > block->block.len - sizeof *block)
        return NULL;
    struct otel_area_reservoir *reservoir = calloc(1, sizeof *reservoir + slots * sizeof(uint32_t));
    if (reservoir == NULL)
        return NULL;
    reservoir->row = parent->what;
    reservoir->slot_count = slots;
    reservoir->stride = stride;
    return reservoir;
}

// --- blocks ----------------------------------------------------------------------------------------------------------
static bool add_entry(struct otel_area_source *source, struct otel_area_entry entry) {
    if (source->entry_count == source->entry_capacity) {
        uint32_t capacity = source->entry_capacity != 0 ? source->entry_capacity * 2 : 64;
        struct otel_area_entry *entries = realloc(source->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return false;
        source->entries = entries;
        source->entry_capacity = capacity;
    }
    source->entries[source->entry_count++] = entry;
    return true;
}

// `copy` holds the block, of the length that its head gives.
static bool take_block(struct otel_area_source *source, const void *copy, uint32_t offset) {
    const struct otel_block *block = copy;
    void *what = NULL;
    switch (block->type) {
    case OTEL_BLOCK_STREAM: what = take_stream(source, copy); break;
    case OTEL_BLOCK_ROW: what = take_row(source, copy); break;
    case OTEL_BLOCK_CELL: what = take_cell(source, copy); break;
    case OTEL_BLOCK_RESERVOIR: what = take_reservoir(source, copy); break;
    default: break;
    }
    struct otel_area_entry entry = {.offset = offset, .type = what != NULL ? block->type : 0, .what = what};
    if (what != NULL && add_entry(source, entry))
        return true;
    free(what);
    return false;
}

bool otel_area_scan(struct otel_area_source *source) {
    const struct otel_area_head *head = head_of(source);
    if (atomic_load_explicit(&head->magic, memory_order_acquire) != OTEL_AREA_MAGIC)
        return true; // nobody has begun
    uint32_t used = atomic_load_explicit(&head->used, memory_order_acquire);
    if (head->version != OTEL_AREA_VERSION || used > source->len || used < source->scanned ||
        used % OTEL_BLOCK_ALIGN != 0)
        return false;
    uint8_t *copy = used > source->scanned ? aligned_alloc(OTEL_BLOCK_ALIGN, OTEL_BLOCK_BYTES_MAX) : NULL;
    bool is_sound = copy != NULL || used == source->scanned;
    while (is_sound && source->scanned < used) {
        struct otel_block block;
        memcpy(&block, source->area + source->scanned, sizeof block);
        is_sound = block.len >= OTEL_BLOCK_ALIGN && block.len % OTEL_BLOCK_ALIGN == 0 &&
                   block.len <= OTEL_BLOCK_BYTES_MAX && block.len <= used - source->scanned;
        if (!is_sound)
            break;
        memcpy(copy, source->area + source->scanned, block.len);
        memcpy(copy, &block, sizeof block);
        is_sound = take_block(source, copy, source->scanned);
        source->scanned += block.len;
    }
    free(copy);
    return is_sound;
}

void otel_area_forget(struct otel_area_source *source) {
    for (uint32_t i = 0; i < source->entry_count; i++)
        free(source->entries[i].what);
    free(source->entries);
    free(source);
}
