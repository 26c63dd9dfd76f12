// SPDX-License-Identifier: Apache-2.0
#include "journal/compaction.h"

#include "base/assert.h"
#include "journal/replay.h"
#include "journal/snapshot.h"
#include "journal/storage_posix.h"
#include "journal/storage_stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct fq_compaction {
    fq_disk *disk; // the storage's
    fq_storage *storage;
    uint64_t until_batch;
    struct fq_replay replay;
    fq_snapshot_writer *writer; // from the first record on
    bool read, finished;
    char error[FQ_STORAGE_ERROR_MAX];
};

static void remove_unfinished(void *context, const char *name) {
    fq_disk *disk = context;
    char path[64];
    size_t len = strlen(name);
    if (len != 20 || strcmp(name + 16, ".tmp") != 0)
        return;
    snprintf(path, sizeof path, "snap/%s", name);
    fq_disk_clear(disk, path);
}

static int begin(fq_storage *storage, fq_disk *disk, uint64_t until_batch, fq_compaction **ret_compaction,
                 char error[FQ_STORAGE_ERROR_MAX]) {
    fq_compaction *compaction = calloc(1, sizeof *compaction);
    if (compaction == NULL) {
        storage->ops->close(storage);
        snprintf(error, FQ_STORAGE_ERROR_MAX, "out of memory");
        return FQ_ENOMEM;
    }
    *compaction = (struct fq_compaction){.disk = disk, .storage = storage, .until_batch = until_batch};
    fq_replay_init(&compaction->replay, storage);
    // What a killed compactor left; there is never a second one.
    disk->ops->list(disk, "snap", remove_unfinished, disk);
    *ret_compaction = compaction;
    return 0;
}

int fq_compaction_open_disk(fq_disk *disk, uint64_t until_batch, fq_compaction **ret_compaction,
                            char error[FQ_STORAGE_ERROR_MAX]) {
    fq_storage *storage;
    int result = fq_storage_files_open_reader(disk, until_batch, &storage, error);
    return result < 0 ? result : begin(storage, disk, until_batch, ret_compaction, error);
}

int fq_compaction_open_stream(fq_stream *stream, uint64_t until_batch, fq_compaction **ret_compaction,
                              char error[FQ_STORAGE_ERROR_MAX]) {
    fq_storage *storage;
    int result = fq_storage_stream_open_reader(stream, until_batch, &storage, error);
    return result < 0 ? result
                      : begin(storage, fq_storage_stream_disk(storage), until_batch, ret_compaction, error);
}

int fq_compaction_open(const char *path, uint64_t until_batch, fq_compaction **ret_compaction,
                       char error[FQ_STORAGE_ERROR_MAX]) {
    fq_disk *disk;
    int result = fq_disk_posix_open(path, &disk);
    if (result < 0) {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s: cannot be opened as data directory: %s", path,
                 strerror(-result));
        return FQ_EIO;
    }
    return fq_compaction_open_disk(disk, until_batch, ret_compaction, error);
}

void fq_compaction_expect(fq_compaction *compaction, void (*expect)(void *context, fq_str record)) {
    compaction->replay.expect = expect;
}

int fq_compaction_read(fq_compaction *compaction, int (*on_record)(void *context, fq_str record),
                       void *context) {
    FQ_ASSERT(!compaction->read);
    int result = fq_replay_run(&compaction->replay, on_record, context);
    if (result < 0) {
        memcpy(compaction->error, compaction->replay.error, sizeof compaction->error);
        return result;
    }
    compaction->read = true;
    return 0;
}

uint64_t fq_compaction_last_seq(const fq_compaction *compaction) {
    return compaction->replay.last_seq;
}

static int need_writer(fq_compaction *compaction) {
    FQ_ASSERT(compaction->read && !compaction->finished);
    if (compaction->writer != NULL)
        return 0;
    return fq_snapshot_writer_open(compaction->disk, &compaction->storage->instance, compaction->until_batch,
                                   &compaction->writer, compaction->error);
}

int fq_compaction_add(fq_compaction *compaction, fq_str record) {
    int result = need_writer(compaction);
    if (result == 0)
        result = fq_snapshot_writer_add(compaction->writer, record);
    if (result < 0 && compaction->error[0] == '\0')
        snprintf(compaction->error, sizeof compaction->error,
                 "the snapshot of batch %" PRIu64 " cannot be written: %s", compaction->until_batch,
                 fq_strerror(result));
    return result;
}

int fq_compaction_finish(fq_compaction *compaction, uint64_t state_hash) {
    int result = need_writer(compaction);
    if (result < 0)
        return result;
    const struct fq_batch_chain *chain = &compaction->replay.chain;
    struct fq_storage_snapshot facts = {.last_record_seq = chain->next_record_seq - 1,
                                        .state_hash = state_hash,
                                        .last_batch_crc = chain->prev_crc,
                                        .boot_epoch = chain->boot_epoch};
    fq_snapshot_writer *writer = compaction->writer;
    compaction->writer = NULL;
    compaction->finished = true;
    return fq_snapshot_writer_finish(writer, &facts, compaction->error);
}

const char *fq_compaction_error(const fq_compaction *compaction) {
    return compaction->error;
}

fq_compaction *fq_compaction_close(fq_compaction *compaction) {
    if (compaction == NULL)
        return NULL;
    fq_snapshot_writer_abort(compaction->writer);
    fq_replay_done(&compaction->replay);
    compaction->storage->ops->close(compaction->storage);
    free(compaction);
    return NULL;
}
