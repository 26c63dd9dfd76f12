// SPDX-License-Identifier: Apache-2.0
// Makes a directory that boots refuse one that they take: what the chain of batches proves to be an unbroken prefix is kept, as
// the state that it leads to; everything else goes to quarantine/, nothing is deleted.
#ifndef FQ_SERVER_JOURNAL_REPAIR_H
#define FQ_SERVER_JOURNAL_REPAIR_H

#include "journal/batch.h"
#include "journal/disk.h"
#include "journal/manifest.h"
#include "server/journal_check.h"

struct fq_journal_repair {
    struct fq_journal_check before;
    bool is_needed; // a boot refuses the directory, and repair can help
    bool loses;     // something that was synced cannot be kept
    bool manifest_lost;
    // What is kept.
    struct fq_replica replica;
    uint64_t last_batch, last_record, snapshot_batch;
    // What is lost: tasks that were submitted behind it, and tasks that fall back to how they stood there.
    struct fq_task_ids lost, set_back;
    uint64_t records_behind; // readable ones
    uint64_t files_moved;    // by apply
    char error[FQ_STORAGE_ERROR_MAX];
    // Inside.
    fq_disk *disk;
    struct fq_manifest manifest;
    struct fq_batch_chain chain;
    uint64_t until_batch, highest_segment_no;
    uint32_t highest_epoch;
    bool is_broken, contradicts;
    struct fq_task_ids behind;
};

/** Takes the directory's lock, held until done, and finds out what can be kept. Changes nothing but LOCK. 0; FQ_ELOCKED, FQ_EVERSION,
 *  FQ_EINVALID, FQ_EIO, FQ_ENOMEM with `error` filled. Call fq_journal_repair_done in every case. */
FQ_MUST_USE int fq_journal_repair_plan(const char *path, struct fq_journal_repair *repair);
/** Carries it out; is_needed. May be cut off at any instant and planned anew. */
FQ_MUST_USE int fq_journal_repair_apply(struct fq_journal_repair *repair);
void fq_journal_repair_done(struct fq_journal_repair *repair);

#endif
