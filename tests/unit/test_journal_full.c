// SPDX-License-Identifier: Apache-2.0
// A full disk: only preparations fail, softly; submits are blocked in time, what was promised still fits, and it all ends
// when space comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/journal_rig.h"

#include <errno.h>
#include <stdlib.h>

static struct fq_storage_space space_of(const struct rig *rig) {
    struct fq_storage_space space;
    fq_journal_space(rig->journal, &space);
    return space;
}

static uint64_t soft_errors(const struct rig *rig) {
    struct fq_journal_stats stats;
    fq_journal_stats(rig->journal, &stats);
    return stats.soft_errors;
}

static void boot(struct rig *rig) {
    rig_init(rig, 4);
    rig->config.idle_mark_us = 0;
    assert_int_equal(rig_boot(rig), 0);
    assert_true(rig_settle(rig));
}

static void set_free(struct rig *rig, uint64_t bytes) {
    sim_disk_set_capacity(rig->sim, sim_disk_used(rig->sim) + bytes);
}

// Time passes without traffic.
static void wait_s(struct rig *rig, int seconds) {
    for (int i = 0; i < seconds * 100; i++) {
        rig_turn(rig);
        step_executor_run_one(rig->executor);
    }
}

static void room_is_told(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    set_free(&rig, 500000);
    rig_append(&rig, 20000); // a rotation looks at the disk again
    assert_true(rig_settle(&rig));
    struct fq_storage_space space = space_of(&rig);
    assert_false(space.submits_blocked);
    assert_int_equal(space.reserve_bytes, 32768);
    assert_true(space.writable_bytes > 300000 && space.writable_bytes < 500000);
    assert_int_equal(space.low_water_bytes, 65536);
    rig_done(&rig);
}

static void submits_are_blocked_below_the_low_water_mark(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    set_free(&rig, 65536 + 32768 + 4096); // after the next spare, just above the mark
    rig_append(&rig, 14000);
    assert_true(rig_settle(&rig));
    assert_false(space_of(&rig).submits_blocked);
    set_free(&rig, 65536 + 8192);
    for (int i = 0; i < 3; i++) {
        rig_append(&rig, 14000);
        assert_true(rig_settle(&rig));
    }
    assert_true(space_of(&rig).submits_blocked);
    // Hysteresis: a little more than the mark is not enough, a fifth more is. Nobody writes meanwhile.
    set_free(&rig, 65536 + 4096);
    wait_s(&rig, 3); // the next spare is made of it
    set_free(&rig, 65536 + 4096);
    wait_s(&rig, 3);
    assert_true(space_of(&rig).free_bytes > 65536);
    assert_true(space_of(&rig).submits_blocked);
    assert_true(fq_journal_deadline(rig.journal) < FQ_NEVER_US);
    set_free(&rig, 65536 + 65536 / 5 + 4096);
    wait_s(&rig, 3);
    assert_false(space_of(&rig).submits_blocked);
    rig_done(&rig);
}

static void full_disk_uses_the_reserve_then_waits(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    set_free(&rig, 0);
    uint64_t written = 0;
    bool settled = true;
    for (int i = 0; i < 20 && settled; i++) {
        rig_append(&rig, 6000);
        settled = rig_settle(&rig);
        written += settled;
    }
    // First segment, spare, RESERVE: 16 + 32 + 32 KiB. No record was lost, nothing failed, the last one waits.
    assert_int_equal(written, 1 + 4 + 4);
    assert_false(fq_journal_failed(rig.journal));
    assert_true(soft_errors(&rig) > 0);
    struct fq_storage_space space = space_of(&rig);
    assert_true(space.submits_blocked);
    assert_int_equal(space.reserve_bytes, 0);
    assert_true(space.writable_bytes < 6000);
    assert_false(sim_disk_exists(rig.sim, "RESERVE"));
    // Space comes back: what waited is written, RESERVE is made again.
    set_free(&rig, 1000000);
    assert_true(rig_settle(&rig));
    wait_s(&rig, 3);
    assert_true(sim_disk_exists(rig.sim, "RESERVE"));
    assert_false(space_of(&rig).submits_blocked);
    assert_int_equal(space_of(&rig).reserve_bytes, 32768);
    rig_power_cut(&rig, false);
    assert_int_equal(rig_boot(&rig), 0);
    assert_string_equal(rig.mismatch, "");
    assert_int_equal(rig.recovered, written + 1);
    rig_done(&rig);
}

// Relaxed: a batch that waits for its segment must not hold back the sync of those before it, whose answers are out.
static void what_was_answered_is_synced_while_a_batch_waits(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct rig rig;
        rig_init(&rig, seed);
        rig.config.durability = FQ_DURABILITY_RELAXED;
        rig.config.relaxed_window_us = 3600 * (int64_t)FQ_US_PER_S;
        rig.config.idle_mark_us = 0;
        assert_int_equal(rig_boot(&rig), 0);
        assert_true(rig_settle(&rig));
        set_free(&rig, 0);
        do
            rig_append(&rig, 6000);
        while (rig_settle(&rig));
        assert_false(fq_journal_failed(rig.journal));
        uint64_t answered = rig.durable;
        assert_int_equal(rig.count, answered + 1);
        sim_disk_set_capacity(rig.sim, 0);
        rig_power_cut(&rig, true);
        assert_int_equal(rig_boot(&rig), 0);
        assert_string_equal(rig.mismatch, "");
        assert_true(rig.recovered >= answered);
        rig_done(&rig);
    }
}

static void small_room_makes_a_small_spare(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    set_free(&rig, 20000); // 32 KiB do not fit, 16 do
    rig_append(&rig, 14000);
    assert_true(rig_settle(&rig));
    assert_int_equal(sim_disk_size(rig.sim, "seg/next.tmp"), 16384);
    assert_int_equal(soft_errors(&rig), 0);
    assert_int_equal(space_of(&rig).reserve_bytes, 32768);
    assert_true(space_of(&rig).submits_blocked); // below the mark all the same
    rig_done(&rig);
}

// Compaction must not wait for space with the log in its hand: what still fits goes on being written.
static void compaction_does_not_block_a_full_disk(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    set_free(&rig, 0);
    rig_append(&rig, 14000); // takes the spare; there is no other
    assert_true(rig_settle(&rig));
    assert_false(fq_journal_wants_compaction(rig.journal));
    assert_int_equal(rig_compact(&rig), FQ_EIO);
    assert_int_equal(rig.seal_result, FQ_EAGAIN);
    assert_int_equal(space_of(&rig).reserve_bytes, 32768);
    rig_append(&rig, 100);
    assert_true(rig_settle(&rig));
    set_free(&rig, 1000000);
    wait_s(&rig, 3);
    assert_true(fq_journal_wants_compaction(rig.journal));
    assert_int_equal(rig_compact(&rig), 0);
    assert_true(rig_settle(&rig));
    rig_done(&rig);
}

static void preparation_is_tried_again_with_a_new_file(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    uint64_t before = soft_errors(&rig);
    rig_append(&rig, 14000); // takes the spare
    while (rig.durable < rig.count) {
        step_executor_run_one(rig.executor);
        rig_turn(&rig);
    }
    assert_int_equal(step_executor_waiting(rig.executor), 1); // the next spare is all that is left to do
    sim_disk_fail(rig.sim, SIM_SYNC, 0, 3, EIO);
    step_executor_run_one(rig.executor);
    rig_turn(&rig);
    assert_true(space_of(&rig).submits_blocked);
    assert_false(sim_disk_exists(rig.sim, "seg/next.tmp"));
    wait_s(&rig, 5);
    assert_false(fq_journal_failed(rig.journal));
    assert_int_equal(soft_errors(&rig) - before, 3);
    assert_int_equal(rig.durable, rig.count);
    wait_s(&rig, 5);
    assert_true(sim_disk_exists(rig.sim, "seg/next.tmp"));
    assert_false(space_of(&rig).submits_blocked);
    rig_done(&rig);
}

static void boot_on_a_full_disk_takes_the_reserve(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    rig_append(&rig, 100);
    assert_true(rig_settle(&rig));
    rig_kill(&rig);
    sim_disk_remove(rig.sim, "seg/next.tmp"); // or its space would do
    set_free(&rig, 2048);                     // for MANIFEST.tmp
    assert_int_equal(rig_boot(&rig), 0);
    assert_false(sim_disk_exists(rig.sim, "RESERVE"));
    rig_append(&rig, 100);
    assert_true(rig_settle(&rig));
    assert_true(space_of(&rig).submits_blocked);
    rig_kill(&rig);
    // The third boot finds neither space nor RESERVE.
    sim_disk_set_capacity(rig.sim, sim_disk_used(rig.sim) + 2048);
    assert_int_equal(rig_boot(&rig), FQ_EFULL);
    assert_non_null(strstr(rig.error, "free at least"));
    sim_disk_set_capacity(rig.sim, 0);
    assert_int_equal(rig_boot(&rig), 0);
    assert_int_equal(rig.recovered, 2);
    rig_done(&rig);
}

// Fills the disk until RESERVE is the segment that is written, kills the server, and boots again as who trusts no tail.
static void write_into_the_reserve(struct rig *rig) {
    set_free(rig, 0);
    for (int i = 0; i < 20 && sim_disk_exists(rig->sim, "RESERVE"); i++) {
        rig_append(rig, 6000);
        assert_true(rig_settle(rig));
    }
    assert_false(sim_disk_exists(rig->sim, "RESERVE"));
    uint64_t durable = rig->durable;
    rig_kill(rig);
    sim_disk_set_capacity(rig->sim, 0);
    rig->options.strict = true;
    if (rig_boot(rig) != 0)
        fail_msg("refused: %s", rig->error);
    assert_string_equal(rig->mismatch, "");
    assert_int_equal(rig->recovered, durable);
    struct fq_journal_stats stats;
    fq_journal_stats(rig->journal, &stats);
    assert_int_equal(stats.torn_tails, 0);
    assert_false(stats.recovered_ambiguous);
}

// A bit that flipped while RESERVE lay there must not look like a torn batch once it is a segment.
static void rot_in_the_reserve_is_mended(void **state) {
    (void)state;
    static const uint64_t offsets[] = {7, 4096, 5000, 12288, 20000, 32767};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        struct rig rig;
        boot(&rig);
        sim_disk_flip(rig.sim, "RESERVE", offsets[i], 0x10);
        write_into_the_reserve(&rig);
        rig_done(&rig);
    }
}

static void a_reserve_that_cannot_be_read_is_written_over(void **state) {
    (void)state;
    struct rig rig;
    boot(&rig);
    sim_disk_flip(rig.sim, "RESERVE", 20000, 1);
    sim_disk_fail(rig.sim, SIM_READ, 0, 1, EIO); // nobody else reads while the server runs
    write_into_the_reserve(&rig);
    rig_done(&rig);
}

// Whatever call fails, and however: the journal goes on, or fails for good, or refuses to start; it never loses.
static void every_call_fails_once(void **state) {
    (void)state;
    static const int errors[] = {ENOSPC, EIO};
    struct rig rig;
    boot(&rig);
    rig_work(&rig, 40);
    uint64_t calls = sim_disk_calls(rig.sim);
    rig_done(&rig);
    for (size_t e = 0; e < 2; e++)
        for (uint64_t at = 0; at < calls; at++) {
            rig_init(&rig, 4);
            sim_disk_fail(rig.sim, SIM_ANY, at, 1, errors[e]);
            if (rig_boot(&rig) == 0) {
                rig_work(&rig, 20);
                if (rig_compact(&rig) == 0)
                    rig_work(&rig, 20);
            }
            sim_disk_fail(rig.sim, 0, 0, 0, 0);
            if (rig.journal != NULL && !fq_journal_failed(rig.journal))
                assert_true(rig_settle(&rig));
            rig_power_cut(&rig, false);
            if (rig_boot(&rig) != 0)
                fail_msg("call %d, error %d: refused: %s", (int)at, errors[e], rig.error);
            assert_string_equal(rig.mismatch, "");
            rig_done(&rig);
        }
}

static void a_batch_that_no_segment_can_hold(void **state) {
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    fq_storage *storage;
    assert_int_equal(fq_storage_files_open(sim_disk_attach(rig.sim), step_executor_new(), &rig.options,
                                           &storage, rig.error),
                     0);
    storage->ops->poll(storage, 1); // not started yet: nothing is prepared
    assert_int_equal(storage->poll_at_us, FQ_NEVER_US);
    struct fq_storage_batch batch = {
        .batch_seq = 1, .bytes = {"", FQ_SEGMENT_MAX}
    };
    assert_int_equal(storage->ops->append(storage, &batch, true, NULL, NULL), FQ_ETOOBIG);
    storage->ops->close(storage);
    rig_done(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_told),
        cmocka_unit_test(submits_are_blocked_below_the_low_water_mark),
        cmocka_unit_test(full_disk_uses_the_reserve_then_waits),
        cmocka_unit_test(what_was_answered_is_synced_while_a_batch_waits),
        cmocka_unit_test(small_room_makes_a_small_spare),
        cmocka_unit_test(compaction_does_not_block_a_full_disk),
        cmocka_unit_test(preparation_is_tried_again_with_a_new_file),
        cmocka_unit_test(boot_on_a_full_disk_takes_the_reserve),
        cmocka_unit_test(rot_in_the_reserve_is_mended),
        cmocka_unit_test(a_reserve_that_cannot_be_read_is_written_over),
        cmocka_unit_test(a_batch_that_no_segment_can_hold),
        cmocka_unit_test(every_call_fails_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
