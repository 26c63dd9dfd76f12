// SPDX-License-Identifier: Apache-2.0
#include "journal/storage_memory.h"

#include "base/time.h"
#include "journal/format.h"

#include <stdlib.h>

struct memory {
    fq_storage base;
    void (*wake)(void *context);
    void *wake_context;
    void (*on_done)(void *context, int result);
    void (*on_sealed)(void *context, int result, uint64_t last_batch_seq);
    void *context;
    uint64_t last_batch_seq;
};

static int memory_read(fq_storage *storage, uint64_t from_batch_seq,
                       int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context) {
    (void)storage, (void)from_batch_seq, (void)on_batch, (void)context;
    return 0;
}

static int memory_start(fq_storage *storage, const struct fq_storage_batch *first, uint32_t boot_epoch) {
    ((struct memory *)storage)->last_batch_seq = first->batch_seq;
    storage->boot_epoch = boot_epoch;
    return 0;
}

static int complete_later(struct memory *memory, void (*on_done)(void *context, int result), void *context) {
    memory->on_done = on_done;
    memory->context = context;
    memory->wake(memory->wake_context);
    return 0;
}

static int memory_append(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                         void (*on_durable)(void *context, int result), void *context) {
    (void)sync;
    ((struct memory *)storage)->last_batch_seq = batch->batch_seq;
    return complete_later((struct memory *)storage, on_durable, context);
}

static int memory_flush(fq_storage *storage, void (*on_durable)(void *context, int result), void *context) {
    return complete_later((struct memory *)storage, on_durable, context);
}

static int memory_seal(fq_storage *storage,
                       void (*on_sealed)(void *context, int result, uint64_t last_batch_seq), void *context) {
    struct memory *memory = (struct memory *)storage;
    memory->on_sealed = on_sealed;
    return complete_later(memory, NULL, context);
}

static void memory_poll(fq_storage *storage, int64_t boot_us) {
    (void)boot_us;
    struct memory *memory = (struct memory *)storage;
    void (*on_done)(void *context, int result) = memory->on_done;
    void (*on_sealed)(void *context, int result, uint64_t last_batch_seq) = memory->on_sealed;
    memory->on_done = NULL;
    memory->on_sealed = NULL;
    if (on_sealed != NULL)
        on_sealed(memory->context, 0, memory->last_batch_seq);
    else if (on_done != NULL)
        on_done(memory->context, 0);
}

static const struct fq_storage_snapshot *memory_snapshot(const fq_storage *storage) {
    (void)storage;
    return NULL;
}

static int memory_snapshot_read(fq_storage *storage, int (*on_bytes)(void *context, fq_str bytes),
                                void *context) {
    (void)storage, (void)on_bytes, (void)context;
    return FQ_EINVALID;
}

static int memory_snapshot_install(fq_storage *storage, uint64_t batch_seq,
                                   void (*on_installed)(void *context, int result), void *context) {
    (void)storage, (void)batch_seq, (void)on_installed, (void)context;
    return FQ_EINVALID;
}

static void memory_space(fq_storage *storage, struct fq_storage_space *ret_space) {
    (void)storage;
    *ret_space = (struct fq_storage_space){.writable_bytes = UINT64_MAX, .reserve_bytes = UINT64_MAX};
}

static void memory_stats(const fq_storage *storage, struct fq_storage_stats *ret_stats) {
    (void)storage;
    *ret_stats = (struct fq_storage_stats){0};
}

static fq_storage *memory_close(fq_storage *storage) {
    free(storage);
    return NULL;
}

fq_storage *fq_storage_memory_open(void (*wake)(void *context), void *wake_context) {
    static const struct fq_storage_ops ops = {
        .read = memory_read,
        .start = memory_start,
        .append = memory_append,
        .flush = memory_flush,
        .poll = memory_poll,
        .seal = memory_seal,
        .snapshot = memory_snapshot,
        .snapshot_read = memory_snapshot_read,
        .snapshot_install = memory_snapshot_install,
        .space = memory_space,
        .stats = memory_stats,
        .close = memory_close,
    };
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return NULL;
    memory->base.ops = &ops;
    memory->base.block_size = FQ_SECTOR;
    memory->base.poll_at_us = FQ_NEVER_US;
    memory->base.can_seal = true;
    memory->wake = wake;
    memory->wake_context = wake_context;
    return &memory->base;
}
