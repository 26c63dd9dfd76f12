// SPDX-License-Identifier: Apache-2.0
// What the journal makes of a storage that hands it nonsense, and of calls that come at a time when there is nothing to do.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "journal/batch.h"
#include "journal/journal.h"
#include "journal/replay.h"
#include "journal/storage_memory.h"

#include <stdio.h>
#include <string.h>

// ---- a storage that delivers what it is told to ----

enum { PIECES_MAX = 4 };

static struct {
    struct fq_storage_snapshot snapshot;
    fq_str pieces[PIECES_MAX]; // of the snapshot
    fq_str batch;              // len 0 = none
} told;

static int stub_read(fq_storage *storage, uint64_t from_batch_seq,
                     int (*on_batch)(void *context, const struct fq_storage_batch *batch), void *context) {
    (void)storage;
    struct fq_storage_batch batch = {.batch_seq = from_batch_seq, .bytes = told.batch};
    return told.batch.len > 0 ? on_batch(context, &batch) : 0;
}

static const struct fq_storage_snapshot *stub_snapshot(const fq_storage *storage) {
    (void)storage;
    return told.snapshot.batch_seq != 0 ? &told.snapshot : NULL;
}

static int stub_snapshot_read(fq_storage *storage, int (*on_bytes)(void *context, fq_str bytes),
                              void *context) {
    (void)storage;
    int result = 0;
    for (size_t i = 0; i < PIECES_MAX && told.pieces[i].len > 0 && result == 0; i++)
        result = on_bytes(context, told.pieces[i]);
    return result;
}

static fq_storage *stub(void) {
    static const struct fq_storage_ops ops = {
        .read = stub_read, .snapshot = stub_snapshot, .snapshot_read = stub_snapshot_read};
    static fq_storage storage;
    storage = (fq_storage){.ops = &ops, .block_size = FQ_SECTOR};
    memset(storage.instance.bytes, 7, sizeof storage.instance.bytes);
    memset(&told, 0, sizeof told);
    return &storage;
}

struct heard {
    int records, refuse_at; // the n-th is refused; 0 = none
    size_t bytes;
};

static int on_record(void *context, fq_str record) {
    struct heard *heard = context;
    heard->bytes += record.len;
    return ++heard->records == heard->refuse_at ? FQ_EINVALID : 0;
}

static int replay(fq_storage *storage, struct heard *heard, char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    int result = fq_replay_run(&replay, on_record, heard);
    memcpy(error, replay.error, FQ_STORAGE_ERROR_MAX);
    fq_replay_done(&replay);
    return result;
}

// ---- snapshots ----

static void a_snapshot_in_pieces(void **state) {
    (void)state;
    static const char whole[] = "\005\0\0\0first\006\0\0\0second\0\0\0\0";
    enum { LEN = sizeof whole - 1 };
    // Wherever it is cut, the same three records.
    for (size_t a = 1; a < LEN; a++)
        for (size_t b = a; b < LEN; b++) {
            fq_storage *storage = stub();
            char error[FQ_STORAGE_ERROR_MAX];
            told.snapshot = (struct fq_storage_snapshot){.batch_seq = 1, .record_count = 3};
            told.pieces[0] = (fq_str){whole, a};
            told.pieces[1] = (fq_str){whole + a, b > a ? b - a : LEN - a};
            told.pieces[2] = (fq_str){whole + b, b > a ? LEN - b : 0};
            struct heard heard = {0};
            assert_int_equal(replay(storage, &heard, error), 0);
            assert_int_equal(heard.records, 3);
            assert_int_equal(heard.bytes, 11);
            // Whichever of them is refused, by whom reads or for its length, the reading ends with it.
            for (int at = 1; at <= 3; at++) {
                heard = (struct heard){.refuse_at = at};
                assert_int_equal(replay(storage, &heard, error), FQ_EINVALID);
                assert_int_equal(heard.records, at);
            }
        }
}

static void a_snapshot_that_breaks_its_promise(void **state) {
    (void)state;
    static const struct {
        uint64_t promised;
        fq_str bytes, more;
        const char *text;
    } rows[] = {
        {1, FQ_STR("\005\0\0\0fir"),       {"", 0},        "promises 1 records and holds 0"},
        {2, FQ_STR("\005\0\0\0first"),     {"", 0},        "promises 2 records and holds 1"},
        {0, FQ_STR("\005\0\0\0first"),     {"", 0},        "promises 0 records and holds 1"},
        {1, FQ_STR("\005\0\0\0first\001"), {"", 0},        "promises 1 records and holds 1"},
        {1, FQ_STR("\377\377\377\377"),    {"", 0},        "holds a record of 4294967295"  },
        {1, FQ_STR("\377\377\377"),        FQ_STR("\377"), "holds a record of 4294967295"  },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fq_storage *storage = stub();
        char error[FQ_STORAGE_ERROR_MAX];
        struct heard heard = {0};
        told.snapshot = (struct fq_storage_snapshot){.batch_seq = 1, .record_count = rows[i].promised};
        told.pieces[0] = rows[i].bytes;
        told.pieces[1] = rows[i].more;
        assert_int_equal(replay(storage, &heard, error), FQ_ECORRUPT);
        assert_non_null(strstr(error, rows[i].text));
    }
}

// ---- batches ----

struct batch {
    unsigned char bytes[4 * FQ_SECTOR];
    struct fq_batch_header header;
    size_t len;
};

// A batch of two records as the first of a log, with `extra` bytes behind them that belong to its body.
static void make_batch(const fq_storage *storage, struct batch *batch, uint32_t extra) {
    memset(batch, 0, sizeof *batch);
    unsigned char *body = batch->bytes + FQ_BATCH_HEADER;
    fq_record_encode(1, FQ_STR("first"), body);
    fq_record_encode(2, FQ_STR("second"), body + fq_record_size(5));
    batch->header = (struct fq_batch_header){.batch_seq = 1,
                                             .first_record_seq = 1,
                                             .record_count = 2,
                                             .body_len = (uint32_t)(2 * fq_record_size(5)) + extra,
                                             .boot_epoch = 1};
    batch->header.body_crc = fq_crc32c(0, body, batch->header.body_len);
    fq_batch_encode(&storage->instance, &batch->header, batch->bytes);
    batch->len = FQ_BATCH_HEADER + batch->header.body_len;
}

static void a_batch_that_is_none(void **state) {
    (void)state;
    struct batch batch;
    char error[FQ_STORAGE_ERROR_MAX];
    fq_storage *storage = stub();
    make_batch(storage, &batch, 0);
    told.batch = (fq_str){(const char *)batch.bytes, batch.len};
    struct heard heard = {0};
    assert_int_equal(replay(storage, &heard, error), 0);
    assert_int_equal(heard.records, 2);
    const size_t cuts[] = {1, FQ_BATCH_HEADER - 1, FQ_BATCH_HEADER, batch.len - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof cuts[0]; i++) {
        heard = (struct heard){0};
        told.batch.len = cuts[i];
        assert_int_equal(replay(storage, &heard, error), FQ_ECORRUPT);
        assert_non_null(strstr(error, "batch 1 is not a batch of this journal"));
        assert_int_equal(heard.records, 0);
    }
    told.batch.len = batch.len;
    storage->instance.bytes[0] ^= 1; // of another journal
    assert_int_equal(replay(storage, &heard, error), FQ_ECORRUPT);
    assert_non_null(strstr(error, "is not a batch of this journal"));
    storage->instance.bytes[0] ^= 1;
    make_batch(storage, &batch, 8);
    told.batch.len = batch.len;
    assert_int_equal(replay(storage, &heard, error), FQ_ECORRUPT);
    assert_non_null(strstr(error, "has 8 bytes behind its last record"));
    // A body longer than any may be is no header, whatever its checksum says.
    make_batch(storage, &batch, 0);
    batch.header.body_len = FQ_BATCH_BODY_MAX + 1;
    fq_batch_encode(&storage->instance, &batch.header, batch.bytes);
    struct fq_batch_header header;
    assert_int_equal(fq_batch_decode(&storage->instance, batch.bytes, &header), FQ_BATCH_BAD);
}

// What comes is told before what is here, so that it can be made ready.
struct foresight {
    char said[64];
};

static int here(void *context, fq_str record) {
    struct foresight *foresight = context;
    snprintf(foresight->said + strlen(foresight->said), sizeof foresight->said - strlen(foresight->said),
             "%.*s here, ", FQ_STR_ARGS(record));
    return 0;
}

static void comes(void *context, fq_str record) {
    struct foresight *foresight = context;
    snprintf(foresight->said + strlen(foresight->said), sizeof foresight->said - strlen(foresight->said),
             "%.*s comes, ", FQ_STR_ARGS(record));
}

static void the_next_record_is_told_ahead(void **state) {
    (void)state;
    struct batch batch;
    fq_storage *storage = stub();
    make_batch(storage, &batch, 0);
    told.batch = (fq_str){(const char *)batch.bytes, batch.len};
    struct foresight foresight = {""};
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    replay.expect = comes;
    assert_int_equal(fq_replay_run(&replay, here, &foresight), 0);
    assert_string_equal(foresight.said, "second comes, first here, second here, ");
    fq_replay_done(&replay);
}

// ---- calls at odd times ----

static void no_wake(void *context) {
    (void)context;
}

static fq_journal *open_memory(struct fq_journal_config *config, fq_storage **ret_storage) {
    fq_journal *journal;
    *ret_storage = fq_storage_memory_open(no_wake, NULL);
    assert_int_equal(fq_journal_open(*ret_storage, config, &journal), 0);
    return journal;
}

static void a_boot_goes_on_from_the_highest_epoch_known(void **state) {
    (void)state;
    struct fq_journal_config config;
    fq_storage *storage;
    struct heard heard = {0};
    fq_journal_config_init(&config);
    fq_journal *journal = open_memory(&config, &storage);
    assert_int_equal(fq_journal_last_seq(journal), 0); // before anything was read
    fq_journal_poll(journal, (struct fq_now){1, 1});   // nothing can have come yet
    storage->boot_epoch = 7;                           // of a boot that wrote nothing but this
    assert_int_equal(fq_journal_recover(journal, on_record, &heard), 0);
    assert_int_equal(fq_journal_start(journal, (struct fq_now){1, 1}), 0);
    assert_int_equal(fq_journal_boot_epoch(journal), 8);
    fq_journal_close(journal);
}

static void nothing_to_compact(void **state) {
    (void)state;
    struct fq_journal_config config;
    struct fq_journal_stats before, after;
    fq_storage *storage;
    struct heard heard = {0};
    fq_journal_config_init(&config);
    config.compact_bytes_min = 0; // never
    fq_journal *journal = open_memory(&config, &storage);
    assert_int_equal(fq_journal_recover(journal, on_record, &heard), 0);
    assert_int_equal(fq_journal_start(journal, (struct fq_now){1, 1}), 0);
    assert_false(fq_journal_wants_compaction(journal));
    fq_journal_stats(journal, &before);
    fq_journal_compact_end(journal, true, 1); // none was begun
    fq_journal_stats(journal, &after);
    assert_memory_equal(&before, &after, sizeof before);
    assert_false(fq_journal_failed(journal));
    assert_null(storage->ops->snapshot(storage));
    assert_int_equal(storage->ops->snapshot_read(storage, NULL, NULL), FQ_EINVALID);
    fq_journal_close(journal);
}

// The storage may want to be asked again before the sync of a relaxed journal is due, or after it.
static void the_earlier_deadline_counts(void **state) {
    (void)state;
    struct fq_journal_config config;
    fq_storage *storage;
    struct heard heard = {0};
    uint64_t seq;
    fq_journal_config_init(&config);
    config.durability = FQ_DURABILITY_RELAXED;
    config.idle_mark_us = 0;
    fq_journal *journal = open_memory(&config, &storage);
    assert_int_equal(fq_journal_recover(journal, on_record, &heard), 0);
    assert_int_equal(fq_journal_start(journal, (struct fq_now){1, 1}), 0);
    assert_int_equal(fq_journal_deadline(journal), FQ_NEVER_US);
    assert_int_equal(fq_journal_append(journal, FQ_STR("record"), &seq), 0);
    fq_journal_commit(journal, (struct fq_now){1000, 1000});
    fq_journal_poll(journal, (struct fq_now){1000, 1000});
    int64_t sync_at = 1000 + config.relaxed_window_us;
    assert_int_equal(fq_journal_deadline(journal), sync_at);
    storage->poll_at_us = sync_at - 1;
    assert_int_equal(fq_journal_deadline(journal), sync_at - 1);
    storage->poll_at_us = sync_at + 1;
    assert_int_equal(fq_journal_deadline(journal), sync_at);
    fq_journal_close(journal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_in_pieces),
        cmocka_unit_test(a_snapshot_that_breaks_its_promise),
        cmocka_unit_test(a_batch_that_is_none),
        cmocka_unit_test(the_next_record_is_told_ahead),
        cmocka_unit_test(a_boot_goes_on_from_the_highest_epoch_known),
        cmocka_unit_test(nothing_to_compact),
        cmocka_unit_test(the_earlier_deadline_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
