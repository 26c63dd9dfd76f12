// SPDX-License-Identifier: Apache-2.0
// The writers' side of a batch: records go into the ring, and the thread is woken once a batch.
#include "otel/pipeline/batch_parts.h"
#include "otel/pipeline/check.h"

#include <stdlib.h>
#include <string.h>

static void wake(otel_batch *batch) {
    uint32_t wake_at = atomic_exchange(&batch->wake_at, OTEL_WAKE_NEVER);
    if (wake_at == 0)
        otel_batch_ensure_thread(batch);
    else if (wake_at != OTEL_WAKE_NEVER)
        otel_gate_open(&batch->knock);
}

static void note_full(otel_batch *batch) {
    otel_batch_count(&batch->dropped_full, 1);
    uint32_t wake_at = atomic_load(&batch->wake_at);
    if (wake_at != OTEL_WAKE_NEVER && !atomic_load_explicit(&batch->is_closed, memory_order_relaxed))
        wake(batch);
}

static void *reserve(void *context, enum otel_record_type type, uint32_t len) {
    otel_batch *batch = context;
    (void)type;
    void *place = NULL;
    if (!atomic_load_explicit(&batch->is_closed, memory_order_relaxed) && len <= OTEL_RECORD_BYTES_MAX)
        place = otel_ring_reserve(&batch->ring, len);
    if (__builtin_expect(place == NULL, 0))
        note_full(batch);
    return place;
}

static void commit(void *context, void *reserved) {
    otel_batch *batch = context;
    uint32_t bytes;
    uint32_t queued = otel_ring_commit(&batch->ring, reserved, &bytes);
    uint32_t wake_at = atomic_load(&batch->wake_at);
    if (__builtin_expect(queued >= wake_at || (bytes >= batch->wake_bytes && wake_at != OTEL_WAKE_NEVER), 0))
        wake(batch);
}

// Simple mode: a record of its own for each call, exported at once.
struct lone_record {
    uint32_t len;
    _Alignas(8) uint8_t bytes[];
};

static void *reserve_lone(void *context, enum otel_record_type type, uint32_t len) {
    otel_batch *batch = context;
    (void)type;
    struct lone_record *record = NULL;
    if (!atomic_load_explicit(&batch->is_closed, memory_order_relaxed) && len <= OTEL_RECORD_BYTES_MAX)
        record = malloc(sizeof *record + len);
    if (record == NULL) {
        otel_batch_count(&batch->dropped_full, 1);
        return NULL;
    }
    record->len = len;
    return record->bytes;
}

static void commit_lone(void *context, void *reserved) {
    otel_batch *batch = context;
    struct lone_record *record =
        (struct lone_record *)(void *)((uint8_t *)reserved - offsetof(struct lone_record, bytes));
    if (!otel_batch_begin_export(batch)) { // the exporter itself makes spans: there would be no end
        otel_batch_count(&batch->dropped_full, 1);
        free(record);
        return;
    }
    otel_batch_export_lone(batch, &(struct otel_ring_record){record->bytes, record->len});
    otel_batch_end_export(batch);
    free(record);
}

struct otel_sink otel_batch_sink(otel_batch *batch) {
    if (batch->options.simple)
        return (struct otel_sink){reserve_lone, commit_lone, batch};
    return (struct otel_sink){reserve, commit, batch};
}

int otel_batch_put(otel_batch *batch, const void *record, size_t len) {
    if (len > OTEL_RECORD_BYTES_MAX || !otel_record_is_sound(batch->options.signal, record, len))
        return OTEL_FAILED;
    return otel_batch_put_checked(batch, record, len);
}

int otel_batch_put_checked(otel_batch *batch, const void *record, size_t len) {
    if (len > OTEL_RECORD_BYTES_MAX)
        return OTEL_FAILED;
    struct otel_sink sink = otel_batch_sink(batch);
    void *place = sink.reserve(batch, OTEL_RECORD_SPAN, (uint32_t)len);
    if (place == NULL)
        return OTEL_FAILED;
    memcpy(place, record, len);
    sink.commit(batch, place);
    return OTEL_OK;
}
