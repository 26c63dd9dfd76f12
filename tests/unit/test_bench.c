// SPDX-License-Identifier: Apache-2.0
// The arithmetic of `fastqueue bench`: percentiles, and the schedule of the open loop.
#include "cli/bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(uint64_t value, uint64_t exact) {
    assert_true(value >= exact);
    assert_true(value <= exact + exact / FQ_BENCH_LATENCY_STEPS);
}

static void test_nothing_was_measured(void **state) {
    (void)state;
    static const struct fq_bench_latency latency;
    assert_int_equal(fq_bench_latency_percentile(&latency, 50), 0);
    assert_int_equal(fq_bench_latency_mean(&latency), 0);
}

static void test_one_measurement_is_every_percentile(void **state) {
    (void)state;
    static struct fq_bench_latency latency;
    fq_bench_latency_count(&latency, 123456789);
    for (double percent = 0; percent <= 100; percent += 12.5)
        assert_int_equal(fq_bench_latency_percentile(&latency, percent), 123456789);
    assert_int_equal(fq_bench_latency_mean(&latency), 123456789);
}

static void test_small_values_are_exact(void **state) {
    (void)state;
    static struct fq_bench_latency latency;
    for (uint64_t ns = 1; ns <= 100; ns++)
        fq_bench_latency_count(&latency, ns);
    assert_int_equal(fq_bench_latency_percentile(&latency, 0), 1);
    assert_int_equal(fq_bench_latency_percentile(&latency, 1), 1);
    assert_int_equal(fq_bench_latency_percentile(&latency, 50), 50);
    assert_int_equal(fq_bench_latency_percentile(&latency, 50.5), 51);
    assert_int_equal(fq_bench_latency_percentile(&latency, 99.9), 100);
    assert_int_equal(fq_bench_latency_percentile(&latency, 100), 100);
    assert_int_equal(fq_bench_latency_mean(&latency), 50);
}

static void test_percentiles_are_near_over_all_magnitudes(void **state) {
    (void)state;
    for (uint64_t unit = 1; unit < UINT64_C(1) << 30; unit *= 3) {
        static struct fq_bench_latency latency;
        memset(&latency, 0, sizeof latency);
        for (uint64_t i = 1; i <= 1000; i++)
            fq_bench_latency_count(&latency, i * unit);
        assert_near(fq_bench_latency_percentile(&latency, 50), 500 * unit);
        assert_near(fq_bench_latency_percentile(&latency, 90), 900 * unit);
        assert_near(fq_bench_latency_percentile(&latency, 99.9), 999 * unit);
        assert_int_equal(fq_bench_latency_percentile(&latency, 100), 1000 * unit);
        assert_int_equal(latency.least_ns, unit);
    }
}

static void test_order_does_not_matter(void **state) {
    (void)state;
    static struct fq_bench_latency up, down;
    for (uint64_t i = 1; i <= 1000; i++) {
        fq_bench_latency_count(&up, i * 997);
        fq_bench_latency_count(&down, (1001 - i) * 997);
    }
    assert_memory_equal(&up, &down, sizeof up);
}

static void test_beyond_the_last_bucket(void **state) {
    (void)state;
    static struct fq_bench_latency latency;
    fq_bench_latency_count(&latency, 5);
    fq_bench_latency_count(&latency, UINT64_MAX / 4);
    assert_int_equal(fq_bench_latency_percentile(&latency, 50), 5);
    assert_int_equal(fq_bench_latency_percentile(&latency, 99), UINT64_MAX / 4);
}

static void test_schedule_is_even(void **state) {
    (void)state;
    assert_int_equal(fq_bench_schedule_at(1000, 0), 0);
    assert_int_equal(fq_bench_schedule_at(1000, 1), 1000000);
    assert_int_equal(fq_bench_schedule_at(1000, 5000), UINT64_C(5000000000));
    assert_int_equal(fq_bench_schedule_due(1000, 0), 1);
    assert_int_equal(fq_bench_schedule_due(1000, 999999), 1);
    assert_int_equal(fq_bench_schedule_due(1000, 1000000), 2);
    assert_int_equal(fq_bench_schedule_due(1000, UINT64_C(5000000000)), 5001);
}

// Whatever the rate: at the moment of a task it is due, a nanosecond earlier it is not.
static void test_schedule_agrees_with_itself(void **state) {
    (void)state;
    static const double rates[] = {1, 3, 7, 999, 1000, 33333, 1000000, 9999999};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        for (uint64_t index = 1; index < 100000; index += 1 + index / 7) {
            uint64_t at = fq_bench_schedule_at(rates[r], index);
            assert_int_equal(fq_bench_schedule_due(rates[r], at), index + 1);
            assert_int_equal(fq_bench_schedule_due(rates[r], at - 1), index);
        }
    }
}

static void test_names_of_a_target(void **state) {
    (void)state;
    struct fq_bench_target one = {.task = "load", .name_count = 1}, many = {.task = "load", .name_count = 3};
    assert_true(fq_bench_target_has(&one, (fq_slice){"load", 4}));
    assert_false(fq_bench_target_has(&one, (fq_slice){"loads", 5}));
    assert_false(fq_bench_target_has(&one, (fq_slice){"loa", 3}));
    assert_false(fq_bench_target_has(&many, (fq_slice){"load", 4}));
    assert_false(fq_bench_target_has(&many, (fq_slice){"loader.1", 8}));
    assert_true(fq_bench_target_has(&many, (fq_slice){"load.3", 6}));
}

static void test_names_of_workloads(void **state) {
    (void)state;
    for (int i = 0; i < FQ_BENCH_WORKLOADS; i++)
        assert_int_equal(fq_bench_workload_find(fq_bench_workload_name((enum fq_bench_workload)i)), i);
    assert_true(fq_bench_workload_find("works") < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_was_measured),
        cmocka_unit_test(test_one_measurement_is_every_percentile),
        cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_percentiles_are_near_over_all_magnitudes),
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_beyond_the_last_bucket),
        cmocka_unit_test(test_schedule_is_even),
        cmocka_unit_test(test_schedule_agrees_with_itself),
        cmocka_unit_test(test_names_of_a_target),
        cmocka_unit_test(test_names_of_workloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
