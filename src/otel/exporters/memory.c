// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/otlp.h"

#include <pthread.h>
#include <stdlib.h>

enum { BATCHES_MAX = 4096 };

struct otel_memory_exporter {
    enum otel_signal signal;
    pthread_mutex_t lock; // of all below
    struct otel_export_batch batches[BATCHES_MAX];
    size_t count;
    bool is_shut_down;
    struct otel_exporter_stats stats;
};

static bool keep(struct otel_memory_exporter *memory, const struct otel_export_batch *batch) {
    void *copy = memory->is_shut_down || memory->count == BATCHES_MAX ? NULL : malloc(batch->len + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, batch->bytes, batch->len);
    memory->batches[memory->count] = *batch;
    memory->batches[memory->count++].bytes = copy;
    return true;
}

static int export_batch(void *self, const struct otel_export_batch *batch) {
    struct otel_memory_exporter *memory = self;
    pthread_mutex_lock(&memory->lock);
    bool is_kept = keep(memory, batch);
    *(is_kept ? &memory->stats.exported : &memory->stats.failed) += batch->item_count;
    pthread_mutex_unlock(&memory->lock);
    return is_kept ? OTEL_OK : OTEL_FAILED;
}

size_t otel_memory_exporter_count(struct otel_memory_exporter *memory) {
    pthread_mutex_lock(&memory->lock);
    size_t count = memory->count;
    pthread_mutex_unlock(&memory->lock);
    return count;
}

bool otel_memory_exporter_at(struct otel_memory_exporter *memory, size_t index,
                             struct otel_export_batch *ret_batch) {
    pthread_mutex_lock(&memory->lock);
    bool is_there = index < memory->count;
    if (is_there)
        *ret_batch = memory->batches[index];
    pthread_mutex_unlock(&memory->lock);
    return is_there;
}

void otel_memory_exporter_clear(struct otel_memory_exporter *memory) {
    pthread_mutex_lock(&memory->lock);
    while (memory->count > 0)
        free((void *)(uintptr_t)memory->batches[--memory->count].bytes);
    pthread_mutex_unlock(&memory->lock);
}

static int flush(void *self, int64_t timeout_ms) {
    (void)self;
    (void)timeout_ms;
    return OTEL_OK;
}

static int shut_down(void *self, int64_t timeout_ms) {
    (void)timeout_ms;
    struct otel_memory_exporter *memory = self;
    pthread_mutex_lock(&memory->lock);
    memory->is_shut_down = true;
    pthread_mutex_unlock(&memory->lock);
    return OTEL_OK;
}

static void after_fork(void *self) {
    struct otel_memory_exporter *memory = self;
    pthread_mutex_init(&memory->lock, NULL);
}

static void copy_stats(void *self, struct otel_exporter_stats *ret_stats) {
    struct otel_memory_exporter *memory = self;
    pthread_mutex_lock(&memory->lock);
    *ret_stats = memory->stats;
    pthread_mutex_unlock(&memory->lock);
}

static void free_memory(void *self) {
    struct otel_memory_exporter *memory = self;
    otel_memory_exporter_clear(memory);
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

#define OPS(type)                                                                                            \
    {                                                                                                        \
        .component_type = type, .export_batch = export_batch, .flush = flush, .shutdown = shut_down,         \
        .after_fork = after_fork, .free = free_memory, .stats = copy_stats                                   \
    }
static const struct otel_exporter_ops memory_ops[OTEL_SIGNAL_COUNT] = {
    OPS("in_memory_span_exporter"),
    OPS("in_memory_metric_exporter"),
    OPS("in_memory_log_exporter"),
};

int otel_memory_exporter_new(enum otel_signal signal, struct otel_exporter *ret_exporter,
                             struct otel_memory_exporter **ret_memory) {
    struct otel_memory_exporter *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return OTEL_FAILED;
    memory->signal = signal;
    pthread_mutex_init(&memory->lock, NULL);
    *ret_exporter = (struct otel_exporter){.ops = &memory_ops[signal], .self = memory};
    *ret_memory = memory;
    return OTEL_OK;
}
