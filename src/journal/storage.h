// SPDX-License-Identifier: Apache-2.0
// The log's one seam. A storage keeps an append-only sequence of batches and named snapshots, with one writer. The
// embedded default keeps them in files (storage_posix.h); another may keep them in a replicated stream. So nothing above
// this header assumes that a sync is done when a call returns, nor that there is a file.
//
// Completions are delivered from `poll`, on the owner's thread: the storage's own thread only calls `wake` (given at
// open), upon which the owner calls poll soon. Any failure of append is final: the owner ends the process.
#ifndef FQ_JOURNAL_STORAGE_H
#define FQ_JOURNAL_STORAGE_H

#include "base/buf.h"
#include "base/str.h"
#include "fastqueue/error.h"

#include <stdint.h>

struct fq_storage_batch {
    uint64_t batch_seq;
    uint64_t first_record_seq;
    uint32_t record_count;
    fq_str bytes; // header and records as journal/batch.h lays them out, padded to the storage's block size
};

struct fq_storage_space {
    uint64_t writable_bytes; // for any event: spare segments and free disk above the low water mark
    uint64_t reserve_bytes;  // beyond that, for completions only
    bool submits_blocked;    // below the low water mark (with hysteresis)
};

typedef struct fq_storage fq_storage;

struct fq_storage_ops {
    /** Reads every batch from `from_batch_seq` on, in order. `on_batch` returns 0 or an error that ends the read.
     *  FQ_ECORRUPT with the place and the remedy in `fq_storage_error`. Called once, before the first append. */
    int (*read)(fq_storage *storage, uint64_t from_batch_seq,
                int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context);
    /** Makes the log writable behind its last batch (a new segment, fenced). After read. */
    int (*start)(fq_storage *storage, uint32_t boot_epoch, int64_t wall_us);
    /** Hands one batch over; borrows its bytes until `on_durable`. At most one is in flight. `sync` false: written, and
     *  synced by a later flush (relaxed durability). */
    int (*append)(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                  void (*on_durable)(void *context, int result), void *context);
    /** Syncs what append left unsynced. Completion as for append. */
    int (*flush)(fq_storage *storage, void (*on_durable)(void *context, int result), void *context);
    /** Delivers completions that have arrived. */
    void (*poll)(fq_storage *storage);
    /** Everything up to the last durable batch becomes immutable (a segment is sealed); its last batch_seq. */
    int (*seal)(fq_storage *storage, void (*on_sealed)(void *context, int result, uint64_t last_batch_seq),
                void *context);
    /** Newest installed snapshot: the batch it stands for; 0 = none. */
    uint64_t (*snapshot_seq)(const fq_storage *storage);
    /** Reads it block by block, verified. */
    int (*snapshot_read)(fq_storage *storage, int (*on_bytes)(void *context, fq_str bytes), void *context);
    /** Makes a finished snapshot (written by the compactor) the current one, then removes what it replaces. */
    int (*snapshot_install)(fq_storage *storage, uint64_t batch_seq,
                            void (*on_installed)(void *context, int result), void *context);
    void (*space)(fq_storage *storage, struct fq_storage_space *ret_space);
    /** Waits for nothing, loses nothing durable, releases the lock. */
    fq_storage *(*close)(fq_storage *storage);
};

struct fq_storage {
    const struct fq_storage_ops *ops;
    char error[512]; // what went wrong last: names file, offset, range and remedy
};

#endif
