// SPDX-License-Identifier: Apache-2.0
// Batches and records as bytes (layout: format.h), and the chain that ties one batch to the next. Pure functions.
#ifndef FQ_JOURNAL_BATCH_H
#define FQ_JOURNAL_BATCH_H

#include "base/str.h"
#include "base/uuid.h"
#include "fastqueue/error.h"
#include "journal/format.h"

struct fq_batch_header {
    uint64_t batch_seq, first_record_seq;
    uint32_t record_count, body_len, body_crc, prev_crc;
    int64_t wall_ns;
    uint32_t boot_epoch, flags;
    uint32_t crc; // of this header: set by encode and decode
};

enum fq_batch_check { FQ_BATCH_OK, FQ_BATCH_ZERO, FQ_BATCH_BAD };

/** Bytes that a batch takes on disk: header, body and the zeros up to the next block boundary. */
static inline uint64_t fq_batch_padded(uint32_t body_len, uint32_t block_size) {
    uint64_t len = (uint64_t)FQ_BATCH_HEADER + body_len;
    return (len + block_size - 1) / block_size * block_size;
}

/** Writes the 64 bytes and sets header->crc. */
void fq_batch_encode(const fq_uuid *instance, struct fq_batch_header *header, void *ret_bytes);
/** Reads 64 bytes. FQ_BATCH_ZERO: all zero. FQ_BATCH_BAD: not a header of this instance; `ret_header` untouched. */
enum fq_batch_check fq_batch_decode(const fq_uuid *instance, const void *bytes,
                                    struct fq_batch_header *ret_header);
/** Whether the body's checksum holds; `body` has header->body_len bytes. */
bool fq_batch_body_ok(const struct fq_batch_header *header, const void *body);

// What the next batch must say. All zero but for the numbers, which are 1, before the first batch of a journal.
struct fq_batch_chain {
    uint64_t next_batch_seq, next_record_seq;
    uint32_t prev_crc, boot_epoch;
};

/** NULL if `header` continues the chain, else what is wrong with it (static text). Never for SEAL. */
const char *fq_batch_chain_break(const struct fq_batch_chain *chain, const struct fq_batch_header *header);
void fq_batch_chain_advance(struct fq_batch_chain *chain, const struct fq_batch_header *header);

static inline size_t fq_record_size(size_t payload_len) {
    return FQ_RECORD_HEADER + (payload_len + 7) / 8 * 8;
}
/** Writes fq_record_size(payload.len) bytes. */
void fq_record_encode(uint64_t seq, fq_str payload, void *ret_bytes);
/** Takes the next record off `body`. FQ_ECORRUPT if it is cut, fails its checksum or has another number. */
int fq_record_decode(fq_str *body, uint64_t seq, fq_str *ret_payload);

#endif
