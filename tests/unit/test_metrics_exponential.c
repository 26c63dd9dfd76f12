// SPDX-License-Identifier: Apache-2.0
// Base-2 exponential histograms by the exact rules.
#include "support/metrics_probe.h"

#include "otel/metrics/exponential.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct otel_exponential *new_histogram(uint32_t size, int32_t scale) {
    struct otel_exponential *histogram = malloc(otel_exponential_bytes(size));
    assert_non_null(histogram);
    otel_exponential_init(histogram, size, scale);
    return histogram;
}

static void exponential_index_is_exact_at_powers_of_two(void **state) {
    (void)state;
    for (int32_t scale = OTEL_EXPONENTIAL_SCALE_MIN; scale <= OTEL_EXPONENTIAL_SCALE_MAX; scale++) {
        for (int exponent = -1022; exponent <= 1023; exponent++) {
            double value = ldexp(1, exponent);
            // A power of two is the upper bound of its bucket: the bucket that ends there.
            int64_t ends = scale > 0 ? (int64_t)exponent * (1 << scale) - 1 : (exponent - 1) >> -scale;
            assert_int_equal(otel_exponential_index(value, scale), ends);
        }
    }
}

struct index_case {
    double value;
    int32_t scale, index;
};

static void exponential_index_of_values_between(void **state) {
    (void)state;
    static const struct index_case cases[] = {
        {1,            0,   -1        },
        {1.0000001,    0,   0         },
        {1.5,          0,   0         },
        {2,            0,   0         },
        {2.1,          0,   1         },
        {3,            1,   3         },
        {1.4,          1,   0         },
        {1.5,          1,   1         },
        {0.75,         0,   -1        },
        {0.5,          0,   -2        },
        {1,            -1,  -1        },
        {1.5,          -1,  0         },
        {4,            -1,  0         },
        {4.1,          -1,  1         },
        {16,           -1,  1         },
        {16.1,         -1,  2         },
        {DBL_MAX,      0,   1023      },
        {DBL_MIN,      0,   -1023     },
        {DBL_TRUE_MIN, 0,   -1023     },
        {DBL_MAX,      -10, 0         },
        {DBL_MIN,      -10, -1        },
        {DBL_TRUE_MIN, -1,  -512      },
        {DBL_MAX,      20,  1073741823},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(otel_exponential_index(cases[i].value, cases[i].scale), cases[i].index);
}

static uint64_t total(const struct otel_exponential *histogram) {
    uint64_t sum = histogram->zero_count;
    for (int32_t i = histogram->positive.low; i <= histogram->positive.high; i++)
        sum += otel_exponential_count_at(histogram, false, i);
    for (int32_t i = histogram->negative.low; i <= histogram->negative.high; i++)
        sum += otel_exponential_count_at(histogram, true, i);
    return sum;
}

// Halving by hand: what a histogram of the final scale counts from the start.
static void exponential_halves_its_resolution_until_all_fits(void **state) {
    (void)state;
    struct otel_exponential *histogram = new_histogram(4, 20);
    const double values[] = {1.5, 3, 6, 12};
    for (int i = 0; i < 4; i++)
        otel_exponential_record(histogram, values[i]);
    assert_int_equal(histogram->scale, 0);
    assert_int_equal(histogram->positive.low, 0);
    assert_int_equal(histogram->positive.high, 3);
    for (int32_t i = 0; i < 4; i++)
        assert_int_equal(otel_exponential_count_at(histogram, false, i), 1);
    otel_exponential_record(histogram, 24);
    assert_int_equal(histogram->scale, -1);
    assert_int_equal(otel_exponential_count_at(histogram, false, 0), 2);
    assert_int_equal(otel_exponential_count_at(histogram, false, 1), 2);
    assert_int_equal(otel_exponential_count_at(histogram, false, 2), 1);
    free(histogram);
}

static void exponential_counts_any_values_in_any_order(void **state) {
    (void)state;
    srand(7);
    for (int turn = 0; turn < 200; turn++) {
        uint32_t size = turn % 2 == 0 ? 160 : 2 + (uint32_t)turn % 9;
        struct otel_exponential *histogram = new_histogram(size, 20);
        double sum = 0;
        for (int i = 0; i < 200; i++) {
            double value =
                ldexp((double)rand() / RAND_MAX, rand() % (1 + turn * 5) - turn) * (rand() % 2 == 0 ? 1 : -1);
            sum += value;
            otel_exponential_record(histogram, value);
        }
        assert_int_equal(histogram->count, 200);
        assert_int_equal(total(histogram), 200);
        assert_true(histogram->sum == sum);
        assert_true((int64_t)histogram->positive.high - histogram->positive.low + 1 <= (int64_t)size);
        assert_true((int64_t)histogram->negative.high - histogram->negative.low + 1 <= (int64_t)size);
        free(histogram);
    }
}

static void exponential_merge_and_subtract_are_inverse(void **state) {
    (void)state;
    srand(11);
    for (int turn = 0; turn < 100; turn++) {
        struct otel_exponential *all = new_histogram(16, 20), *first = new_histogram(16, 20),
                                *second = new_histogram(16, 20), *merged = new_histogram(16, 20);
        for (int i = 0; i < 100; i++) {
            double value = ldexp(1 + (double)rand() / RAND_MAX, rand() % 20 - 10) * (i % 3 == 0 ? -1 : 1);
            otel_exponential_record(i < 60 ? first : second, value);
            otel_exponential_record(all, value);
        }
        otel_exponential_merge(merged, first);
        otel_exponential_merge(merged, second);
        assert_int_equal(merged->scale, all->scale);
        assert_int_equal(merged->count, all->count);
        for (int32_t i = all->positive.low; i <= all->positive.high; i++)
            assert_int_equal(otel_exponential_count_at(merged, false, i),
                             otel_exponential_count_at(all, false, i));
        assert_true(otel_exponential_holds(all, first));
        otel_exponential_subtract(all, first);
        assert_int_equal(all->count, 40);
        assert_int_equal(total(all), 40);
        assert_false(otel_exponential_holds(all, merged));
        free(all), free(first), free(second), free(merged);
    }
}

static void exponential_histogram_as_a_point(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    struct otel_reader_options reader = {0};
    reader.aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    otel_meter_provider *provider = probe_provider(&world, &reader);
    otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
    otel_instrument *histogram = otel_histogram(meter, "h", "s", NULL, NULL, 0);
    const double values[] = {0, 1, 1, -2, 1024};
    for (int i = 0; i < 5; i++)
        otel_record(histogram, values[i], NULL, 0);
    struct probe probe = {0};
    probe_collect(&probe, provider, 0);
    const struct probe_point *point = probe_find(&probe, "h", NULL);
    assert_int_equal(point->shape, 10);
    assert_int_equal(point->count, 5);
    assert_int_equal(point->zero_count, 1);
    assert_true(point->sum == 1024 && point->min == -2 && point->max == 1024);
    assert_int_equal(point->scale, 3); // 81 buckets from 1 to 1024 at scale 3, 161 at 4
    assert_int_equal(point->bucket_count, 81);
    assert_int_equal(point->offset, -1);
    assert_int_equal(point->buckets[0], 2);
    assert_int_equal(point->buckets[80], 1);
    assert_int_equal(point->negative_offset, 7);
    assert_int_equal(point->negative_count, 1);
    probe_done(&probe);
    otel_meter_provider_free(provider);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponential_index_is_exact_at_powers_of_two),
        cmocka_unit_test(exponential_index_of_values_between),
        cmocka_unit_test(exponential_halves_its_resolution_until_all_fits),
        cmocka_unit_test(exponential_counts_any_values_in_any_order),
        cmocka_unit_test(exponential_merge_and_subtract_are_inverse),
        cmocka_unit_test(exponential_histogram_as_a_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
