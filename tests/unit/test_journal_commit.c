// SPDX-License-Identifier: Apache-2.0
// Group commit: when records count as durable, what is in flight, marks, the relaxed window, compaction, and failures.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "journal/compaction.h"
#include "journal/format.h"
#include "journal/storage_memory.h"
#include "support/journal_rig.h"

#include <errno.h>
#include <stdlib.h>

static void boot(struct rig *rig) {
    rig_init(rig, 3);
    assert_int_equal(rig_boot(rig), 0);
    assert_true(rig_settle(rig)); // spare and reserve are made
}

static struct fq_journal_stats stats_of(const struct rig *rig) {
    struct fq_journal_stats stats;
    fq_journal_stats(rig->journal, &stats);
    return stats;
}

static void step(struct rig *rig) {
    assert_true(step_executor_run_one(rig->executor));
}

static void nothing_is_durable_before_its_sync(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    rig_append(&rig, 10);
    assert_int_equal(fq_journal_last_seq(rig.journal), 1);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 0);
    rig_turn(&rig);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 0);
    step(&rig);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 0); // not before poll
    rig_turn(&rig);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 1);
    rig_done(&rig);
}

static void one_batch_is_in_flight(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    uint64_t batches = stats_of(&rig).batches_total;
    rig_append(&rig, 10);
    rig_turn(&rig);
    for (int i = 0; i < 5; i++) {
        rig_append(&rig, 10);
        rig_turn(&rig);
    }
    assert_int_equal(step_executor_waiting(rig.executor), 1);
    assert_true(fq_journal_backlog_bytes(rig.journal) >= 50);
    step(&rig);
    rig_turn(&rig); // all that gathered meanwhile goes as one batch
    assert_int_equal(fq_journal_backlog_bytes(rig.journal), 0);
    step(&rig);
    rig_turn(&rig);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 6);
    assert_int_equal(stats_of(&rig).batches_total - batches, 2);
    rig_done(&rig);
}

static void batches_keep_to_their_caps(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    uint64_t batches = stats_of(&rig).batches_total;
    for (int i = 0; i < 200; i++)
        rig_append(&rig, 8); // 64 records each
    rig_append(&rig, 5000);  // these two do not fit 8 KiB together
    rig_append(&rig, 5000);
    rig_append(&rig, 30000); // more than a batch's cap, alone
    rig_append(&rig, 60000); // more than a segment
    rig_append(&rig, 8);
    assert_true(rig_settle(&rig));
    assert_int_equal(stats_of(&rig).batches_total - batches, 4 + 1 + 1 + 1 + 1);
    rig_kill(&rig);
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 205);
    assert_string_equal(rig.mismatch, "");
    rig_done(&rig);
}

static void records_have_a_limit(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    uint64_t seq = 0;
    assert_int_equal(fq_journal_append(rig.journal, (fq_str){"", (size_t)FQ_RECORD_MAX + 1}, &seq),
                     FQ_ETOOBIG);
    assert_int_equal(fq_journal_last_seq(rig.journal), 0);
    rig_done(&rig);
}

static void idle_mark_follows_traffic_once(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    for (int i = 0; i < 30; i++) // the mark behind the boot's own batch
        rig_turn(&rig), step_executor_run_one(rig.executor);
    uint64_t batches = stats_of(&rig).batches_total;
    rig_append(&rig, 10);
    assert_true(rig_settle(&rig));
    int64_t due = fq_journal_deadline(rig.journal);
    assert_true(due > rig.now.boot_us && due <= rig.now.boot_us + rig.config.idle_mark_us);
    for (int i = 0; i < 60; i++)
        rig_turn(&rig), step_executor_run_one(rig.executor);
    assert_int_equal(stats_of(&rig).batches_total - batches, 2);
    assert_true(fq_journal_deadline(rig.journal) == FQ_NEVER_US);
    rig_done(&rig);
}

static void relaxed_reports_at_the_write_and_syncs_in_time(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, 3);
    rig.config.durability = FQ_DURABILITY_RELAXED;
    assert_int_equal(rig_boot(&rig), 0);
    assert_true(rig_settle(&rig));
    uint64_t syncs = stats_of(&rig).syncs_total;
    int64_t begin = rig.now.boot_us;
    rig_append(&rig, 10);
    rig_turn(&rig);
    step(&rig);
    rig_turn(&rig);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 1);
    assert_int_equal(stats_of(&rig).syncs_total, syncs);
    int64_t due = fq_journal_deadline(rig.journal);
    assert_true(due <= begin + rig.config.relaxed_window_us + 10000);
    while (rig.now.boot_us < due)
        rig_turn(&rig);
    step(&rig);
    rig_turn(&rig);
    assert_int_equal(stats_of(&rig).syncs_total, syncs + 1);
    // Power fails: what was synced is there.
    rig_power_cut(&rig, false);
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 1);
    assert_string_equal(rig.mismatch, "");
    rig_done(&rig);
}

// Every kind of final failure: after it nothing becomes durable, and the next boot has what was durable.
static void expect_final_failure(unsigned mask, uint64_t skip, int error) {
    struct rig rig;
    boot(&rig);
    rig_append(&rig, 100);
    assert_true(rig_settle(&rig));
    sim_disk_fail(rig.sim, mask, skip, 1, error);
    rig_append(&rig, 20000); // needs a new segment: seal, header, name
    assert_false(rig_settle(&rig));
    assert_true(fq_journal_failed(rig.journal));
    assert_true(strlen(fq_journal_error(rig.journal)) > 20);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 1);
    uint64_t seq;
    assert_int_equal(fq_journal_append(rig.journal, FQ_STR("late"), &seq), FQ_EIO);
    for (int i = 0; i < 50; i++)
        rig_turn(&rig), step_executor_run_one(rig.executor);
    assert_int_equal(fq_journal_durable_seq(rig.journal), 1);
    assert_true(fq_journal_deadline(rig.journal) == FQ_NEVER_US);
    rig_power_cut(&rig, false);
    assert_int_equal(rig_boot(&rig), 0);
    assert_string_equal(rig.mismatch, "");
    rig_done(&rig);
}

static void failures_are_final(void **state) {
    (void)state;
    expect_final_failure(SIM_SYNC, 0, EIO);    // the seal
    expect_final_failure(SIM_SYNC, 0, ENOSPC); // the errno does not matter
    expect_final_failure(SIM_WRITE, 0, EIO);
    expect_final_failure(SIM_WRITE, 1, EROFS); // the new header
    expect_final_failure(SIM_SYNC, 1, EIO);
    expect_final_failure(SIM_RENAME, 0, EIO);
    expect_final_failure(SIM_SYNC_DIRECTORY, 0, EIO);
    expect_final_failure(SIM_WRITE, 2, EIO); // the batch
    expect_final_failure(SIM_WRITE, 2, 0);   // short
    expect_final_failure(SIM_SYNC, 2, EIO);
}

// The sync that failed made the pages clean: a later sync says yes, the cache shows the data, the medium never had them.
static void failed_sync_is_not_believed_later(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    sim_disk_fail(rig.sim, SIM_SYNC, 0, 1, ENOSPC);
    rig_append(&rig, 3000);
    assert_false(rig_settle(&rig));
    rig_kill(&rig);
    sim_disk_revive(rig.sim); // the process is restarted, the machine is not
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 0);
    rig_append(&rig, 10);
    assert_true(rig_settle(&rig));
    rig_power_cut(&rig, false);
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 1);
    assert_string_equal(rig.mismatch, "");
    rig_done(&rig);
}

// ---- compaction ----

static void compaction_is_wanted_by_bytes(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, 3);
    rig.config.compact_bytes_min = 40000;
    assert_int_equal(rig_boot(&rig), 0);
    assert_false(fq_journal_wants_compaction(rig.journal));
    while (!fq_journal_wants_compaction(rig.journal)) {
        rig_append(&rig, 1000);
        assert_true(rig_settle(&rig));
        assert_true(rig.count < 60);
    }
    assert_true(rig.count > 20);
    assert_int_equal(rig_compact(&rig), 0);
    assert_false(fq_journal_wants_compaction(rig.journal));
    assert_true(rig_settle(&rig));
    assert_false(fq_journal_wants_compaction(rig.journal)); // now twice the snapshot is the measure
    assert_int_equal(stats_of(&rig).compactions_total, 1);
    rig_done(&rig);
}

static void appends_go_on_during_compaction(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    rig_work(&rig, 30);
    assert_int_equal(rig_compact(&rig), 0);
    rig_work(&rig, 30); // the installation runs among them
    assert_true(rig_settle(&rig));
    assert_int_equal(stats_of(&rig).compactions_total, 1);
    rig_kill(&rig);
    assert_int_equal(rig_boot(&rig), 0);
    assert_string_equal(rig.mismatch, "");
    rig_done(&rig);
}

static void failed_compactor_changes_nothing(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    rig_work(&rig, 20);
    assert_true(rig_settle(&rig));
    fq_journal_compact_end(rig.journal, false, 0); // never began: ignored
    sim_disk_fail(rig.sim, SIM_WRITE, 3, 1, ENOSPC);
    assert_true(rig_compact(&rig) < 0);
    sim_disk_fail(rig.sim, 0, 0, 0, 0);
    assert_true(rig_settle(&rig));
    assert_int_equal(stats_of(&rig).compactions_total, 0);
    assert_int_equal(rig_compact(&rig), 0);
    assert_true(rig_settle(&rig));
    assert_int_equal(stats_of(&rig).compactions_total, 1);
    rig_done(&rig);
}

// A MANIFEST that cannot be prepared is a failed attempt; one whose rename fails is the end.
static void installation_fails_softly_or_finally(void **state) {
    (void)state;
    static const struct {
        unsigned mask;
        int error;
        bool final;
    } rows[] = {
        {SIM_WRITE,          ENOSPC, false},
        {SIM_RENAME,         EIO,    true },
        {SIM_SYNC_DIRECTORY, EIO,    true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig rig;
        boot(&rig);
        rig_work(&rig, 20);
        assert_true(rig_settle(&rig));
        assert_int_equal(rig_compact(&rig), 0); // the installation waits on the executor, behind a spare
        while (step_executor_waiting(rig.executor) > 1)
            step(&rig);
        sim_disk_fail(rig.sim, rows[i].mask, 0, 1, rows[i].error);
        assert_true(fq_journal_is_compacting(rig.journal));
        bool went_on = rig_settle(&rig);
        assert_int_equal(went_on, !rows[i].final);
        assert_false(fq_journal_is_compacting(rig.journal)); // the next attempt may begin
        assert_int_equal(fq_journal_failed(rig.journal), rows[i].final);
        assert_int_equal(stats_of(&rig).compactions_total, 0);
        rig_power_cut(&rig, false);
        assert_int_equal(rig_boot(&rig), 0);
        assert_string_equal(rig.mismatch, "");
        rig_done(&rig);
    }
}

static int any_record(void *context, fq_str record) {
    (void)context, (void)record;
    return 0;
}

static void compactor_needs_something_to_compact(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    rig_work(&rig, 20);
    assert_true(rig_settle(&rig));
    assert_int_equal(rig_compact(&rig), 0);
    assert_true(rig_settle(&rig));
    fq_compaction *compaction;
    char error[FQ_STORAGE_ERROR_MAX];
    assert_int_equal(fq_compaction_open_disk(sim_disk_attach(rig.sim), rig.sealed_batch, &compaction, error),
                     FQ_EINVALID);
    // Up to a batch that does not exist.
    assert_int_equal(fq_compaction_open_disk(sim_disk_attach(rig.sim), 1000000, &compaction, error), 0);
    assert_int_equal(fq_compaction_read(compaction, any_record, NULL), FQ_ECORRUPT);
    assert_non_null(strstr(fq_compaction_error(compaction), "1000000"));
    fq_compaction_close(compaction);
    sim_disk *empty = sim_disk_new(1);
    assert_int_equal(fq_compaction_open_disk(sim_disk_attach(empty), 1, &compaction, error), FQ_EIO);
    sim_disk_free(empty);
    rig_done(&rig);
}

// ---- the storage that keeps nothing ----

static int woken;
static void on_wake(void *context) {
    (void)context;
    woken++;
}
static int no_record(void *context, fq_str record) {
    (void)context, (void)record;
    return FQ_EINVALID;
}

static void on_seal_counted(void *context, int result, uint64_t batch_seq) {
    (void)result, (void)batch_seq;
    *(unsigned *)context += 1;
}

// Its owner asks for a compaction behind the turn's commit: on a quiet server no other turn would come.
static void compaction_asks_for_a_turn(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    for (int i = 0; i < 30; i++)
        rig_turn(&rig), step_executor_run_one(rig.executor);
    assert_true(fq_journal_deadline(rig.journal) == FQ_NEVER_US);
    unsigned sealed = 0;
    fq_journal_compact_begin(rig.journal, on_seal_counted, &sealed);
    assert_true(fq_journal_deadline(rig.journal) <= rig.now.boot_us);
    rig_turn(&rig);
    assert_true(fq_journal_deadline(rig.journal) > rig.now.boot_us); // the seal is under way
    assert_true(rig_settle(&rig));
    assert_int_equal(sealed, 1);
    rig_done(&rig);
}

static void memory_storage_reports_at_the_next_poll(void **state) {
    (void)state;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    fq_journal *journal;
    struct fq_now now = {1, 1};
    assert_int_equal(fq_journal_open(fq_storage_memory_open(on_wake, NULL), &config, &journal), 0);
    assert_int_equal(fq_journal_recover(journal, no_record, NULL), 0);
    assert_int_equal(fq_journal_start(journal, now), 0);
    uint64_t seq;
    assert_int_equal(fq_journal_append(journal, FQ_STR("a"), &seq), 0);
    fq_journal_commit(journal, now);
    assert_int_equal(woken, 1);
    assert_int_equal(fq_journal_durable_seq(journal), 0);
    fq_journal_poll(journal, now);
    assert_int_equal(fq_journal_durable_seq(journal), 1);
    fq_journal_close(journal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_durable_before_its_sync),
        cmocka_unit_test(one_batch_is_in_flight),
        cmocka_unit_test(batches_keep_to_their_caps),
        cmocka_unit_test(records_have_a_limit),
        cmocka_unit_test(idle_mark_follows_traffic_once),
        cmocka_unit_test(relaxed_reports_at_the_write_and_syncs_in_time),
        cmocka_unit_test(failures_are_final),
        cmocka_unit_test(failed_sync_is_not_believed_later),
        cmocka_unit_test(compaction_is_wanted_by_bytes),
        cmocka_unit_test(appends_go_on_during_compaction),
        cmocka_unit_test(failed_compactor_changes_nothing),
        cmocka_unit_test(installation_fails_softly_or_finally),
        cmocka_unit_test(compactor_needs_something_to_compact),
        cmocka_unit_test(compaction_asks_for_a_turn),
        cmocka_unit_test(memory_storage_reports_at_the_next_poll),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
