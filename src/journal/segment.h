// SPDX-License-Identifier: Apache-2.0
// One segment: its header, the walk over its batches, and the judgement of what is not whole (rules: format.h). Pure, but
// for the listing of names.
#ifndef FQ_JOURNAL_SEGMENT_H
#define FQ_JOURNAL_SEGMENT_H

#include "journal/batch.h"
#include "journal/disk.h"

struct fq_segment_header {
    fq_uuid instance;
    uint64_t segment_no, first_batch_seq, first_record_seq;
    // Where, and with which batch, the segment before it ends. All 0 for the first one.
    uint64_t prev_segment_no, prev_end_offset, prev_last_batch_seq;
    uint32_t prev_batch_crc;
    uint32_t block_size;
    int64_t created_ns;
    uint64_t file_size;
};

/** Writes FQ_SEGMENT_HEADER bytes. */
void fq_segment_encode(const struct fq_segment_header *header, void *ret_bytes);
/** Reads FQ_SEGMENT_HEADER bytes. FQ_ECORRUPT, or FQ_EVERSION for a journal of a newer program. */
int fq_segment_decode(const void *bytes, struct fq_segment_header *ret_header);

enum { FQ_SEGMENT_PATH_MAX = 32 };
/** "seg/0000000000000001.fqj" */
void fq_segment_path(uint64_t first_batch_seq, char path[FQ_SEGMENT_PATH_MAX]);

struct fq_segment_names {
    uint64_t *seqs; // ascending; freed by the caller
    size_t count;
};
/** The numbers in the names `<16 hex><suffix>` of a directory. -errno. */
int fq_segment_list(fq_disk *disk, const char *directory, const char *suffix,
                    struct fq_segment_names *ret_names);

// A walk over the image of a segment.
struct fq_segment_walk {
    fq_uuid instance;
    uint32_t block_size;
    const unsigned char *bytes;
    uint64_t size, offset;
};

enum fq_segment_step {
    FQ_STEP_BATCH,  // whole; the walk stands behind it
    FQ_STEP_SEAL,   // likewise
    FQ_STEP_END,    // nothing but zeros follows
    FQ_STEP_DAMAGED // the walk stands on it
};

/** `ret_header` and `ret_batch` (header, body and padding, in the image) are set for BATCH and SEAL. */
enum fq_segment_step fq_segment_next(struct fq_segment_walk *walk, struct fq_batch_header *ret_header,
                                     fq_str *ret_batch);

enum fq_segment_verdict { FQ_VERDICT_TORN, FQ_VERDICT_AMBIGUOUS, FQ_VERDICT_CORRUPT };

/** Judges the damage on which the walk stands, in the last segment. `ret_later`: the offset of the later batch that proves
 *  it was synced (CORRUPT). `ret_used_end`: where the last byte that is not zero ends. */
enum fq_segment_verdict fq_segment_judge(const struct fq_segment_walk *walk, uint64_t expected_batch_seq,
                                         uint64_t *ret_later, uint64_t *ret_used_end);

#endif
