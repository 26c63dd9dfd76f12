// SPDX-License-Identifier: Apache-2.0
// Folding areas into the provider's own series: what each cell has more than at the last look is measured here once more.
#include "otel/metrics/area_source.h"

#include "otel/metrics/collect.h"

#include <math.h>
#include <stdlib.h>

static void give(const struct otel_area_cell *cell, struct otel_foreign *foreign) {
    foreign->aggregation = cell->row->stream->aggregation;
    foreign->integer = cell->row->stream->integer;
    if (foreign->count > 0 && foreign->count < OTEL_AREA_COUNT_MAX && cell->row->series != NULL)
        otel_series_merge(cell->row->series, foreign);
}

// --- each kind of cell -----------------------------------------------------------------------------------------------
static void fold_number(struct otel_area_cell *cell, const struct otel_sum_cell *shared) {
    const struct otel_area_stream *stream = cell->row->stream;
    // The count goes up last: what it counts is in the sum.
    uint64_t count = atomic_load_explicit(&shared->count, memory_order_acquire);
    uint64_t sum = atomic_load_explicit(&shared->sum, memory_order_relaxed);
    struct otel_foreign foreign = {.count = count - cell->count};
    bool is_last = stream->aggregation == OTEL_AGGREGATE_LAST_VALUE;
    if (stream->integer) {
        foreign.sum = is_last ? sum : sum - cell->sum;
    } else {
        double more = is_last ? otel_real(sum) : otel_real(sum) - otel_real(cell->sum);
        foreign.sum = otel_bits(more);
        if (!isfinite(more))
            return;
    }
    double amount = stream->integer ? (double)(int64_t)foreign.sum : otel_real(foreign.sum);
    if (count < cell->count || (stream->is_monotonic && amount < 0))
        return;
    cell->count = count;
    cell->sum = sum;
    give(cell, &foreign);
}

// What is known of the extremes since the last look: the whole's, and where the buckets end that had something.
static void estimate_extremes(const struct otel_area_stream *stream, const struct otel_figures *figures,
                              struct otel_foreign *foreign) {
    uint32_t first = 0, last = stream->bound_count;
    while (first < last && foreign->buckets[first] == 0)
        first++;
    while (last > first && foreign->buckets[last] == 0)
        last--;
    double low = first > 0 ? stream->bounds[first - 1] : figures->min;
    double high = last < stream->bound_count ? stream->bounds[last] : figures->max;
    foreign->has_min_max = figures->has_min_max && isfinite(figures->min) && isfinite(figures->max);
    foreign->min = low > figures->min ? low : figures->min;
    foreign->max = high < figures->max ? high : figures->max;
}

static void fold_histogram(struct otel_area_cell *cell, const struct otel_histogram_cell *shared,
                           struct otel_figures *figures) {
    const struct otel_area_stream *stream = cell->row->stream;
    figures->count = 0;
    figures->real_sum = 0;
    figures->has_min_max = false;
    memset(figures->buckets, 0, (stream->bound_count + 1) * sizeof(uint64_t));
    otel_histogram_cell_read(shared, stream->bound_count, 0, figures);
    if (figures->count <= cell->count || !isfinite(figures->real_sum))
        return;
    struct otel_foreign foreign = {.count = figures->count - cell->count,
                                   .real_sum = figures->real_sum - cell->real_sum,
                                   .bounds = stream->bounds,
                                   .bound_count = stream->bound_count,
                                   .buckets = figures->buckets};
    for (uint32_t i = 0; i <= stream->bound_count; i++) {
        uint64_t now = figures->buckets[i];
        if (now < cell->buckets[i] || now - cell->buckets[i] > foreign.count)
            return;
        figures->buckets[i] -= cell->buckets[i];
    }
    for (uint32_t i = 0; i <= stream->bound_count; i++)
        cell->buckets[i] += figures->buckets[i];
    cell->count = figures->count;
    cell->real_sum = figures->real_sum;
    estimate_extremes(stream, figures, &foreign);
    give(cell, &foreign);
}

static void fold_exponential(struct otel_area_cell *cell, const struct otel_exponential_cell *shared,
                             struct otel_figures *figures) {
    uint32_t size = (uint32_t)cell->row->stream->max_size;
    struct otel_exponential *now = otel_figures_exponential(figures);
    if (!otel_exponential_cell_read(shared, size, now) || now->count <= cell->exponential->count ||
        now->scale > cell->exponential->scale || !isfinite(now->sum) || !isfinite(now->min) ||
        !isfinite(now->max) || !otel_exponential_holds(now, cell->exponential))
        return;
    struct otel_exponential *before = malloc(otel_exponential_bytes(size));
    if (before == NULL)
        return;
    memcpy(before, cell->exponential, otel_exponential_bytes(size));
    memcpy(cell->exponential, now, otel_exponential_bytes(size));
    otel_exponential_subtract(now, before);
    struct otel_foreign foreign = {.count = now->count,
                                   .real_sum = now->sum,
                                   .has_min_max = true,
                                   .min = now->min,
                                   .max = now->max,
                                   .exponential = now};
    give(cell, &foreign);
    free(before);
}

// --- exemplars -------------------------------------------------------------------------------------------------------
static bool copy_slot(const struct otel_exemplar_slot *shared, uint32_t stride, uint32_t seen,
                      struct otel_exemplar_slot *ret_copy) {
    uint32_t version = atomic_load_explicit(&shared->version, memory_order_acquire);
    if (version == seen || (version & 1) != 0)
        return false;
    memcpy(ret_copy, shared, stride);
    atomic_thread_fence(memory_order_acquire);
    bool is_whole = atomic_load_explicit(&shared->version, memory_order_relaxed) == version;
    atomic_store_explicit(&ret_copy->version, version, memory_order_relaxed);
    return is_whole && ret_copy->unix_ns > 0 && ret_copy->filtered_len <= stride - sizeof *ret_copy;
}

static void put_exemplar(const struct otel_area_row *row, uint32_t slot,
                         const struct otel_exemplar_slot *copy) {
    struct otel_decoded_set set;
    const struct otel_attribute *sorted[OTEL_DECODED_MAX];
    fq_buf filtered = {0};
    otel_attribute_set_decode(copy->filtered, copy->filtered_len, &set);
    size_t count = otel_attribute_set_sort(set.attributes, set.count, sorted);
    (void)otel_attribute_set_encode(sorted, count, NULL, &filtered, NULL);
    struct otel_encoded_exemplar exemplar = {.integer = row->stream->integer,
                                             .value = copy->value,
                                             .unix_ns = copy->unix_ns,
                                             .trace_id = copy->trace_id,
                                             .span_id = copy->span_id,
                                             .filtered = (const uint8_t *)fq_buf_str(&filtered).ptr,
                                             .filtered_len = fq_buf_len(&filtered)};
    for (uint32_t i = 0; i < row->series->link_count; i++)
        otel_exemplar_put(row->series->links[i].row, slot, &exemplar);
    fq_buf_done(&filtered);
}

static void fold_reservoir(struct otel_area_reservoir *reservoir, const uint8_t *shared) {
    _Alignas(8) uint8_t memory[sizeof(struct otel_exemplar_slot) + OTEL_FILTERED_BYTES_MAX];
    struct otel_exemplar_slot *copy = (void *)memory;
    if (reservoir->row->series == NULL)
        return;
    const uint8_t *slots = shared + sizeof(struct otel_reservoir);
    for (uint32_t i = 0; i < reservoir->slot_count; i++) {
        const void *slot = slots + (size_t)i * reservoir->stride;
        if (!copy_slot(slot, reservoir->stride, reservoir->versions[i], copy))
            continue;
        reservoir->versions[i] = atomic_load_explicit(&copy->version, memory_order_relaxed);
        put_exemplar(reservoir->row, i, copy);
    }
}

static void fold_cell(struct otel_area_cell *cell, const void *shared, struct otel_figures *scratch) {
    switch (cell->row->stream->aggregation) {
    case OTEL_AGGREGATE_EXPLICIT_HISTOGRAM: fold_histogram(cell, shared, scratch); break;
    case OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM: fold_exponential(cell, shared, scratch); break;
    default: fold_number(cell, shared); break;
    }
}

void otel_area_fold(struct otel_area_source *source, struct otel_figures *scratch) {
    if (source->is_garbage)
        return;
    if (!otel_area_scan(source)) {
        source->is_garbage = true;
        otel_report(source->provider->runtime, OTEL_LEVEL_WARN,
                    "metrics: a process has written over its shared series: what it measures is not "
                    "collected any more");
    }
    for (uint32_t i = 0; i < source->entry_count; i++) {
        const struct otel_area_entry *entry = &source->entries[i];
        if (entry->type == OTEL_BLOCK_CELL)
            fold_cell(entry->what, source->area + entry->offset, scratch);
        else if (entry->type == OTEL_BLOCK_RESERVOIR)
            fold_reservoir(entry->what, source->area + entry->offset);
    }
}

void otel_areas_fold(struct otel_meter_provider *provider, struct otel_figures *scratch) {
    for (struct otel_area_source *source = provider->sources; source != NULL; source = source->next)
        otel_area_fold(source, scratch);
}

// --- attaching -------------------------------------------------------------------------------------------------------
otel_area_source *otel_area_attach(otel_meter_provider *provider, const void *area, size_t area_len) {
    if (provider == NULL || area == NULL || area_len < 2 * sizeof(struct otel_area_head) ||
        (uintptr_t)area % OTEL_BLOCK_ALIGN != 0)
        return NULL;
    struct otel_area_source *source = calloc(1, sizeof *source);
    if (source == NULL)
        return NULL;
    source->provider = provider;
    source->area = area;
    source->len = area_len > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)area_len;
    source->scanned = sizeof(struct otel_area_head);
    pthread_mutex_lock(&provider->collect_lock);
    source->next = provider->sources;
    provider->sources = source;
    pthread_mutex_unlock(&provider->collect_lock);
    otel_readers_start(provider);
    return source;
}

void otel_area_detach(otel_meter_provider *provider, otel_area_source *source) {
    if (provider == NULL || source == NULL)
        return;
    struct otel_figures *scratch = malloc(sizeof *scratch);
    pthread_mutex_lock(&provider->collect_lock);
    if (scratch != NULL)
        otel_area_fold(source, scratch);
    struct otel_area_source **at = &provider->sources;
    while (*at != NULL && *at != source)
        at = &(*at)->next;
    if (*at != NULL)
        *at = source->next;
    pthread_mutex_unlock(&provider->collect_lock);
    free(scratch);
    otel_area_forget(source);
}

uint64_t otel_area_dropped(const otel_area_source *source) {
    const struct otel_area_head *head = source != NULL ? (const void *)source->area : NULL;
    return head != NULL ? atomic_load_explicit(&head->no_room, memory_order_relaxed) : 0;
}

void otel_areas_free(struct otel_meter_provider *provider) {
    for (struct otel_area_source *source = provider->sources, *next; source != NULL; source = next) {
        next = source->next;
        otel_area_forget(source);
    }
    provider->sources = NULL;
}
