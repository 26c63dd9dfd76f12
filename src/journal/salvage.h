// SPDX-License-Identifier: Apache-2.0
// Reads what can still be read of damaged segments: every whole batch, every whole record of a batch that is not, and where
// the gaps are. What is delivered is no legal state, for there may be holes before it; it is for people. Changes nothing.
#ifndef FQ_JOURNAL_SALVAGE_H
#define FQ_JOURNAL_SALVAGE_H

#include "journal/disk.h"
#include "journal/manifest.h"
#include "journal/segment.h"
#include "journal/storage.h"

// Bytes that could not be read as part of the log.
struct fq_gap {
    const char *file; // valid during the call
    uint64_t offset, end;
    const char *what; // static text
    // Numbers that are missing because of it, as far as the batches around it tell; 0 = not known.
    uint64_t first_batch, last_batch, first_record, last_record;
    bool is_tail; // nothing readable follows: perhaps only what a crash leaves behind
};

struct fq_salvage {
    fq_disk *disk;
    fq_uuid instance;     // whose batches count
    uint64_t from_record; // records below are not delivered
    // Any of these may be NULL. Nonzero ends the reading and is returned.
    // A whole batch, seals excluded; `body` holds its records.
    int (*on_batch)(void *context, const struct fq_batch_header *header, fq_str body);
    // A record of a whole batch, or of what is left of one. `seq` is its number, `batch_seq` that of its batch.
    int (*on_record)(void *context, uint64_t batch_seq, uint64_t seq, fq_str record);
    void (*on_gap)(void *context, const struct fq_gap *gap);
    void *context;
};

/** 0, what a callback returned, FQ_ENOMEM, or FQ_EIO if the segments cannot be listed. A file that cannot be read is a gap. */
FQ_MUST_USE int fq_salvage_run(const struct fq_salvage *salvage);

/** A MANIFEST made from what the other files say, for when it is lost: the instance of the newest segment, the newest snapshot
 *  that is whole and which the log continues, the highest numbers seen. FQ_EINVALID: nothing there tells an instance. */
FQ_MUST_USE int fq_salvage_manifest(fq_disk *disk, struct fq_manifest *ret_manifest);

/** Highest segment number and boot epoch that any readable header of the instance has. */
struct fq_salvage_highest {
    uint64_t segment_no;
    uint32_t boot_epoch;
};
FQ_MUST_USE int fq_salvage_highest(fq_disk *disk, const fq_uuid *instance,
                                   struct fq_salvage_highest *ret_highest);

#endif
