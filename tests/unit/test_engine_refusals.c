// SPDX-License-Identifier: Apache-2.0
// What the engine refuses at the door, and its arithmetic at the ends of its ranges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/command.h"
#include "engine/decide.h"
#include "engine/event_view.h"
#include "engine/ledger.h"
#include "support/engine_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char big[FQ_FIELD_MAX + 2]; // printable

static int enter(void **state) {
    static struct engine_rig rig;
    memset(&rig, 0, sizeof rig);
    memset(big, 'x', sizeof big - 1);
    engine_rig_open(&rig, NULL);
    *state = &rig;
    return 0;
}

static int leave(void **state) {
    engine_rig_close(*state);
    return 0;
}

static fq_str of_size(size_t size) {
    return (fq_str){big, size};
}

// Longer than any reader may look at: only its length may be.
static fq_str beyond(void) {
    return (fq_str){big, (size_t)INT32_MAX / 2 + 1};
}

// ---- submit ----

static void test_submits_out_of_range(void **state) {
    struct engine_rig *rig = *state;
    enum field {
        NAME,
        BLANK,
        EMPTY,
        PRIORITY,
        RETRIES,
        ENCODING,
        TRACEPARENT,
        TRACESTATE,
        BAGGAGE,
        UNIQUE,
        AT_PAST,
        AT_FAR,
        AT_AND_DELAY,
        DELAY,
        EXPIRES,
        TIMEOUT,
        BACKOFF,
        TTL,
        PAYLOAD,
        FIELD_COUNT
    };
    for (int field = 0; field < FIELD_COUNT; field++) {
        struct fq_command command = engine_rig_submit(1, "work");
        struct fq_submit *submit = &command.submit;
        int expected = FQ_EINVALID;
        switch ((enum field)field) {
        case NAME: submit->name = of_size(FQ_NAME_MAX + 1), expected = FQ_ETOOBIG; break;
        case BLANK: submit->name = FQ_STR("a b"); break;
        case EMPTY: submit->name = FQ_STR(""); break;
        case PRIORITY: submit->priority = (enum fq_priority)FQ_PRIORITY_COUNT; break;
        case RETRIES: submit->retries = rig->config.attempt_max + 1; break;
        case ENCODING: submit->options.encoding = of_size(65), expected = FQ_ETOOBIG; break;
        case TRACEPARENT:
            submit->options.traceparent = of_size(FQ_FIELD_MAX + 1), expected = FQ_ETOOBIG;
            break;
        case TRACESTATE: submit->options.tracestate = of_size(FQ_FIELD_MAX + 1), expected = FQ_ETOOBIG; break;
        case BAGGAGE: submit->options.baggage = of_size(FQ_FIELD_MAX + 1), expected = FQ_ETOOBIG; break;
        case UNIQUE: submit->options.unique = of_size(FQ_UNIQUE_MAX + 1), expected = FQ_ETOOBIG; break;
        case AT_PAST: submit->at_us = -1; break;
        case AT_FAR: submit->at_us = INT64_MAX; break;
        case AT_AND_DELAY: submit->at_us = 1, submit->delay_ms = 1; break;
        case DELAY: submit->delay_ms = -1; break;
        case EXPIRES: submit->expires_ms = FQ_TIME_MAX_MS + 1; break;
        case TIMEOUT: submit->timeout_ms = -5; break;
        case BACKOFF: submit->backoff_ms = FQ_TIME_MAX_MS + 1; break;
        case PAYLOAD: submit->payload = beyond(), expected = FQ_ETOOBIG; break;
        case TTL:
        default: submit->result_ttl_ms = -2; break;
        }
        assert_int_equal(engine_rig_run(rig, &command), expected);
        assert_true(fq_decision_reason(rig->decision)[0] != '\0');
    }
    struct fq_command command = engine_rig_submit(1, "work"); // none of them left anything behind
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_false(fq_decision_is_repeat(rig->decision));
}

// ---- workers ----

static struct fq_command registration(const char *worker, const fq_str *name) {
    return (struct fq_command){
        .type = FQ_COMMAND_REGISTER,
        .worker_register = {.worker = fq_str_of(worker),
                            .instance = FQ_STR("i"),
                            .names = name,
                            .name_count = 1,
                            .slots = 1}
    };
}

static void test_registrations_out_of_range(void **state) {
    struct engine_rig *rig = *state;
    fq_str name = FQ_STR("work"), long_name = of_size(FQ_NAME_MAX + 1);
    struct fq_command command = registration("w", &name);
    command.worker_register.instance = of_size(257);
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    command = registration("w", &name);
    command.worker_register.meta = of_size(4097);
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    command = registration("w", &long_name);
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    command = registration("w w", &name);
    assert_int_equal(engine_rig_run(rig, &command), FQ_EINVALID);
    command = registration("w", &name);
    assert_int_equal(engine_rig_run(rig, &command), 0);
}

static void test_a_second_instance_is_told_who_holds_the_id(void **state) {
    struct engine_rig *rig = *state;
    fq_str name = FQ_STR("work");
    for (size_t len = 5; len <= FQ_NAME_MAX; len += FQ_NAME_MAX - 5) {
        struct fq_command command = registration("", &name);
        command.worker_register.worker = of_size(len);
        assert_int_equal(engine_rig_run(rig, &command), 0);
        command.worker_register.instance = FQ_STR("j");
        assert_int_equal(engine_rig_run(rig, &command), FQ_EWORKEREXISTS);
        const char *told = strstr(fq_decision_reason(rig->decision), "'xxxxx");
        assert_non_null(told); // of a long id, the beginning
        assert_int_equal(strchr(told + 1, '\'') - told - 1, len < 64 ? len : 64);
    }
    struct fq_command nobody = {.type = FQ_COMMAND_UNREGISTER};
    assert_int_equal(engine_rig_run(rig, &nobody), FQ_EUNKNOWNWORKER);
}

static void test_pauses_of_names_that_are_none(void **state) {
    struct engine_rig *rig = *state;
    struct fq_command command = {.type = FQ_COMMAND_PAUSE};
    command.pause.name = FQ_STR("a b");
    assert_int_equal(engine_rig_run(rig, &command), FQ_EINVALID);
    command.pause.name = of_size(FQ_NAME_MAX + 1);
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    command = (struct fq_command){.type = FQ_COMMAND_RESUME}; // nothing is paused: nothing to do
    assert_int_equal(engine_rig_run(rig, &command), 0);
    command.resume.name = FQ_STR("unheard-of");
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_int_equal(fq_decision_event_count(rig->decision), 0);
    command =
        (struct fq_command){.type = FQ_COMMAND_PAUSE}; // with no name to wait, the queue itself is paused
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_int_equal(fq_decision_event_count(rig->decision), 1);
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_int_equal(fq_decision_event_count(rig->decision), 0);
}

static void test_too_many_sets_of_names(void **state) {
    struct engine_rig *rig = *state;
    char worker[32], text[32];
    int rc = 0, count = 0;
    for (; rc == 0 && count < 3000; count++) {
        snprintf(worker, sizeof worker, "w%d", count);
        snprintf(text, sizeof text, "name%d", count);
        fq_str name = fq_str_of(text);
        struct fq_command command = registration(worker, &name);
        rc = engine_rig_run(rig, &command);
    }
    assert_int_equal(rc, FQ_EBUSY);
    assert_non_null(strstr(fq_decision_reason(rig->decision), "sets of tasks"));
    fq_str name = FQ_STR("name7"); // a set that is known is no new one
    struct fq_command command = registration("another", &name);
    assert_int_equal(engine_rig_run(rig, &command), 0);
}

// ---- leases ----

static uint64_t grant(struct engine_rig *rig, uint64_t number) {
    static fq_str name;
    name = FQ_STR("work");
    struct fq_command command = engine_rig_submit(number, "work");
    assert_int_equal(engine_rig_run(rig, &command), 0);
    command = (struct fq_command){
        .type = FQ_COMMAND_FETCH,
        .fetch = {.worker = FQ_STR("w"), .names = &name, .name_count = 1, .count = 1}
    };
    assert_int_equal(engine_rig_run(rig, &command), 0);
    for (size_t i = 0; i < fq_decision_event_count(rig->decision); i++) {
        const struct fq_event *event = fq_decision_event(rig->decision, i);
        if (event->type == FQ_EVENT_GRANTED)
            return event->granted.token;
    }
    fail_msg("nothing was granted");
    return 0;
}

static void test_completions_out_of_range(void **state) {
    struct engine_rig *rig = *state;
    uint64_t token = grant(rig, 1);
    struct fq_command good = {
        .type = FQ_COMMAND_COMPLETE, .complete = {.id = engine_rig_id(1), .token = token, .run_us = -1}
    };
    struct fq_command command = good;
    command.complete.encoding = of_size(65);
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    command = good;
    command.complete.traceparent = of_size(FQ_FIELD_MAX + 1);
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    command = good;
    command.complete.result = beyond();
    assert_int_equal(engine_rig_run(rig, &command), FQ_ETOOBIG);
    assert_int_equal(engine_rig_run(rig, &good), 0); // the lease was still good
}

static void test_long_texts_of_failures_are_cut(void **state) {
    struct engine_rig *rig = *state;
    uint64_t token = grant(rig, 1);
    struct fq_command command = {
        .type = FQ_COMMAND_FAIL,
        .fail = {.id = engine_rig_id(1),
                 .token = token,
                 .type = of_size(FQ_FIELD_MAX + 1),
                 .message = of_size(FQ_FIELD_MAX + 1),
                 .stack = of_size(FQ_FIELD_MAX + 1),
                 .traceparent = of_size(FQ_FIELD_MAX),
                 .run_us = -1}
    };
    size_t before = rig->log.end - rig->log.begin;
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_true(rig->log.end - rig->log.begin - before < 3 * (size_t)FQ_FIELD_MAX + 4096);
    engine_rig_restart(rig);
}

static void test_every_event_of_a_life_has_a_name(void **state) {
    struct engine_rig *rig = *state;
    uint64_t token = grant(rig, 1);
    struct fq_command command = {
        .type = FQ_COMMAND_FAIL,
        .fail = {.id = engine_rig_id(1),
                 .token = token,
                 .type = FQ_STR("WorkerLost"),
                 .message = FQ_STR("killed"),
                 .crash = true,
                 .started_us = rig->now.wall_us,
                 .run_us = 1}
    };
    assert_int_equal(engine_rig_run(rig, &command), 0);
    for (size_t i = 0; i < rig->record_count; i++) {
        struct fq_event_head head, peeked;
        assert_int_equal(fq_event_view(engine_rig_record(rig, i), NULL, NULL, &head), 0);
        assert_true(fq_event_peek(engine_rig_record(rig, i), &peeked));
        assert_int_equal(peeked.type, head.type);
        assert_int_equal(peeked.at_us, head.at_us);
        assert_true(fq_uuid_equal(&peeked.id, &head.id));
        assert_string_not_equal(fq_event_type_name(head.type), "unknown");
    }
    assert_string_equal(fq_event_type_name((enum fq_event_type)999), "unknown");
    assert_string_equal(fq_event_type_name(FQ_EVENT_NONE), "unknown");
}

// ---- the ends of ranges ----

static void test_limits_that_a_task_cannot_count_are_lowered(void **state) {
    (void)state;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.crash_max = 100000;
    config.loss_max = 100000;
    config.attempt_max = UINT32_MAX;
    struct engine_rig rig = {0};
    engine_rig_open(&rig, &config);
    struct fq_command command = engine_rig_submit(1, "work");
    command.submit.retries = UINT16_MAX;
    assert_int_equal(engine_rig_run(&rig, &command), FQ_EINVALID);
    command.submit.retries = UINT16_MAX / 2;
    assert_int_equal(engine_rig_run(&rig, &command), 0);
    engine_rig_close(&rig);
}

// A definition may declare more retries than the server allows: it gets those that are allowed.
static void test_declared_retries_are_bounded(void **state) {
    (void)state;
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.attempt_max = 1;
    struct engine_rig rig = {0};
    engine_rig_open(&rig, &config);
    fq_uuid id = engine_rig_id(1);
    uint64_t token = grant(&rig, 1);
    for (int attempt = 0; attempt < 2; attempt++) {
        struct fq_command command = {.type = FQ_COMMAND_FAIL};
        command.fail.id = id;
        command.fail.token = token;
        command.fail.declared_retries = 1000000;
        command.fail.declared_backoff_ms = 1;
        command.fail.started_us = rig.now.wall_us;
        command.fail.traceparent = of_size(200); // longer than what is kept of it for the next attempt
        assert_int_equal(engine_rig_run(&rig, &command), 0);
        struct fq_task_view view;
        assert_int_equal(fq_engine_task(rig.engine, &id, &view), 0);
        assert_int_equal(view.state, attempt == 0 ? FQ_TASK_SCHEDULED : FQ_TASK_FAILURE);
        engine_rig_pass(&rig, 1000);
        fq_str name = FQ_STR("work");
        struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
        fetch.fetch.worker = FQ_STR("w");
        fetch.fetch.names = &name;
        fetch.fetch.name_count = 1;
        fetch.fetch.count = 1;
        assert_int_equal(engine_rig_run(&rig, &fetch), 0);
        assert_int_equal(fq_decision_effect_count(rig.decision), attempt == 0);
        if (attempt == 0)
            token = fq_decision_effect(rig.decision, 0)->token;
    }
    engine_rig_close(&rig);
}

// The encoding that is meant where none is named is not kept, nor told apart from none.
static void test_json_is_the_default(void **state) {
    struct engine_rig *rig = *state;
    struct fq_command command = engine_rig_submit(1, "work");
    assert_int_equal(engine_rig_run(rig, &command), 0);
    command.submit.options.encoding = FQ_STR("json");
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_true(fq_decision_is_repeat(rig->decision));
    command.submit.id = engine_rig_id(2);
    assert_int_equal(engine_rig_run(rig, &command), 0);
    assert_int_equal(fq_decision_event(rig->decision, 0)->submitted.fields.len, 0);
}

static void test_epochs(void **state) {
    struct engine_rig *rig = *state;
    fq_decision *decision = fq_decision_new();
    assert_int_equal(fq_engine_start(rig->engine, 1u << 24, rig->now, decision), FQ_EINVALID);
    assert_int_equal(fq_engine_start(rig->engine, 0, rig->now, decision), FQ_EINVALID);
    assert_int_equal(fq_engine_start(rig->engine, (1u << 24) - 1, rig->now, decision), 0);
    fq_decision_free(decision);
}

static void test_backoff(void **state) {
    (void)state;
    assert_int_equal(fq_retry_delay_ms(0, 0, 1, 0), 1);
    assert_int_equal(fq_retry_delay_ms(-7, -7, 9, UINT64_MAX), 1);
    assert_int_equal(fq_retry_delay_ms(1000, 10, 1, 1000), 10); // never above the most
    assert_int_equal(fq_retry_delay_ms(1000, 60000, 1, 1000), 1000);
    assert_int_equal(fq_retry_delay_ms(1000, 60000, 4, 1000), 8000);
    assert_int_equal(fq_retry_delay_ms(1000, 60000, 7, 1000), 60000);
    assert_int_equal(fq_retry_delay_ms(1000, 60000, 1, 0), 800);
    assert_int_equal(fq_retry_delay_ms(1000, 60000, 1, 2000), 1200);
    assert_true(fq_retry_delay_ms(1, INT64_MAX, UINT32_MAX, 2000) <= INT64_MAX);
    assert_int_equal(fq_retry_delay_ms(INT64_MAX / 2, INT64_MAX, 2, 2000), FQ_TIME_MAX_MS);
}

static fq_uuid ledger_id(uint64_t number) {
    fq_uuid id = {{0}};
    memcpy(id.bytes, &number, sizeof number);
    return id;
}

static void test_a_ledger_of_many_chunks(void **state) {
    (void)state;
    enum { COUNT = 20 * FQ_LEDGER_CHUNK }; // its list of chunks grows on the way
    struct fq_ledger ledger;
    struct fq_reservation reservation = {0};
    fq_ledger_init(&ledger, 7);
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(fq_ledger_reserve(&ledger, 1, &reservation), 0);
        fq_ledger_adopt(&ledger, &reservation);
        struct fq_ledger_record record = {.body_hash = i,
                                          .finished_us = i == 0   ? -1
                                                         : i == 1 ? INT64_MAX
                                                                  : (int64_t)i};
        fq_uuid id = ledger_id(i);
        fq_ledger_add(&ledger, &reservation, &id, &record);
    }
    fq_uuid first = ledger_id(0), second = ledger_id(1), last = ledger_id(COUNT - 1);
    assert_int_equal(fq_ledger_find(&ledger, &first)->finished_s, 0);
    assert_int_equal(fq_ledger_find(&ledger, &second)->finished_s, UINT32_MAX);
    for (uint64_t i = 0; i + 10 < COUNT; i++)
        fq_ledger_remove_first(&ledger);
    assert_int_equal(fq_ledger_count(&ledger), 10);
    assert_true(ledger.chunk_count <= 2);
    assert_null(fq_ledger_find(&ledger, &first));
    assert_true(fq_ledger_matches(fq_ledger_find(&ledger, &last), COUNT - 1));
    fq_reservation_done(&reservation);
    fq_ledger_done(&ledger);
}

static void test_times_that_do_not_fit(void **state) {
    struct engine_rig *rig = *state;
    struct fq_command command = engine_rig_submit(1, "work");
    command.submit.expires_ms = FQ_TIME_MAX_MS;
    command.submit.timeout_ms = FQ_TIME_MAX_MS;
    command.submit.delay_ms = FQ_TIME_MAX_MS;
    assert_int_equal(engine_rig_run(rig, &command), 0);
    engine_rig_compact(rig);
    engine_rig_restart(rig);
    assert_true(fq_engine_deadline(rig->engine, rig->now) > rig->now.boot_us);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(test_submits_out_of_range),
        TEST(test_registrations_out_of_range),
        TEST(test_a_second_instance_is_told_who_holds_the_id),
        TEST(test_pauses_of_names_that_are_none),
        TEST(test_declared_retries_are_bounded),
        TEST(test_json_is_the_default),
        TEST(test_too_many_sets_of_names),
        TEST(test_completions_out_of_range),
        TEST(test_long_texts_of_failures_are_cut),
        TEST(test_every_event_of_a_life_has_a_name),
        TEST(test_limits_that_a_task_cannot_count_are_lowered),
        TEST(test_epochs),
        TEST(test_backoff),
        TEST(test_a_ledger_of_many_chunks),
        TEST(test_times_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
