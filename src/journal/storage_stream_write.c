// SPDX-License-Identifier: Apache-2.0
#include "journal/storage_stream_state.h"

#include "base/assert.h"
#include "journal/leader.h"
#include "journal/snapshot.h"

#include <inttypes.h>
#include <stdio.h>

// ---- writing ----

// Who won is told by the register, if it can be read.
static void deposed(struct fq_stream_storage *storage, char error[FQ_STORAGE_ERROR_MAX]) {
    char how[200];
    struct fq_leader leader = {0};
    snprintf(how, sizeof how, "%.190s", storage->stream->error);
    if (fq_leader_get(storage->stream, &leader) < 0 || !leader.is_active)
        leader = (struct fq_leader){.id = "another control plane", .address = "an unknown address"};
    snprintf(error, FQ_STORAGE_ERROR_MAX,
             "%.100s at %.100s writes this journal now (%s); this one stops, nothing that was acknowledged "
             "is lost",
             leader.id, leader.address, how);
}

int fq_stream_start(fq_storage *base, const struct fq_storage_batch *first, uint32_t boot_epoch) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    FQ_ASSERT(first->batch_seq + storage->ahead == storage->last_seq + 1);
    int64_t until_us = fq_time_add(storage->options.clock_us(), storage->options.start_limit_us);
    int result;
    do
        result = fq_stream_extend(storage->stream, FQ_STREAM_LOG, storage->last_seq, first->bytes);
    while (result == FQ_EAGAIN && storage->options.clock_us() < until_us);
    if (result == FQ_ELOCKED)
        deposed(storage, base->error);
    else if (result < 0)
        fq_stream_explain(storage, base->error, "the log's first batch of this start cannot be written");
    if (result < 0)
        return result;
    storage->last_seq++;
    storage->last_batch_seq = first->batch_seq;
    base->boot_epoch = boot_epoch;
    // The writer before may have installed another snapshot since this one was opened.
    struct fq_snapshot_place place;
    if (fq_snapshot_place_get(storage->stream, &base->instance, &place) == 0)
        storage->place = place;
    return 0;
}

static void finish(struct fq_stream_job *job, int result) {
    job->result = result;
    atomic_store_explicit(&job->done, true, memory_order_release);
}

static void run_write(void *argument) {
    struct fq_stream_storage *storage = argument;
    int result = 0;
    if (storage->write_kind == FQ_STREAM_APPEND) {
        result = fq_stream_extend(storage->stream, FQ_STREAM_LOG, storage->last_seq, storage->batch.bytes);
        if (result == 0)
            storage->last_seq++;
        else if (result == FQ_ELOCKED)
            deposed(storage, storage->write.error);
        else
            fq_stream_explain(storage, storage->write.error, "a batch cannot be written");
    }
    finish(&storage->write, result);
}

static void submit(struct fq_stream_storage *storage, struct fq_stream_job *job,
                   void (*work)(void *argument)) {
    FQ_ASSERT(!job->busy);
    job->busy = true;
    atomic_store_explicit(&job->done, false, memory_order_relaxed);
    storage->executor->submit(storage->executor, work, storage);
}

static bool take_done(struct fq_stream_job *job) {
    if (!job->busy || !atomic_load_explicit(&job->done, memory_order_acquire))
        return false;
    job->busy = false;
    return true;
}

static void begin_write(struct fq_stream_storage *storage, enum fq_stream_write kind, void *context) {
    storage->write_kind = kind;
    storage->write_context = context;
    storage->write_since_us = storage->now_us;
    storage->retry_at_us = FQ_NEVER_US;
    storage->base.poll_at_us = fq_time_add(storage->now_us, storage->options.unanswered_us);
    submit(storage, &storage->write, run_write);
}

int fq_stream_append(fq_storage *base, const struct fq_storage_batch *batch, bool sync,
                     void (*on_durable)(void *context, int result), void *context) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    (void)sync; // a message is as durable as it will ever be when it is acknowledged
    if (batch->bytes.len > storage->stream->message_bytes_max)
        return FQ_ETOOBIG;
    storage->batch = *batch;
    storage->last_batch_seq = batch->batch_seq;
    storage->on_durable = on_durable;
    begin_write(storage, FQ_STREAM_APPEND, context);
    return 0;
}

int fq_stream_flush(fq_storage *base, void (*on_durable)(void *context, int result), void *context) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    storage->on_durable = on_durable;
    begin_write(storage, FQ_STREAM_FLUSH, context);
    return 0;
}

int fq_stream_seal(fq_storage *base, void (*on_sealed)(void *context, int result, uint64_t last_batch_seq),
                   void *context) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    storage->on_sealed = on_sealed;
    begin_write(storage, FQ_STREAM_SEAL, context);
    return 0;
}

// ---- installing a snapshot ----

static int install(struct fq_stream_storage *storage) {
    fq_stream *stream = storage->stream;
    struct fq_snapshot_place *place = &storage->install_place;
    char path[FQ_SNAPSHOT_PATH_MAX];
    uint64_t batch_seq = storage->install_batch_seq;
    int result = fq_snapshot_place_find(stream, &storage->base.instance, batch_seq, place);
    if (result < 0) {
        fq_stream_explain(storage, storage->install.error, "the snapshot cannot be found");
        return result == FQ_EIO ? FQ_ECORRUPT : result; // nothing has changed yet
    }
    fq_snapshot_path(batch_seq, true, path);
    result = fq_snapshot_footer(storage->snapshots, path, &storage->base.instance, batch_seq,
                                &storage->installed, storage->install.error);
    if (result < 0)
        return FQ_ECORRUPT;
    result = fq_snapshot_place_put(stream, &storage->base.instance, place);
    // What the snapshot replaces may go later, too: the next one takes it along.
    if (result == 0 && stream->ops->purge(stream, FQ_STREAM_LOG, batch_seq + storage->ahead + 1) == 0 &&
        stream->ops->purge(stream, FQ_STREAM_SNAPSHOTS, place->first_seq) == 0)
        return 0;
    if (result < 0)
        fq_stream_explain(storage, storage->install.error, "the snapshot cannot be installed");
    return result == FQ_EIO ? FQ_EAGAIN : result;
}

static void run_install(void *argument) {
    struct fq_stream_storage *storage = argument;
    finish(&storage->install, install(storage));
}

int fq_stream_install(fq_storage *base, uint64_t batch_seq, void (*on_installed)(void *context, int result),
                      void *context) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    storage->install_batch_seq = batch_seq;
    storage->install_place = storage->place;
    storage->on_installed = on_installed;
    storage->install_context = context;
    submit(storage, &storage->install, run_install);
    return 0;
}

// ---- on the owner's thread ----

static void deliver_write(struct fq_stream_storage *storage) {
    int result = storage->write.result;
    if (result == FQ_EAGAIN || result == FQ_EFULL) {
        storage->is_full = result == FQ_EFULL;
        storage->retry_at_us = fq_time_add(storage->now_us, storage->options.retry_us);
        return;
    }
    storage->is_full = storage->is_unanswered = false;
    if (result < 0)
        memcpy(storage->base.error, storage->write.error, sizeof storage->base.error);
    if (storage->write_kind == FQ_STREAM_SEAL)
        storage->on_sealed(storage->write_context, result, storage->last_batch_seq);
    else
        storage->on_durable(storage->write_context, result);
}

static void deliver_install(struct fq_stream_storage *storage) {
    int result = storage->install.result;
    storage->place = storage->install_place;
    if (result < 0)
        memcpy(storage->base.error, storage->install.error, sizeof storage->base.error);
    else
        storage->snapshot = storage->installed;
    storage->on_installed(storage->install_context, result);
}

static void note_silence(struct fq_stream_storage *storage) {
    if (storage->is_unanswered ||
        storage->now_us < fq_time_add(storage->write_since_us, storage->options.unanswered_us))
        return;
    storage->is_unanswered = true;
    fq_log_write(
        storage->options.log, FQ_LOG_WARNING,
        "journal event=unanswered cause=\"%.300s\" action=\"submits are refused; tried again without end\"",
        storage->write.busy ? "no answer yet" : storage->write.error);
}

void fq_stream_poll(fq_storage *base, int64_t boot_us) {
    struct fq_stream_storage *storage = (struct fq_stream_storage *)base;
    storage->now_us = boot_us;
    if (take_done(&storage->install))
        deliver_install(storage);
    if (take_done(&storage->write))
        deliver_write(storage);
    bool waits = !storage->write.busy && storage->retry_at_us != FQ_NEVER_US;
    if (storage->write.busy || waits)
        note_silence(storage);
    if (waits && boot_us >= storage->retry_at_us) {
        storage->retry_at_us = FQ_NEVER_US;
        submit(storage, &storage->write, run_write);
        waits = false;
    }
    int64_t silent_at_us = storage->write.busy && !storage->is_unanswered
                               ? fq_time_add(storage->write_since_us, storage->options.unanswered_us)
                               : FQ_NEVER_US;
    base->poll_at_us = waits ? storage->retry_at_us : silent_at_us;
}
