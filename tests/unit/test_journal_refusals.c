// SPDX-License-Identifier: Apache-2.0
// What the journal refuses, and what it says: options, places, owners, storages that fail at once, damaged directories that
// are to be read or salvaged.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/compaction.h"
#include "journal/manifest.h"
#include "journal/replay.h"
#include "journal/salvage.h"
#include "journal/storage_memory.h"
#include "support/damage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct damage_subject subject; // a journal at rest: segments, snapshots and a log behind them

static int make_subject(void **state) {
    (void)state;
    damage_subject_make(&subject, 5, true);
    return 0;
}

static int drop_subject(void **state) {
    (void)state;
    damage_subject_done(&subject);
    return 0;
}

// ---- a disk with one odd call ----

static struct {
    struct fq_disk_ops ops;
    const struct fq_disk_ops *beneath;
    struct fq_disk_facts facts;
    int error; // of facts, lock and random; -EWOULDBLOCK: the owner is not known
    int64_t size;
} odd;

static int odd_facts(fq_disk *disk, struct fq_disk_facts *ret_facts) {
    (void)disk;
    *ret_facts = odd.facts;
    return odd.error;
}

static int odd_lock(fq_disk *disk, const char *path, char *ret_owner, size_t owner_size) {
    (void)disk, (void)path, (void)ret_owner, (void)owner_size;
    return odd.error;
}

static int odd_random(fq_disk *disk, void *ret_bytes, size_t len) {
    (void)disk, (void)ret_bytes, (void)len;
    return odd.error;
}

static int64_t odd_size(fq_disk *disk, int handle) {
    (void)disk, (void)handle;
    return odd.size;
}

static fq_disk *odd_disk(sim_disk *sim) {
    fq_disk *disk = sim_disk_attach(sim);
    odd.beneath = disk->ops;
    odd.ops = *disk->ops;
    disk->ops = &odd.ops;
    return disk;
}

static int open_odd(fq_disk *disk, fq_storage **ret_storage, char *error) {
    struct fq_storage_posix_options options = subject.rig.options;
    error[0] = '\0';
    return fq_storage_files_open(disk, step_executor_new(), &options, ret_storage, error);
}

// ---- boots ----

static void test_sizes_out_of_range(void **state) {
    (void)state;
    static const struct {
        uint64_t first, segment, reserve;
    } rows[] = {
        {4096,  32768,      32768     },
        {16384, 3ull << 30, 32768     },
        {16384, 32768,      4096      },
        {16384, 32768,      3ull << 30}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        rig_init(&rig, 1);
        rig.options.first_segment_bytes = rows[i].first;
        rig.options.segment_bytes = rows[i].segment;
        rig.options.reserve_bytes = rows[i].reserve;
        assert_int_equal(rig_boot(&rig), FQ_EINVALID);
        assert_non_null(strstr(rig.error, "segments have"));
        rig_done(&rig);
    }
    struct rig rig; // the first one is never larger than the rest, and a reserve need not be
    rig_init(&rig, 1);
    rig.options.first_segment_bytes = 65536;
    rig.options.reserve_bytes = 0;
    assert_int_equal(rig_boot(&rig), 0);
    rig_done(&rig);
}

static void test_places(void **state) {
    (void)state;
    static const struct {
        struct fq_disk_facts facts;
        int error, result;
        const char *text;
        uint32_t block;
    } rows[] = {
        {{.block_size = 4096},                               -EIO, FQ_EIO,       "cannot be examined", 0   },
        {{.block_size = 4096, .is_volatile = true},          0,    FQ_EVOLATILE, "a volatile",         0   },
        {{.block_size = 4096, .is_network = true},           0,    FQ_EVOLATILE, "a network",          0   },
        {{.block_size = 512, .copies_on_write = true},       0,    0,            NULL,                 512 },
        {{.block_size = 1, .total_bytes = 1ull << 50},       0,    0,            NULL,                 512 },
        {{.block_size = 1 << 20, .total_bytes = 1ull << 30}, 0,    0,            NULL,                 4096},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sim_disk *sim = sim_disk_new(1);
        char error[FQ_STORAGE_ERROR_MAX];
        fq_storage *storage = NULL;
        fq_disk *disk = odd_disk(sim);
        odd.ops.facts = odd_facts;
        odd.facts = rows[i].facts;
        odd.error = rows[i].error;
        assert_int_equal(open_odd(disk, &storage, error), rows[i].result);
        if (rows[i].result == 0) {
            assert_int_equal(storage->block_size, rows[i].block);
            storage->ops->close(storage);
        } else {
            assert_non_null(strstr(error, rows[i].text));
        }
        sim_disk_free(sim);
    }
}

static void test_a_lock_or_random_numbers_that_cannot_be_had(void **state) {
    (void)state;
    static const struct {
        bool lock;
        int error, result;
        const char *text;
    } rows[] = {
        {true,  -EWOULDBLOCK, FQ_ELOCKED, "unknown"          },
        {true,  -ENOLCK,      FQ_EIO,     "cannot be taken"  },
        {false, -EIO,         FQ_EIO,     "no random numbers"}
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sim_disk *sim = sim_disk_new(1);
        char error[FQ_STORAGE_ERROR_MAX];
        fq_storage *storage;
        fq_disk *disk = odd_disk(sim);
        if (rows[i].lock)
            odd.ops.lock = odd_lock;
        else
            odd.ops.random = odd_random;
        odd.error = rows[i].error;
        assert_int_equal(open_odd(disk, &storage, error), rows[i].result);
        assert_non_null(strstr(error, rows[i].text));
        sim_disk_free(sim);
    }
}

static void test_each_failing_call_of_a_boot_is_told(void **state) {
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t kind = 0; kind < sizeof errors / sizeof errors[0]; kind++) {
        for (uint64_t skip = 0;; skip++) {
            struct rig rig;
            rig_init(&rig, 1);
            sim_disk_free(rig.sim);
            rig.sim = sim_disk_clone(subject.rig.sim);
            memcpy(rig.records, subject.rig.records, RIG_RECORDS_MAX * sizeof *rig.records);
            rig.count = subject.rig.count;
            rig.durable = subject.rig.durable;
            uint64_t before = sim_disk_calls(rig.sim);
            sim_disk_fail(rig.sim, SIM_ANY, skip, 1, errors[kind]);
            int result = rig_boot(&rig);
            sim_disk_fail(rig.sim, 0, 0, 0, 0);
            if (result < 0)
                assert_true(rig.error[0] != '\0');
            else
                assert_string_equal(rig.mismatch, "");
            bool is_over = skip > sim_disk_calls(rig.sim) - before;
            rig_done(&rig);
            if (is_over)
                break;
        }
    }
}

static void test_a_log_that_was_not_read_is_not_started(void **state) {
    (void)state;
    sim_disk *sim = sim_disk_new(1);
    char error[FQ_STORAGE_ERROR_MAX];
    fq_storage *storage;
    assert_int_equal(open_odd(sim_disk_attach(sim), &storage, error), 0);
    struct fq_storage_batch first = {.batch_seq = 1};
    assert_int_equal(storage->ops->start(storage, &first, 1), FQ_EINVALID);
    assert_non_null(strstr(storage->error, "not read"));
    storage->ops->close(storage);
    sim_disk_free(sim);
}

static void ignore_wake(void *context) {
    (void)context;
}

static void test_real_directories(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    fq_compaction *compaction;
    fq_storage *storage;
    struct fq_storage_posix_options options;
    fq_storage_posix_options_init(&options);
    assert_int_equal(fq_compaction_open("/dev/null/none", 1, &compaction, error), FQ_EIO);
    assert_non_null(strstr(error, "/dev/null/none"));
    assert_int_equal(fq_storage_posix_open("/dev/null/none", &options, ignore_wake, NULL, &storage, error),
                     FQ_EIO);
    assert_non_null(strstr(error, "/dev/null/none: cannot be opened"));
}

// ---- readers ----

static int count_record(void *context, fq_str record) {
    (void)record;
    ++*(uint64_t *)context;
    return 0;
}

static void test_an_examiner_told_what_to_assume(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    fq_disk *disk = sim_disk_attach(subject.rig.sim);
    struct fq_manifest manifest;
    int why = 0;
    assert_int_equal(fq_manifest_load(disk, &manifest, &why), 0);
    disk->ops->close_disk(disk);
    assert_true(manifest.snapshot > 1);
    fq_storage *storage;
    assert_int_equal(
        fq_storage_files_open_examiner(sim_disk_attach(subject.rig.sim), &manifest, 0, &storage, error), 0);
    assert_int_equal(fq_storage_files_manifest(storage)->snapshot, manifest.snapshot);
    struct fq_replay replay;
    uint64_t count = 0;
    fq_replay_init(&replay, storage);
    assert_int_equal(fq_replay_run(&replay, count_record, &count), 0);
    assert_int_equal(count, subject.rig.durable);
    fq_replay_done(&replay);
    assert_null(fq_storage_files_cut(storage));
    storage->ops->close(storage);
    // Up to a batch: not behind the snapshot there is nothing but the snapshot, before it there is nothing.
    count = 0;
    assert_int_equal(fq_storage_files_open_examiner(sim_disk_attach(subject.rig.sim), NULL, manifest.snapshot,
                                                    &storage, error),
                     0);
    fq_replay_init(&replay, storage);
    assert_int_equal(fq_replay_run(&replay, count_record, &count), 0);
    assert_in_range(count, 1, subject.rig.durable);
    fq_replay_done(&replay);
    storage->ops->close(storage);
    assert_int_equal(fq_storage_files_open_examiner(sim_disk_attach(subject.rig.sim), NULL,
                                                    manifest.snapshot - 1, &storage, error),
                     FQ_EINVALID);
    assert_non_null(strstr(error, "before the snapshot"));
    assert_int_equal(
        fq_storage_files_open_reader(sim_disk_attach(subject.rig.sim), manifest.snapshot, &storage, error),
        FQ_EINVALID);
    assert_non_null(strstr(error, "already in the snapshot"));
}

static void put_file(sim_disk *sim, const char *path) {
    fq_disk *disk = sim_disk_attach(sim);
    int handle = disk->ops->open(disk, path, FQ_DISK_CREATE);
    assert_true(handle >= 0);
    assert_int_equal(disk->ops->write(disk, handle, "left", 4, 0), 4);
    disk->ops->close(disk, handle);
    disk->ops->close_disk(disk);
}

static void test_a_compactor_and_what_it_finds(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    fq_compaction *compaction = NULL;
    sim_disk *sim = sim_disk_clone(subject.rig.sim);
    put_file(sim, "snap/00000000000000aa.tmp");
    put_file(sim, "snap/notes.tmp");
    put_file(sim, "snap/00000000000000ab.txt");
    // The last sealed batch is one that the log has; with the whole log a compactor may read it all.
    uint64_t until = 0;
    for (uint64_t batch = 1; batch < 4000 && until == 0; batch++)
        if (fq_compaction_open_disk(sim_disk_attach(sim), batch, &compaction, error) == 0)
            until = batch;
    assert_true(until > 1);
    assert_false(sim_disk_exists(sim, "snap/00000000000000aa.tmp"));
    assert_true(sim_disk_exists(sim, "snap/notes.tmp"));
    assert_true(sim_disk_exists(sim, "snap/00000000000000ab.txt"));
    uint64_t count = 0;
    int result = fq_compaction_read(compaction, count_record, &count);
    if (result == 0) {
        static char big[1];
        assert_int_equal(fq_compaction_add(compaction, (fq_str){big, (size_t)FQ_RECORD_MAX + 1}), FQ_ETOOBIG);
        assert_non_null(strstr(fq_compaction_error(compaction), "cannot be written"));
    } else {
        assert_true(fq_compaction_error(compaction)[0] != '\0');
    }
    fq_compaction_close(compaction);
    sim_disk_free(sim);
}

// ---- salvage ----

struct found {
    uint64_t records, gaps, unreadable;
};

static int on_salvaged(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    (void)batch_seq;
    // Whatever is delivered is what was once appended, under its number.
    assert_true(rig_holds(&subject.rig, seq - 1, record));
    ((struct found *)context)->records++;
    return 0;
}

static void on_gap(void *context, const struct fq_gap *gap) {
    struct found *found = context;
    assert_true(gap->end >= gap->offset);
    found->gaps++;
    found->unreadable += strstr(gap->what, "cannot be read") != NULL;
}

static int salvage(fq_disk *disk, struct found *ret_found) {
    fq_disk *whole = sim_disk_attach(subject.rig.sim);
    struct fq_manifest manifest;
    int why = 0;
    assert_int_equal(fq_manifest_load(whole, &manifest, &why), 0);
    whole->ops->close_disk(whole);
    *ret_found = (struct found){0};
    struct fq_salvage salvage = {.disk = disk,
                                 .instance = manifest.instance,
                                 .on_record = on_salvaged,
                                 .on_gap = on_gap,
                                 .context = ret_found};
    return fq_salvage_run(&salvage);
}

static void test_each_failing_call_of_a_salvage_is_a_gap(void **state) {
    (void)state;
    struct found whole, found;
    fq_disk *disk = sim_disk_attach(subject.rig.sim);
    assert_int_equal(salvage(disk, &whole), 0);
    disk->ops->close_disk(disk);
    assert_true(whole.records > 0);
    for (uint64_t skip = 0;; skip++) {
        sim_disk *sim = sim_disk_clone(subject.rig.sim);
        disk = sim_disk_attach(sim);
        uint64_t before = sim_disk_calls(sim);
        sim_disk_fail(sim, SIM_ANY, skip, 1, EIO);
        int result = salvage(disk, &found);
        sim_disk_fail(sim, 0, 0, 0, 0);
        if (result == 0)
            assert_true(found.records == whole.records || found.gaps > whole.gaps);
        else
            assert_int_equal(result, FQ_EIO);
        uint64_t calls = sim_disk_calls(sim) - before;
        struct fq_manifest guess = {0};
        sim_disk_fail(sim, SIM_ANY, skip, 1, EIO);
        result = fq_salvage_manifest(disk, &guess);
        assert_true(result == 0 || result == FQ_EINVALID);
        disk->ops->close_disk(disk);
        sim_disk_free(sim);
        if (skip > calls)
            break;
    }
}

static void test_every_segment_damaged(void **state) {
    (void)state;
    sim_disk *sim = sim_disk_clone(subject.rig.sim);
    for (size_t i = 0; i < subject.path_count; i++)
        if (strncmp(subject.paths[i], "seg/", 4) == 0)
            sim_disk_flip(sim, subject.paths[i], 20, 0xff);
    struct found found;
    struct fq_manifest guess;
    fq_disk *disk = sim_disk_attach(sim);
    assert_int_equal(fq_salvage_manifest(disk, &guess), FQ_EINVALID); // nothing tells whose they are
    assert_int_equal(salvage(disk, &found), 0);                       // the batches prove themselves
    assert_true(found.records > 0 && found.gaps > 0);
    for (size_t i = 0; i < subject.path_count; i++)
        if (strncmp(subject.paths[i], "seg/", 4) == 0)
            sim_disk_truncate(sim, subject.paths[i], 0);
    assert_int_equal(salvage(disk, &found), 0);
    assert_int_equal(found.records, 0);
    assert_true(found.unreadable > 0);
    disk->ops->close_disk(disk);
    sim_disk_free(sim);
}

static void test_damage_beside_damage_is_one_gap(void **state) {
    (void)state;
    struct found before, found;
    for (uint64_t at = 512; at < 6000; at += 64) {
        sim_disk *sim = sim_disk_clone(subject.rig.sim);
        size_t path = 0;
        while (strncmp(subject.paths[path], "seg/", 4) != 0)
            path++;
        fq_disk *disk = sim_disk_attach(sim);
        sim_disk_flip(sim, subject.paths[path], at, 0x55);
        assert_int_equal(salvage(disk, &before), 0);
        sim_disk_flip(sim, subject.paths[path], at + 512, 0x55);
        assert_int_equal(salvage(disk, &found), 0);
        assert_true(found.records <= before.records);
        assert_true(found.gaps <= before.gaps + 1);
        disk->ops->close_disk(disk);
        sim_disk_free(sim);
    }
}

static void test_a_file_that_claims_to_be_huge(void **state) {
    (void)state;
    struct found found;
    sim_disk *sim = sim_disk_clone(subject.rig.sim);
    fq_disk *disk = odd_disk(sim);
    odd.ops.size = odd_size;
    static const int64_t sizes[] = {0, -EIO, (int64_t)FQ_SEGMENT_MAX + 4096};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        odd.size = sizes[i];
        assert_int_equal(salvage(disk, &found), 0);
        assert_true(sizes[i] > 0 ? found.records > 0 : found.unreadable > 0);
    }
    disk->ops->close_disk(disk);
    sim_disk_free(sim);
}

// ---- storages that fail at once ----

static struct {
    struct fq_storage_ops ops;
    int woken;
} failing;

static int refuse_append(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                         void (*on_durable)(void *context, int result), void *context) {
    (void)batch, (void)sync, (void)on_durable, (void)context;
    snprintf(storage->error, sizeof storage->error, "the disk is gone");
    return FQ_EIO;
}

static int refuse_flush(fq_storage *storage, void (*on_durable)(void *context, int result), void *context) {
    (void)storage, (void)on_durable, (void)context;
    return FQ_EIO;
}

static int fail_flush(fq_storage *storage, void (*on_durable)(void *context, int result), void *context) {
    (void)storage;
    on_durable(context, FQ_EIO);
    return 0;
}

static int refuse_seal(fq_storage *storage,
                       void (*on_sealed)(void *context, int result, uint64_t last_batch_seq), void *context) {
    (void)storage, (void)on_sealed, (void)context;
    return FQ_EIO;
}

static int refuse_start(fq_storage *storage, const struct fq_storage_batch *first, uint32_t boot_epoch) {
    (void)storage, (void)first, (void)boot_epoch;
    return FQ_EFULL;
}

static void wake(void *context) {
    (void)context;
    failing.woken++;
}

static fq_journal *memory_journal(enum fq_durability durability) {
    fq_storage *storage = fq_storage_memory_open(wake, NULL);
    assert_non_null(storage);
    failing.ops = *storage->ops;
    storage->ops = &failing.ops;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.durability = durability;
    fq_journal *journal;
    assert_int_equal(fq_journal_open(storage, &config, &journal), 0);
    uint64_t count = 0;
    assert_int_equal(fq_journal_recover(journal, count_record, &count), 0);
    return journal;
}

static struct fq_now at(int64_t boot_us) {
    return (struct fq_now){boot_us, 1700000000000000 + boot_us};
}

static void append(fq_journal *journal) {
    uint64_t seq;
    assert_int_equal(fq_journal_append(journal, FQ_STR("a record"), &seq), 0);
}

static void assert_failed(fq_journal *journal, const char *text) {
    uint64_t seq;
    assert_non_null(strstr(fq_journal_error(journal), text));
    assert_int_equal(fq_journal_append(journal, FQ_STR("a record"), &seq), FQ_EIO);
    assert_true(fq_journal_deadline(journal) == FQ_NEVER_US);
    assert_false(fq_journal_wants_compaction(journal));
    fq_journal_close(journal);
}

static void test_a_write_refused_at_once(void **state) {
    (void)state;
    fq_journal *journal = memory_journal(FQ_DURABILITY_SYNC);
    assert_int_equal(fq_journal_start(journal, at(1)), 0);
    failing.ops.append = refuse_append;
    append(journal);
    fq_journal_commit(journal, at(2));
    assert_failed(journal, "writing failed: the disk is gone");
}

static void test_a_sync_that_fails(void **state) {
    (void)state;
    for (int later = 0; later < 2; later++) {
        fq_journal *journal = memory_journal(FQ_DURABILITY_RELAXED);
        assert_int_equal(fq_journal_start(journal, at(1)), 0);
        failing.ops.flush = later ? fail_flush : refuse_flush;
        append(journal);
        fq_journal_commit(journal, at(2));
        fq_journal_poll(journal, at(3));
        assert_true(fq_journal_deadline(journal) < FQ_NEVER_US); // the sync that is owed
        fq_journal_commit(journal, at(1000000000));
        assert_failed(journal, "syncing failed: unknown cause");
    }
}

struct sealed {
    int calls, result;
    uint64_t batch;
};

static void note_sealed(void *context, int result, uint64_t batch_seq) {
    struct sealed *sealed = context;
    sealed->calls++;
    sealed->result = result;
    sealed->batch = batch_seq;
}

static void test_a_seal_refused_at_once(void **state) {
    (void)state;
    struct sealed sealed = {0};
    fq_journal *journal = memory_journal(FQ_DURABILITY_SYNC);
    assert_int_equal(fq_journal_start(journal, at(1)), 0);
    failing.ops.seal = refuse_seal;
    fq_journal_compact_begin(journal, note_sealed, &sealed);
    fq_journal_commit(journal, at(2));
    assert_int_equal(sealed.calls, 0);
    assert_failed(journal, "sealing failed");
}

static void test_a_start_refused(void **state) {
    (void)state;
    fq_journal *journal = memory_journal(FQ_DURABILITY_SYNC);
    failing.ops.start = refuse_start;
    assert_int_equal(fq_journal_start(journal, at(1)), FQ_EFULL);
    assert_failed(journal, "making the journal writable failed");
}

static void test_memory_alone(void **state) {
    (void)state;
    struct sealed sealed = {0};
    fq_journal *journal = memory_journal(FQ_DURABILITY_RELAXED);
    assert_int_equal(fq_journal_start(journal, at(1)), 0);
    append(journal);
    fq_journal_commit(journal, at(2));
    fq_journal_poll(journal, at(3));
    int woken = failing.woken;
    fq_journal_commit(journal, at(1000000000)); // flushes
    fq_journal_poll(journal, at(1000000001));
    assert_true(failing.woken > woken);
    assert_int_equal(fq_journal_durable_seq(journal), 1);
    fq_journal_compact_end(journal, true, 1); // there is none
    fq_journal_compact_begin(journal, note_sealed, &sealed);
    fq_journal_commit(journal, at(1000000002));
    fq_journal_poll(journal, at(1000000003));
    assert_int_equal(sealed.calls, 1);
    assert_int_equal(sealed.result, 0);
    // Nothing can be installed; the journal goes on.
    fq_journal_compact_end(journal, true, sealed.batch);
    append(journal);
    fq_journal_commit(journal, at(1000000004));
    fq_journal_poll(journal, at(1000000005));
    assert_string_equal(fq_journal_error(journal), "");
    fq_journal_close(journal);
}

static void test_a_compaction_of_a_failed_journal(void **state) {
    (void)state;
    struct sealed sealed = {0};
    fq_journal *journal = memory_journal(FQ_DURABILITY_SYNC);
    assert_int_equal(fq_journal_start(journal, at(1)), 0);
    failing.ops.append = refuse_append;
    append(journal);
    fq_journal_commit(journal, at(2));
    fq_journal_compact_begin(journal, note_sealed, &sealed);
    assert_int_equal(sealed.calls, 1);
    assert_int_equal(sealed.result, FQ_EIO);
    assert_failed(journal, "writing failed");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_out_of_range),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_a_lock_or_random_numbers_that_cannot_be_had),
        cmocka_unit_test(test_each_failing_call_of_a_boot_is_told),
        cmocka_unit_test(test_a_log_that_was_not_read_is_not_started),
        cmocka_unit_test(test_real_directories),
        cmocka_unit_test(test_an_examiner_told_what_to_assume),
        cmocka_unit_test(test_a_compactor_and_what_it_finds),
        cmocka_unit_test(test_each_failing_call_of_a_salvage_is_a_gap),
        cmocka_unit_test(test_every_segment_damaged),
        cmocka_unit_test(test_damage_beside_damage_is_one_gap),
        cmocka_unit_test(test_a_file_that_claims_to_be_huge),
        cmocka_unit_test(test_a_write_refused_at_once),
        cmocka_unit_test(test_a_sync_that_fails),
        cmocka_unit_test(test_a_seal_refused_at_once),
        cmocka_unit_test(test_a_start_refused),
        cmocka_unit_test(test_memory_alone),
        cmocka_unit_test(test_a_compaction_of_a_failed_journal),
    };
    return cmocka_run_group_tests(tests, make_subject, drop_subject);
}
