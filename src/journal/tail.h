// SPDX-License-Identifier: Apache-2.0
// The writable end of the log in files: the segment being written, the spare that comes next, and the RESERVE for a full
// disk. Every call blocks; one thread at a time (the executor's, once the log has started).
#ifndef FQ_JOURNAL_TAIL_H
#define FQ_JOURNAL_TAIL_H

#include "journal/recover.h"

enum fq_zeros_state { FQ_ZEROS_NONE, FQ_ZEROS_MAKING, FQ_ZEROS_READY };

// A file of zeros in the making, or made.
struct fq_zeros {
    enum fq_zeros_state state;
    const char *path;
    int handle; // open while MAKING; READY: only the spare's
    uint64_t size, written;
};

struct fq_tail_options {
    uint64_t segment_bytes, first_segment_bytes, reserve_bytes; // multiples of 4,096; reserve 0 = none
};

struct fq_tail {
    fq_disk *disk;
    fq_uuid instance;
    uint32_t block_size;
    struct fq_tail_options options;
    // The segment being written; handle -1 before the first rotation.
    int handle;
    uint64_t segment_no, size, offset;
    struct fq_batch_header last; // last batch of the log; all zero but the numbers before the first
    uint64_t prev_segment_no, prev_end_offset; // of the last segment with a batch in it
    uint64_t first_batch_seq;                  // of this segment
    bool dirty;                                // written since the last sync
    struct fq_zeros spare, reserve;
    uint64_t spare_max; // the disk had no room for a larger spare; 0 = no such limit
    uint64_t needed;    // a batch that fits no segment of ordinary size wants one of so many bytes
    uint64_t rotations;
    uint64_t mended_pieces; // of RESERVE, that were not zero any more when it was needed
    char error[FQ_STORAGE_ERROR_MAX];
};

/** Continues behind `end`. `reserve_ready`: RESERVE is there and clean. */
void fq_tail_init(struct fq_tail *tail, fq_disk *disk, const struct fq_manifest *manifest,
                  uint32_t block_size, const struct fq_tail_options *options, const struct fq_log_end *end,
                  bool reserve_ready);
/** Closes files; nothing is synced. */
void fq_tail_done(struct fq_tail *tail);

/** Writes one batch, into a new segment if need be, and syncs it if asked. 0; FQ_EAGAIN: there is no spare yet, prepare and
 *  call again; FQ_EIO: final. `use_reserve`: a spare cannot be made, take RESERVE for it. */
FQ_MUST_USE int fq_tail_append(struct fq_tail *tail, const struct fq_storage_batch *batch, bool sync,
                               bool use_reserve);
/** Syncs what was written. 0 or FQ_EIO. */
FQ_MUST_USE int fq_tail_sync(struct fq_tail *tail);
/** Ends the segment, so that all its batches are durable and immutable. As append, but RESERVE is not for this. */
FQ_MUST_USE int fq_tail_seal(struct fq_tail *tail);

/** Whether spare or reserve are missing. */
bool fq_tail_wants_preparation(const struct fq_tail *tail);
/** Does a short piece of making them. 1: more to do; 0: all is there; -errno: it failed, nothing depends on it, `error`
 *  says what; try again later. */
int fq_tail_prepare(struct fq_tail *tail);

/** Bytes that still fit the segment. */
uint64_t fq_tail_room(const struct fq_tail *tail);

#endif
