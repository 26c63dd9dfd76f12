// SPDX-License-Identifier: Apache-2.0
// Records from a runner to its supervisor: finished spans, measurements, log lines. Many writers (threads of the runner),
// one reader (the supervisor); no lock, no allocation. A writer that dies in the middle of a record costs that record.
//
// The ring is an area of bytes. `head` and `tail` count bytes written and consumed since the start and only grow; they
// lie in the board's header. A record is an 8-byte word, length << 32 | type << 8 | state, and its bytes, padded to 8. A
// writer moves `head` by compare-and-swap, which makes the space his, stores the word as OPEN, writes the bytes, stores
// it as READY. A record that would pass the end of the area starts at its beginning: the rest is one PAD record. What the
// reader has consumed is zeroed before `tail` moves, so that a word not yet stored reads as zero.
#ifndef FQ_WORKER_RING_H
#define FQ_WORKER_RING_H

#include "worker/board.h"

enum { FQ_RING_RECORD_MAX = 64 * 1024 };

// What a record holds; numbers are shared by both sides. SPAN and LOG as in otel/exporter.h, MARK: struct fq_output_mark.
enum fq_ring_type { FQ_RING_SPAN = 1, FQ_RING_LOG = 3, FQ_RING_MARK = 4 };

// --- writers ---------------------------------------------------------------------------------------------------------
/** Room for `len` bytes (1 … FQ_RING_RECORD_MAX), to be filled and committed soon: records behind it wait. NULL when
 *  there is none; that is counted. Any thread of the runner, not in a signal handler that may interrupt itself. */
void *fq_ring_reserve(const struct fq_board *board, uint8_t type, uint32_t len);
void fq_ring_commit(const struct fq_board *board, void *reserved);
/** Both in one: 0 or FQ_EFULL. */
FQ_MUST_USE int fq_ring_write(const struct fq_board *board, uint8_t type, const void *bytes, uint32_t len);

// --- the reader ------------------------------------------------------------------------------------------------------
struct fq_ring_reader {
    uint64_t tail;    // the reader's own count: what the board says of it is not believed
    uint64_t skipped; // records lost: half-written by a dead writer, or garbage
};
/**
 * Copies the next record into `out` (`out_size` >= FQ_RING_RECORD_MAX). 1 with *ret_type and *ret_len; 0 if there is none
 * ready. `writer_is_gone`: what is not finished now never will be; it is skipped and counted.
 * A ring that cannot be true is emptied and counted as one skipped record.
 */
FQ_MUST_USE int fq_ring_read(const struct fq_board *board, struct fq_ring_reader *reader, bool writer_is_gone,
                             void *out, size_t out_size, uint8_t *ret_type, uint32_t *ret_len);

/** Nothing was written that has not been read. */
bool fq_ring_is_empty(const struct fq_board *board, const struct fq_ring_reader *reader);

#endif
