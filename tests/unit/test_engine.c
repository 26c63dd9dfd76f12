// SPDX-License-Identifier: Apache-2.0
// The engine's life in a few lines: submit, fetch, complete, fail, and the same again from the journal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/view.h"

#include <string.h>

struct bench {
    fq_engine *engine, *twin; // the twin sees the journal only
    fq_decision *decision, *replay;
    struct fq_now now;
    fq_buf record;
};

static void run_events(struct bench *bench) {
    for (size_t i = 0; i < fq_decision_event_count(bench->decision); i++) {
        const struct fq_event *event = fq_decision_event(bench->decision, i);
        if (fq_event_is_durable(fq_event_type_of(event))) {
            fq_buf_clear(&bench->record);
            assert_int_equal(fq_event_encode(event, &bench->record), 0);
            assert_int_equal(fq_buf_len(&bench->record), fq_event_encoded_size(event));
            assert_int_equal(fq_engine_replay(bench->twin, fq_buf_str(&bench->record), bench->replay), 0);
            fq_engine_apply(bench->twin, bench->replay, 0);
        }
        fq_engine_apply(bench->engine, bench->decision, i);
    }
    assert_true(fq_engine_hash(bench->engine) == fq_engine_hash(bench->twin));
    fq_engine_check(bench->engine);
    fq_engine_check(bench->twin);
}

static int run(struct bench *bench, const struct fq_command *command) {
    int rc = fq_engine_decide(bench->engine, command, bench->now, bench->decision);
    if (rc == 0)
        run_events(bench);
    return rc;
}

static int start(void **state) {
    static struct bench bench;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    bench = (struct bench){.engine = fq_engine_new(&config), .twin = fq_engine_new(&config)};
    bench.decision = fq_decision_new();
    bench.replay = fq_decision_new();
    bench.now = (struct fq_now){1000000, INT64_C(1700000000000000)};
    assert_int_equal(fq_engine_start(bench.engine, 1, bench.now, bench.decision), 0);
    run_events(&bench);
    *state = &bench;
    return 0;
}

static int stop(void **state) {
    struct bench *bench = *state;
    fq_buf_done(&bench->record);
    fq_decision_free(bench->decision);
    fq_decision_free(bench->replay);
    fq_engine_free(bench->engine);
    fq_engine_free(bench->twin);
    return 0;
}

static fq_uuid id_of(unsigned number) {
    fq_uuid id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    id.bytes[15] = 1;
    return id;
}

static struct fq_command submit(unsigned number, const char *name) {
    struct fq_command command = {.type = FQ_COMMAND_SUBMIT};
    command.submit.id = id_of(number);
    command.submit.name = fq_str_of(name);
    command.submit.payload = FQ_STR("{}");
    command.submit.priority = FQ_PRIORITY_NORMAL;
    command.submit.result_ttl_ms = -1;
    return command;
}

static uint64_t fetch_one(struct bench *bench, fq_str name, fq_uuid *ret_id) {
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = FQ_STR("w");
    command.fetch.names = &name;
    command.fetch.name_count = 1;
    command.fetch.count = 1;
    assert_int_equal(run(bench, &command), 0);
    assert_int_equal(fq_decision_effect_count(bench->decision), 1);
    const struct fq_effect *effect = fq_decision_effect(bench->decision, 0);
    assert_int_equal(effect->type, FQ_EFFECT_GRANTED);
    *ret_id = effect->id;
    return effect->token;
}

static void a_task_runs(void **state) {
    struct bench *bench = *state;
    struct fq_command command = submit(1, "add");
    assert_int_equal(run(bench, &command), 0);
    fq_uuid id;
    uint64_t token = fetch_one(bench, FQ_STR("add"), &id);
    assert_int_equal(token >> 40, 1);
    struct fq_command complete = {.type = FQ_COMMAND_COMPLETE};
    complete.complete.id = id;
    complete.complete.token = token;
    complete.complete.result = FQ_STR("42");
    complete.complete.run_us = 7;
    assert_int_equal(run(bench, &complete), 0);
    struct fq_task_view view;
    assert_int_equal(fq_engine_result(bench->engine, &id, &view), 0);
    assert_int_equal(view.state, FQ_TASK_SUCCESS);
    assert_true(fq_str_equal(view.result, FQ_STR("42")));
    assert_true(fq_str_equal(view.name, FQ_STR("add")));
    assert_int_equal(view.run_us, 7);
    assert_int_equal(run(bench, &complete), FQ_ESTALELEASE);
}

static void a_task_fails(void **state) {
    struct bench *bench = *state;
    struct fq_command command = submit(2, "mul");
    assert_int_equal(run(bench, &command), 0);
    fq_uuid id;
    uint64_t token = fetch_one(bench, FQ_STR("mul"), &id);
    struct fq_command fail = {.type = FQ_COMMAND_FAIL};
    fail.fail.id = id;
    fail.fail.token = token;
    fail.fail.type = FQ_STR("ValueError");
    fail.fail.message = FQ_STR("no");
    fail.fail.run_us = -1;
    assert_int_equal(run(bench, &fail), 0);
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(bench->engine, &id, &view), 0);
    assert_int_equal(view.state, FQ_TASK_FAILURE);
    assert_true(fq_str_equal(view.error_type, FQ_STR("ValueError")));
    assert_true(fq_str_equal(view.payload, FQ_STR("{}")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_task_runs, start, stop),
        cmocka_unit_test_setup_teardown(a_task_fails, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
