// SPDX-License-Identifier: Apache-2.0
// Backup of a data directory, also of a running server's, and what becomes of it: a new journal.
#ifndef FQ_SERVER_JOURNAL_COPY_H
#define FQ_SERVER_JOURNAL_COPY_H

#include "journal/backup.h"
#include "server/journal_check.h"

struct fq_journal_backup {
    struct fq_backup_report report;
    struct fq_journal_check check; // of the copy
    char error[FQ_STORAGE_ERROR_MAX];
};

/** Copies the journal `path` to `target`, which is made, or is there and empty, and reads the copy back. `may_link`: files that
 *  are not written any more may get a second name instead of a copy. 0; FQ_EINVALID (the place), FQ_ECORRUPT, FQ_EVERSION, FQ_EIO,
 *  FQ_EFULL, FQ_EAGAIN, FQ_ENOMEM with `error` filled. Call fq_journal_backup_done in every case. */
FQ_MUST_USE int fq_journal_backup(const char *path, const char *target, bool may_link,
                                  struct fq_journal_backup *backup);
void fq_journal_backup_done(struct fq_journal_backup *backup);

struct fq_journal_restore {
    struct fq_journal_check check; // of the backup
    fq_uuid instance;              // of the new journal
    uint32_t boot_epoch;           // from which its tokens count
    uint64_t state_hash, released; // of its state; tasks that a worker held, which wait again
    char error[FQ_STORAGE_ERROR_MAX];
};

// A journal's place: a directory, or a log in a stream.
struct fq_journal_place {
    const char *path; // the directory; of a stream its URL
    bool is_stream;
    const char *credentials, *ca; // of a stream: files; NULL = none
};

/** Whether `path` is the URL of a log in a stream. */
bool fq_journal_is_stream(const char *path);

/** Copies the state of `source`, which nobody may be writing, to `target`, which is empty: the same tasks, results and leases under the
 *  same tokens. It is another instance of the journal from then on; start only one of the two. FQ_ELOCKED: a control plane writes the
 *  source. Other errors as above. Call fq_journal_restore_done in every case; `released` stays 0. */
FQ_MUST_USE int fq_journal_copy(const struct fq_journal_place *source, const struct fq_journal_place *target,
                                struct fq_journal_restore *copy);

/** Founds a journal in `path`, which is made, or is there and empty, upon the state of the backup (or data directory) `source`
 *  after its batch `until`, 0 = the last. It is another instance; every lease is over, and its boot epoch is so much higher that no fencing
 *  token from before is good any more. Errors as above. Call fq_journal_restore_done in every case. */
FQ_MUST_USE int fq_journal_restore(const char *source, const char *path, uint64_t until,
                                   struct fq_journal_restore *restore);
/** Founds a journal in `path` upon state->check, under state->instance and boot_epoch. */
FQ_MUST_USE int fq_journal_found(const char *path, struct fq_journal_restore *state);
/** The same between two disks, without reading the result back: `source`, which nobody else has open, is taken, also on failure;
 *  `target` is empty and borrowed. */
FQ_MUST_USE int fq_journal_restore_disk(fq_disk *source, fq_disk *target, uint64_t until,
                                        struct fq_journal_restore *restore);
void fq_journal_restore_done(struct fq_journal_restore *restore);

#endif
