// SPDX-License-Identifier: Apache-2.0
// The embedded storage: the log in pre-zeroed segment files of a data directory (format.h), with one owner by flock.
// All writing and syncing happens on one executor thread; the owner's loop never waits for the disk after start.
#ifndef FQ_JOURNAL_STORAGE_POSIX_H
#define FQ_JOURNAL_STORAGE_POSIX_H

#include "base/log.h"
#include "journal/disk.h"
#include "journal/executor.h"
#include "journal/recover.h"
#include "journal/storage.h"

struct fq_storage_posix_options {
    uint64_t segment_bytes; // 64 MiB; 16 KiB to 2 GiB, rounded up to 4,096
    uint64_t
        first_segment_bytes; // 4 MiB: of a boot's first segment; the following double up to segment_bytes
    uint64_t reserve_bytes;  // 64 MiB: kept for completions on a full disk; 0 = none
    uint64_t
        low_water_bytes; // below so much free disk submits are blocked; 0 = 2 segments, or 5 % of the disk up to 1 GiB
    bool allow_volatile; // accept tmpfs and network file systems
    bool
        forget_ambiguous; // an administrator has seen the flag of an ambiguous tail: it is cleared by this boot
    bool strict;          // refuse to start when it is not known whether the last batch was acknowledged
    const fq_log *log;    // borrowed; NULL = silent
};

void fq_storage_posix_options_init(struct fq_storage_posix_options *options);

/** Opens the data directory `path`, made if missing, and takes its lock. `wake` is called from the storage's thread when
 *  poll has something to deliver. On failure `error` names file, offset and remedy:
 *  FQ_ELOCKED (with the owner), FQ_EVOLATILE, FQ_ECORRUPT, FQ_EVERSION, FQ_EFULL, FQ_EIO, FQ_ENOMEM, FQ_EINVALID. */
FQ_MUST_USE int fq_storage_posix_open(const char *path, const struct fq_storage_posix_options *options,
                                      void (*wake)(void *context), void *wake_context,
                                      fq_storage **ret_storage, char error[FQ_STORAGE_ERROR_MAX]);

/** The same on a disk and an executor of the caller's; takes both, also on failure. */
FQ_MUST_USE int fq_storage_files_open(fq_disk *disk, fq_executor *executor,
                                      const struct fq_storage_posix_options *options,
                                      fq_storage **ret_storage, char error[FQ_STORAGE_ERROR_MAX]);

/** Reads while another process owns and writes the directory: takes no lock, changes nothing, sees the log up to and with
 *  batch `until_batch`, which lies in a sealed segment. Only read, snapshot, snapshot_read and close may be called. Takes
 *  the disk, also on failure. */
FQ_MUST_USE int fq_storage_files_open_reader(fq_disk *disk, uint64_t until_batch, fq_storage **ret_storage,
                                             char error[FQ_STORAGE_ERROR_MAX]);

/** Reads a directory as the next boot would, with the same verdicts, but takes no lock and changes nothing: what a boot would
 *  cut off is skipped and told by stats and fq_storage_files_cut. `assumed` (copied) stands in for the MANIFEST, NULL = the
 *  one on the disk; `until_batch` ends the log there, 0 = read all. The same calls as for a reader, and stats. Takes the
 *  disk, also on failure. */
FQ_MUST_USE int fq_storage_files_open_examiner(fq_disk *disk, const struct fq_manifest *assumed,
                                               uint64_t until_batch, fq_storage **ret_storage,
                                               char error[FQ_STORAGE_ERROR_MAX]);
/** After read: the tail that was not whole; NULL = there is none. */
const struct fq_log_cut *fq_storage_files_cut(const fq_storage *storage);
/** What the storage goes by. */
const struct fq_manifest *fq_storage_files_manifest(const fq_storage *storage);

#endif
