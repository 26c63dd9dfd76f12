// SPDX-License-Identifier: Apache-2.0
// Everything at once: threads that make instruments and measure while others collect, change callbacks and come and go.
#include "support/metrics_probe.h"

#include "otel/system/thread_slot.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 6, TURNS = 4000 };

static struct probe_world world;
static otel_meter_provider *provider;

struct shared_series {
    otel_series *counter, *histogram, *gauge, *spread;
    pthread_barrier_t barrier;
};

static struct otel_view_options spread_view(void) {
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = "spread";
    view.aggregation = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    return view;
}

static void use(const struct otel_reader_options *readers, size_t count) {
    probe_world_init(&world);
    struct otel_view_options view = spread_view();
    struct otel_meter_provider_options options = {.runtime = &world.runtime,
                                                  .exemplar_filter = OTEL_EXEMPLARS_ALWAYS_ON,
                                                  .views = &view,
                                                  .view_count = 1,
                                                  .readers = readers,
                                                  .reader_count = count};
    provider = otel_meter_provider_new(&options);
    assert_non_null(provider);
}

static void *measure(void *context) {
    struct shared_series *shared = context;
    struct otel_span_context span = {.flags = OTEL_FLAG_SAMPLED};
    memset(span.trace_id, 1, 16);
    memset(span.span_id, 1, 8);
    pthread_barrier_wait(&shared->barrier);
    for (int i = 0; i < TURNS; i++) {
        otel_series_add(shared->counter, 1);
        otel_series_measure(shared->histogram, i % 100, &span);
        otel_series_record(shared->gauge, i);
        otel_series_record(shared->spread, i % 100 + 1);
        // Meters, instruments and attribute sets that several threads make at the same time.
        char name[32];
        snprintf(name, sizeof name, "made.%d", i % 20);
        otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "made"});
        struct otel_attribute attributes[] = {otel_int("i", i % 50), otel_text("k", "v")};
        otel_add(otel_counter(meter, name, NULL, NULL), 1, attributes, 2);
    }
    return NULL;
}

static void total_of(const struct probe *probe, const char *prefix, double *ret_sum) {
    *ret_sum = 0;
    for (size_t i = 0; i < probe->count; i++) {
        if (strncmp(probe->points[i].name, prefix, strlen(prefix)) == 0)
            *ret_sum += probe->points[i].value;
    }
}

static void instruments_meters_and_provider_are_safe_for_concurrent_calls(void **state) {
    (void)state;
    struct otel_reader_options readers[2] = {
        [1] = {.temporality = {
                   [OTEL_COUNTER] = OTEL_TEMPORALITY_DELTA, [OTEL_HISTOGRAM] = OTEL_TEMPORALITY_DELTA}}};
    use(readers, 2);
    otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
    struct shared_series shared = {
        .counter = otel_bind(otel_counter(meter, "c", NULL, NULL), NULL, 0),
        .histogram = otel_bind(otel_histogram(meter, "h", NULL, NULL, NULL, 0), NULL, 0),
        .gauge = otel_bind(otel_gauge(meter, "g", NULL, NULL), NULL, 0),
        .spread = otel_bind(otel_histogram(meter, "spread", NULL, NULL, NULL, 0), NULL, 0)};
    pthread_barrier_init(&shared.barrier, NULL, THREADS + 1);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, measure, &shared), 0);
    pthread_barrier_wait(&shared.barrier);
    struct probe probe = {0};
    double delta_count = 0, delta_points = 0, before = 0;
    for (int turn = 0; turn <= 30; turn++) {
        if (turn == 30) {
            for (int i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        }
        probe_collect(&probe, provider, 1);
        const struct probe_point *point = probe_find(&probe, "c", NULL);
        delta_count += point != NULL ? point->value : 0;
        point = probe_find(&probe, "h", NULL);
        delta_points += point != NULL ? (double)point->count : 0;
        probe_collect(&probe, provider, 0);
        point = probe_find(&probe, "c", NULL);
        assert_true(point == NULL || point->value >= before); // never backward
        before = point != NULL ? point->value : before;
    }
    const double wanted = (double)THREADS * TURNS;
    assert_true(before == wanted && delta_count == wanted && delta_points == wanted);
    const struct probe_point *point = probe_find(&probe, "h", NULL);
    assert_int_equal(point->count, (uint64_t)wanted);
    assert_true(point->sum == THREADS * (TURNS / 100) * 4950.0 && point->min == 0 && point->max == 99);
    point = probe_find(&probe, "spread", NULL);
    assert_int_equal(point->count, (uint64_t)wanted);
    assert_true(point->sum == THREADS * (TURNS / 100) * 5050.0);
    double made;
    total_of(&probe, "made.", &made);
    assert_true(made == wanted);
    probe_done(&probe);
    pthread_barrier_destroy(&shared.barrier);
    otel_meter_provider_free(provider);
}

static void *measure_once(void *series) {
    otel_series_add(series, 1);
    otel_series_add(series, 1);
    return NULL;
}

// More threads than can own a cell, and many more than that one after the other.
static void threads_that_come_and_go_lose_nothing(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    use(&reader, 1);
    otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
    otel_series *series = otel_bind(otel_counter(meter, "c", NULL, NULL), NULL, 0);
    enum { AT_ONCE = OTEL_THREAD_SLOTS + 16, ROUNDS = 5 };
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, measure_once, series), 0);
        for (int i = 0; i < AT_ONCE; i++)
            pthread_join(threads[i], NULL);
    }
    struct probe probe = {0};
    probe_collect(&probe, provider, 0);
    assert_true(probe_find(&probe, "c", NULL)->value == 2 * AT_ONCE * ROUNDS);
    probe_done(&probe);
    otel_meter_provider_free(provider);
}

static _Atomic int in_callback, may_be_called;
static void observe(otel_observer *observer, void *context) {
    (void)context;
    in_callback = 1;
    assert_int_equal(may_be_called, 1);
    otel_observe(observer, 1, NULL, 0);
    in_callback = 0;
}
static void *collect_often(void *context) {
    struct probe probe = {0};
    _Atomic bool *stops = context;
    while (!*stops)
        probe_collect(&probe, provider, 0);
    probe_done(&probe);
    return NULL;
}

static void removed_callback_is_not_called_any_more(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    use(&reader, 1);
    otel_meter *meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
    struct otel_instrument_options options = {.kind = OTEL_OBSERVABLE_GAUGE, .name = "g"};
    otel_instrument *gauge = otel_instrument_new(meter, &options);
    _Atomic bool stops = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, collect_often, &stops), 0);
    for (int i = 0; i < 500; i++) {
        may_be_called = 1;
        assert_int_equal(otel_instrument_observe(gauge, observe, NULL), OTEL_OK);
        otel_instrument_unobserve(gauge, observe, NULL);
        assert_int_equal(in_callback, 0);
        may_be_called = 0;
    }
    stops = true;
    pthread_join(thread, NULL);
    otel_meter_provider_free(provider);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instruments_meters_and_provider_are_safe_for_concurrent_calls),
        cmocka_unit_test(threads_that_come_and_go_lose_nothing),
        cmocka_unit_test(removed_callback_is_not_called_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
