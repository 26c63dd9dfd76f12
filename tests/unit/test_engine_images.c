// SPDX-License-Identifier: Apache-2.0
// Images of a snapshot that no writer makes: two tasks of one queue with one turn, an image where the log goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/event_data.h"
#include "support/engine_rig.h"

#include <stdlib.h>

enum { TASKS = 5 };

// Task 1 held by a worker, 2 back behind its turn, 3 to 5 in line, all of one name; and one more of another name.
static void make_snapshot(struct engine_rig *rig) {
    engine_rig_open(rig, NULL);
    for (uint64_t i = 1; i <= TASKS; i++) {
        struct fq_command submit = engine_rig_submit(i, "add");
        assert_int_equal(engine_rig_run(rig, &submit), 0);
    }
    const fq_str name = FQ_STR("add");
    struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
    fetch.fetch.worker = FQ_STR("w");
    fetch.fetch.names = &name;
    fetch.fetch.name_count = 1;
    fetch.fetch.count = 2;
    assert_int_equal(engine_rig_run(rig, &fetch), 0);
    struct fq_command release = {.type = FQ_COMMAND_RELEASE};
    release.release.id = fq_decision_effect(rig->decision, 1)->id;
    release.release.token = fq_decision_effect(rig->decision, 1)->token;
    assert_int_equal(engine_rig_run(rig, &release), 0);
    struct fq_command other = engine_rig_submit(TASKS + 1, "mul");
    assert_int_equal(engine_rig_run(rig, &other), 0);
    engine_rig_compact(rig);
}

static bool is_task(fq_str record, uint64_t number) {
    struct fq_event event;
    fq_uuid id = engine_rig_id(number);
    return fq_event_decode(record, &event) == 0 && event.type == FQ_EVENT_TASK &&
           fq_uuid_equal(&event.id, &id);
}

static uint64_t order_of(const struct engine_rig *rig, uint64_t number) {
    for (size_t i = 0; i < rig->record_count; i++) {
        struct fq_event event;
        if (is_task(engine_rig_record(rig, i), number) &&
            fq_event_decode(engine_rig_record(rig, i), &event) == 0)
            return event.image.order;
    }
    fail();
    return 0;
}

static int replay(fq_engine *engine, fq_decision *decision, fq_str record) {
    int rc = fq_engine_replay(engine, record, decision);
    for (size_t i = 0; rc == 0 && i < fq_decision_event_count(decision); i++)
        fq_engine_apply(engine, decision, i);
    return rc;
}

static fq_engine *new_engine(void) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    return fq_engine_new(&config);
}

// Loads the snapshot, task `number` with another's `order`; the first error.
static int load(const struct engine_rig *rig, fq_engine *engine, fq_decision *decision, uint64_t number,
                uint64_t order) {
    int rc = 0;
    for (size_t i = 0; i < rig->record_count && rc == 0; i++) {
        struct fq_event event;
        fq_buf changed = {0};
        assert_int_equal(fq_event_decode(engine_rig_record(rig, i), &event), 0);
        if (is_task(engine_rig_record(rig, i), number))
            event.image.order = order;
        assert_int_equal(fq_event_encode(&event, &changed), 0);
        rc = replay(engine, decision, fq_buf_str(&changed));
        fq_buf_done(&changed);
    }
    return rc;
}

// What a boot, and what a log behind the snapshot, make of it: both must see the same.
static int outcome(const struct engine_rig *rig, uint64_t number, uint64_t order) {
    fq_decision *decision = fq_decision_new();
    fq_engine *booted = new_engine(), *replayed = new_engine();
    int loaded = load(rig, booted, decision, number, order);
    assert_int_equal(load(rig, replayed, decision, number, order), loaded);
    if (loaded == 0) {
        loaded = fq_engine_start(booted, 1000, rig->now, decision);
        fq_buf epoch = {0};
        struct fq_event event = {.type = FQ_EVENT_EPOCH, .at_us = rig->now.wall_us};
        event.epoch.epoch = 1000;
        event.epoch.wall_us = rig->now.wall_us;
        assert_int_equal(fq_event_encode(&event, &epoch), 0);
        assert_int_equal(replay(replayed, decision, fq_buf_str(&epoch)), loaded);
        fq_buf_done(&epoch);
    }
    fq_engine_check(booted);
    fq_engine_free(booted);
    fq_engine_free(replayed);
    fq_decision_free(decision);
    return loaded;
}

static void two_tasks_with_one_turn_are_refused(void **state) {
    (void)state;
    struct engine_rig rig;
    make_snapshot(&rig);
    for (uint64_t number = 1; number <= TASKS; number++)
        for (uint64_t other = 1; other <= TASKS; other++)
            assert_int_equal(outcome(&rig, number, order_of(&rig, other)), number == other ? 0 : FQ_ECORRUPT);
    engine_rig_close(&rig);
}

static void turns_of_different_queues_may_meet(void **state) {
    (void)state;
    struct engine_rig rig;
    make_snapshot(&rig);
    for (uint64_t other = 1; other <= TASKS; other++)
        assert_int_equal(outcome(&rig, TASKS + 1, order_of(&rig, other)), 0);
    engine_rig_close(&rig);
}

static void images_end_where_the_log_begins(void **state) {
    (void)state;
    struct engine_rig rig;
    make_snapshot(&rig);
    fq_decision *decision = fq_decision_new();
    fq_engine *engine = new_engine();
    size_t last = rig.record_count - 1; // a task
    assert_true(is_task(engine_rig_record(&rig, last), TASKS) || is_task(engine_rig_record(&rig, last), 1));
    assert_int_equal(engine_rig_replay(&rig, engine, 0, last), 0);
    assert_int_equal(fq_engine_start(engine, 1000, rig.now, decision), 0);
    fq_engine_apply(engine, decision, 0);
    assert_int_equal(fq_engine_replay(engine, engine_rig_record(&rig, last), decision), FQ_ECORRUPT);
    fq_engine_free(engine);
    fq_decision_free(decision);
    engine_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_tasks_with_one_turn_are_refused),
        cmocka_unit_test(turns_of_different_queues_may_meet),
        cmocka_unit_test(images_end_where_the_log_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
