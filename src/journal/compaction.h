// SPDX-License-Identifier: Apache-2.0
// What the compactor's process does with the journal of a running server: read snapshot and sealed log up to one batch,
// write the snapshot that replaces them. The directory's lock stays with the server, which installs the result.
//
//   fq_compaction_open -> fq_compaction_read (into an engine) -> fq_compaction_add (its state) -> fq_compaction_finish
#ifndef FQ_JOURNAL_COMPACTION_H
#define FQ_JOURNAL_COMPACTION_H

#include "journal/disk.h"
#include "journal/storage.h"
#include "journal/stream.h"

typedef struct fq_compaction fq_compaction;

/** `until_batch` is what fq_journal_compact_begin gave its caller. FQ_ECORRUPT, FQ_EVERSION, FQ_EIO, FQ_ENOMEM,
 *  FQ_EINVALID (nothing to compact); `error` says where and what. */
FQ_MUST_USE int fq_compaction_open(const char *path, uint64_t until_batch, fq_compaction **ret_compaction,
                                   char error[FQ_STORAGE_ERROR_MAX]);
/** The same on a disk of the caller's, which it takes, also on failure. */
FQ_MUST_USE int fq_compaction_open_disk(fq_disk *disk, uint64_t until_batch, fq_compaction **ret_compaction,
                                        char error[FQ_STORAGE_ERROR_MAX]);
/** The same for a log in a stream, which it takes, also on failure. */
FQ_MUST_USE int fq_compaction_open_stream(fq_stream *stream, uint64_t until_batch,
                                          fq_compaction **ret_compaction, char error[FQ_STORAGE_ERROR_MAX]);

/** Before fq_compaction_read, with the same context: see fq_journal_expect. */
void fq_compaction_expect(fq_compaction *compaction, void (*expect)(void *context, fq_str record));
/** Every record of the old snapshot and of the log up to and with `until_batch`, in order. Once. */
FQ_MUST_USE int fq_compaction_read(fq_compaction *compaction, int (*on_record)(void *context, fq_str record),
                                   void *context);
/** Number of the record being delivered, later of the last one. */
uint64_t fq_compaction_last_seq(const fq_compaction *compaction);

/** Adds one record to the new snapshot, after read. FQ_EIO, FQ_ETOOBIG, FQ_ENOMEM. */
FQ_MUST_USE int fq_compaction_add(fq_compaction *compaction, fq_str record);
/** Completes, syncs and reads back the new snapshot; `state_hash` is carried for the reader. */
FQ_MUST_USE int fq_compaction_finish(fq_compaction *compaction, uint64_t state_hash);

const char *fq_compaction_error(const fq_compaction *compaction);
/** Removes what was not finished. NULL is fine. Returns NULL. */
fq_compaction *fq_compaction_close(fq_compaction *compaction);

#endif
