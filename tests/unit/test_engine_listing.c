// SPDX-License-Identifier: Apache-2.0
// Listings in pages while the state changes, stats, and the ledger of finished ids at its limits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/engine_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAY = 500, COME = 2000, PAGE = 7 };

static uint64_t number_of(const fq_uuid *id) {
    uint64_t number;
    memcpy(&number, id->bytes, sizeof number);
    return number - 1;
}

static void submit(struct engine_rig *rig, uint64_t number, const char *name, enum fq_priority priority) {
    struct fq_command command = engine_rig_submit(number, name);
    command.submit.priority = priority;
    assert_int_equal(engine_rig_run(rig, &command), 0);
}

static uint64_t fetch(struct engine_rig *rig, const char *worker, const char *name, fq_uuid *ret_id) {
    fq_str text = fq_str_of(name);
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = fq_str_of(worker);
    command.fetch.names = &text;
    command.fetch.name_count = 1;
    command.fetch.count = 1;
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_true(fq_decision_effect_count(rig->decision) > 0);
    *ret_id = fq_decision_effect(rig->decision, 0)->id;
    return fq_decision_effect(rig->decision, 0)->token;
}

static void fail_one(struct engine_rig *rig, const char *name) {
    struct fq_command command = {.type = FQ_COMMAND_FAIL};
    command.fail.token = fetch(rig, "w", name, &command.fail.id);
    command.fail.run_us = -1;
    assert_int_equal(engine_rig_run(rig, &command), 0);
}

static void pages_show_each_task_once_while_others_come(void **state) {
    (void)state;
    static unsigned char seen[STAY + COME];
    memset(seen, 0, sizeof seen);
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    rig.check_each = false;
    uint64_t next = 0;
    while (next < STAY)
        submit(&rig, next++, "add", FQ_PRIORITY_NORMAL);
    struct fq_task_filter filter = {0};
    struct fq_task_view views[PAGE];
    uint64_t cursor = 0;
    do {
        size_t count = fq_engine_tasks(rig.engine, &filter, &cursor, views, PAGE);
        assert_true(count <= PAGE);
        for (size_t i = 0; i < count; i++)
            seen[number_of(&views[i].id)]++;
        for (int i = 0; i < 20 && next < STAY + COME; i++) // the table grows below the cursor
            submit(&rig, next++, "add", FQ_PRIORITY_NORMAL);
    } while (cursor != 0);
    for (size_t i = 0; i < STAY; i++)
        assert_int_equal(seen[i], 1);
    for (size_t i = STAY; i < STAY + COME; i++)
        assert_true(seen[i] <= 1);
    engine_rig_close(&rig);
}

static size_t count_all(const struct engine_rig *rig, const struct fq_task_filter *filter) {
    struct fq_task_view views[PAGE];
    uint64_t cursor = 0;
    size_t count = 0;
    do {
        count += fq_engine_tasks(rig->engine, filter, &cursor, views, PAGE);
    } while (cursor != 0);
    return count;
}

static void filters_choose(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    for (uint64_t i = 0; i < 40; i++)
        submit(&rig, i, i % 4 == 0 ? "mail" : "add", i % 2 == 0 ? FQ_PRIORITY_LOW : FQ_PRIORITY_HIGH);
    fq_uuid id;
    fetch(&rig, "w1", "mail", &id);
    fetch(&rig, "w2", "mail", &id);
    assert_int_equal(count_all(&rig, &(struct fq_task_filter){0}), 40);
    assert_int_equal(count_all(&rig, &(struct fq_task_filter){.name = FQ_STR("mail")}), 10);
    assert_int_equal(count_all(&rig, &(struct fq_task_filter){.worker = FQ_STR("w2")}), 1);
    assert_int_equal(count_all(&rig, &(struct fq_task_filter){.by_state = true, .state = FQ_TASK_STARTED}),
                     2);
    assert_int_equal(
        count_all(&rig, &(struct fq_task_filter){.by_priority = true, .priority = FQ_PRIORITY_HIGH}), 20);
    assert_int_equal(count_all(&rig, &(struct fq_task_filter){.name = FQ_STR("none")}), 0);
    engine_rig_close(&rig);
}

static void the_dead_are_listed_oldest_first(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    rig.check_each = false;
    for (uint64_t i = 0; i < 60; i++)
        submit(&rig, i, "add", FQ_PRIORITY_NORMAL);
    for (int i = 0; i < 60; i++)
        fail_one(&rig, "add");
    struct fq_task_filter filter = {.dead = true};
    struct fq_task_view views[PAGE];
    uint64_t cursor = 0, expected = 0;
    do {
        size_t count = fq_engine_tasks(rig.engine, &filter, &cursor, views, PAGE);
        for (size_t i = 0; i < count; i++, expected++)
            assert_int_equal(number_of(&views[i].id), expected);
        struct fq_command purge = {.type = FQ_COMMAND_DEAD_PURGE, .one = true};
        purge.dead_purge_one.id = engine_rig_id(expected - 1); // what was shown may go between pages
        assert_int_equal(engine_rig_run(&rig, &purge), 0);
    } while (cursor != 0);
    assert_int_equal(expected, 60);
    fq_engine_check(rig.engine);
    engine_rig_close(&rig);
}

static void workers_are_listed_in_order_of_registration(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    fq_str names[] = {FQ_STR("mail"), FQ_STR("add"), FQ_STR("mail")};
    for (int i = 0; i < 10; i++) {
        char id[8], instance[8];
        snprintf(id, sizeof id, "w%d", 9 - i);
        snprintf(instance, sizeof instance, "i%d", i);
        struct fq_command command = {.type = FQ_COMMAND_REGISTER};
        command.worker_register.worker = fq_str_of(id);
        command.worker_register.instance = fq_str_of(instance);
        command.worker_register.meta = FQ_STR("host=a");
        command.worker_register.names = names;
        command.worker_register.name_count = 3;
        command.worker_register.slots = (uint32_t)i;
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    submit(&rig, 1, "add", FQ_PRIORITY_NORMAL);
    fq_uuid id;
    fetch(&rig, "stranger", "add", &id);
    struct fq_worker_view views[3];
    uint64_t cursor = 0;
    uint32_t seen = 0;
    do {
        size_t count = fq_engine_workers(rig.engine, rig.now, &cursor, views, 3);
        for (size_t i = 0; i < count; i++, seen++) {
            if (seen == 10) {
                assert_true(fq_str_equal(views[i].id, FQ_STR("stranger")));
                assert_false(views[i].registered || views[i].active);
                assert_int_equal(views[i].leases, 1);
                continue;
            }
            assert_int_equal(views[i].slots, seen);
            assert_int_equal(views[i].id.ptr[1], '9' - (char)seen);
            assert_int_equal(views[i].instance.ptr[1], '0' + (char)seen);
            assert_true(fq_str_equal(views[i].meta, FQ_STR("host=a")));
            assert_int_equal(views[i].name_count, 2);
            assert_true(views[i].registered && views[i].active);
        }
    } while (cursor != 0);
    assert_int_equal(seen, 11);
    fq_str name;
    assert_int_equal(fq_engine_worker_name(rig.engine, FQ_STR("w3"), 1, &name), 0);
    assert_true(fq_str_equal(name, FQ_STR("mail")));
    assert_int_equal(fq_engine_worker_name(rig.engine, FQ_STR("w3"), 2, &name), FQ_EINVALID);
    assert_int_equal(fq_engine_worker_name(rig.engine, FQ_STR("stranger"), 0, &name), FQ_EINVALID);
    engine_rig_close(&rig);
}

static void stats_tell_the_longest_wait(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.oldest_pending_us, 0);
    int64_t first_us = rig.now.wall_us;
    submit(&rig, 1, "add", FQ_PRIORITY_LOW);
    engine_rig_pass(&rig, 1000);
    submit(&rig, 2, "mail", FQ_PRIORITY_HIGH);
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_true(stats.oldest_pending_us == first_us);
    assert_int_equal(stats.pending_count[FQ_PRIORITY_LOW], 1);
    struct fq_name_view name;
    assert_int_equal(fq_engine_name(rig.engine, 1, rig.now, &name), 0);
    assert_true(fq_str_equal(name.name, FQ_STR("mail")) && name.oldest_pending_us == first_us + 1000);
    assert_int_equal(fq_engine_name(rig.engine, 2, rig.now, &name), FQ_EINVALID);
    engine_rig_close(&rig);
}

static void the_ledger_keeps_what_it_must(void **state) {
    (void)state;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.ledger_count_min = 1000;
    config.ledger_age_min_ms = 60000;
    config.default_result_ttl_ms = 1000;
    struct engine_rig rig;
    engine_rig_open(&rig, &config);
    rig.check_each = false;
    for (uint64_t i = 0; i < 5000; i++) {
        submit(&rig, i, "add", FQ_PRIORITY_NORMAL);
        struct fq_command cancel = {.type = FQ_COMMAND_CANCEL};
        cancel.cancel.id = engine_rig_id(i);
        assert_int_equal(engine_rig_run(&rig, &cancel), 0);
        if (i % 100 == 0)
            engine_rig_pass(&rig, 2000000); // 5,000 ids in 100 s
    }
    engine_rig_pass(&rig, 2000000);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_true(stats.ledger_count >= 3000 &&
                stats.ledger_count < 5000); // those of the last 60 s, and no longer all
    struct fq_task_view view;
    fq_uuid young = engine_rig_id(4000), old = engine_rig_id(0);
    assert_int_equal(fq_engine_task(rig.engine, &young, &view), 0);
    assert_int_equal(fq_engine_task(rig.engine, &old, &view), FQ_EUNKNOWNTASK);
    engine_rig_pass(&rig, 600000000);
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_true(stats.ledger_count >= 1000 && stats.ledger_count < 1000 + 1024);
    assert_int_equal(fq_engine_task(rig.engine, &(fq_uuid){{0}}, &view), FQ_EUNKNOWNTASK);
    young = engine_rig_id(4999);
    assert_int_equal(fq_engine_task(rig.engine, &young, &view), 0);
    assert_int_equal(view.state, FQ_TASK_CANCELLED);
    fq_engine_check(rig.engine);
    engine_rig_compact(&rig);
    engine_rig_restart(&rig);
    submit(&rig, 0, "add", FQ_PRIORITY_NORMAL); // an id forgotten for good is new again
    engine_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_show_each_task_once_while_others_come),
        cmocka_unit_test(filters_choose),
        cmocka_unit_test(the_dead_are_listed_oldest_first),
        cmocka_unit_test(workers_are_listed_in_order_of_registration),
        cmocka_unit_test(stats_tell_the_longest_wait),
        cmocka_unit_test(the_ledger_keeps_what_it_must),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
