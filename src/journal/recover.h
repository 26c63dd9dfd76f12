// SPDX-License-Identifier: Apache-2.0
// Reading the segments at boot: which there are, what is whole, where the log ends, what is cut off. The decision table is
// in format.h. Blocks; nothing here runs while the log is written.
#ifndef FQ_JOURNAL_RECOVER_H
#define FQ_JOURNAL_RECOVER_H

#include "base/log.h"
#include "journal/batch.h"
#include "journal/disk.h"
#include "journal/manifest.h"
#include "journal/segment.h"
#include "journal/storage.h"

// What the next segment's header says about the log before it.
struct fq_log_end {
    uint64_t segment_no;   // the highest in use; the next one is above it
    uint64_t segment_size; // of the last segment's file
    // The last segment with a batch in it, and where that ends. 0 = none.
    uint64_t prev_segment_no, prev_end_offset, prev_last_batch_seq;
    uint32_t prev_batch_crc;
    uint64_t next_batch_seq, next_record_seq;
};

// A tail that was not whole: the log ends before it.
struct fq_log_cut {
    char file[FQ_SEGMENT_PATH_MAX];
    uint64_t offset, batch_seq, record_seq; // of the batch that is not there
};

struct fq_recovery {
    fq_disk *disk;
    const fq_log *log;
    const struct fq_manifest *manifest;
    char *error;         // FQ_STORAGE_ERROR_MAX bytes, borrowed
    bool strict;         // refuse what is ambiguous
    bool read_only;      // nothing is synced, cut or kept in quarantine: the directory stays as it is
    uint32_t from_epoch; // boot epoch of the snapshot that the log continues; 0 = none
    uint64_t
        until_batch; // read_only: stop behind this batch, damage is never judged; 0 = read as a boot does
    // Results
    struct fq_log_end end;
    uint64_t segment_count, file_bytes; // of all segments; sizes of those that were read
    bool torn, ambiguous;
    struct fq_log_cut cut; // torn: where
};

/** Delivers every batch from `from_batch_seq` on. FQ_ECORRUPT, FQ_EVERSION, FQ_EIO, FQ_ENOMEM with `error` filled, or what
 *  on_batch returned. */
FQ_MUST_USE int fq_recovery_read(struct fq_recovery *recovery, uint64_t from_batch_seq,
                                 int (*on_batch)(void *context, const struct fq_storage_batch *batch),
                                 void *context);

#endif
