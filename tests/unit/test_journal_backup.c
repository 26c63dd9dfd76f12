// SPDX-License-Identifier: Apache-2.0
// Backups, the journals founded upon them, and salvage, on a simulated disk: content, every failing call, every power cut.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/backup.h"
#include "journal/founding.h"
#include "journal/replay.h"
#include "journal/salvage.h"
#include "support/damage.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 41, RECORD = 90, EPOCH = 70000, STATE_RECORDS = 5 };

static struct damage_subject subject;

static int make_source(void **state) {
    (void)state;
    damage_subject_make(&subject, 3, true);
    return 0;
}

static int drop_source(void **state) {
    (void)state;
    damage_subject_done(&subject);
    return 0;
}

static int backup(sim_disk *source, sim_disk *target, struct fq_backup_report *report, char *error) {
    struct fq_backup_options options = {.tries_max = 3};
    fq_disk *from = sim_disk_attach(source), *to = sim_disk_attach(target);
    error[0] = '\0';
    int result = fq_backup_make(from, to, &options, report, error);
    from->ops->close_disk(from);
    to->ops->close_disk(to);
    return result;
}

static int check(sim_disk *sim) {
    char error[FQ_STORAGE_ERROR_MAX] = "";
    fq_disk *disk = sim_disk_attach(sim);
    int result = fq_backup_check(disk, error);
    disk->ops->close_disk(disk);
    assert_true(result == 0 || error[0] != '\0');
    return result;
}

// ---- what is in it ----

static int on_record(void *context, fq_str record) {
    uint64_t *count = context;
    assert_true(rig_holds(&subject.rig, (*count)++, record));
    return 0;
}

static uint64_t read_all(sim_disk *sim) {
    char error[FQ_STORAGE_ERROR_MAX];
    fq_storage *storage;
    uint64_t count = 0;
    assert_int_equal(fq_storage_files_open_examiner(sim_disk_attach(sim), NULL, 0, &storage, error), 0);
    struct fq_replay replay;
    fq_replay_init(&replay, storage);
    assert_int_equal(fq_replay_run(&replay, on_record, &count), 0);
    assert_null(fq_storage_files_cut(storage));
    fq_replay_done(&replay);
    storage->ops->close(storage);
    return count;
}

static void test_a_backup_has_everything(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_report report;
    sim_disk *target = sim_disk_new(1);
    assert_int_equal(backup(subject.rig.sim, target, &report, error), 0);
    assert_int_equal(report.tries, 1);
    assert_int_equal(report.last_record_seq, subject.rig.durable);
    assert_int_equal(read_all(target), subject.rig.durable);
    assert_int_equal(check(target), 0);
    sim_disk_restart(target, true); // it is synced
    assert_int_equal(check(target), 0);
    assert_int_equal(read_all(target), subject.rig.durable);
    sim_disk_free(target);
}

// A tail that is being written is left out; what was written before is in.
static void test_a_tail_in_the_making_is_left_out(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_report report;
    sim_disk *source = sim_disk_clone(subject.rig.sim), *target = sim_disk_new(1);
    const char *last = "";
    for (size_t i = 0; i < subject.path_count; i++)
        if (strncmp(subject.paths[i], "seg/0", 5) == 0 && strcmp(subject.paths[i], last) > 0)
            last = subject.paths[i];
    uint64_t end = sim_disk_size(source, last);
    char block[FQ_SECTOR];
    static const char zeros[FQ_SECTOR];
    do {
        end -= FQ_SECTOR;
        sim_disk_peek(source, last, end, block, sizeof block);
    } while (memcmp(block, zeros, sizeof block) == 0);
    sim_disk_poke(source, last, end + FQ_SECTOR, "FQB1 and then no more", 21);
    assert_int_equal(backup(source, target, &report, error), 0);
    assert_true(report.source_was_torn);
    assert_int_equal(read_all(target), subject.rig.durable);
    sim_disk_free(source);
    sim_disk_free(target);
}

static void test_every_changed_byte_of_a_backup_is_seen(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_report report;
    sim_disk *target = sim_disk_new(1);
    assert_int_equal(backup(subject.rig.sim, target, &report, error), 0);
    struct damage_subject copy = {.path_count = 0};
    for (size_t i = 0; i < subject.path_count; i++)
        if (sim_disk_exists(target, subject.paths[i]))
            memcpy(copy.paths[copy.path_count++], subject.paths[i], sizeof copy.paths[0]);
    assert_true(copy.path_count >= 4);
    for (size_t i = 0; i < copy.path_count; i++) {
        uint64_t size = sim_disk_size(target, copy.paths[i]);
        for (uint64_t offset = i; offset < size; offset += 997) {
            sim_disk_flip(target, copy.paths[i], offset, 4);
            assert_int_equal(check(target), FQ_ECORRUPT);
            sim_disk_flip(target, copy.paths[i], offset, 4);
        }
        sim_disk_truncate(target, copy.paths[i], size - 1);
        assert_int_equal(check(target), FQ_ECORRUPT);
        sim_disk_remove(target, copy.paths[i]);
        assert_int_equal(check(target), FQ_ECORRUPT);
    }
    sim_disk_remove(target, "BACKUP");
    assert_int_equal(check(target), FQ_EINVALID);
    sim_disk_free(target);
}

static void test_a_list_that_is_none(void **state) {
    (void)state;
    static const char *const lists[] = {"",
                                        "fastqueue backup 2\n",
                                        "nonsense",
                                        "fastqueue backup 1\nzz 12 MANIFEST\n",
                                        "fastqueue backup 1\n00000000 99999999999 MANIFEST\n",
                                        "fastqueue backup 1\n00000000 1 ../../etc/passwd\n",
                                        "fastqueue backup 1\n00000000 1 /etc/passwd\n"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        sim_disk *sim = sim_disk_new(1);
        fq_disk *disk = sim_disk_attach(sim);
        int handle = disk->ops->open(disk, "BACKUP", FQ_DISK_CREATE);
        disk->ops->write(disk, handle, lists[i], strlen(lists[i]), 0);
        disk->ops->close(disk, handle);
        disk->ops->close_disk(disk);
        assert_true(check(sim) < 0);
        sim_disk_free(sim);
    }
}

// ---- beside others ----

static void test_files_that_a_compaction_takes_away(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_backup_report report;
    sim_disk *source = sim_disk_clone(subject.rig.sim), *target = sim_disk_new(1);
    sim_disk_fail(source, SIM_OPEN, 4, 1, ENOENT); // a segment is gone, once
    assert_int_equal(backup(source, target, &report, error), 0);
    assert_int_equal(report.tries, 2);
    assert_int_equal(read_all(target), subject.rig.durable);
    sim_disk_free(target);
    target = sim_disk_new(1);
    sim_disk_fail(source, SIM_OPEN, 1, 1000, ENOENT);
    assert_true(backup(source, target, &report, error) < 0);
    assert_false(sim_disk_exists(target, "BACKUP"));
    sim_disk_free(target);
    sim_disk_free(source);
}

// Once a sync has failed, programs read what the medium lacks: a backup must not take it for written.
static void test_what_a_failed_sync_lost_is_left_out(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, 5);
    rig.config.idle_mark_us = 0;
    assert_int_equal(rig_boot(&rig), 0);
    rig_append(&rig, 300);
    assert_true(rig_settle(&rig));
    uint64_t durable = rig.durable;
    sim_disk_fail(rig.sim, SIM_SYNC, 0, 1, EIO);
    rig_append(&rig, 3000);
    assert_false(rig_settle(&rig));
    assert_true(fq_journal_failed(rig.journal));
    struct fq_backup_report report;
    sim_disk *target = sim_disk_new(1);
    assert_int_equal(backup(rig.sim, target, &report, rig.error), 0);
    rig_power_cut(&rig, false);
    assert_int_equal(rig_boot(&rig), 0);
    assert_true(rig.recovered >= durable);
    assert_int_equal(report.last_record_seq, rig.recovered); // what the next start finds, no more
    sim_disk_free(target);
    rig_done(&rig);
}

// Answered, and not synced yet: it is in the copy.
static void test_what_waits_for_a_sync_is_taken_along(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, 6);
    rig.config.durability = FQ_DURABILITY_RELAXED;
    rig.config.relaxed_window_us = INT64_C(1) << 40;
    assert_int_equal(rig_boot(&rig), 0);
    for (int i = 0; i < 3; i++) {
        rig_append(&rig, 300);
        for (int turn = 0; turn < 4; turn++) {
            rig_turn(&rig);
            step_executor_run_one(rig.executor);
        }
        rig_turn(&rig);
    }
    assert_int_equal(rig.durable, rig.count);
    struct fq_backup_report report;
    sim_disk *target = sim_disk_new(1);
    assert_int_equal(backup(rig.sim, target, &report, rig.error), 0);
    assert_int_equal(report.last_record_seq, rig.count);
    sim_disk_free(target);
    rig_done(&rig);
}

static void test_damage_is_not_copied(void **state) {
    (void)state;
    for (size_t i = 0; i < subject.path_count; i++) {
        if (strncmp(subject.paths[i], "seg/0", 5) != 0 && strcmp(subject.paths[i], "MANIFEST") != 0)
            continue;
        char error[FQ_STORAGE_ERROR_MAX];
        struct fq_backup_report report;
        sim_disk *source = sim_disk_clone(subject.rig.sim), *target = sim_disk_new(1);
        sim_disk_flip(source, subject.paths[i], 30, 1);
        int result = backup(source, target, &report, error);
        // A segment from before the snapshot is none of the backup's.
        assert_true(result == FQ_ECORRUPT || (result == 0 && read_all(target) == subject.rig.durable));
        assert_true(sim_disk_exists(target, "BACKUP") == (result == 0));
        sim_disk_free(source);
        sim_disk_free(target);
    }
}

static void test_every_failing_call_is_told(void **state) {
    (void)state;
    static const int errors[] = {EIO, ENOSPC, 0};
    for (size_t kind = 0; kind < sizeof errors / sizeof errors[0]; kind++)
        for (int which = 0; which < 2; which++)
            for (uint64_t skip = 0;; skip++) {
                char error[FQ_STORAGE_ERROR_MAX];
                struct fq_backup_report report;
                sim_disk *source = sim_disk_clone(subject.rig.sim), *target = sim_disk_new(1);
                sim_disk_fail(which == 0 ? source : target, errors[kind] == 0 ? SIM_WRITE : SIM_ANY, skip, 1,
                              errors[kind]);
                int result = backup(source, target, &report, error);
                sim_disk_fail(source, 0, 0, 0, 0);
                sim_disk_fail(target, 0, 0, 0, 0);
                if (result == 0)
                    assert_int_equal(read_all(target), subject.rig.durable);
                else
                    assert_true(error[0] != '\0');
                uint64_t calls = sim_disk_calls(which == 0 ? source : target);
                sim_disk_free(source);
                sim_disk_free(target);
                if (skip > calls)
                    break;
            }
}

// ---- founding ----

static int found(sim_disk *sim, char *error) {
    struct fq_founding_facts facts = {.batch_seq = BATCH,
                                      .last_record_seq = RECORD,
                                      .last_batch_crc = 77,
                                      .boot_epoch = EPOCH,
                                      .segment_no = 9};
    memset(facts.instance.bytes, 0x5a, sizeof facts.instance.bytes);
    fq_disk *disk = sim_disk_attach(sim);
    fq_founding *founding = NULL;
    int result = fq_founding_open(disk, &facts, &founding, error);
    for (uint64_t i = 0; i < STATE_RECORDS && result == 0; i++)
        result = fq_founding_add(founding, FQ_STR("a record of the state"));
    if (result == 0)
        result = fq_founding_seal(founding, 4711, error);
    if (result == 0)
        result = fq_founding_finish(founding, error);
    fq_founding_close(founding);
    disk->ops->close_disk(disk);
    return result;
}

static int count_record(void *context, fq_str record) {
    (void)record;
    ++*(uint64_t *)context;
    return 0;
}

// Boots, appends, and boots again.
static int live_on(sim_disk *sim, char *error) {
    for (uint64_t boot = 0; boot < 3; boot++) {
        struct fq_storage_posix_options options;
        struct fq_journal_config config;
        fq_storage *storage;
        fq_journal *journal;
        uint64_t seq, count = 0;
        fq_storage_posix_options_init(&options);
        options.first_segment_bytes = options.segment_bytes = FQ_SEGMENT_MIN;
        options.reserve_bytes = 0;
        fq_journal_config_init(&config);
        fq_executor *executor = step_executor_new();
        int result = fq_storage_files_open(sim_disk_attach(sim), executor, &options, &storage, error);
        if (result < 0)
            return result;
        assert_int_equal(fq_journal_open(storage, &config, &journal), 0);
        result = fq_journal_recover(journal, count_record, &count);
        if (result < 0) {
            snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_journal_error(journal));
            fq_journal_close(journal);
            return result;
        }
        assert_int_equal(count, STATE_RECORDS + boot);
        assert_int_equal(fq_journal_start(journal, (struct fq_now){1, 1}), 0);
        assert_int_equal(fq_journal_boot_epoch(journal), EPOCH + boot + 1);
        assert_int_equal(fq_journal_append(journal, FQ_STR("later"), &seq), 0);
        assert_int_equal(seq, RECORD + boot + 1);
        fq_journal_commit(journal, (struct fq_now){1, 1});
        while (step_executor_run_one(executor))
            fq_journal_poll(journal, (struct fq_now){2, 2});
        assert_int_equal(fq_journal_durable_seq(journal), seq);
        fq_journal_close(journal);
    }
    return 0;
}

static void test_a_founded_journal_lives_on(void **state) {
    (void)state;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    sim_disk *sim = sim_disk_new(2);
    assert_int_equal(found(sim, error), 0);
    sim_disk_restart(sim, true);
    assert_int_equal(live_on(sim, error), 0);
    sim_disk_free(sim);
}

static void test_a_founding_that_fails_is_told(void **state) {
    (void)state;
    for (uint64_t skip = 0;; skip++) {
        char error[FQ_STORAGE_ERROR_MAX] = "";
        sim_disk *sim = sim_disk_new(3);
        sim_disk_fail(sim, SIM_ANY, skip, 1, ENOSPC);
        int result = found(sim, error);
        uint64_t calls = sim_disk_calls(sim);
        sim_disk_fail(sim, 0, 0, 0, 0);
        if (result == 0)
            assert_int_equal(live_on(sim, error), 0);
        else
            assert_true(error[0] != '\0' || result == FQ_EIO);
        sim_disk_free(sim);
        if (skip > calls)
            break;
    }
}

// A founding that a power cut ends is whole, or the next boot refuses, or nothing had been founded yet.
static void test_a_founding_that_is_cut_off(void **state) {
    (void)state;
    for (uint64_t at = 1;; at++) {
        char error[FQ_STORAGE_ERROR_MAX] = "";
        sim_disk *sim = sim_disk_new(at);
        sim_disk_crash_at(sim, at);
        int result = found(sim, error);
        bool over = !sim_disk_is_dead(sim);
        sim_disk_restart(sim, true);
        bool named = sim_disk_exists(sim, "MANIFEST");
        if (over || named) {
            int booted = live_on(sim, error);
            assert_true(booted == 0 || (result < 0 && booted == FQ_ECORRUPT));
        }
        sim_disk_free(sim);
        if (over)
            break;
    }
}

// ---- salvage ----

static int stop_at(void *context, uint64_t batch_seq, uint64_t seq, fq_str record) {
    (void)batch_seq, (void)record;
    return seq == *(uint64_t *)context ? FQ_EAGAIN : 0;
}

static void test_salvage_stops_when_told(void **state) {
    (void)state;
    fq_disk *disk = sim_disk_attach(subject.rig.sim);
    struct fq_manifest manifest;
    int why = 0;
    uint64_t last = subject.rig.durable, beyond = last + 1;
    assert_int_equal(fq_manifest_load(disk, &manifest, &why), 0);
    struct fq_salvage salvage = {
        .disk = disk, .instance = manifest.instance, .on_record = stop_at, .context = &last};
    assert_int_equal(fq_salvage_run(&salvage), FQ_EAGAIN);
    salvage.context = &beyond;
    assert_int_equal(fq_salvage_run(&salvage), 0);
    struct fq_manifest guess;
    assert_int_equal(fq_salvage_manifest(disk, &guess), 0);
    assert_true(fq_uuid_equal(&guess.instance, &manifest.instance));
    assert_int_equal(guess.snapshot, manifest.snapshot);
    struct fq_salvage_highest highest;
    assert_int_equal(fq_salvage_highest(disk, &manifest.instance, &highest), 0);
    assert_int_equal(highest.boot_epoch, manifest.boot_epoch);
    assert_true(highest.segment_no >= manifest.boot_segment_no);
    disk->ops->close_disk(disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_backup_has_everything),
        cmocka_unit_test(test_a_tail_in_the_making_is_left_out),
        cmocka_unit_test(test_every_changed_byte_of_a_backup_is_seen),
        cmocka_unit_test(test_a_list_that_is_none),
        cmocka_unit_test(test_files_that_a_compaction_takes_away),
        cmocka_unit_test(test_what_a_failed_sync_lost_is_left_out),
        cmocka_unit_test(test_what_waits_for_a_sync_is_taken_along),
        cmocka_unit_test(test_damage_is_not_copied),
        cmocka_unit_test(test_every_failing_call_is_told),
        cmocka_unit_test(test_a_founded_journal_lives_on),
        cmocka_unit_test(test_a_founding_that_fails_is_told),
        cmocka_unit_test(test_a_founding_that_is_cut_off),
        cmocka_unit_test(test_salvage_stops_when_told),
    };
    return cmocka_run_group_tests(tests, make_source, drop_source);
}
