// SPDX-License-Identifier: Apache-2.0
// Founds a journal upon a state: a snapshot, an empty segment behind it and the MANIFEST that names both. A restored backup
// and a repaired journal begin like this.
//
//   fq_founding_open -> fq_founding_add, once a record of the state -> fq_founding_seal -> fq_founding_finish -> fq_founding_close
#ifndef FQ_JOURNAL_FOUNDING_H
#define FQ_JOURNAL_FOUNDING_H

#include "journal/disk.h"
#include "journal/storage.h"

// Where the state stands in the log that it comes from.
struct fq_founding_facts {
    fq_uuid instance;
    uint64_t batch_seq, last_record_seq; // the last that the state contains
    uint64_t segment_no;                 // highest that was ever in use
    uint32_t last_batch_crc, boot_epoch; // no later boot may have a lower epoch
};

typedef struct fq_founding fq_founding;

/** Begins the snapshot, below directories that are made if they are missing. `disk` is borrowed. FQ_EIO, FQ_ENOMEM with
 *  `error` filled. */
FQ_MUST_USE int fq_founding_open(fq_disk *disk, const struct fq_founding_facts *facts,
                                 fq_founding **ret_founding, char error[FQ_STORAGE_ERROR_MAX]);
/** FQ_EIO, FQ_ETOOBIG. */
FQ_MUST_USE int fq_founding_add(fq_founding *founding, fq_str record);
/** Completes and verifies the snapshot, puts it in its place and names it in the MANIFEST: the state is safe. Until finish, boots
 *  refuse the directory, for the segment behind the snapshot is not there. */
FQ_MUST_USE int fq_founding_seal(fq_founding *founding, uint64_t state_hash,
                                 char error[FQ_STORAGE_ERROR_MAX]);
/** After seal, and after whatever other segments there were have been moved away: writes that segment. */
FQ_MUST_USE int fq_founding_finish(fq_founding *founding, char error[FQ_STORAGE_ERROR_MAX]);
/** Ends it; a snapshot that was not sealed is removed. NULL is fine. Returns NULL. */
fq_founding *fq_founding_close(fq_founding *founding);

#endif
