// SPDX-License-Identifier: Apache-2.0
// Producers give totals; a reader that wants deltas gets what came since its last collection.
#include "support/metrics_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { BOUNDS = 2 };

// What the producer counts.
struct counted {
    int64_t tasks[2];
    bool has_second;
    double seconds;
    uint64_t buckets[BOUNDS + 1];
    double sum;
    int64_t depth;
};

static void produce(void *context, otel_point_writer *writer, int64_t now_unix_ns) {
    (void)now_unix_ns;
    const struct counted *counted = context;
    static const double bounds[BOUNDS] = {10, 100};
    otel_point_metric(writer, OTEL_COUNTER, "tasks", "{task}", "", OTEL_TEMPORALITY_CUMULATIVE);
    for (int64_t i = 0; i < (counted->has_second ? 2 : 1); i++) {
        struct otel_attribute name = otel_int("name", i);
        otel_point_int(writer, &name, 1, 500, counted->tasks[i]);
    }
    otel_point_metric(writer, OTEL_COUNTER, "busy", "s", "", OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_double(writer, NULL, 0, 500, counted->seconds);
    otel_point_metric(writer, OTEL_HISTOGRAM, "duration", "", "", OTEL_TEMPORALITY_CUMULATIVE);
    otel_point_histogram(
        writer, NULL, 0, 500,
        &(struct otel_point_histogram){
            .bounds = bounds, .buckets = counted->buckets, .bound_count = BOUNDS, .sum = counted->sum});
    otel_point_metric(writer, OTEL_GAUGE, "depth", "", "", 0);
    otel_point_int(writer, NULL, 0, 0, counted->depth);
}

struct rig {
    struct probe_world world;
    struct probe probe;
    struct counted counted;
    otel_meter_provider *provider;
};

static int begin(void **state) {
    struct rig *rig = calloc(1, sizeof *rig);
    probe_world_init(&rig->world);
    rig->counted = (struct counted){
        .tasks = {5,  1},
          .has_second = true, .seconds = 1.5, .buckets = { 2, 1, 0},
          .sum = 40, .depth = 7
    };
    struct otel_reader_options readers[2] = {0};
    for (int i = 0; i < OTEL_INSTRUMENT_KIND_COUNT; i++)
        readers[0].temporality[i] = OTEL_TEMPORALITY_DELTA;
    struct otel_metric_producer producer = {
        .produce = produce, .context = &rig->counted, .scope = {.name = "p"}};
    struct otel_meter_provider_options options = {.runtime = &rig->world.runtime,
                                                  .readers = readers,
                                                  .reader_count = 2,
                                                  .producers = &producer,
                                                  .producer_count = 1};
    rig->provider = otel_meter_provider_new(&options);
    *state = rig;
    return rig->provider != NULL ? 0 : -1;
}

static int end(void **state) {
    struct rig *rig = *state;
    otel_meter_provider_free(rig->provider);
    probe_done(&rig->probe);
    free(rig);
    return 0;
}

static void collect(struct rig *rig, int64_t unix_ns, size_t reader) {
    rig->world.unix_ns = unix_ns;
    probe_collect(&rig->probe, rig->provider, reader);
}
static const struct probe_point *found(struct rig *rig, const char *name, const char *attributes) {
    return probe_find(&rig->probe, name, attributes);
}

static void produced_totals_become_deltas(void **state) {
    struct rig *rig = *state;
    collect(rig, 1000, 0);
    const struct probe_point *first = found(rig, "tasks", "name=0");
    assert_true(first->value == 5 && first->start == 500 && first->temporality == OTEL_TEMPORALITY_DELTA);
    rig->counted.tasks[0] = 8;
    rig->counted.seconds = 2;
    rig->counted.buckets[1] = 4;
    rig->counted.sum = 100;
    collect(rig, 2000, 0);
    const struct probe_point *second = found(rig, "tasks", "name=0");
    assert_true(second->value == 3 && second->start == 1000 && second->time == 2000);
    assert_true(found(rig, "busy", NULL)->value == 0.5);
    const struct probe_point *duration = found(rig, "duration", NULL);
    assert_true(duration->count == 3 && duration->buckets[0] == 0 && duration->buckets[1] == 3 &&
                duration->sum == 60);
    assert_int_equal(duration->temporality, OTEL_TEMPORALITY_DELTA);
    assert_true(found(rig, "depth", NULL)->value == 7); // a gauge is what it is
}

static void produced_deltas_without_news_are_left_out(void **state) {
    struct rig *rig = *state;
    collect(rig, 1000, 0);
    rig->counted.tasks[1] = 2;
    collect(rig, 2000, 0);
    assert_null(found(rig, "tasks", "name=0"));
    assert_true(found(rig, "tasks", "name=1")->value == 1);
    assert_int_equal(probe_count(&rig->probe, "duration"), 0);
}

static void produced_totals_that_fall_have_started_anew(void **state) {
    struct rig *rig = *state;
    collect(rig, 1000, 0);
    rig->counted.tasks[0] = 2;
    rig->counted.buckets[0] = 1;
    rig->counted.buckets[1] = 0;
    rig->counted.sum = 4;
    collect(rig, 2000, 0);
    assert_true(found(rig, "tasks", "name=0")->value == 2);
    assert_true(found(rig, "duration", NULL)->count == 1 && found(rig, "duration", NULL)->sum == 4);
}

static void produced_series_that_pause_are_forgotten(void **state) {
    struct rig *rig = *state;
    collect(rig, 1000, 0);
    rig->counted.has_second = false;
    collect(rig, 2000, 0);
    rig->counted.has_second = true;
    collect(rig, 3000, 0);
    assert_true(found(rig, "tasks", "name=1")->value == 1); // told whole, as a new one
}

static void produced_totals_stay_totals_for_other_readers(void **state) {
    struct rig *rig = *state;
    collect(rig, 1000, 0);
    rig->counted.tasks[0] = 8;
    collect(rig, 2000, 1);
    assert_true(found(rig, "tasks", "name=0")->value == 8 && found(rig, "tasks", "name=0")->start == 500);
    assert_int_equal(found(rig, "tasks", "name=0")->temporality, OTEL_TEMPORALITY_CUMULATIVE);
}

static void a_start_that_lies_ahead_is_left_out(void **state) {
    struct rig *rig = *state;
    collect(rig, 400, 1); // the clock was set back behind 500
    const struct probe_point *point = found(rig, "tasks", "name=0");
    assert_true(point->value == 5 && point->start == 0 && point->time == 400);
    assert_true(found(rig, "duration", NULL)->start == 0);
    collect(rig, 1000, 0);
    collect(rig, 900, 0);
    assert_int_equal(probe_count(&rig->probe, "tasks"), 0);
    rig->counted.tasks[0] = 6;
    collect(rig, 800, 0);
    point = found(rig, "tasks", "name=0");
    assert_true(point->value == 1 && point->start == 0 && point->time == 800);
    collect(rig, 600, 1);
    assert_true(found(rig, "tasks", "name=0")->start == 500);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(produced_totals_become_deltas, begin, end),
        cmocka_unit_test_setup_teardown(produced_deltas_without_news_are_left_out, begin, end),
        cmocka_unit_test_setup_teardown(produced_totals_that_fall_have_started_anew, begin, end),
        cmocka_unit_test_setup_teardown(produced_series_that_pause_are_forgotten, begin, end),
        cmocka_unit_test_setup_teardown(produced_totals_stay_totals_for_other_readers, begin, end),
        cmocka_unit_test_setup_teardown(a_start_that_lies_ahead_is_left_out, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
