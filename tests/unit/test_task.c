// SPDX-License-Identifier: Apache-2.0
// What a task function is given and what comes of what it gives back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/task_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A task of the given payload; its runner knows no wish because its board has none.
static fq_task *begin(const char *payload) {
    fq_task *task = calloc(1, sizeof *task);
    struct fq_runner_task given = {.id = "018f0000-0000-7000-8000-000000000001",
                                   .token = 99,
                                   .attempt = 2,
                                   .name = FQ_STR("sum"),
                                   .payload = fq_str_of(payload),
                                   .encoding = FQ_STR("json"),
                                   .traceparent = FQ_STR(""),
                                   .tracestate = FQ_STR(""),
                                   .baggage = FQ_STR("a=b")};
    fq_task_begin(task, NULL, &given);
    return task;
}
static void end(fq_task *task) {
    fq_task_end(task);
    free(task);
}

static void arguments_come_by_place_or_by_name(void **state) {
    (void)state;
    fq_task *task = begin("{\"args\":[1,\"two\",3.5,true,null],\"kwargs\":{\"late\":[7]}}");
    int64_t integer;
    double real;
    bool flag;
    const char *text;
    size_t len;
    assert_int_equal(fq_task_arg_count(task), 5);
    assert_int_equal(fq_task_arg_int(task, 0, "a", &integer), 0);
    assert_true(integer == 1);
    assert_int_equal(fq_task_arg_string(task, 1, NULL, &text, &len), 0);
    assert_memory_equal(text, "two", len);
    assert_int_equal(fq_task_arg_double(task, 2, NULL, &real), 0);
    assert_true(fabs(real - 3.5) < 1e-9);
    assert_int_equal(fq_task_arg_double(task, 0, NULL, &real), 0); // an integer is a number
    assert_int_equal(fq_task_arg_bool(task, 3, NULL, &flag), 0);
    assert_true(flag);
    assert_int_equal(fq_task_arg_int(task, 1, NULL, &integer), FQ_EINVALID);
    assert_int_equal(fq_task_arg_int(task, 3, NULL, &integer), FQ_EINVALID);
    assert_int_equal(fq_task_arg_int(task, 9, "nobody", &integer), FQ_EINVALID);
    assert_non_null(fq_task_arg_json(task, 9, "late"));
    assert_string_equal(fq_task_baggage(task), "a=b");
    assert_int_equal(fq_task_attempt(task), 2);
    end(task);
}

static void arguments_of_another_kind_are_refused(void **state) {
    (void)state;
    fq_task *task = begin("{\"args\":[1,\"two\",false,1.5],\"kwargs\":{\"yes\":true}}");
    double real = 7;
    bool flag = false;
    const char *text = "untouched", *encoding;
    size_t len;
    for (size_t position = 1; position < 3; position++)
        assert_int_equal(fq_task_arg_double(task, position, NULL, &real), FQ_EINVALID);
    assert_int_equal(fq_task_arg_double(task, 9, NULL, &real), FQ_EINVALID);
    assert_true(real > 6.9);
    assert_int_equal(fq_task_arg_bool(task, 0, NULL, &flag), FQ_EINVALID);
    assert_int_equal(fq_task_arg_bool(task, 9, NULL, &flag), FQ_EINVALID);
    assert_int_equal(fq_task_arg_bool(task, 9, "yes", &flag), 0);
    assert_true(flag);
    assert_int_equal(fq_task_arg_bool(task, 2, NULL, &flag), 0);
    assert_false(flag);
    assert_int_equal(fq_task_arg_string(task, 3, NULL, &text, &len), FQ_EINVALID);
    assert_int_equal(fq_task_arg_string(task, 9, NULL, &text, &len), FQ_EINVALID);
    assert_string_equal(text, "untouched");
    assert_int_equal(fq_task_arg_string(task, 1, NULL, &text, NULL), 0);
    assert_string_equal(text, "two");
    assert_true(fq_task_token(task) == 99);
    assert_string_equal(fq_task_traceparent(task), "");
    assert_string_equal(fq_task_tracestate(task), "");
    assert_false(fq_task_should_stop(task));
    assert_ptr_equal(fq_task_payload(task, NULL, NULL), fq_task_payload(task, &len, &encoding));
    assert_int_equal(len, strlen(fq_task_payload(task, NULL, NULL)));
    assert_string_equal(encoding, "json");
    end(task);
    task = begin("{\"args\":[1]}");
    task->given.encoding = FQ_STR("raw");
    assert_int_equal(fq_task_arg_count(task), 0);
    assert_null(fq_task_arg_json(task, 0, "a"));
    end(task);
}

static int refuse(fq_task *task) {
    return fq_task_fail(task, "Refused", "not this time");
}
static int give_up(fq_task *task) {
    (void)task;
    return -3;
}
static int succeed(fq_task *task) {
    return fq_task_result_int(task, 5);
}

// Without telemetry a span is none, and what is logged goes to standard error.
static void without_a_runner_a_task_runs_all_the_same(void **state) {
    (void)state;
    static const struct {
        int severity;
        const char *line;
    } lines[] = {
        {FQ_TASK_ERROR,    "ERROR sum 018f0000-0000-7000-8000-000000000001: word 1\n"},
        {FQ_TASK_WARNING,  "WARN sum 018f0000-0000-7000-8000-000000000001: word 1\n" },
        {FQ_TASK_INFO,     "INFO sum 018f0000-0000-7000-8000-000000000001: word 1\n" },
        {FQ_TASK_INFO - 1, "DEBUG sum 018f0000-0000-7000-8000-000000000001: word 1\n"},
    };
    fq_task *task = begin("{}");
    assert_null(fq_task_tracer(task));
    assert_null(fq_task_meter(task));
    assert_int_equal(fq_task_run_traced(task, succeed), 0);
    assert_int_equal(fq_task_run_traced(task, give_up), -3);
    assert_int_equal(fq_task_run_traced(task, refuse), FQ_EINVALID);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[200] = "";
        FILE *kept = stderr, *memory = fmemopen(text, sizeof text, "w");
        assert_non_null(memory);
        stderr = memory;
        fq_task_log(task, lines[i].severity, "word %d", 1);
        stderr = kept;
        fclose(memory);
        assert_string_equal(text, lines[i].line);
    }
    end(task);
}

static void raw_results_have_an_encoding(void **state) {
    (void)state;
    static const char *const given[] = {NULL, "", "cbor"}, *const expected[] = {"raw", "raw", "cbor"};
    for (size_t i = 0; i < 3; i++) {
        fq_task *task = begin("{}");
        struct fq_runner_outcome outcome =
            fq_task_outcome(task, fq_task_result_raw(task, "\xff", i == 0 ? 0 : 1, given[i]));
        assert_true(outcome.ok);
        assert_int_equal(outcome.result.len, i == 0 ? 0 : 1);
        assert_true(fq_str_equal(outcome.encoding, fq_str_of(expected[i])));
        end(task);
    }
}

static void payloads_that_are_no_calls_have_no_arguments(void **state) {
    (void)state;
    const char *payloads[] = {
        "", "{", "[1,2]", "3", "{\"args\":{},\"kwargs\":[]}", "\xff", "{\"args\":[1],\"args\":[2]}"};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        fq_task *task = begin(payloads[i]);
        int64_t integer;
        assert_int_equal(fq_task_arg_count(task), 0);
        assert_int_equal(fq_task_arg_int(task, 0, "a", &integer), FQ_EINVALID);
        end(task);
    }
}

static void expect_result(fq_task *task, int returned, const char *json) {
    struct fq_runner_outcome outcome = fq_task_outcome(task, returned);
    assert_true(outcome.ok);
    assert_true(fq_str_equal(outcome.result, fq_str_of(json)));
    assert_true(fq_str_equal(outcome.encoding, FQ_STR("json")));
    end(task);
}

static void results_are_json(void **state) {
    (void)state;
    fq_task *task = begin("{}");
    expect_result(task, 0, "null");
    task = begin("{}");
    expect_result(task, fq_task_result_int(task, INT64_MIN), "-9223372036854775808");
    task = begin("{}");
    expect_result(task, fq_task_result_bool(task, false), "false");
    task = begin("{}");
    expect_result(task, fq_task_result_string(task, "a\"b\n"), "\"a\\\"b\\n\"");
    task = begin("{}");
    expect_result(task, fq_task_result_double(task, 0.5), "0.5");
    task = begin("{}");
    expect_result(task, fq_task_result_json(task, json_pack("{s:[i,n]}", "k", 1)), "{\"k\":[1,null]}");
    task = begin("{}");
    (void)fq_task_result_int(task, 1);
    expect_result(task, fq_task_result_int(task, 2), "2"); // the last one counts
}

static void expect_error(fq_task *task, int returned, const char *type, const char *word, bool for_good) {
    struct fq_runner_outcome outcome = fq_task_outcome(task, returned);
    assert_false(outcome.ok);
    assert_true(fq_str_equal(outcome.error_type, fq_str_of(type)));
    assert_non_null(memmem(outcome.message.ptr, outcome.message.len, word, strlen(word)));
    assert_int_equal(outcome.no_retry, for_good);
    end(task);
}

static void what_cannot_be_encoded_fails(void **state) {
    (void)state;
    fq_task *task = begin("{}");
    expect_error(task, fq_task_result_double(task, NAN), "EncodingError", "nan", false);
    task = begin("{}");
    expect_error(task, fq_task_result_double(task, INFINITY), "EncodingError", "inf", false);
    task = begin("{}");
    expect_error(task, fq_task_result_string(task, "\xff"), "EncodingError", "UTF-8", false);
    task = begin("{}");
    expect_error(task, fq_task_result_string(task, NULL), "EncodingError", "NULL", false);
    task = begin("{}");
    expect_error(task, fq_task_result_json(task, NULL), "EncodingError", "NULL", false);
    task = begin("{}");
    expect_error(task, fq_task_result_raw(task, "x", 1, "two words"), "EncodingError", "encoding", false);
    char name[1000];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    task = begin("{}");
    expect_error(task, fq_task_result_raw(task, "x", 1, name), "EncodingError", "encoding", false);
    task = begin("{}");
    expect_error(task, fq_task_fail(task, NULL, "no type"), "TaskError", "no type", false);
}

static void failures_say_what_they_are(void **state) {
    (void)state;
    fq_task *task = begin("{}");
    expect_error(task, fq_task_fail(task, "Broken", "part %d", 7), "Broken", "part 7", false);
    task = begin("{}");
    expect_error(task, fq_task_fail_for_good(task, "Broken", "%s", "for ever"), "Broken", "for ever", true);
    task = begin("{}");
    (void)fq_task_result_int(task, 1);
    expect_error(task, -5, "TaskError", "-5", false); // a result does not hide an error
    task = begin("{}");
    (void)fq_task_fail(task, "Broken", "but went on");
    expect_error(task, 0, "Broken", "went on", false);
    task = begin("{}");
    char *endless = malloc(FQ_TASK_MESSAGE_MAX * 2);
    memset(endless, 'm', FQ_TASK_MESSAGE_MAX * 2 - 1);
    endless[FQ_TASK_MESSAGE_MAX * 2 - 1] = '\0';
    expect_error(task, fq_task_fail(task, "", "%s", endless), "TaskError", "mmm", false);
    free(endless);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_come_by_place_or_by_name),
        cmocka_unit_test(arguments_of_another_kind_are_refused),
        cmocka_unit_test(without_a_runner_a_task_runs_all_the_same),
        cmocka_unit_test(raw_results_have_an_encoding),
        cmocka_unit_test(payloads_that_are_no_calls_have_no_arguments),
        cmocka_unit_test(results_are_json),
        cmocka_unit_test(what_cannot_be_encoded_fails),
        cmocka_unit_test(failures_say_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
