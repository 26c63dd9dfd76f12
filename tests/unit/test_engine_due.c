// SPDX-License-Identifier: Apache-2.0
// Many tasks at once whose time has come: what one step looks at is bounded by what it may change.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/state.h"
#include "support/engine_rig.h"

enum { TASKS = 3000, STEP = 100 };

static size_t run_due(struct engine_rig *rig) {
    assert_int_equal(fq_engine_due(rig->engine, rig->now, STEP, rig->decision), 0);
    size_t count = fq_decision_event_count(rig->decision);
    for (size_t i = 0; i < count; i++)
        fq_engine_apply(rig->engine, rig->decision, i);
    return count;
}

// Delay and expiry have passed together, as after a server that was down: all expire, none is looked at twice.
static void delayed_tasks_that_expired_cost_one_look_each(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    rig.check_each = false; // at the end is enough: each check walks all of them
    for (uint64_t i = 0; i < TASKS; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        command.submit.delay_ms = 1000;
        command.submit.expires_ms = i % 2 == 0 ? 1000 : 900;
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    rig.now.boot_us += 2 * FQ_US_PER_S;
    rig.now.wall_us += 2 * FQ_US_PER_S;
    for (int step = 0; step < TASKS / STEP; step++) {
        assert_int_equal(run_due(&rig), STEP);
        assert_in_range(rig.decision->candidate_capacity, 1, 1024); // the walks' frontier
    }
    assert_int_equal(run_due(&rig), 0);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_EXPIRED], TASKS);
    fq_engine_check(rig.engine);
    engine_rig_close(&rig);
}

// A server that was stopped has heard nobody: the leases that ended meanwhile get the time for one more heartbeat, no more.
static void leases_are_held_after_a_stop(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    struct fq_command command = engine_rig_submit(1, "add");
    assert_int_equal(engine_rig_run(&rig, &command), 0);
    fq_str names[] = {FQ_STR("add")};
    struct fq_command fetch = {
        .type = FQ_COMMAND_FETCH,
        .fetch = {.worker = FQ_STR("w"), .names = names, .name_count = 1, .count = 1}
    };
    assert_int_equal(engine_rig_run(&rig, &fetch), 0);
    rig.now.boot_us += 60 * FQ_US_PER_S;
    rig.now.wall_us += 60 * FQ_US_PER_S;
    fq_engine_hold_leases(rig.engine, rig.now);
    engine_rig_due(&rig);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_STARTED], 1);
    engine_rig_pass(&rig, 14 * FQ_US_PER_S);
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_STARTED], 1);
    engine_rig_pass(&rig, 2 * FQ_US_PER_S);
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_PENDING], 1);
    fq_engine_check(rig.engine);
    engine_rig_close(&rig);
}

// A held lease still ends with the task's TIMEOUT and its grace.
static void a_held_lease_ends_with_its_timeout(void **state) {
    (void)state;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.crash_max = 1;
    struct engine_rig rig;
    engine_rig_open(&rig, &config);
    fq_uuid id = engine_rig_id(1);
    struct fq_command command = engine_rig_submit(1, "add");
    command.submit.timeout_ms = 60000;
    assert_int_equal(engine_rig_run(&rig, &command), 0);
    fq_str names[] = {FQ_STR("add")};
    struct fq_command fetch = {
        .type = FQ_COMMAND_FETCH,
        .fetch = {.worker = FQ_STR("w"), .names = names, .name_count = 1, .count = 1}
    };
    assert_int_equal(engine_rig_run(&rig, &fetch), 0);
    struct fq_heartbeat beat = {id, fq_decision_effect(rig.decision, 0)->token, FQ_REPORT_RUNNING, 0};
    struct fq_command heartbeat = {.type = FQ_COMMAND_HEARTBEAT};
    heartbeat.heartbeat.beats = &beat;
    heartbeat.heartbeat.beat_count = 1;
    assert_int_equal(engine_rig_run(&rig, &heartbeat), 0);
    rig.now.boot_us += 115 * FQ_US_PER_S; // five seconds before TIMEOUT and two leases are over
    rig.now.wall_us += 115 * FQ_US_PER_S;
    fq_engine_hold_leases(rig.engine, rig.now);
    engine_rig_due(&rig);
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(rig.engine, &id, &view), 0);
    assert_int_equal(view.state, FQ_TASK_STARTED);
    engine_rig_pass(&rig, 6 * FQ_US_PER_S);
    assert_int_equal(fq_engine_task(rig.engine, &id, &view), 0);
    assert_int_equal(view.state, FQ_TASK_FAILURE);
    engine_rig_close(&rig);
}

// Where the wall clock alone says that tasks expired, their delays are still to come: none is left out.
static void a_clock_set_forward_expires_delayed_tasks(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    for (uint64_t i = 0; i < STEP; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        command.submit.delay_ms = 1000;
        command.submit.expires_ms = 2000;
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    rig.now.wall_us += 10 * FQ_US_PER_S;
    engine_rig_due(&rig);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_EXPIRED], STEP);
    engine_rig_close(&rig);
}

// A fetch that met as many expired tasks as one decision takes says that there is more.
static void a_fetch_among_expired_tasks_is_partial(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    rig.check_each = false;
    for (uint64_t i = 0; i <= 5000; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        command.submit.expires_ms = i < 5000 ? 1000 : 0;
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    rig.now.boot_us += 2 * FQ_US_PER_S;
    rig.now.wall_us += 2 * FQ_US_PER_S;
    fq_str name = FQ_STR("add");
    struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
    fetch.fetch.worker = FQ_STR("w");
    fetch.fetch.names = &name;
    fetch.fetch.name_count = 1;
    fetch.fetch.count = 1;
    assert_int_equal(engine_rig_run(&rig, &fetch), 0);
    assert_true(fq_decision_is_partial(rig.decision));
    assert_int_equal(engine_rig_run(&rig, &fetch), 0);
    assert_false(fq_decision_is_partial(rig.decision));
    struct fq_task_view view;
    fq_uuid last = engine_rig_id(5000);
    assert_int_equal(fq_engine_task(rig.engine, &last, &view), 0);
    assert_int_equal(view.state, FQ_TASK_STARTED);
    fq_engine_check(rig.engine);
    engine_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delayed_tasks_that_expired_cost_one_look_each),
        cmocka_unit_test(leases_are_held_after_a_stop),
        cmocka_unit_test(a_held_lease_ends_with_its_timeout),
        cmocka_unit_test(a_clock_set_forward_expires_delayed_tasks),
        cmocka_unit_test(a_fetch_among_expired_tasks_is_partial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
