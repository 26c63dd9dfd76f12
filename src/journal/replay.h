// SPDX-License-Identifier: Apache-2.0
// Snapshot and batches of a storage, turned back into records. Checks what a storage does not: the chain of batches and
// the checksum of each record. Used by the server at boot and by the compactor.
#ifndef FQ_JOURNAL_REPLAY_H
#define FQ_JOURNAL_REPLAY_H

#include "journal/batch.h"
#include "journal/storage.h"

struct fq_replay {
    fq_storage *storage;
    int (*on_record)(void *context, fq_str record);
    void (*expect)(void *context,
                   fq_str record); // or NULL: the record of the log behind the one that is delivered now
    void *context;
    struct fq_batch_chain chain; // what the next batch must say
    uint64_t last_seq;  // of the record being delivered; for those of a snapshot, the last it stands for
    uint64_t log_bytes; // of the batches read
    char error[FQ_STORAGE_ERROR_MAX];
    // The record of a snapshot that is split over two pieces, and how many were delivered.
    fq_buf partial;
    uint64_t snapshot_records;
};

void fq_replay_init(struct fq_replay *replay, fq_storage *storage);
/** Delivers every record in order. FQ_ECORRUPT, FQ_EIO, … with `error` filled, or what on_record returned. */
FQ_MUST_USE int fq_replay_run(struct fq_replay *replay, int (*on_record)(void *context, fq_str record),
                              void *context);
/** After fq_replay_run: what the log has grown by since. */
FQ_MUST_USE int fq_replay_more(struct fq_replay *replay, int (*on_record)(void *context, fq_str record),
                               void *context);
void fq_replay_done(struct fq_replay *replay);

#endif
