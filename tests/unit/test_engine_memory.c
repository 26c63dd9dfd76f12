// SPDX-License-Identifier: Apache-2.0
// Memory: what a queued task costs, what happens when there is none, and what ten thousand names cost. The linker routes
// the engine's allocations through the counters below.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/engine_rig.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);
void __wrap_free(void *memory);

static long fail_at;              // the n-th allocation from now fails; 0 = none
static unsigned long allocations; // since the last reset
static long long live_bytes;      // with the allocator's own head of 8 bytes
static const size_t HEAD_BYTES = 8;

static bool refuses(void) {
    allocations++;
    return fail_at > 0 && --fail_at == 0;
}
static void *counted(void *memory) {
    if (memory != NULL)
        live_bytes += (long long)(malloc_usable_size(memory) + HEAD_BYTES);
    return memory;
}
void *__wrap_malloc(size_t size) {
    return refuses() ? NULL : counted(__real_malloc(size));
}
void *__wrap_calloc(size_t count, size_t size) {
    return refuses() ? NULL : counted(__real_calloc(count, size));
}
void *__wrap_reallocarray(void *memory, size_t count, size_t size) {
    if (refuses())
        return NULL;
    long long before = memory != NULL ? (long long)(malloc_usable_size(memory) + HEAD_BYTES) : 0;
    void *grown = __real_reallocarray(memory, count, size);
    if (grown != NULL)
        live_bytes -= before;
    return counted(grown);
}
void __wrap_free(void *memory) {
    if (memory != NULL)
        live_bytes -= (long long)(malloc_usable_size(memory) + HEAD_BYTES);
    __real_free(memory);
}

static void decide_and_apply(fq_engine *engine, fq_decision *decision, const struct fq_command *command,
                             struct fq_now now) {
    assert_int_equal(fq_engine_decide(engine, command, now, decision), 0);
    for (size_t i = 0; i < fq_decision_event_count(decision); i++)
        fq_engine_apply(engine, decision, i);
}

static void a_queued_task_costs_at_most_200_bytes(void **state) {
    (void)state;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    fq_engine *engine = fq_engine_new(&config);
    fq_decision *decision = fq_decision_new();
    struct fq_now now = {1, INT64_C(1700000000000000)};
    long long before = live_bytes;
    long long payload = 0, worst = 0;
    for (uint64_t i = 0; i < 300000; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        decide_and_apply(engine, decision, &command, now);
        payload += (long long)command.submit.payload.len;
        if (i > 1000 && i % 97 == 0) { // also while tables grow
            long long each = (live_bytes - before - payload) / (long long)(i + 1);
            worst = each > worst ? each : worst;
        }
    }
    assert_true(worst > 100 && worst <= 200);
    fq_decision_free(decision);
    fq_engine_free(engine);
}

static void a_task_in_flight_allocates_little(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    fq_str name = FQ_STR("add");
    struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
    fetch.fetch.worker = FQ_STR("w");
    fetch.fetch.names = &name;
    fetch.fetch.name_count = 1;
    fetch.fetch.count = 1;
    unsigned long spent = 0;
    for (uint64_t i = 0; i < 5000; i++) {
        struct fq_command submit = engine_rig_submit(i, "add");
        allocations = 0;
        decide_and_apply(rig.engine, rig.decision, &submit, rig.now);
        decide_and_apply(rig.engine, rig.decision, &fetch, rig.now);
        struct fq_command complete = {.type = FQ_COMMAND_COMPLETE};
        complete.complete.id = fq_decision_effect(rig.decision, 0)->id;
        complete.complete.token = fq_decision_effect(rig.decision, 0)->token;
        complete.complete.run_us = -1;
        decide_and_apply(rig.engine, rig.decision, &complete, rig.now);
        spent += i >= 1000 ? allocations : 0;
    }
    assert_true(spent <= 4000 * 2 + 40); // the record at submit and at the end; now and then a larger array
    engine_rig_close(&rig);
}

// Runs the command with every allocation failing in turn, each time with a cold decision: refused means unchanged.
static void sweep(struct engine_rig *rig, const struct fq_command *command) {
    uint64_t hash = fq_engine_hash(rig->engine);
    int rc = FQ_ENOMEM;
    for (long n = 1; rc == FQ_ENOMEM; n++) {
        assert_true(n < 200);
        fq_decision *cold = fq_decision_new();
        fail_at = n;
        rc = fq_engine_decide(rig->engine, command, rig->now, cold);
        fail_at = 0;
        assert_true(rc == 0 || rc == FQ_ENOMEM);
        if (rc < 0) {
            assert_int_equal(fq_decision_event_count(cold), 0);
            assert_true(fq_decision_reason(cold)[0] != '\0');
            assert_true(fq_engine_hash(rig->engine) == hash);
            fq_engine_check(rig->engine);
            // The same decision serves the next command.
            assert_int_equal(fq_engine_decide(rig->engine, command, rig->now, cold), 0);
        }
        fq_decision_free(cold);
    }
    assert_int_equal(engine_rig_run(rig, command), 0);
}

static void sweep_due(struct engine_rig *rig) {
    int rc = FQ_ENOMEM;
    for (long n = 1; rc == FQ_ENOMEM; n++) {
        fq_decision *cold = fq_decision_new();
        fail_at = n;
        rc = fq_engine_due(rig->engine, rig->now, 100, cold);
        fail_at = 0;
        fq_engine_check(rig->engine);
        fq_decision_free(cold);
    }
    assert_int_equal(rc, 0);
    engine_rig_due(rig);
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    struct engine_rig rig;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.default_result_ttl_ms = 1000;
    engine_rig_open(&rig, &config);
    fq_str names[] = {FQ_STR("mail"), FQ_STR("add"), FQ_STR("resize")};
    struct fq_command command = {.type = FQ_COMMAND_REGISTER};
    command.worker_register.worker = FQ_STR("w");
    command.worker_register.names = names;
    command.worker_register.name_count = 3;
    command.worker_register.meta = FQ_STR("k=v");
    sweep(&rig, &command);
    for (uint64_t i = 0; i < 40; i++) {
        command = engine_rig_submit(i, i % 2 != 0 ? "add" : i % 3 != 0 ? "mail" : "other");
        command.submit.options.unique = i == 1 ? FQ_STR("key") : FQ_STR("");
        command.submit.options.traceparent = FQ_STR("00-x");
        command.submit.expires_ms = i % 5 == 0 ? 2000 : 0;
        command.submit.delay_ms = i % 7 == 0 ? 500 : 0;
        sweep(&rig, &command);
    }
    for (int i = 0; i < 8; i++) {
        command = (struct fq_command){.type = FQ_COMMAND_FETCH};
        command.fetch.worker = FQ_STR("w");
        command.fetch.count = 1;
        sweep(&rig, &command);
        fq_uuid id = fq_decision_effect(rig.decision, 0)->id;
        uint64_t token = fq_decision_effect(rig.decision, 0)->token;
        command = (struct fq_command){.type = i % 2 != 0 ? FQ_COMMAND_FAIL : FQ_COMMAND_COMPLETE};
        if (i % 2 != 0) {
            command.fail.id = id;
            command.fail.token = token;
            command.fail.message = FQ_STR("no");
            command.fail.declared_retries = i == 5;
            command.fail.traceparent = FQ_STR("00-y");
        } else {
            command.complete.id = id;
            command.complete.token = token;
            command.complete.result = FQ_STR("1");
        }
        sweep(&rig, &command);
        if (i % 2 != 0 && i != 5) {
            command =
                (struct fq_command){.type = i % 4 == 1 ? FQ_COMMAND_DEAD_REQUEUE : FQ_COMMAND_DEAD_PURGE};
            command.one = command.type == FQ_COMMAND_DEAD_PURGE;
            command.dead_requeue.id = id;
            if (command.one)
                command.dead_purge_one.id = id;
            sweep(&rig, &command);
        }
    }
    rig.now.boot_us += 3000000;
    rig.now.wall_us += 3000000;
    sweep_due(&rig);
    engine_rig_close(&rig);
}

static void replay_without_memory_changes_nothing(void **state) {
    (void)state;
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    for (uint64_t i = 0; i < 20; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    engine_rig_compact(&rig);
    fq_engine *engine = fq_engine_new(&rig.config);
    for (size_t i = 0; i < rig.record_count; i++) {
        int rc = FQ_ENOMEM;
        for (long n = 1; rc == FQ_ENOMEM; n++) {
            fq_decision *cold = fq_decision_new();
            fail_at = n;
            rc = fq_engine_replay(engine, engine_rig_record(&rig, i), cold);
            fail_at = 0;
            if (rc == 0)
                fq_engine_apply(engine, cold, 0);
            fq_engine_check(engine);
            fq_decision_free(cold);
        }
        assert_int_equal(rc, 0);
    }
    assert_true(fq_engine_hash(engine) == fq_engine_hash(rig.engine));
    fq_engine_free(engine);
    engine_rig_close(&rig);
}

enum { MANY = 10000 };

static void ten_thousand_names(void **state) {
    (void)state;
    static char texts[MANY][16];
    static fq_str names[MANY];
    for (int i = 0; i < MANY; i++) {
        int len = snprintf(texts[i], sizeof texts[i], "name-%d", i);
        names[i] = (fq_str){texts[i], (size_t)len};
    }
    struct engine_rig rig;
    engine_rig_open(&rig, NULL);
    rig.check_each = false;
    struct fq_command command = {.type = FQ_COMMAND_REGISTER};
    command.worker_register.worker = FQ_STR("w");
    command.worker_register.names = names;
    command.worker_register.name_count = MANY;
    assert_int_equal(engine_rig_run(&rig, &command), 0);
    for (uint64_t i = 0; i < MANY; i++) { // scattered over the names, in an order that the grants must keep
        command = engine_rig_submit(i, texts[i * 7919 % MANY]);
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    fq_engine_check(rig.engine);
    command = (struct fq_command){.type = FQ_COMMAND_FETCH};
    command.fetch.worker = FQ_STR("w");
    command.fetch.count = 100;
    for (uint64_t next = 0; next < MANY;) {
        assert_int_equal(engine_rig_run(&rig, &command), 0);
        size_t count = fq_decision_effect_count(rig.decision);
        assert_int_equal(count, 100);
        for (size_t i = 0; i < count; i++, next++) {
            fq_uuid expected = engine_rig_id(next);
            assert_true(fq_uuid_equal(&fq_decision_effect(rig.decision, i)->id, &expected));
        }
    }
    fq_engine_check(rig.engine);
    engine_rig_close(&rig);
}

static void nothing_is_leaked(void **state) {
    (void)state;
    long long before = live_bytes;
    without_memory_nothing_changes(state);
    assert_true(live_bytes == before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_queued_task_costs_at_most_200_bytes),
        cmocka_unit_test(a_task_in_flight_allocates_little),
        cmocka_unit_test(without_memory_nothing_changes),
        cmocka_unit_test(replay_without_memory_changes_nothing),
        cmocka_unit_test(ten_thousand_names),
        cmocka_unit_test(nothing_is_leaked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
