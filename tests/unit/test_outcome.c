// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/str.h"
#include "worker/outcome.h"

#include <stdlib.h>

static void a_success_comes_back_as_it_was(void **state) {
    (void)state;
    struct fq_report report = {
        .outcome = {.ok = true,
                    .result = FQ_STR("[1,2]"),
                    .encoding = FQ_STR("json"),
                    .traceparent = FQ_STR("00-ab-cd-01")},
        .started_ms = 1700000000123,
        .run_us = 42
    };
    unsigned char bytes[256];
    size_t size = fq_report_size(&report);
    assert_true(size < sizeof bytes);
    fq_report_encode(&report, bytes);
    struct fq_report back;
    assert_int_equal(fq_report_decode(bytes, size, &back), 0);
    assert_true(back.outcome.ok && back.started_ms == report.started_ms && back.run_us == 42);
    assert_true(fq_str_equal(back.outcome.result, report.outcome.result));
    assert_true(fq_str_equal(back.outcome.encoding, report.outcome.encoding));
    assert_true(fq_str_equal(back.outcome.traceparent, report.outcome.traceparent));
}

static void a_failure_comes_back_as_it_was(void **state) {
    (void)state;
    struct fq_report report = {
        .outcome = {.error_type = FQ_STR("ValueError"),
                    .message = FQ_STR("no"),
                    .stack = FQ_STR("line 1\nline 2"),
                    .no_retry = true,
                    .declared_retries = 3,
                    .declared_backoff_ms = 250},
        .run_us = -1
    };
    unsigned char bytes[256];
    size_t size = fq_report_size(&report);
    fq_report_encode(&report, bytes);
    struct fq_report back;
    assert_int_equal(fq_report_decode(bytes, size, &back), 0);
    assert_true(!back.outcome.ok && back.outcome.no_retry && back.run_us == -1);
    assert_true(back.outcome.declared_retries == 3 && back.outcome.declared_backoff_ms == 250);
    assert_true(fq_str_equal(back.outcome.error_type, report.outcome.error_type));
    assert_true(fq_str_equal(back.outcome.message, report.outcome.message));
    assert_true(fq_str_equal(back.outcome.stack, report.outcome.stack));
    for (size_t len = 0; len < size; len++)
        assert_int_equal(fq_report_decode(bytes, len, &back), FQ_ECORRUPT);
}

static void noise_is_refused_or_stays_inside(void **state) {
    (void)state;
    fq_random random;
    fq_random_seed(&random, 11);
    for (int round = 0; round < 200000; round++) {
        size_t len = fq_random_below(&random, 80);
        unsigned char *bytes =
            malloc(len + 1); // exactly as long as told, so that a sanitizer sees a step outside
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(fq_random_below(&random, 3) == 0 ? fq_random_next(&random) : 0);
        struct fq_report report;
        if (fq_report_decode(bytes, len, &report) == 0) {
            const struct fq_runner_outcome *outcome = &report.outcome;
            size_t sum = outcome->result.len + outcome->encoding.len + outcome->error_type.len +
                         outcome->message.len + outcome->stack.len + outcome->traceparent.len;
            assert_int_equal(sum + 40, len);
        }
        free(bytes);
    }
}

// The last request that a session would write.
static fq_slice request_of(fq_session *session, const struct fq_report *report) {
    fq_uuid id = {{0}};
    assert_int_equal(fq_session_connected(session, 1), 0);
    fq_slice output = fq_session_output(session);
    fq_session_sent(session, output.len);
    const char *hello = "%1\r\n$5\r\nproto\r\n:3\r\n";
    (void)!fq_session_feed(session, hello, strlen(hello), 2);
    struct fq_session_event event;
    while (fq_session_next_event(session, &event) == 1)
        continue;
    assert_int_equal(fq_report_send(session, &id, UINT64_MAX, report, 1), 0);
    return fq_session_output(session);
}

static bool holds(fq_slice text, const char *word) {
    return memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static void the_request_says_what_happened(void **state) {
    (void)state;
    struct fq_session_options options;
    fq_session_options_init(&options);
    fq_session *session = fq_session_new(&options);
    struct fq_report report = {
        .outcome = {.error_type = FQ_STR("WorkerLost"), .message = FQ_STR("signal 11")},
        .started_ms = 12,
        .run_us = 34,
        .crash = true
    };
    fq_slice text = request_of(session, &report);
    assert_true(holds(text, "FQ.FAIL") && holds(text, "18446744073709551615") && holds(text, "CRASH"));
    assert_true(holds(text, "STARTED") && holds(text, "RUN") && !holds(text, "NORETRY") &&
                !holds(text, "STACK"));
    fq_session_free(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_success_comes_back_as_it_was),
        cmocka_unit_test(a_failure_comes_back_as_it_was),
        cmocka_unit_test(noise_is_refused_or_stays_inside),
        cmocka_unit_test(the_request_says_what_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
