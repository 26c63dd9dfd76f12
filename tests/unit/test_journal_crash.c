// SPDX-License-Identifier: Apache-2.0
// Power cuts at every call to the disk, over appends, rotations, compactions and recoveries: what was reported durable is
// there, nothing is invented, and the journal always starts again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/journal_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 3 };

static void workload(struct rig *rig) {
    if (rig_boot(rig) != 0)
        return;
    rig_work(rig, 30);
    if (rig_compact(rig) == 0)
        rig_work(rig, 30);
    if (!fq_journal_failed(rig->journal) && rig_settle(rig) && rig_compact(rig) == 0)
        rig_work(rig, 20);
    if (!fq_journal_failed(rig->journal) && rig_settle(rig) && rig_compact(rig) == 0)
        rig_work(rig, 10);
}

// Without syncs before the report, a power cut takes the last moments with it: then nothing counts as durable, and only
// prefix and start are tested here. Kills test the rest.
static void power_cut(struct rig *rig, bool garbage) {
    if (rig->config.durability == FQ_DURABILITY_RELAXED)
        rig->durable = 0;
    rig_power_cut(rig, garbage);
}

// Starts again, crashing in recovery now and then, until it works.
static void start_again(struct rig *rig, bool garbage) {
    for (int depth = 0; depth < DEPTH; depth++) {
        power_cut(rig, garbage);
        if (fq_random_below(&rig->random, 3) != 0)
            break;
        sim_disk_crash_at(rig->sim, sim_disk_calls(rig->sim) + 1 + fq_random_below(&rig->random, 120));
        int result = rig_boot(rig);
        if (result == 0 && !sim_disk_is_dead(rig->sim))
            rig_work(rig, 3);
        else if (!sim_disk_is_dead(rig->sim))
            fail_msg("refused: %s", rig->error);
        assert_string_equal(rig->mismatch, "");
    }
    if (sim_disk_is_dead(rig->sim) || rig->journal != NULL)
        power_cut(rig, garbage);
    sim_disk_crash_at(rig->sim, 0);
    if (rig_boot(rig) != 0)
        fail_msg("refused: %s", rig->error);
    assert_string_equal(rig->mismatch, "");
}

static uint64_t calls_of(uint64_t seed, enum fq_durability durability) {
    struct rig rig;
    rig_init(&rig, seed);
    rig.config.durability = durability;
    workload(&rig);
    assert_false(fq_journal_failed(rig.journal));
    struct fq_journal_stats stats;
    fq_journal_stats(rig.journal, &stats);
    assert_true(stats.compactions_total >= 2); // or the sweep would not see what it is for
    assert_true(stats.segment_count >= 2);
    uint64_t calls = sim_disk_calls(rig.sim);
    rig_done(&rig);
    return calls;
}

static void crash_once(uint64_t seed, uint64_t at, enum fq_durability durability, bool garbage) {
    struct rig rig;
    rig_init(&rig, seed);
    rig.config.durability = durability;
    sim_disk_crash_at(rig.sim, at);
    workload(&rig);
    fq_random_seed(&rig.random, seed * 7919 + at);
    start_again(&rig, garbage);
    if (durability == FQ_DURABILITY_SYNC) {
        rig_work(&rig, 4);
        assert_true(rig_settle(&rig));
        rig_power_cut(&rig, garbage);
        if (rig_boot(&rig) != 0)
            fail_msg("seed %" PRIu64 " call %" PRIu64 ": refused: %s", seed, at, rig.error);
        if (rig.mismatch[0] != '\0')
            fail_msg("seed %" PRIu64 " call %" PRIu64 ": %s", seed, at, rig.mismatch);
    }
    rig_done(&rig);
}

static void sweep(uint64_t first_seed, uint64_t seeds, enum fq_durability durability, bool garbage) {
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        uint64_t calls = calls_of(seed, durability);
        assert_true(calls > 200);
        for (uint64_t at = 1; at <= calls; at++)
            crash_once(seed, at, durability, garbage);
    }
}

static void power_cut_at_every_call(void **state) {
    (void)state;
    sweep(1, 12, FQ_DURABILITY_SYNC, false);
}

static void power_cut_with_garbage_sectors(void **state) {
    (void)state;
    sweep(101, 6, FQ_DURABILITY_SYNC, true);
}

static void power_cut_of_a_relaxed_journal(void **state) {
    (void)state;
    sweep(201, 6, FQ_DURABILITY_RELAXED, false);
}

// The disk fills up: RESERVE becomes a segment, more waits for space.
static void fill_up(struct rig *rig) {
    if (rig_boot(rig) != 0 || !rig_settle(rig))
        return;
    sim_disk_set_capacity(rig->sim, sim_disk_used(rig->sim));
    for (int i = 0; i < 12; i++) {
        rig_append(rig, 6000);
        rig_work(rig, 6);
    }
}

static void power_cut_on_a_full_disk(void **state) {
    (void)state;
    for (uint64_t seed = 301; seed < 305; seed++) {
        struct rig rig;
        rig_init(&rig, seed);
        fill_up(&rig);
        assert_false(fq_journal_failed(rig.journal));
        assert_false(sim_disk_exists(rig.sim, "RESERVE")); // it was needed
        uint64_t calls = sim_disk_calls(rig.sim);
        rig_done(&rig);
        for (uint64_t at = 1; at <= calls; at++) {
            rig_init(&rig, seed);
            sim_disk_crash_at(rig.sim, at);
            fill_up(&rig);
            sim_disk_set_capacity(rig.sim, 0);
            fq_random_seed(&rig.random, seed * 7919 + at);
            start_again(&rig, false);
            rig_work(&rig, 10);
            assert_true(rig_settle(&rig));
            rig_done(&rig);
        }
    }
}

// A killed process leaves all that it wrote: even relaxed, everything reported is there.
static void kill_at_every_call(void **state) {
    (void)state;
    for (int mode = FQ_DURABILITY_SYNC; mode <= FQ_DURABILITY_RELAXED; mode++) {
        uint64_t calls = calls_of(31, (enum fq_durability)mode);
        for (uint64_t at = 1; at <= calls; at += 3) {
            struct rig rig;
            rig_init(&rig, 31);
            rig.config.durability = (enum fq_durability)mode;
            sim_disk_crash_at(rig.sim, at);
            workload(&rig);
            if (rig.journal != NULL)
                rig_kill(&rig);
            sim_disk_revive(rig.sim);
            if (rig_boot(&rig) != 0)
                fail_msg("call %" PRIu64 ": refused: %s", at, rig.error);
            assert_string_equal(rig.mismatch, "");
            rig_done(&rig);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_cut_at_every_call),
        cmocka_unit_test(power_cut_with_garbage_sectors),
        cmocka_unit_test(power_cut_of_a_relaxed_journal),
        cmocka_unit_test(power_cut_on_a_full_disk),
        cmocka_unit_test(kill_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
