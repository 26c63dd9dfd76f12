// SPDX-License-Identifier: Apache-2.0
// The log's one seam. A storage keeps an append-only sequence of batches and named snapshots, with one writer. The
// embedded default keeps them in files (storage_posix.h); another may keep them in a replicated stream. So nothing above
// this header assumes that a sync is done when a call returns, nor that there is a file.
//
// Completions are delivered from `poll`, on the owner's thread: the storage's own thread only calls `wake` (given at
// open), upon which the owner calls poll soon. At most one of append, flush and seal is under way at a time. Any failure
// of these three is final: the owner ends the process. `read` and `start` may block; they run once, at boot.
#ifndef FQ_JOURNAL_STORAGE_H
#define FQ_JOURNAL_STORAGE_H

#include "base/buf.h"
#include "base/str.h"
#include "base/uuid.h"
#include "fastqueue/error.h"

#include <stdint.h>

enum { FQ_STORAGE_ERROR_MAX = 512 };

struct fq_storage_batch {
    uint64_t batch_seq;
    uint64_t first_record_seq;
    uint32_t record_count;
    fq_str
        bytes; // header and records as journal/batch.h lays them out; padded to the storage's block size for append
};

struct fq_storage_space {
    uint64_t
        writable_bytes; // for any event: room in segment and spare, and free disk above the low water mark
    uint64_t reserve_bytes;               // beyond that, for completions only
    uint64_t free_bytes, low_water_bytes; // for the sentence of a refusal
    bool submits_blocked;                 // below the low water mark (with hysteresis), or:
    const char *blocked_why;              // static; NULL = it is the space
};

struct fq_storage_snapshot {
    uint64_t batch_seq, last_record_seq, record_count, bytes, state_hash;
    uint32_t last_batch_crc, boot_epoch;
};

struct fq_storage_stats {
    uint64_t segment_count, torn_tails, spare_waits, soft_errors;
    uint64_t read_bytes; // that the batches read at boot take in the storage, unused ends included
    bool recovered_ambiguous, previous_snapshot_used;
};

typedef struct fq_storage fq_storage;

struct fq_storage_ops {
    /** Reads every batch from `from_batch_seq` on, in order; batches are whole, their chain is the caller's to check.
     *  `on_batch` returns 0 or an error that ends the read. FQ_ECORRUPT and others leave place and remedy in `error`. */
    int (*read)(fq_storage *storage, uint64_t from_batch_seq,
                int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context);
    /** Makes the log writable behind its last batch, fenced, with `first` (an EPOCH batch) as its first batch, durably.
     *  After read. May block. */
    int (*start)(fq_storage *storage, const struct fq_storage_batch *first, uint32_t boot_epoch);
    /** Hands one batch over; borrows its bytes until `on_durable`. `sync` false: written, and synced by a later flush
     *  (relaxed durability). */
    int (*append)(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                  void (*on_durable)(void *context, int result), void *context);
    /** Syncs what append left unsynced. Completion as for append. */
    int (*flush)(fq_storage *storage, void (*on_durable)(void *context, int result), void *context);
    /** Delivers completions that have arrived. */
    void (*poll)(fq_storage *storage, int64_t boot_us);
    /** Everything up to the last appended batch becomes durable and immutable (a segment is sealed); its last number.
     *  FQ_EAGAIN: there is no room for another segment; nothing has changed. */
    int (*seal)(fq_storage *storage, void (*on_sealed)(void *context, int result, uint64_t last_batch_seq),
                void *context);
    /** Newest installed snapshot; NULL = none. Valid until poll. */
    const struct fq_storage_snapshot *(*snapshot)(const fq_storage *storage);
    /** Reads its content piece by piece, verified before the first piece is delivered. */
    int (*snapshot_read)(fq_storage *storage, int (*on_bytes)(void *context, fq_str bytes), void *context);
    /** Makes a finished snapshot (written by the compactor) the current one, then removes what it replaces. FQ_EIO is
     *  final; any other failure leaves everything as it was. */
    int (*snapshot_install)(fq_storage *storage, uint64_t batch_seq,
                            void (*on_installed)(void *context, int result), void *context);
    void (*space)(fq_storage *storage, struct fq_storage_space *ret_space);
    void (*stats)(const fq_storage *storage, struct fq_storage_stats *ret_stats);
    /** Waits for what is under way, loses nothing durable, delivers nothing more, releases the lock. */
    fq_storage *(*close)(fq_storage *storage);
};

struct fq_storage {
    const struct fq_storage_ops *ops;
    fq_uuid instance;    // who wrote the log: seeds the checksums of its batches
    uint32_t block_size; // batches are padded to a multiple of it
    uint32_t boot_epoch; // of the last boot, as far as known before read; 0 = none
    bool can_seal;       // seal would not have to wait for space
    int64_t poll_at_us;  // boot time at which poll wants to be called without a wake; FQ_NEVER_US = not
    char error[FQ_STORAGE_ERROR_MAX]; // what went wrong last: names file, offset, range and remedy
};

#endif
