// SPDX-License-Identifier: Apache-2.0
// Every allocation of every decision fails once, with a decision that has no memory of its own yet: FQ_ENOMEM, and nothing
// has changed. The linker routes the engine's allocations through the ones below.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/engine_rig.h"

#include <stdio.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *memory, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *memory, size_t count, size_t size);

static long fail_at; // the n-th allocation from now fails; 0 = none

static bool refuses(void) {
    return fail_at > 0 && --fail_at == 0;
}
void *__wrap_malloc(size_t size) {
    return refuses() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return refuses() ? NULL : __real_calloc(count, size);
}
void *__wrap_reallocarray(void *memory, size_t count, size_t size) {
    return refuses() ? NULL : __real_reallocarray(memory, count, size);
}

enum { LEDGER_KEPT = 8, DEAD_KEPT = 2 };

// What is decided: a command, what time makes happen, a boot or a check of the state.
struct question {
    const struct fq_command *command; // NULL: `other`
    int (*other)(const struct engine_rig *rig, fq_decision *decision);
};

static int decide(const struct engine_rig *rig, const struct question *question, fq_decision *decision) {
    return question->command != NULL ? fq_engine_decide(rig->engine, question->command, rig->now, decision)
                                     : question->other(rig, decision);
}

// Fails each allocation in turn until the question is answered; how many there were.
static long starve(const struct engine_rig *rig, const struct question *question) {
    uint64_t hash = fq_engine_hash(rig->engine);
    for (long n = 1;; n++) {
        assert_true(n < 200);
        fq_decision *cold = fq_decision_new();
        fail_at = n;
        int rc = decide(rig, question, cold);
        fail_at = 0;
        assert_true(fq_engine_hash(rig->engine) == hash);
        if (rc < 0) {
            assert_int_equal(rc, FQ_ENOMEM);
            assert_int_equal(decide(rig, question, cold), 0); // the same decision serves the next time
        }
        fq_decision_free(cold);
        if (rc == 0)
            return n - 1;
    }
}

static void run(struct engine_rig *rig, const struct fq_command *command) {
    struct question question = {.command = command};
    starve(rig, &question);
    fq_engine_check(rig->engine);
    assert_int_equal(engine_rig_run(rig, command), 0);
}

static int due(const struct engine_rig *rig, fq_decision *decision) {
    return fq_engine_due(rig->engine, rig->now, 100, decision);
}

static int start(const struct engine_rig *rig, fq_decision *decision) {
    return fq_engine_start(rig->engine, rig->epoch + 1, rig->now, decision);
}

static int check(const struct engine_rig *rig, fq_decision *decision) {
    return fq_engine_hash_check(rig->engine, rig->now, decision);
}

static void pass(struct engine_rig *rig, int64_t boot_ms, int64_t wall_ms) {
    rig->now.boot_us += boot_ms * FQ_US_PER_MS;
    rig->now.wall_us += wall_ms * FQ_US_PER_MS;
    struct question question = {.other = due};
    assert_true(starve(rig, &question) > 0);
    engine_rig_due(rig);
}

// ---- commands ----

static void submit(struct engine_rig *rig, uint64_t number, const char *name, int64_t timeout_ms) {
    struct fq_command command = engine_rig_submit(number, name);
    command.submit.options.encoding = FQ_STR("raw");
    command.submit.timeout_ms = timeout_ms;
    run(rig, &command);
}

static void enroll(struct engine_rig *rig, const char *worker) {
    static const fq_str names[] = {
        {"add",    3},
        {"mail",   4},
        {"resize", 6}
    };
    struct fq_command command = {.type = FQ_COMMAND_REGISTER};
    command.worker_register.worker = fq_str_of(worker);
    command.worker_register.instance = FQ_STR("i");
    command.worker_register.names = names;
    command.worker_register.name_count = 3;
    run(rig, &command);
}

static struct fq_heartbeat fetch(struct engine_rig *rig, const char *worker, uint32_t count) {
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = fq_str_of(worker);
    command.fetch.count = count;
    run(rig, &command);
    assert_int_equal(fq_decision_effect_count(rig->decision), count);
    const struct fq_effect *effect = fq_decision_effect(rig->decision, 0);
    return (struct fq_heartbeat){effect->id, effect->token, FQ_REPORT_RUNNING, 0};
}

static void beat(struct engine_rig *rig, const char *worker, const struct fq_heartbeat *lease) {
    struct fq_command command = {.type = FQ_COMMAND_HEARTBEAT};
    command.heartbeat.worker = fq_str_of(worker);
    command.heartbeat.beats = lease;
    command.heartbeat.beat_count = lease != NULL;
    run(rig, &command);
}

static void cancel(struct engine_rig *rig, fq_uuid id) {
    struct fq_command command = {.type = FQ_COMMAND_CANCEL};
    command.cancel.id = id;
    run(rig, &command);
}

static void fail_lease(struct engine_rig *rig, const struct fq_heartbeat *lease, bool crash) {
    struct fq_command command = {.type = FQ_COMMAND_FAIL};
    command.fail.id = lease->id;
    command.fail.token = lease->token;
    command.fail.type = FQ_STR("ValueError");
    command.fail.message = FQ_STR("no");
    command.fail.traceparent = FQ_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    command.fail.crash = crash;
    command.fail.run_us = -1;
    run(rig, &command);
}

static void ask_worker(struct engine_rig *rig, enum fq_command_type type, const char *worker) {
    struct fq_command command = {.type = type};
    command.worker.worker = fq_str_of(worker);
    run(rig, &command);
}

static void pause(struct engine_rig *rig, enum fq_command_type type, const char *name) {
    struct fq_command command = {.type = type};
    command.pause.name = fq_str_of(name);
    run(rig, &command);
}

static enum fq_task_state state_of(const struct engine_rig *rig, fq_uuid id) {
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(rig->engine, &id, &view), 0);
    return view.state;
}

// ---- lives ----

static void open_rig(struct engine_rig *rig, uint32_t crash_max, uint32_t loss_max) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.crash_max = crash_max;
    config.loss_max = loss_max;
    config.default_result_ttl_ms = 600000;
    config.result_count_max = 1;
    config.dead_count_max = DEAD_KEPT;
    config.ledger_count_min = LEDGER_KEPT;
    config.ledger_age_min_ms = 0;
    engine_rig_open(rig, &config);
}

static void leases_that_end_badly(void **state) {
    (void)state;
    struct engine_rig rig;
    open_rig(&rig, 2, 1);
    enroll(&rig, "w");
    submit(&rig, 0, "mail", 3600000);
    struct fq_heartbeat lease = fetch(&rig, "w", 1);
    beat(&rig, "w", &lease);
    rig.now.boot_us += FQ_US_PER_S;
    rig.now.wall_us += FQ_US_PER_S;
    beat(&rig, "w", &lease); // the lease is extended
    cancel(&rig, lease.id);
    fail_lease(&rig, &lease, false); // its end was asked for
    assert_int_equal(state_of(&rig, lease.id), FQ_TASK_CANCELLED);
    submit(&rig, 1, "add", 0);
    lease = fetch(&rig, "w", 1);
    beat(&rig, "w", &lease);
    fail_lease(&rig, &lease, true); // one crash is forgiven, and the context of the attempt kept
    assert_int_equal(state_of(&rig, lease.id), FQ_TASK_PENDING);
    fq_uuid first = lease.id;
    lease = fetch(&rig, "w", 1);
    assert_true(fq_uuid_equal(&lease.id, &first));
    beat(&rig, "w", &lease);
    fail_lease(&rig, &lease, true);
    assert_int_equal(state_of(&rig, first), FQ_TASK_FAILURE);
    struct fq_command requeue = {.type = FQ_COMMAND_DEAD_REQUEUE};
    requeue.dead_requeue.id = first;
    run(&rig, &requeue);
    cancel(&rig, first);
    submit(&rig, 2, "add", 0);
    lease = fetch(&rig, "w", 1);
    ask_worker(&rig, FQ_COMMAND_UNREGISTER, "w"); // gives it back
    assert_int_equal(state_of(&rig, lease.id), FQ_TASK_PENDING);
    enroll(&rig, "v");
    for (int loss = 0; loss < 3; loss++) { // one uncharged, then two crashes though no start was known
        lease = fetch(&rig, "v", 1);
        ask_worker(&rig, FQ_COMMAND_WORKER_GONE, "v");
        assert_int_equal(state_of(&rig, lease.id), loss < 2 ? FQ_TASK_PENDING : FQ_TASK_FAILURE);
        enroll(&rig, "v");
    }
    beat(&rig, "v", NULL); // nothing but a sign of life
    ask_worker(&rig, FQ_COMMAND_UNREGISTER, "v");
    engine_rig_close(&rig);
}

static void what_time_makes_happen(void **state) {
    (void)state;
    struct engine_rig rig;
    open_rig(&rig, 1, 0);
    enroll(&rig, "w");
    for (uint64_t i = 0; i < 8; i++)
        submit(&rig, i, "add", 3600000);
    for (int i = 0; i < 3; i++) { // more results than are kept
        struct fq_heartbeat lease = fetch(&rig, "w", 1);
        struct fq_command command = {.type = FQ_COMMAND_COMPLETE};
        command.complete.id = lease.id;
        command.complete.token = lease.token;
        command.complete.result = FQ_STR("1");
        run(&rig, &command);
    }
    pass(&rig, 0, 0);
    struct fq_heartbeat lease = fetch(&rig, "w", 5);
    beat(&rig, "w", &lease);
    fq_engine_hold_leases(rig.engine, (struct fq_now){rig.now.boot_us + 40 * FQ_US_PER_S, 0});
    pass(&rig, 40000, 40000); // held: all of them are extended
    assert_int_equal(state_of(&rig, lease.id), FQ_TASK_STARTED);
    rig.now.boot_us += 60 * FQ_US_PER_S;
    rig.now.wall_us += 60 * FQ_US_PER_S;
    struct question question = {.other = due};
    assert_true(starve(&rig, &question) > 0);
    fq_uuid id = lease.id;
    engine_rig_due(&rig); // five are lost, the oldest dead among them dropped
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(rig.engine, &id, &view), 0);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_FAILURE], DEAD_KEPT);
    struct fq_command purge = {.type = FQ_COMMAND_DEAD_PURGE};
    run(&rig, &purge);
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.state_count[FQ_TASK_FAILURE], 0);
    pass(&rig, 0, 3600000);       // a clock that is set forward
    pass(&rig, 3600000, 3600000); // the worker is forgotten
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.worker_count, 0);
    engine_rig_close(&rig);
}

// One thing at a time is due, so that its own event is the first.
static void what_time_makes_happen_alone(void **state) {
    (void)state;
    struct engine_rig rig;
    open_rig(&rig, 1, 0);
    for (uint64_t i = 0; i < 40; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        command.submit.delay_ms = 1000;
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    pass(&rig, 1000, 1000); // more delays end than a decision without memory has room for
    assert_int_equal(state_of(&rig, engine_rig_id(39)), FQ_TASK_PENDING);
    enroll(&rig, "w");
    for (int i = 0; i <= DEAD_KEPT; i++) {
        struct fq_heartbeat lease = fetch(&rig, "w", 1);
        fail_lease(&rig, &lease, false);
    }
    pass(&rig, 0, 0);
    struct fq_engine_stats stats;
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.dead_count, DEAD_KEPT);
    pass(&rig, 700000, 700000);
    fq_engine_stats(rig.engine, rig.now, &stats);
    assert_int_equal(stats.worker_count, 0);
    engine_rig_close(&rig);
}

static void an_old_ledger_is_trimmed(void **state) {
    (void)state;
    struct engine_rig rig;
    open_rig(&rig, 1, 0);
    rig.check_each = false;
    for (uint64_t i = 0; i < 1100; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        command.submit.result_ttl_ms = 0;
        assert_int_equal(engine_rig_run(&rig, &command), 0);
        command = (struct fq_command){.type = FQ_COMMAND_CANCEL};
        command.cancel.id = engine_rig_id(i);
        assert_int_equal(engine_rig_run(&rig, &command), 0);
        engine_rig_due(&rig);
    }
    pass(&rig, 700000, 700000);
    fq_uuid first = engine_rig_id(0), last = engine_rig_id(1099);
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(rig.engine, &first, &view), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_engine_task(rig.engine, &last, &view), 0);
    fq_engine_check(rig.engine);
    engine_rig_close(&rig);
}

static void pauses_and_choices(void **state) {
    (void)state;
    struct engine_rig rig;
    open_rig(&rig, 5, 5);
    pause(&rig, FQ_COMMAND_PAUSE, "new");
    pause(&rig, FQ_COMMAND_RESUME, "new");
    pause(&rig, FQ_COMMAND_PAUSE, "");
    pause(&rig, FQ_COMMAND_RESUME, "");
    enroll(&rig, "w");
    for (uint64_t i = 0; i < 60; i++) {
        struct fq_command command = engine_rig_submit(i, i % 3 == 0 ? "mail" : i % 3 == 1 ? "add" : "resize");
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    struct fq_heartbeat lease = fetch(&rig, "w", 40);
    struct fq_command release = {.type = FQ_COMMAND_RELEASE};
    release.release.id = lease.id;
    release.release.token = lease.token;
    run(&rig, &release); // back before its turn
    struct fq_heartbeat again = fetch(&rig, "w", 20);
    assert_true(fq_uuid_equal(&again.id, &lease.id));
    // By names that no worker registered.
    fq_str names[20];
    char texts[20][8];
    for (uint64_t i = 0; i < 20; i++) {
        snprintf(texts[i], sizeof texts[i], "n%02d", (int)i);
        names[i] = fq_str_of(texts[i]);
        struct fq_command command = engine_rig_submit(100 + i, texts[i]);
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = FQ_STR("plain");
    command.fetch.names = names;
    command.fetch.name_count = 20;
    command.fetch.count = 20;
    run(&rig, &command);
    assert_int_equal(fq_decision_effect_count(rig.decision), 20);
    // By the set of a worker that registered them all.
    for (uint64_t i = 0; i < 20; i++) {
        command = engine_rig_submit(200 + i, texts[i]);
        assert_int_equal(engine_rig_run(&rig, &command), 0);
    }
    command = (struct fq_command){.type = FQ_COMMAND_REGISTER};
    command.worker_register.worker = FQ_STR("many");
    command.worker_register.names = names;
    command.worker_register.name_count = 20;
    run(&rig, &command);
    fetch(&rig, "many", 20);
    engine_rig_close(&rig);
}

// ---- boots and snapshots ----

static void boots_and_checks(void **state) {
    (void)state;
    struct engine_rig rig;
    open_rig(&rig, 5, 5);
    struct question asked[] = {{.other = start}, {.other = check}};
    for (size_t i = 0; i < 2; i++)
        assert_true(starve(&rig, &asked[i]) > 0);
    fail_at = 1;
    assert_null(fq_engine_new(&rig.config));
    fail_at = 1;
    assert_null(fq_decision_new());
    fail_at = 1;
    assert_null(fq_snapshot_open(rig.engine));
    fail_at = 0;
    engine_rig_close(&rig);
}

// Tasks in line, back before their turn, leased, delayed, finished, dead; and ids that only the ledger knows.
static void make_state(struct engine_rig *rig) {
    open_rig(rig, 1, 0);
    enroll(rig, "w");
    for (uint64_t i = 0; i < 10; i++) {
        struct fq_command command = engine_rig_submit(i, "add");
        command.submit.delay_ms = i > 8 ? 5000 : 0;
        command.submit.options.unique = i == 7 ? FQ_STR("key") : FQ_STR("");
        assert_int_equal(engine_rig_run(rig, &command), 0);
    }
    struct fq_heartbeat lease = fetch(rig, "w", 1);
    struct fq_command complete = {.type = FQ_COMMAND_COMPLETE};
    complete.complete.id = lease.id;
    complete.complete.token = lease.token;
    assert_int_equal(engine_rig_run(rig, &complete), 0);
    lease = fetch(rig, "w", 1);
    fail_lease(rig, &lease, false);
    fetch(rig, "w", 1);
    lease = fetch(rig, "w", 3);
    struct fq_command release = {.type = FQ_COMMAND_RELEASE};
    release.release.id = lease.id;
    release.release.token = lease.token;
    assert_int_equal(engine_rig_run(rig, &release), 0);
    cancel(rig, engine_rig_id(8));
    engine_rig_due(rig);
}

static void snapshots_without_memory(void **state) {
    (void)state;
    struct engine_rig rig;
    make_state(&rig);
    // Each record is asked for with a buffer that has nothing yet: refused, and a fresh attempt gets all of them.
    size_t records = 0, refused = 0;
    for (bool over = false; !over; records++) {
        fq_snapshot_cursor *cursor = fq_snapshot_open(rig.engine);
        int rc = 1;
        for (size_t i = 0; rc == 1 && i <= records; i++) {
            fq_buf out = {0};
            fail_at = i == records;
            rc = fq_snapshot_next(cursor, &out);
            fail_at = 0;
            assert_true(rc != 1 || fq_buf_len(&out) > 0);
            fq_buf_done(&out);
        }
        over = rc == 0;
        assert_int_equal(rc, over ? 0 : FQ_ENOMEM);
        refused += !over;
        fq_snapshot_close(cursor);
    }
    engine_rig_compact(&rig);
    assert_int_equal(refused, rig.record_count);
    engine_rig_close(&rig);
}

static void loading_without_memory(void **state) {
    (void)state;
    struct engine_rig rig;
    make_state(&rig);
    struct fq_command requeue = {.type = FQ_COMMAND_DEAD_REQUEUE};
    requeue.dead_requeue.id = engine_rig_id(1);
    engine_rig_compact(&rig);
    assert_int_equal(engine_rig_run(&rig, &requeue), 0); // the log behind the snapshot
    fq_engine *engine = fq_engine_new(&rig.config);
    for (size_t i = 0; i < rig.record_count; i++) {
        int rc = FQ_ENOMEM;
        for (long n = 1; rc == FQ_ENOMEM; n++) {
            assert_true(n < 50);
            fq_decision *cold = fq_decision_new();
            uint64_t hash = fq_engine_hash(engine);
            fail_at = n;
            rc = fq_engine_replay(engine, engine_rig_record(&rig, i), cold);
            fail_at = 0;
            assert_true(fq_engine_hash(engine) == hash);
            if (rc == 0)
                fq_engine_apply(engine, cold, 0);
            fq_decision_free(cold);
        }
        assert_int_equal(rc, 0);
        fq_engine_check(engine);
    }
    assert_true(fq_engine_hash(engine) == fq_engine_hash(rig.engine));
    fq_engine_free(engine);
    engine_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leases_that_end_badly),        cmocka_unit_test(what_time_makes_happen),
        cmocka_unit_test(what_time_makes_happen_alone), cmocka_unit_test(an_old_ledger_is_trimmed),
        cmocka_unit_test(pauses_and_choices),           cmocka_unit_test(boots_and_checks),
        cmocka_unit_test(snapshots_without_memory),     cmocka_unit_test(loading_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
