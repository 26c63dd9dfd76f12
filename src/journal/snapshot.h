// SPDX-License-Identifier: Apache-2.0
// Snapshot files (layout: format.h): a row of opaque records that stands for all batches up to one number.
#ifndef FQ_JOURNAL_SNAPSHOT_H
#define FQ_JOURNAL_SNAPSHOT_H

#include "base/uuid.h"
#include "journal/disk.h"
#include "journal/storage.h"

enum { FQ_SNAPSHOT_PATH_MAX = 32 };
/** "snap/00000000000a1b2c.fqs", or ".tmp" while it is being written. */
void fq_snapshot_path(uint64_t batch_seq, bool tmp, char path[FQ_SNAPSHOT_PATH_MAX]);

typedef struct fq_snapshot_writer fq_snapshot_writer;

/** Begins snap/<batch_seq>.tmp; an unfinished one of that name is removed. FQ_ENOMEM, or FQ_EIO with `error` filled. */
FQ_MUST_USE int fq_snapshot_writer_open(fq_disk *disk, const fq_uuid *instance, uint64_t batch_seq,
                                        fq_snapshot_writer **ret_writer, char error[FQ_STORAGE_ERROR_MAX]);
/** Adds a record. The first failure stays: finish will return it. */
int fq_snapshot_writer_add(fq_snapshot_writer *writer, fq_str record);
/** Writes the footer, syncs, reads all back from the medium and verifies it. `facts` gives last_record_seq, state_hash,
 *  last_batch_crc and boot_epoch. On failure the file is removed. Always ends the writer. */
FQ_MUST_USE int fq_snapshot_writer_finish(fq_snapshot_writer *writer, const struct fq_storage_snapshot *facts,
                                          char error[FQ_STORAGE_ERROR_MAX]);
/** Removes the file. NULL is fine. Returns NULL. */
fq_snapshot_writer *fq_snapshot_writer_abort(fq_snapshot_writer *writer);

/** Checks header and footer only; gives the footer. FQ_ECORRUPT, FQ_EVERSION, FQ_EIO with `error` filled. */
int fq_snapshot_footer(fq_disk *disk, const char *path, const fq_uuid *instance, uint64_t batch_seq,
                       struct fq_storage_snapshot *ret_facts, char error[FQ_STORAGE_ERROR_MAX]);
/** Checks every block too, as the medium has them, and hands their content to `on_bytes` if there is one. */
int fq_snapshot_read(fq_disk *disk, const char *path, const fq_uuid *instance, uint64_t batch_seq,
                     int (*on_bytes)(void *context, fq_str bytes), void *context,
                     struct fq_storage_snapshot *ret_facts, char error[FQ_STORAGE_ERROR_MAX]);

#endif
