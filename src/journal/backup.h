// SPDX-License-Identifier: Apache-2.0
// A copy of a journal, also of one that a running server writes, as the medium has it: the snapshot in force, the segments behind it, the last of
// them up to its last whole batch, a MANIFEST that asks for no more than that, and the file BACKUP with the checksum of
// each, written last: a directory with a BACKUP file is complete.
#ifndef FQ_JOURNAL_BACKUP_H
#define FQ_JOURNAL_BACKUP_H

#include "journal/disk.h"
#include "journal/storage.h"

struct fq_backup_options {
    // Gives a file a second name in the target, as fq_disk_posix_link; NULL, or failing, means copy. Only files that nobody
    // will write again are linked.
    int (*link)(fq_disk *from, const char *from_path, fq_disk *to, const char *to_path);
    unsigned tries_max; // a compaction beside it may take files away: start again, at most so often
};

struct fq_backup_report {
    uint64_t files, bytes, linked_files, last_batch_seq, last_record_seq, snapshot_batch_seq;
    unsigned tries;
    uint32_t boot_epoch;
    bool source_was_torn; // the last batch was being written, or had been when a crash came
};

/** Fills `target`, which is empty. Everything is synced when it returns 0. FQ_ECORRUPT, FQ_EVERSION, FQ_EIO, FQ_EFULL, FQ_ENOMEM;
 *  FQ_EAGAIN: compactions kept taking files away; `error` says where and what. Both disks are borrowed. */
FQ_MUST_USE int fq_backup_make(fq_disk *source, fq_disk *target, const struct fq_backup_options *options,
                               struct fq_backup_report *ret_report, char error[FQ_STORAGE_ERROR_MAX]);

/** Compares every file that BACKUP names with its size and checksum. 0; FQ_EINVALID: there is no BACKUP file; FQ_ECORRUPT. */
FQ_MUST_USE int fq_backup_check(fq_disk *disk, char error[FQ_STORAGE_ERROR_MAX]);

#endif
