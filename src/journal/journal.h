// SPDX-License-Identifier: Apache-2.0
// The log of records: batches with checksums and a chain, group commit with one batch in flight, recovery, compaction.
// Records are opaque bytes. Sequence numbers of records start at 1 and have no holes.
//
//   fq_journal_append (any number, one loop turn)  ->  fq_journal_commit  ->  …  ->  fq_journal_durable_seq advances
//
// Nothing that rests on record n may leave the process before fq_journal_durable_seq() >= n. A journal that has failed
// (fq_journal_failed) never recovers: the owner discards what it has not released and exits with 74.
#ifndef FQ_JOURNAL_JOURNAL_H
#define FQ_JOURNAL_JOURNAL_H

#include "base/buf.h"
#include "base/log.h"
#include "base/time.h"
#include "journal/storage.h"

typedef struct fq_journal fq_journal;

enum fq_durability { FQ_DURABILITY_SYNC, FQ_DURABILITY_RELAXED };

struct fq_journal_config {
    enum fq_durability durability;
    int64_t relaxed_window_us;  // 100,000
    int64_t idle_mark_us;       // 100,000: a commit mark after so long without traffic
    uint32_t batch_bytes_max;   // 1 MiB; a single record may be larger
    uint32_t batch_records_max; // 4,096
    // 256 MiB: bytes since the snapshot that ask for compaction (or 2 x the snapshot, if that is more); 0 = never
    uint64_t compact_bytes_min;
    const fq_log *log; // borrowed; NULL = silent
};

void fq_journal_config_init(struct fq_journal_config *config);

/** Takes the storage (closed by fq_journal_close; on failure here at once). FQ_ENOMEM. */
FQ_MUST_USE int fq_journal_open(fq_storage *storage, const struct fq_journal_config *config,
                                fq_journal **ret_journal);

/** Before fq_journal_recover, with the same context: `expect` is told of each record of the log while the one before it is
 *  about to be delivered, to have what it needs on its way from memory. */
void fq_journal_expect(fq_journal *journal, void (*expect)(void *context, fq_str record));
/** Replays snapshot and log: `on_record` gets every record in order; fq_journal_last_seq() is its number meanwhile.
 *  FQ_ECORRUPT, FQ_EVERSION, FQ_EIO or what on_record returned; fq_journal_error() says where and what to do. */
FQ_MUST_USE int fq_journal_recover(fq_journal *journal, int (*on_record)(void *context, fq_str record),
                                   void *context);
/** After recover, any number of times: what another writer has added since. FQ_EAGAIN: nobody answers, to be tried again. */
FQ_MUST_USE int fq_journal_follow(fq_journal *journal, int (*on_record)(void *context, fq_str record),
                                  void *context);
/** After recover: bumps the boot epoch durably and makes the log writable. Blocks for a few disk writes. FQ_EINVALID: epochs
 *  have 24 bits, and this was the last. FQ_ELOCKED, FQ_EAGAIN (a log in a stream only): another writer was first, or nobody answers; it may be
 *  tried again after fq_journal_follow. */
FQ_MUST_USE int fq_journal_start(fq_journal *journal, struct fq_now now);
uint32_t fq_journal_boot_epoch(const fq_journal *journal);

/** Adds one record to the open batch and gives its sequence number. No I/O. FQ_ENOMEM, FQ_ETOOBIG (256 MiB), or FQ_EIO
 *  when the journal has failed. */
FQ_MUST_USE int fq_journal_append(fq_journal *journal, fq_str record, uint64_t *ret_seq);
/** Seals and hands the open batch over if none is in flight. Call once per loop turn and after each poll. */
void fq_journal_commit(fq_journal *journal, struct fq_now now);
/** Delivers completions; then fq_journal_durable_seq may have moved. Called upon the storage's wake. */
void fq_journal_poll(fq_journal *journal, struct fq_now now);
/** Next time that fq_journal_commit wants to be called without traffic (idle mark, relaxed window). Boot time. */
int64_t fq_journal_deadline(const fq_journal *journal);

uint64_t fq_journal_last_seq(const fq_journal *journal);    // last record appended
uint64_t fq_journal_durable_seq(const fq_journal *journal); // last record that may be observed
bool fq_journal_failed(const fq_journal *journal);
/** Why: FQ_EIO, or FQ_ELOCKED where another writes the log now; 0 = it has not failed. */
int fq_journal_failure(const fq_journal *journal);
/** Open batch that long without a chance to be written: the owner stops reading from clients above its limit. */
size_t fq_journal_backlog_bytes(const fq_journal *journal);
const char *fq_journal_error(const fq_journal *journal);

void fq_journal_space(fq_journal *journal, struct fq_storage_space *ret_space);

struct fq_journal_stats {
    uint64_t records_total, batches_total, bytes_total, syncs_total;
    uint64_t torn_tails, compactions_total, bytes_since_snapshot, snapshot_bytes, segment_count;
    uint64_t snapshot_batch_seq, snapshot_state_hash; // of the snapshot in force; 0 = none
    uint64_t spare_waits, soft_errors; // appends that waited for a new segment; preparations that failed
    int64_t sync_us_last, sync_us_max; // hand-over to completion, as the owner's loop saw it
    bool
        recovered_ambiguous; // the last batch was cut though it may have been acknowledged; stays until acknowledged
    bool previous_snapshot_used; // the newest snapshot was damaged
};
void fq_journal_stats(const fq_journal *journal, struct fq_journal_stats *ret_stats);

/** Whether compaction is due. The owner then calls fq_journal_compact_begin, runs `fastqueue journal compact` as a child
 *  and calls fq_journal_compact_end with its outcome. */
bool fq_journal_wants_compaction(const fq_journal *journal);
/** Seals the log; `on_ready(context, 0, last batch of the sealed part)` when the child may start, from
 *  fq_journal_commit or fq_journal_poll; the result is FQ_EAGAIN when the disk has no room for another segment (nothing
 *  has begun), other negative ones when the journal has failed. */
void fq_journal_compact_begin(fq_journal *journal,
                              void (*on_ready)(void *context, int result, uint64_t batch_seq), void *context);
/** `ok`: the child wrote and verified snapshot `batch_seq`; it is installed and what it replaces removed, in the
 *  background. Otherwise nothing changes. Either way a later fq_journal_wants_compaction may be true again. */
void fq_journal_compact_end(fq_journal *journal, bool ok, uint64_t batch_seq);
/** Between fq_journal_compact_begin and the end of the attempt, whichever it is: no other may begin. */
bool fq_journal_is_compacting(const fq_journal *journal);

/** Waits for nothing: what is not durable is lost, as in a crash. NULL is fine. Returns NULL. */
fq_journal *fq_journal_close(fq_journal *journal);

#endif
