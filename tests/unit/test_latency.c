// SPDX-License-Identifier: Apache-2.0
// Percentiles of the last minute: how exact, and that old measurements leave.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "base/time.h"
#include "server/latency.h"

static void test_empty(void **state) {
    (void)state;
    struct fq_latency latency = {.turned_us = 0};
    assert_int_equal(fq_latency_total(&latency, 5), 0);
    assert_int_equal(fq_latency_percentile(&latency, 99, 5), 0);
}

// Whatever the size of the value, the answer is never below it and at most an eighth above.
static void test_every_size_is_near(void **state) {
    (void)state;
    for (int64_t us = 0; us < INT64_C(1000000000000); us = us * 9 / 8 + 1) {
        struct fq_latency latency = {.turned_us = 0};
        fq_latency_count(&latency, us, 1);
        int64_t answer = fq_latency_percentile(&latency, 50, 1);
        assert_in_range(answer, us, us + us / 8 + 1);
    }
    struct fq_latency latency = {.turned_us = 0};
    fq_latency_count(&latency, -5, 1);
    fq_latency_count(&latency, INT64_MAX, 1);
    assert_int_equal(fq_latency_total(&latency, 1), 2);
    assert_int_equal(fq_latency_percentile(&latency, 50, 1), 0);
    assert_true(fq_latency_percentile(&latency, 99, 1) > INT64_C(1000000000000));
}

static void test_percentiles_of_a_ramp(void **state) {
    (void)state;
    struct fq_latency latency = {.turned_us = 0};
    for (int64_t i = 1; i <= 1000; i++)
        fq_latency_count(&latency, i * 10, 1);
    assert_in_range(fq_latency_percentile(&latency, 50, 1), 5000, 5625);
    assert_in_range(fq_latency_percentile(&latency, 95, 1), 9500, 10700);
    assert_in_range(fq_latency_percentile(&latency, 99, 1), 9900, 11200);
}

static void test_window_moves_on(void **state) {
    (void)state;
    struct fq_latency latency = {.turned_us = 0};
    int64_t s = FQ_US_PER_S;
    fq_latency_count(&latency, 100, 1 * s);
    fq_latency_count(&latency, 100000, 31 * s);
    assert_int_equal(fq_latency_total(&latency, 32 * s), 2);
    assert_int_equal(fq_latency_total(&latency, 62 * s), 1);
    assert_true(fq_latency_percentile(&latency, 50, 62 * s) >= 100000);
    assert_int_equal(fq_latency_total(&latency, 200 * s), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_every_size_is_near),
        cmocka_unit_test(test_percentiles_of_a_ramp),
        cmocka_unit_test(test_window_moves_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
