// SPDX-License-Identifier: Apache-2.0
// What a task function is given and what comes of what it gives back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/task_state.h"

#include <math.h>
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
        cmocka_unit_test(payloads_that_are_no_calls_have_no_arguments),
        cmocka_unit_test(results_are_json),
        cmocka_unit_test(what_cannot_be_encoded_fails),
        cmocka_unit_test(failures_say_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
