// SPDX-License-Identifier: Apache-2.0
// The running file storage: three jobs on the executor, namely the write under way, the preparation of spare and reserve,
// and the installation of a snapshot.
#include "journal/storage_files.h"

#include "base/assert.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { FACTS_EVERY_BYTES = 1 << 20, RETRY_US = FQ_US_PER_S };

// ---- on the executor ----

void fq_files_look(struct fq_files *files, struct fq_files_view *ret_view, bool ask_disk) {
    struct fq_tail *tail = &files->tail;
    if (ask_disk) {
        files->disk->ops->facts(files->disk, &files->facts); // on failure the old ones stay
        files->bytes_since_facts = 0;
    }
    *ret_view = (struct fq_files_view){
        .room_bytes = fq_tail_room(tail),
        .spare_bytes = tail->spare.state == FQ_ZEROS_READY ? tail->spare.size : 0,
        .reserve_bytes = tail->reserve.state == FQ_ZEROS_READY ? tail->reserve.size : 0,
        .free_bytes = files->facts.free_bytes,
        .total_bytes = files->facts.total_bytes,
        .segment_count = files->segment_count + tail->rotations,
        .mended_pieces = tail->mended_pieces,
        .wants_preparation = fq_tail_wants_preparation(tail),
        .spare_fits = tail->spare.state == FQ_ZEROS_READY && tail->spare.size >= tail->needed,
        .reserve_fits = tail->reserve.state == FQ_ZEROS_READY && tail->reserve.size >= tail->needed,
        .order = ++files->looks,
    };
}

static void finish(struct fq_files *files, struct fq_files_job *job, int result, bool ask_disk) {
    job->result = result;
    fq_files_look(files, &job->view, ask_disk);
    atomic_store_explicit(&job->done, true, memory_order_release);
}

static void run_write(void *argument) {
    struct fq_files *files = argument;
    struct fq_tail *tail = &files->tail;
    uint64_t rotations = tail->rotations;
    int result;
    if (files->write_kind == FQ_FILES_APPEND) {
        result = fq_tail_append(tail, &files->batch, files->write_sync, files->use_reserve);
        files->bytes_since_facts += files->batch.bytes.len;
    } else if (files->write_kind == FQ_FILES_FLUSH) {
        result = fq_tail_sync(tail);
    } else {
        result = fq_tail_seal(tail);
        files->sealed_batch_seq = tail->last.batch_seq;
    }
    if (result < 0)
        memcpy(files->write.error, tail->error, sizeof tail->error);
    finish(files, &files->write, result,
           tail->rotations != rotations || files->bytes_since_facts >= FACTS_EVERY_BYTES);
}

static void run_prepare(void *argument) {
    struct fq_files *files = argument;
    int result = fq_tail_prepare(&files->tail);
    if (result < 0)
        memcpy(files->prepare.error, files->tail.error, sizeof files->tail.error);
    finish(files, &files->prepare, result, true);
}

// Order: the snapshot's name, its directory, the MANIFEST; only then what nobody needs any more goes.
static int install_snapshot(struct fq_files *files, char *error) {
    char from[FQ_SNAPSHOT_PATH_MAX], to[FQ_SNAPSHOT_PATH_MAX];
    uint64_t batch_seq = files->install_batch_seq;
    fq_snapshot_path(batch_seq, true, from);
    fq_snapshot_path(batch_seq, false, to);
    int result =
        fq_snapshot_footer(files->disk, from, &files->manifest.instance, batch_seq, &files->installed, error);
    if (result < 0)
        return FQ_ECORRUPT; // nothing has changed yet, so even an unreadable file is no more than a failed attempt
    result = fq_files_check_owner(files, error);
    if (result < 0)
        return result;
    result = files->disk->ops->rename(files->disk, from, to);
    if (result == 0)
        result = files->disk->ops->sync_directory(files->disk, "snap");
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: cannot be installed: %s", to, strerror(-result));
        return FQ_EIO;
    }
    struct fq_manifest next = files->manifest;
    next.previous_snapshot = files->manifest.snapshot;
    next.snapshot = batch_seq;
    int why = 0;
    result = fq_manifest_store(files->disk, &next, &why);
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "MANIFEST: cannot be replaced: %s", strerror(why));
        return result;
    }
    files->manifest = next;
    uint64_t rotations = files->tail.rotations;
    result = fq_files_remove_old(files); // counts segments anew
    files->segment_count -= rotations;
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "seg/ and snap/: cannot be cleaned up: %s", strerror(-result));
        return FQ_EIO;
    }
    return 0;
}

static void run_install(void *argument) {
    struct fq_files *files = argument;
    finish(files, &files->install, install_snapshot(files, files->install.error), true);
}

// ---- on the owner's thread ----

static void submit(struct fq_files *files, struct fq_files_job *job, void (*work)(void *argument)) {
    FQ_ASSERT(files->started && !job->busy);
    job->busy = true;
    atomic_store_explicit(&job->done, false, memory_order_relaxed);
    files->executor->submit(files->executor, work, files);
}

static bool take_done(struct fq_files *files, struct fq_files_job *job) {
    if (!job->busy || !atomic_load_explicit(&job->done, memory_order_acquire))
        return false;
    job->busy = false;
    fq_files_note_view(files, &job->view);
    return true;
}

void fq_files_note_view(struct fq_files *files, const struct fq_files_view *view) {
    if (view->mended_pieces > files->view.mended_pieces)
        fq_log_write(
            files->options.log, FQ_LOG_WARNING,
            "journal event=reserve_mended cause=\"RESERVE was not all zero on the medium, or could not "
            "be read\" action=\"written over; check the device\"");
    if (view->order >= files->view.order)
        files->view = *view;
    view = &files->view;
    files->base.can_seal = view->spare_fits;
    files->stats.segment_count = view->segment_count;
    uint64_t free_bytes = view->free_bytes, low = files->low_water_bytes;
    if (free_bytes < low || files->prepare_failed)
        files->submits_blocked = true;
    else if (free_bytes >= low + low / 5)
        files->submits_blocked = false;
}

void fq_files_kick_preparation(struct fq_files *files) {
    submit(files, &files->prepare, run_prepare);
}

static void submit_write(struct fq_files *files) {
    files->waits_for_spare = false;
    files->use_reserve = files->prepare_failed;
    submit(files, &files->write, run_write);
}

static void begin_write(struct fq_files *files, enum fq_files_write kind, void *context) {
    FQ_ASSERT(!files->write.busy && !files->waits_for_spare);
    files->write_kind = kind;
    files->write_context = context;
    submit_write(files);
}

static int files_append(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                        void (*on_durable)(void *context, int result), void *context) {
    struct fq_files *files = (struct fq_files *)storage;
    if (FQ_SEGMENT_HEADER + batch->bytes.len + 2 * FQ_BLOCK_MAX > FQ_SEGMENT_MAX)
        return FQ_ETOOBIG;
    files->batch = *batch;
    files->write_sync = sync;
    files->on_durable = on_durable;
    begin_write(files, FQ_FILES_APPEND, context);
    return 0;
}

static int files_flush(fq_storage *storage, void (*on_durable)(void *context, int result), void *context) {
    struct fq_files *files = (struct fq_files *)storage;
    files->on_durable = on_durable;
    begin_write(files, FQ_FILES_FLUSH, context);
    return 0;
}

static int files_seal(fq_storage *storage,
                      void (*on_sealed)(void *context, int result, uint64_t last_batch_seq), void *context) {
    struct fq_files *files = (struct fq_files *)storage;
    files->on_sealed = on_sealed;
    begin_write(files, FQ_FILES_SEAL, context);
    return 0;
}

static int files_install(fq_storage *storage, uint64_t batch_seq,
                         void (*on_installed)(void *context, int result), void *context) {
    struct fq_files *files = (struct fq_files *)storage;
    FQ_ASSERT(!files->install.busy);
    files->install_batch_seq = batch_seq;
    files->on_installed = on_installed;
    files->install_context = context;
    submit(files, &files->install, run_install);
    return 0;
}

static void deliver_write(struct fq_files *files) {
    int result = files->write.result;
    if (result == FQ_EAGAIN && files->write_kind == FQ_FILES_APPEND) {
        files->waits_for_spare = true;
        files->stats.spare_waits++;
        return;
    }
    if (result < 0)
        memcpy(files->base.error, files->write.error, sizeof files->base.error);
    if (files->write_kind == FQ_FILES_SEAL)
        files->on_sealed(files->write_context, result, files->sealed_batch_seq);
    else
        files->on_durable(files->write_context, result);
}

static void note_preparation(struct fq_files *files, int64_t boot_us) {
    bool failed = files->prepare.result < 0;
    if (failed) {
        files->stats.soft_errors++;
        files->retry_at_us = fq_time_add(boot_us, RETRY_US);
        if (!files->prepare_failed)
            fq_log_write(files->options.log, FQ_LOG_WARNING, "journal event=preparation_failed cause=\"%s\"",
                         files->prepare.error);
    }
    files->prepare_failed = failed;
    fq_files_note_view(files, &files->view);
}

static void deliver_install(struct fq_files *files) {
    int result = files->install.result;
    if (result < 0)
        memcpy(files->base.error, files->install.error, sizeof files->base.error);
    else
        files->snapshot = files->installed;
    files->on_installed(files->install_context, result);
}

static void files_poll(fq_storage *storage, int64_t boot_us) {
    struct fq_files *files = (struct fq_files *)storage;
    if (take_done(files, &files->prepare))
        note_preparation(files, boot_us);
    if (take_done(files, &files->install))
        deliver_install(files);
    if (take_done(files, &files->write))
        deliver_write(files);
    bool may_retry = !files->prepare_failed || boot_us >= files->retry_at_us;
    // While submits are blocked the disk is asked again now and then: space may come back without any writing.
    bool look_again = files->submits_blocked && boot_us >= files->retry_at_us;
    if (files->started && !files->prepare.busy && may_retry &&
        (files->view.wants_preparation || look_again)) {
        files->retry_at_us = fq_time_add(boot_us, RETRY_US);
        fq_files_kick_preparation(files);
    }
    if (files->waits_for_spare &&
        (files->view.spare_fits || (files->prepare_failed && files->view.reserve_fits)))
        submit_write(files);
    bool waiting = files->prepare_failed || files->submits_blocked;
    storage->poll_at_us = waiting && !files->prepare.busy ? files->retry_at_us : FQ_NEVER_US;
}

static const struct fq_storage_snapshot *files_snapshot(const fq_storage *storage) {
    const struct fq_files *files = (const struct fq_files *)storage;
    return files->snapshot.batch_seq != 0 ? &files->snapshot : NULL;
}

static int files_snapshot_read(fq_storage *storage, int (*on_bytes)(void *context, fq_str bytes),
                               void *context) {
    struct fq_files *files = (struct fq_files *)storage;
    char path[FQ_SNAPSHOT_PATH_MAX];
    struct fq_storage_snapshot facts;
    fq_snapshot_path(files->snapshot.batch_seq, false, path);
    return fq_snapshot_read(files->disk, path, &storage->instance, files->snapshot.batch_seq, on_bytes,
                            context, &facts, storage->error);
}

static void files_space(fq_storage *storage, struct fq_storage_space *ret_space) {
    const struct fq_files *files = (const struct fq_files *)storage;
    const struct fq_files_view *view = &files->view;
    uint64_t low = files->low_water_bytes;
    uint64_t above = view->free_bytes > low ? view->free_bytes - low : 0;
    *ret_space = (struct fq_storage_space){.writable_bytes = view->room_bytes + view->spare_bytes + above,
                                           .reserve_bytes = view->reserve_bytes,
                                           .free_bytes = view->free_bytes,
                                           .low_water_bytes = low,
                                           .submits_blocked = files->submits_blocked};
}

static void files_stats(const fq_storage *storage, struct fq_storage_stats *ret_stats) {
    *ret_stats = ((const struct fq_files *)storage)->stats;
}

static fq_storage *files_close(fq_storage *storage) {
    struct fq_files *files = (struct fq_files *)storage;
    if (files->executor != NULL)
        files->executor->close(files->executor);
    fq_tail_done(&files->tail);
    files->disk->ops->close_disk(files->disk);
    free(files);
    return NULL;
}

const struct fq_storage_ops *fq_files_ops(void) {
    static const struct fq_storage_ops ops = {
        .read = fq_files_read,
        .start = fq_files_start,
        .append = files_append,
        .flush = files_flush,
        .poll = files_poll,
        .seal = files_seal,
        .snapshot = files_snapshot,
        .snapshot_read = files_snapshot_read,
        .snapshot_install = files_install,
        .space = files_space,
        .stats = files_stats,
        .close = files_close,
    };
    return &ops;
}
