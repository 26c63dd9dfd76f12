// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/exemplar.h"

#include "otel/wire/attribute.h"

enum { SIMPLE_SLOTS_MAX = 20 };

static uint32_t slot_count(const struct otel_stream *stream) {
    switch (stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM: return stream->bound_count + 1;
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM:
        return stream->max_size < SIMPLE_SLOTS_MAX ? (uint32_t)stream->max_size : SIMPLE_SLOTS_MAX;
    default: return 1;
    }
}

static struct otel_reservoir *make_reservoir(struct otel_row *row) {
    struct otel_meter_provider *provider = row->stream->instrument->meter->provider;
    pthread_mutex_lock(&provider->lock);
    struct otel_reservoir *reservoir = atomic_load_explicit(&row->reservoir, memory_order_relaxed);
    if (reservoir == NULL && (provider->store.area == NULL || row->offset != 0)) {
        uint32_t slots = slot_count(row->stream);
        uint32_t stride = (uint32_t)sizeof(struct otel_exemplar_slot) +
                          (row->stream->filters ? OTEL_FILTERED_BYTES_MAX : 0);
        reservoir = otel_store_take(&provider->store, OTEL_BLOCK_RESERVOIR, row->offset,
                                    sizeof *reservoir + (size_t)slots * stride);
        if (reservoir != NULL) {
            reservoir->slot_count = slots;
            reservoir->stride = stride;
            otel_store_show(&provider->store, reservoir);
            atomic_store_explicit(&row->reservoir, reservoir, memory_order_release);
        }
    }
    pthread_mutex_unlock(&provider->lock);
    return reservoir;
}

static uint32_t next_random(struct otel_dice *dice) {
    uint32_t x = dice->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return dice->random = x;
}

// The slot that this measurement takes, -1 = none. Each of n measurements ends up in one of k slots with chance k/n.
static int64_t choose(const struct otel_offer *offer) {
    const struct otel_stream *stream = offer->link->row->stream;
    uint32_t epoch = atomic_load_explicit(&stream->instrument->meter->provider->epoch, memory_order_relaxed);
    if (offer->dice->epoch != epoch) {
        memset(offer->seen, 0, offer->groups * sizeof *offer->seen);
        offer->dice->epoch = epoch;
    }
    uint32_t seen = ++offer->seen[offer->group];
    uint32_t slots = offer->groups > 1 ? 1 : slot_count(stream);
    uint32_t first = offer->groups > 1 ? offer->group : 0;
    if (seen <= slots)
        return (int64_t)first + (seen == 0 ? 0 : seen - 1);
    uint32_t pick = (uint32_t)((uint64_t)next_random(offer->dice) * seen >> 32);
    return pick < slots ? (int64_t)first + pick : -1;
}

// Whole attributes, as many as there is room for.
static uint32_t fitting(const uint8_t *set, uint32_t len, uint32_t room) {
    uint32_t used = 0;
    for (size_t next; used < len && (next = otel_attribute_set_next(set + used, len - used)) > 0;) {
        if (used + next > room)
            break;
        used += (uint32_t)next;
    }
    return used;
}

static void fill(const struct otel_reservoir *reservoir, struct otel_exemplar_slot *slot,
                 const struct otel_encoded_exemplar *exemplar) {
    uint32_t version = atomic_load_explicit(&slot->version, memory_order_relaxed);
    atomic_store_explicit(&slot->version, version | 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    slot->value = exemplar->value;
    slot->unix_ns = exemplar->unix_ns;
    if (exemplar->trace_id != NULL) {
        memcpy(slot->trace_id, exemplar->trace_id, sizeof slot->trace_id);
        memcpy(slot->span_id, exemplar->span_id, sizeof slot->span_id);
    } else {
        memset(slot->trace_id, 0, sizeof slot->trace_id);
        memset(slot->span_id, 0, sizeof slot->span_id);
    }
    slot->filtered_len = fitting(exemplar->filtered, (uint32_t)exemplar->filtered_len,
                                 reservoir->stride - (uint32_t)sizeof *slot);
    if (slot->filtered_len > 0)
        memcpy(slot->filtered, exemplar->filtered, slot->filtered_len);
    atomic_store_explicit(&slot->version, (version | 1) + 1, memory_order_release);
}

void otel_exemplar_put(struct otel_row *row, uint32_t slot, const struct otel_encoded_exemplar *exemplar) {
    struct otel_reservoir *reservoir = atomic_load_explicit(&row->reservoir, memory_order_acquire);
    if (reservoir == NULL && (reservoir = make_reservoir(row)) == NULL)
        return;
    if (slot >= reservoir->slot_count ||
        atomic_exchange_explicit(&row->exemplar_lock, true, memory_order_acquire))
        return;
    fill(reservoir, otel_reservoir_slot(reservoir, slot), exemplar);
    otel_row_unlock(&row->exemplar_lock);
}

static void offer_to_program(const struct otel_offer *offer) {
    struct otel_row *row = offer->link->row;
    const struct otel_stream *stream = row->stream;
    if (row->custom_reservoir == NULL)
        return;
    int64_t now = otel_unix_ns(stream->instrument->meter->provider->runtime);
    otel_row_lock(&row->exemplar_lock);
    stream->reservoir->offer(row->custom_reservoir, offer->measurement->real, now, offer->series->attributes,
                             offer->series->attribute_count, offer->measurement->span,
                             otel_context_current());
    otel_row_unlock(&row->exemplar_lock);
}

void otel_exemplar_offer(const struct otel_offer *offer) {
    struct otel_row *row = offer->link->row;
    const struct otel_stream *stream = row->stream;
    if (stream->reservoir != NULL) {
        offer_to_program(offer);
        return;
    }
    int64_t slot = choose(offer);
    if (slot < 0)
        return;
    const struct otel_measurement *measurement = offer->measurement;
    bool integer = stream->instrument->integer;
    struct otel_encoded_exemplar exemplar = {
        .integer = integer,
        .value = integer ? (uint64_t)measurement->integer : otel_bits(measurement->real),
        .unix_ns = otel_unix_ns(stream->instrument->meter->provider->runtime),
        .trace_id = measurement->span != NULL ? measurement->span->trace_id : NULL,
        .span_id = measurement->span != NULL ? measurement->span->span_id : NULL,
        .filtered = offer->link->filtered,
        .filtered_len = offer->link->filtered_len};
    otel_exemplar_put(row, (uint32_t)slot, &exemplar);
}

// --- reading ---------------------------------------------------------------------------------------------------------
enum { ID_BYTES = 24, PROGRAM_EXEMPLARS_MAX = 64, PROGRAM_ATTRIBUTES_MAX = 64 };

static void add_copy(struct otel_exemplar_copies *copies, const struct otel_encoded_exemplar *exemplar) {
    size_t capacity = sizeof copies->items / sizeof *copies->items;
    // Room was reserved for all of them: nothing that items point to moves.
    if (copies->count == capacity)
        return;
    uint8_t *at = (uint8_t *)fq_buf_tail(&copies->ids);
    struct otel_encoded_exemplar *item = &copies->items[copies->count++];
    *item = *exemplar;
    memcpy(at, exemplar->trace_id, 16);
    memcpy(at + 16, exemplar->span_id, 8);
    if (exemplar->filtered_len > 0)
        memcpy(at + ID_BYTES, exemplar->filtered, exemplar->filtered_len);
    item->trace_id = at;
    item->span_id = at + 16;
    item->filtered = at + ID_BYTES;
    fq_buf_commit(&copies->ids, ID_BYTES + exemplar->filtered_len);
}

// Those of a reservoir of the program's own point into their sets, one after the other in `ids`; room is made first.
static void copy_from_program(struct otel_row *row, int64_t after_unix_ns,
                              struct otel_exemplar_copies *copies) {
    struct otel_reservoir_exemplar found[PROGRAM_EXEMPLARS_MAX];
    const struct otel_stream *stream = row->stream;
    bool integer = stream->instrument->integer;
    if (row->custom_reservoir == NULL ||
        fq_buf_reserve(&copies->ids, PROGRAM_EXEMPLARS_MAX * (ID_BYTES + OTEL_FILTERED_BYTES_MAX)) != 0)
        return;
    otel_row_lock(&row->exemplar_lock);
    size_t count = stream->reservoir->collect(row->custom_reservoir, found, PROGRAM_EXEMPLARS_MAX);
    for (size_t i = 0; i < count && i < PROGRAM_EXEMPLARS_MAX; i++) {
        fq_buf set = {0};
        const struct otel_attribute *sorted[PROGRAM_ATTRIBUTES_MAX];
        size_t attributes = found[i].attribute_count;
        attributes = attributes < PROGRAM_ATTRIBUTES_MAX ? attributes : PROGRAM_ATTRIBUTES_MAX;
        attributes = otel_attribute_set_sort(found[i].attributes, attributes, sorted);
        (void)otel_attribute_set_encode(sorted, attributes, NULL, &set, NULL);
        const uint8_t *bytes = (const uint8_t *)fq_buf_str(&set).ptr;
        struct otel_encoded_exemplar exemplar = {
            .integer = integer,
            .value = integer ? (uint64_t)(int64_t)found[i].value : otel_bits(found[i].value),
            .unix_ns = found[i].unix_ns,
            .trace_id = found[i].trace_id,
            .span_id = found[i].span_id,
            .filtered = bytes,
            .filtered_len = fitting(bytes, (uint32_t)fq_buf_len(&set), OTEL_FILTERED_BYTES_MAX)};
        if (found[i].unix_ns > after_unix_ns)
            add_copy(copies, &exemplar);
        fq_buf_done(&set);
    }
    otel_row_unlock(&row->exemplar_lock);
}

void otel_exemplars_copy(struct otel_row *row, int64_t after_unix_ns, struct otel_exemplar_copies *copies) {
    copies->count = 0;
    fq_buf_clear(&copies->ids);
    if (row->stream->reservoir != NULL) {
        copy_from_program(row, after_unix_ns, copies);
        return;
    }
    struct otel_reservoir *reservoir = atomic_load_explicit(&row->reservoir, memory_order_acquire);
    if (reservoir == NULL || fq_buf_reserve(&copies->ids, (size_t)reservoir->slot_count *
                                                              (ID_BYTES + OTEL_FILTERED_BYTES_MAX)) != 0)
        return;
    otel_row_lock(&row->exemplar_lock);
    for (uint32_t i = 0; i < reservoir->slot_count; i++) {
        const struct otel_exemplar_slot *slot = otel_reservoir_slot(reservoir, i);
        struct otel_encoded_exemplar exemplar = {.integer = row->stream->instrument->integer,
                                                 .value = slot->value,
                                                 .unix_ns = slot->unix_ns,
                                                 .trace_id = slot->trace_id,
                                                 .span_id = slot->span_id,
                                                 .filtered = slot->filtered,
                                                 .filtered_len = slot->filtered_len};
        if (slot->unix_ns != 0 && slot->unix_ns > after_unix_ns)
            add_copy(copies, &exemplar);
    }
    otel_row_unlock(&row->exemplar_lock);
}
