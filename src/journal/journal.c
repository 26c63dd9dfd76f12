// SPDX-License-Identifier: Apache-2.0
#include "journal/journal.h"

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "journal/batch.h"
#include "journal/format.h"
#include "journal/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum journal_state { JOURNAL_OPEN, JOURNAL_RECOVERED, JOURNAL_RUNNING, JOURNAL_FAILED };
enum in_flight { NOTHING, APPEND, FLUSH, SEAL };
enum compaction { COMPACT_NOT, COMPACT_SEALING, COMPACT_CHILD, COMPACT_INSTALLING };

struct fq_journal {
    fq_storage *storage;
    struct fq_journal_config config;
    enum journal_state state;
    struct fq_replay replay;
    struct fq_batch_chain chain;
    uint64_t next_seq, durable_seq;
    char error[FQ_STORAGE_ERROR_MAX];
    int failure; // why it failed

    // Records wait in `open`, behind room for a batch header, so that a batch that takes them all needs no copy.
    fq_buf open, flying;
    enum in_flight in_flight;
    bool in_flight_syncs, in_flight_is_mark;
    uint64_t in_flight_last_seq;
    int64_t in_flight_since_us, now_us;

    bool unsynced; // relaxed: written since the last sync, first at:
    int64_t unsynced_since_us;
    bool wants_mark; // something was written since the last mark, last at:
    int64_t last_write_us;

    enum compaction compaction;
    void (*on_sealed)(void *context, int result, uint64_t batch_seq);
    void *on_sealed_context;
    uint64_t sealed_bytes; // of bytes_since_snapshot, what the coming snapshot will not replace
    struct fq_journal_stats stats;
};

void fq_journal_config_init(struct fq_journal_config *config) {
    *config = (struct fq_journal_config){.durability = FQ_DURABILITY_SYNC,
                                         .relaxed_window_us = 100 * FQ_US_PER_MS,
                                         .idle_mark_us = 100 * FQ_US_PER_MS,
                                         .batch_bytes_max = 1 << 20,
                                         .batch_records_max = 4096,
                                         .compact_bytes_min = 256ull << 20};
}

int fq_journal_open(fq_storage *storage, const struct fq_journal_config *config, fq_journal **ret_journal) {
    fq_journal *journal = calloc(1, sizeof *journal);
    if (journal == NULL) {
        storage->ops->close(storage);
        return FQ_ENOMEM;
    }
    journal->storage = storage;
    journal->config = *config;
    fq_replay_init(&journal->replay, storage);
    *ret_journal = journal;
    return 0;
}

fq_journal *fq_journal_close(fq_journal *journal) {
    if (journal == NULL)
        return NULL;
    // First the storage: it may still be reading the batch in flight.
    journal->storage->ops->close(journal->storage);
    fq_replay_done(&journal->replay);
    fq_buf_done(&journal->open);
    fq_buf_done(&journal->flying);
    free(journal);
    return NULL;
}

static void fail(fq_journal *journal, int error, const char *what) {
    if (journal->state == JOURNAL_FAILED)
        return;
    journal->state = JOURNAL_FAILED;
    journal->failure = error;
    const char *why = journal->storage->error;
    snprintf(journal->error, sizeof journal->error, "%s failed: %.400s", what,
             why[0] != '\0' ? why : "unknown cause");
    fq_log_write(journal->config.log, FQ_LOG_ERROR,
                 "journal event=failed durable_seq=%" PRIu64 " cause=\"%s\"", journal->durable_seq,
                 journal->error);
}

// ---- boot ----

void fq_journal_expect(fq_journal *journal, void (*expect)(void *context, fq_str record)) {
    journal->replay.expect = expect;
}

static void take_replayed(fq_journal *journal) {
    journal->chain = journal->replay.chain;
    journal->next_seq = journal->chain.next_record_seq;
    journal->durable_seq = journal->next_seq - 1;
    // Each boot leaves a segment that is not full: they count whole, so that restarts alone cannot fill the disk.
    struct fq_storage_stats storage = {0};
    journal->storage->ops->stats(journal->storage, &storage);
    journal->stats.bytes_since_snapshot = storage.read_bytes;
}

int fq_journal_recover(fq_journal *journal, int (*on_record)(void *context, fq_str record), void *context) {
    FQ_ASSERT(journal->state == JOURNAL_OPEN);
    const struct fq_storage_snapshot *snapshot = journal->storage->ops->snapshot(journal->storage);
    if (snapshot != NULL) {
        journal->stats.snapshot_bytes = snapshot->bytes;
        journal->stats.snapshot_batch_seq = snapshot->batch_seq;
        journal->stats.snapshot_state_hash = snapshot->state_hash;
    }
    int result = fq_replay_run(&journal->replay, on_record, context);
    if (result < 0) {
        journal->state = JOURNAL_FAILED;
        memcpy(journal->error, journal->replay.error, sizeof journal->error);
        return result;
    }
    take_replayed(journal);
    journal->state = JOURNAL_RECOVERED;
    return 0;
}

int fq_journal_follow(fq_journal *journal, int (*on_record)(void *context, fq_str record), void *context) {
    FQ_ASSERT(journal->state == JOURNAL_RECOVERED);
    int result = fq_replay_more(&journal->replay, on_record, context);
    if (result < 0) {
        if (result != FQ_EAGAIN)
            journal->state = JOURNAL_FAILED;
        memcpy(journal->error, journal->replay.error, sizeof journal->error);
        return result;
    }
    take_replayed(journal);
    return 0;
}

// Room for the header of the next batch, which comes in front of its records, and for the padding of one without any.
static int make_header_room(fq_buf *buf) {
    int result = fq_buf_reserve(buf, FQ_BLOCK_MAX);
    if (result == 0)
        fq_buf_commit(buf, FQ_BATCH_HEADER);
    return result;
}

// Fills in the header of the batch in `flying`, pads it and moves the chain on. The room for the padding is there: once
// records have moved, nothing may fail.
static void seal_batch(fq_journal *journal, uint32_t record_count, uint32_t flags, int64_t wall_us,
                       struct fq_storage_batch *ret_batch) {
    fq_buf *buf = &journal->flying;
    uint32_t body_len = (uint32_t)(fq_buf_len(buf) - FQ_BATCH_HEADER);
    size_t padding = fq_batch_padded(body_len, journal->storage->block_size) - fq_buf_len(buf);
    FQ_ASSERT(padding <= buf->capacity - buf->end);
    memset(fq_buf_tail(buf), 0, padding);
    fq_buf_commit(buf, padding);
    char *bytes = buf->data + buf->begin;
    struct fq_batch_header header = {.batch_seq = journal->chain.next_batch_seq,
                                     .first_record_seq = journal->chain.next_record_seq,
                                     .record_count = record_count,
                                     .body_len = body_len,
                                     .body_crc = fq_crc32c(0, bytes + FQ_BATCH_HEADER, body_len),
                                     .prev_crc = journal->chain.prev_crc,
                                     .wall_ns = wall_us * 1000,
                                     .boot_epoch = journal->chain.boot_epoch,
                                     .flags = flags};
    fq_batch_encode(&journal->storage->instance, &header, bytes);
    fq_batch_chain_advance(&journal->chain, &header);
    *ret_batch = (struct fq_storage_batch){
        header.batch_seq, header.first_record_seq, record_count, {bytes, fq_buf_len(buf)}
    };
}

// From the first number on again, a token of long ago would fence nothing off.
static int refuse_to_wrap(fq_journal *journal, uint32_t epoch) {
    snprintf(journal->storage->error, sizeof journal->storage->error,
             "boot %" PRIu32 " was the last that a journal has a number for (%d); nothing was changed: list "
             "its open tasks with 'fastqueue journal dump' and submit them to a new data directory",
             epoch, FQ_EPOCH_MAX);
    fail(journal, FQ_EINVALID, "making the journal writable");
    return FQ_EINVALID;
}

int fq_journal_start(fq_journal *journal, struct fq_now now) {
    FQ_ASSERT(journal->state == JOURNAL_RECOVERED);
    uint32_t epoch = journal->chain.boot_epoch;
    if (journal->storage->boot_epoch > epoch)
        epoch = journal->storage->boot_epoch;
    if (epoch >= FQ_EPOCH_MAX)
        return refuse_to_wrap(journal, epoch);
    const struct fq_batch_chain before = journal->chain;
    journal->chain.boot_epoch = epoch + 1;
    struct fq_storage_batch first;
    fq_buf_clear(&journal->open);
    fq_buf_clear(&journal->flying);
    int result = make_header_room(&journal->open);
    if (result == 0)
        result = make_header_room(&journal->flying);
    if (result == 0) {
        seal_batch(journal, 0, FQ_BATCH_EPOCH | FQ_BATCH_GATED, now.wall_us, &first);
        result = journal->storage->ops->start(journal->storage, &first, epoch + 1);
    }
    if (result == FQ_ELOCKED || result == FQ_EAGAIN) {
        journal->chain = before;
        memcpy(journal->error, journal->storage->error, sizeof journal->error);
        return result;
    }
    if (result < 0) {
        fail(journal, result, "making the journal writable");
        return result;
    }
    fq_buf_clear(&journal->flying);
    journal->stats.bytes_since_snapshot += first.bytes.len;
    journal->state = JOURNAL_RUNNING;
    return 0;
}

uint32_t fq_journal_boot_epoch(const fq_journal *journal) {
    return journal->chain.boot_epoch;
}

// ---- append and commit ----

int fq_journal_append(fq_journal *journal, fq_str record, uint64_t *ret_seq) {
    FQ_ASSERT(journal->state >= JOURNAL_RUNNING);
    if (journal->state == JOURNAL_FAILED)
        return FQ_EIO;
    if (record.len > FQ_RECORD_MAX)
        return FQ_ETOOBIG;
    size_t size = fq_record_size(record.len);
    int result = fq_buf_reserve(&journal->open, size);
    if (result != 0)
        return result;
    fq_record_encode(journal->next_seq, record, fq_buf_tail(&journal->open));
    fq_buf_commit(&journal->open, size);
    *ret_seq = journal->next_seq++;
    return 0;
}

static size_t open_bytes(const fq_journal *journal) {
    size_t len = fq_buf_len(&journal->open);
    return len > FQ_BATCH_HEADER ? len - FQ_BATCH_HEADER : 0;
}

// How many of the open records fit the caps of a batch; at least one. Gives their bytes too.
static uint32_t records_that_fit(const fq_journal *journal, size_t *ret_bytes) {
    fq_str open = fq_buf_str(&journal->open);
    size_t taken = 0, have = open.len - FQ_BATCH_HEADER;
    uint32_t count = 0;
    while (taken < have && count < journal->config.batch_records_max) {
        size_t size = fq_record_size(fq_get_u32(open.ptr + FQ_BATCH_HEADER + taken));
        if (count > 0 && taken + size > journal->config.batch_bytes_max)
            break;
        taken += size;
        count++;
    }
    *ret_bytes = taken;
    return count;
}

// Moves the next batch's records from `open` to `flying`: by swapping if they are all, else by a copy of the first ones.
static int take_records(fq_journal *journal, uint32_t *ret_count) {
    size_t bytes;
    uint32_t count = records_that_fit(journal, &bytes);
    fq_buf *open = &journal->open, *flying = &journal->flying;
    fq_buf_clear(flying);
    // Room for the padding too.
    if (bytes == open_bytes(journal)) {
        int result = fq_buf_reserve(open, FQ_BLOCK_MAX);
        if (result == 0)
            result = make_header_room(flying);
        if (result != 0)
            return result;
        fq_buf swap = *flying;
        *flying = *open;
        *open = swap;
    } else {
        int result = fq_buf_reserve(flying, FQ_BATCH_HEADER + bytes + FQ_BLOCK_MAX);
        if (result != 0)
            return result;
        memcpy(fq_buf_tail(flying), open->data + open->begin, FQ_BATCH_HEADER + bytes);
        fq_buf_commit(flying, FQ_BATCH_HEADER + bytes);
        // The last 64 bytes consumed become the header room of what stays.
        fq_buf_consume(open, bytes);
    }
    *ret_count = count;
    return 0;
}

static void on_written(void *context, int result);

// `sync` false: only written. A batch is gated when nothing unsynced precedes it.
static void append_batch(fq_journal *journal, uint32_t count, uint32_t flags, bool sync, struct fq_now now) {
    struct fq_storage_batch batch;
    if (!journal->unsynced)
        flags |= FQ_BATCH_GATED;
    seal_batch(journal, count, flags, now.wall_us, &batch);
    journal->in_flight = APPEND;
    journal->in_flight_syncs = sync;
    journal->in_flight_is_mark = (flags & FQ_BATCH_MARK) != 0;
    journal->in_flight_last_seq = journal->chain.next_record_seq - 1;
    journal->in_flight_since_us = now.boot_us;
    journal->last_write_us = now.boot_us;
    if (!sync && !journal->unsynced) {
        journal->unsynced = true;
        journal->unsynced_since_us = now.boot_us;
    }
    journal->stats.bytes_total += batch.bytes.len;
    journal->stats.bytes_since_snapshot += batch.bytes.len;
    journal->stats.batches_total++;
    journal->stats.records_total += count;
    int result = journal->storage->ops->append(journal->storage, &batch, sync, on_written, journal);
    if (result < 0)
        fail(journal, result, "writing");
}

static bool sync_is_due(const fq_journal *journal, int64_t boot_us) {
    return journal->unsynced &&
           boot_us >= fq_time_add(journal->unsynced_since_us, journal->config.relaxed_window_us);
}

static bool mark_is_due(const fq_journal *journal, int64_t boot_us) {
    return journal->wants_mark && journal->config.idle_mark_us > 0 &&
           boot_us >= fq_time_add(journal->last_write_us, journal->config.idle_mark_us);
}

static void commit_mark(fq_journal *journal, struct fq_now now) {
    fq_buf_clear(&journal->flying);
    if (make_header_room(&journal->flying) == 0)
        append_batch(journal, 0, FQ_BATCH_MARK, true, now);
}

static void on_sealed(void *context, int result, uint64_t batch_seq);

static void begin_seal(fq_journal *journal) {
    journal->in_flight = SEAL;
    int result = journal->storage->ops->seal(journal->storage, on_sealed, journal);
    if (result < 0)
        fail(journal, result, "sealing");
}

static void begin_flush(fq_journal *journal, struct fq_now now) {
    journal->in_flight = FLUSH;
    journal->in_flight_syncs = true;
    journal->in_flight_since_us = now.boot_us;
    int result = journal->storage->ops->flush(journal->storage, on_written, journal);
    if (result < 0)
        fail(journal, result, "syncing");
}

void fq_journal_commit(fq_journal *journal, struct fq_now now) {
    journal->now_us = now.boot_us;
    if (journal->state != JOURNAL_RUNNING || journal->in_flight != NOTHING)
        return;
    bool relaxed = journal->config.durability == FQ_DURABILITY_RELAXED;
    if (journal->compaction == COMPACT_SEALING) {
        begin_seal(journal);
    } else if (open_bytes(journal) > 0) {
        uint32_t count;
        if (take_records(journal, &count) != 0)
            return; // out of memory; the records stay, the next turn tries again
        append_batch(journal, count, 0, !relaxed || sync_is_due(journal, now.boot_us), now);
    } else if (sync_is_due(journal, now.boot_us)) {
        begin_flush(journal, now);
    } else if (mark_is_due(journal, now.boot_us)) {
        commit_mark(journal, now);
    }
}

int64_t fq_journal_deadline(const fq_journal *journal) {
    if (journal->state != JOURNAL_RUNNING)
        return FQ_NEVER_US;
    int64_t at = journal->storage->poll_at_us;
    if (journal->in_flight != NOTHING)
        return at;
    if (journal->compaction == COMPACT_SEALING)
        return journal->now_us; // asked for behind this turn's commit: it waits for the next
    int64_t sync_at = fq_time_add(journal->unsynced_since_us, journal->config.relaxed_window_us);
    if (journal->unsynced && sync_at < at)
        at = sync_at;
    int64_t mark_at = fq_time_add(journal->last_write_us, journal->config.idle_mark_us);
    if (journal->wants_mark && journal->config.idle_mark_us > 0 && mark_at < at)
        at = mark_at;
    return at;
}

// ---- completions ----

static void note_sync(fq_journal *journal) {
    journal->unsynced = false;
    journal->stats.syncs_total++;
    journal->stats.sync_us_last = journal->now_us - journal->in_flight_since_us;
    if (journal->stats.sync_us_last > journal->stats.sync_us_max)
        journal->stats.sync_us_max = journal->stats.sync_us_last;
}

static void on_written(void *context, int result) {
    fq_journal *journal = context;
    enum in_flight what = journal->in_flight;
    journal->in_flight = NOTHING;
    if (result < 0) {
        fail(journal, result, what == FLUSH ? "syncing" : "writing");
        return;
    }
    if (journal->in_flight_syncs)
        note_sync(journal);
    if (what == APPEND) {
        journal->durable_seq = journal->in_flight_last_seq;
        journal->wants_mark = !journal->in_flight_is_mark;
    }
}

void fq_journal_poll(fq_journal *journal, struct fq_now now) {
    journal->now_us = now.boot_us;
    if (journal->state >= JOURNAL_RUNNING)
        journal->storage->ops->poll(journal->storage, now.boot_us);
}

// ---- compaction ----

bool fq_journal_wants_compaction(const fq_journal *journal) {
    uint64_t least = journal->config.compact_bytes_min;
    if (least == 0 || journal->state != JOURNAL_RUNNING || journal->compaction != COMPACT_NOT ||
        !journal->storage->can_seal)
        return false;
    if (least < 2 * journal->stats.snapshot_bytes)
        least = 2 * journal->stats.snapshot_bytes;
    return journal->stats.bytes_since_snapshot > least;
}

void fq_journal_compact_begin(fq_journal *journal,
                              void (*on_ready)(void *context, int result, uint64_t batch_seq),
                              void *context) {
    FQ_ASSERT(journal->state >= JOURNAL_RUNNING && journal->compaction == COMPACT_NOT);
    if (journal->state == JOURNAL_FAILED) {
        on_ready(context, FQ_EIO, 0);
        return;
    }
    journal->compaction = COMPACT_SEALING;
    journal->on_sealed = on_ready;
    journal->on_sealed_context = context;
}

static void on_sealed(void *context, int result, uint64_t batch_seq) {
    fq_journal *journal = context;
    journal->in_flight = NOTHING;
    if (result < 0) {
        journal->compaction = COMPACT_NOT;
        if (result != FQ_EAGAIN)
            fail(journal, result, "sealing");
    } else {
        journal->unsynced = false;
        journal->compaction = COMPACT_CHILD;
        journal->sealed_bytes = journal->stats.bytes_since_snapshot;
    }
    journal->on_sealed(journal->on_sealed_context, result, batch_seq);
}

static void on_installed(void *context, int result) {
    fq_journal *journal = context;
    journal->compaction = COMPACT_NOT;
    if (result == FQ_EIO) {
        fail(journal, result, "installing a snapshot");
    } else if (result < 0) {
        fq_log_write(journal->config.log, FQ_LOG_WARNING, "journal event=compaction_failed cause=\"%s\"",
                     journal->storage->error);
    } else {
        const struct fq_storage_snapshot *snapshot = journal->storage->ops->snapshot(journal->storage);
        journal->stats.bytes_since_snapshot -= journal->sealed_bytes;
        journal->stats.snapshot_bytes = snapshot->bytes;
        journal->stats.snapshot_batch_seq = snapshot->batch_seq;
        journal->stats.snapshot_state_hash = snapshot->state_hash;
        journal->stats.compactions_total++;
    }
}

void fq_journal_compact_end(fq_journal *journal, bool ok, uint64_t batch_seq) {
    if (journal->state != JOURNAL_RUNNING || journal->compaction != COMPACT_CHILD)
        return;
    journal->compaction = ok ? COMPACT_INSTALLING : COMPACT_NOT;
    if (!ok)
        return;
    int result = journal->storage->ops->snapshot_install(journal->storage, batch_seq, on_installed, journal);
    if (result < 0)
        on_installed(journal, result);
}

bool fq_journal_is_compacting(const fq_journal *journal) {
    return journal->compaction != COMPACT_NOT;
}

// ---- views ----

uint64_t fq_journal_last_seq(const fq_journal *journal) {
    return journal->state == JOURNAL_OPEN ? journal->replay.last_seq : journal->next_seq - 1;
}

uint64_t fq_journal_durable_seq(const fq_journal *journal) {
    return journal->durable_seq;
}

bool fq_journal_failed(const fq_journal *journal) {
    return journal->state == JOURNAL_FAILED;
}

int fq_journal_failure(const fq_journal *journal) {
    return journal->failure;
}

size_t fq_journal_backlog_bytes(const fq_journal *journal) {
    return open_bytes(journal);
}

const char *fq_journal_error(const fq_journal *journal) {
    return journal->error;
}

void fq_journal_space(fq_journal *journal, struct fq_storage_space *ret_space) {
    journal->storage->ops->space(journal->storage, ret_space);
}

void fq_journal_stats(const fq_journal *journal, struct fq_journal_stats *ret_stats) {
    struct fq_storage_stats storage = {0};
    journal->storage->ops->stats(journal->storage, &storage);
    *ret_stats = journal->stats;
    ret_stats->segment_count = storage.segment_count;
    ret_stats->torn_tails = storage.torn_tails;
    ret_stats->spare_waits = storage.spare_waits;
    ret_stats->soft_errors = storage.soft_errors;
    ret_stats->recovered_ambiguous = storage.recovered_ambiguous;
    ret_stats->previous_snapshot_used = storage.previous_snapshot_used;
}
