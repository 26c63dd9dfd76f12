// SPDX-License-Identifier: Apache-2.0
// Series in memory that a measuring process shares with a collecting one, also when the first is killed.
#include "otel/metrics/area.h"
#include "otel/metrics/layout.h"
#include "otel/sdk.h"
#include "support/metrics_probe.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { AREA_BYTES = 256 * 1024 };

struct shared {
    _Atomic uint64_t counted, recorded, gauged, exponential; // finished by the child
    _Alignas(64) uint8_t area[AREA_BYTES];
};

static struct shared *new_shared(void) {
    void *memory =
        mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static otel_meter_provider *measuring_side(struct probe_world *world, struct shared *shared, size_t area_len,
                                           enum otel_exemplar_filter filter) {
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = "spread";
    view.aggregation = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    struct otel_meter_provider_options options = {.runtime = &world->runtime,
                                                  .exemplar_filter = filter,
                                                  .views = &view,
                                                  .view_count = 1,
                                                  .area = shared->area,
                                                  .area_len = area_len};
    return otel_meter_provider_new(&options);
}

static otel_meter_provider *collecting_side(struct probe_world *world) {
    static const struct otel_reader_options reader;
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = "spread";
    view.aggregation = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    struct otel_meter_provider_options options = {
        .runtime = &world->runtime, .views = &view, .view_count = 1, .readers = &reader, .reader_count = 1};
    return otel_meter_provider_new(&options);
}

struct instruments {
    otel_series *counter, *histogram, *gauge, *spread;
};
static struct instruments make_instruments(otel_meter_provider *provider) {
    struct otel_attribute scope_attribute = otel_text("part", "a");
    otel_meter *meter =
        otel_meter_get(provider, &(struct otel_scope_info){.name = "tasks",
                                                           .version = "1",
                                                           .schema_url = "https://example.org/1",
                                                           .attributes = &scope_attribute,
                                                           .attribute_count = 1});
    struct otel_instrument_options counter = {
        .kind = OTEL_COUNTER, .name = "done", .unit = "{task}", .description = "Done", .integer = true};
    struct otel_attribute attributes[] = {otel_text("worker", "w"), otel_int("n", -3)};
    static const double bounds[] = {1, 2, 4};
    return (struct instruments){
        .counter = otel_bind(otel_instrument_new(meter, &counter), attributes, 2),
        .histogram = otel_bind(otel_histogram(meter, "took", "s", NULL, bounds, 3), attributes, 2),
        .gauge = otel_bind(otel_gauge(meter, "level", NULL, NULL), attributes, 2),
        .spread = otel_bind(otel_histogram(meter, "spread", "s", NULL, NULL, 0), attributes, 2),
    };
}

static void an_area_is_folded_into_the_collectors_own_series(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    struct shared *shared = new_shared();
    otel_meter_provider *child = measuring_side(&world, shared, AREA_BYTES, OTEL_EXEMPLARS_ALWAYS_ON);
    otel_meter_provider *parent = collecting_side(&world);
    otel_area_source *source = otel_area_attach(parent, shared->area, AREA_BYTES);
    assert_non_null(source);
    struct probe probe = {0};
    probe_collect(&probe, parent, 0);
    assert_int_equal(probe.count, 0);

    struct instruments theirs = make_instruments(child), ours = make_instruments(parent);
    struct otel_span_context span = {.flags = OTEL_FLAG_SAMPLED};
    memset(span.trace_id, 0xab, 16);
    memset(span.span_id, 0xcd, 8);
    otel_series_add_int(theirs.counter, 40);
    otel_series_add_int(ours.counter, 2);
    otel_series_measure(theirs.histogram, 3, &span);
    otel_series_record(ours.histogram, 1);
    otel_series_record(theirs.gauge, 7);
    otel_series_record(theirs.spread, 100);
    otel_series_record(ours.spread, 0.25);
    for (int turn = 0; turn < 2; turn++) { // the second one finds nothing new
        probe_collect(&probe, parent, 0);
        const struct probe_point *point = probe_find(&probe, "done", "n=-3,worker=w");
        assert_non_null(point);
        assert_true(point->is_integer && point->value == 42);
        assert_string_equal(point->scope, "tasks");
        assert_string_equal(point->schema_url, "https://example.org/1");
        assert_string_equal(point->unit, "{task}");
        point = probe_find(&probe, "took", "n=-3,worker=w");
        assert_int_equal(point->count, 2);
        assert_true(point->sum == 4 && point->min == 1 && point->max == 3);
        assert_int_equal(point->buckets[0], 1);
        assert_int_equal(point->buckets[2], 1);
        assert_int_equal(point->exemplar_count, 1);
        assert_true(point->exemplars[0].value == 3);
        assert_memory_equal(point->exemplars[0].trace_id, span.trace_id, 16);
        point = probe_find(&probe, "level", NULL);
        assert_true(point->value == 7);
        point = probe_find(&probe, "spread", NULL);
        assert_int_equal(point->count, 2);
        assert_true(point->sum == 100.25 && point->min == 0.25 && point->max == 100);
        assert_int_equal(probe.count, 4);
    }
    // The process is gone: its memory is not looked at any more, and its counts stay.
    otel_series_add_int(theirs.counter, 1);
    otel_meter_provider_free(child);
    otel_area_detach(parent, source);
    munmap(shared, sizeof *shared);
    probe_collect(&probe, parent, 0);
    assert_true(probe_find(&probe, "done", NULL)->value == 43);
    assert_int_equal(probe_find(&probe, "took", NULL)->exemplar_count, 1);
    probe_done(&probe);
    otel_meter_provider_free(parent);
}

// Measures until it is killed; what it says is finished has been measured.
static void measure_for_ever(struct shared *shared) {
    struct probe_world world;
    probe_world_init(&world);
    otel_meter_provider *provider = measuring_side(&world, shared, AREA_BYTES, OTEL_EXEMPLARS_ALWAYS_ON);
    struct instruments with = make_instruments(provider);
    for (uint64_t i = 0;; i++) {
        otel_series_add_int(with.counter, 1);
        atomic_store(&shared->counted, i + 1);
        otel_series_record(with.histogram, (double)(i % 5));
        atomic_store(&shared->recorded, i + 1);
        otel_series_record(with.gauge, (double)i);
        atomic_store(&shared->gauged, i);
        otel_series_record(with.spread, (double)(1 + i % 1000));
        atomic_store(&shared->exponential, i + 1);
    }
}

static double sum_of_first(uint64_t count) { // of i % 5
    static const double partial[] = {0, 0, 1, 3, 6};
    return (double)(count / 5) * 10 + partial[count % 5];
}

static void killed_measuring_process_loses_nothing_it_had_finished(void **state) {
    (void)state;
    for (int turn = 0; turn < 20; turn++) {
        struct probe_world world;
        probe_world_init(&world);
        struct shared *shared = new_shared();
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); // no test that gives up leaves it measuring
            measure_for_ever(shared);
            _exit(1);
        }
        otel_meter_provider *parent = collecting_side(&world);
        otel_area_source *source = otel_area_attach(parent, shared->area, AREA_BYTES);
        struct probe probe = {0};
        uint64_t wanted = 1000 + (uint64_t)turn * 37;
        while (atomic_load(&shared->exponential) < wanted) {
            assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
            probe_collect(&probe, parent, 0); // looks on while the child measures
        }
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        otel_area_detach(parent, source);
        probe_collect(&probe, parent, 0);
        const struct probe_point *done = probe_find(&probe, "done", NULL);
        assert_non_null(done);
        double counted = done->value;
        assert_in_range((uint64_t)counted, atomic_load(&shared->counted), atomic_load(&shared->counted) + 1);
        const struct probe_point *took = probe_find(&probe, "took", NULL);
        assert_in_range(took->count, atomic_load(&shared->recorded), atomic_load(&shared->recorded) + 1);
        assert_true(took->sum == sum_of_first(took->count)); // sum and buckets are of the same measurements
        assert_true(took->min == 0 && took->max == 4);
        assert_true(took->exemplar_count > 0);
        assert_true(probe_find(&probe, "level", NULL)->value >= (double)atomic_load(&shared->gauged));
        const struct probe_point *spread = probe_find(&probe, "spread", NULL);
        assert_in_range(spread->count, atomic_load(&shared->exponential),
                        atomic_load(&shared->exponential) + 1);
        uint64_t in_buckets = 0;
        for (size_t i = 0; i < spread->bucket_count; i++)
            in_buckets += spread->buckets[i];
        assert_int_equal(in_buckets, spread->count);
        probe_done(&probe);
        otel_meter_provider_free(parent);
        munmap(shared, sizeof *shared);
    }
}

static void totals_of_several_processes_add_up(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    otel_meter_provider *parent = collecting_side(&world);
    struct probe probe = {0};
    for (int turn = 1; turn <= 5; turn++) {
        struct shared *shared = new_shared();
        otel_area_source *source = otel_area_attach(parent, shared->area, AREA_BYTES);
        otel_meter_provider *child = measuring_side(&world, shared, AREA_BYTES, OTEL_EXEMPLARS_ALWAYS_OFF);
        struct instruments with = make_instruments(child);
        otel_series_add_int(with.counter, 10);
        otel_series_record(with.histogram, turn);
        otel_area_detach(parent, source);
        otel_meter_provider_free(child);
        munmap(shared, sizeof *shared);
        probe_collect(&probe, parent, 0);
        assert_true(probe_find(&probe, "done", NULL)->value == 10 * turn);
        assert_int_equal(probe_find(&probe, "took", NULL)->count, turn);
    }
    assert_true(probe_find(&probe, "took", NULL)->min == 1 && probe_find(&probe, "took", NULL)->max == 5);
    probe_done(&probe);
    otel_meter_provider_free(parent);
}

static void full_area_counts_what_it_loses(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    struct shared *shared = new_shared();
    enum { SMALL = 2048 };
    otel_meter_provider *child = measuring_side(&world, shared, SMALL, OTEL_EXEMPLARS_ALWAYS_OFF);
    otel_meter_provider *parent = collecting_side(&world);
    otel_area_source *source = otel_area_attach(parent, shared->area, SMALL);
    otel_meter *meter = otel_meter_get(child, &(struct otel_scope_info){.name = "tasks"});
    otel_instrument *counter = otel_counter(meter, "done", NULL, NULL);
    for (int i = 0; i < 100; i++) {
        struct otel_attribute attribute = otel_int("i", i);
        otel_add(counter, 1, &attribute, 1);
    }
    struct probe probe = {0};
    probe_collect(&probe, parent, 0);
    assert_in_range(probe.count, 1, 30);
    assert_int_equal(probe.count + otel_area_dropped(source), 100);
    struct otel_measurement_stats stats;
    otel_meter_provider_measurement_stats(child, &stats);
    assert_int_equal(stats.lost, otel_area_dropped(source));
    otel_area_detach(parent, source);
    probe_done(&probe);
    otel_meter_provider_free(child);
    otel_meter_provider_free(parent);
    munmap(shared, sizeof *shared);
}

static void area_with_other_buckets_keeps_count_and_sum(void **state) {
    (void)state;
    struct probe_world world;
    probe_world_init(&world);
    struct shared *shared = new_shared();
    otel_meter_provider *child = measuring_side(&world, shared, AREA_BYTES, OTEL_EXEMPLARS_ALWAYS_OFF);
    struct otel_view_options view;
    otel_view_options_init(&view);
    static const double bounds[] = {1, 10};
    view.aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    view.bounds = bounds;
    view.bound_count = 2;
    static const struct otel_reader_options reader;
    struct otel_meter_provider_options options = {
        .runtime = &world.runtime, .views = &view, .view_count = 1, .readers = &reader, .reader_count = 1};
    otel_meter_provider *parent = otel_meter_provider_new(&options);
    otel_area_source *source = otel_area_attach(parent, shared->area, AREA_BYTES);
    struct instruments with = make_instruments(child);
    otel_series_record(with.histogram, 3);
    otel_series_record(with.histogram, 100);
    otel_series_record(with.spread, 5);
    otel_area_detach(parent, source);
    struct probe probe = {0};
    probe_collect(&probe, parent, 0);
    const struct probe_point *point = probe_find(&probe, "took", NULL);
    assert_int_equal(point->bound_count, 2);
    assert_int_equal(point->count, 2);
    assert_true(point->sum == 103);
    point = probe_find(&probe, "spread", NULL);
    assert_int_equal(point->buckets[1], 1);
    assert_true(point->sum == 5);
    probe_done(&probe);
    otel_meter_provider_free(child);
    otel_meter_provider_free(parent);
    munmap(shared, sizeof *shared);
}

static const char *wants_exponential(void *context, const char *name) {
    (void)context;
    return strcmp(name, "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION") == 0
               ? "base2_exponential_bucket_histogram"
           : strcmp(name, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE") == 0 ? "delta"
                                                                                    : NULL;
}

// What is wanted by the environment of both sides holds where it is measured, too.
static void an_sdk_measures_into_its_area_as_exporters_prefer(void **state) {
    (void)state;
    struct shared *shared = new_shared();
    struct otel_sdk_options options;
    otel_sdk_options_init(&options);
    options.variable = wants_exponential;
    options.metric_area = shared->area;
    options.metric_area_len = sizeof shared->area;
    otel_sdk *sdk = otel_sdk_new(&options);
    static const double bounds[] = {1, 2};
    otel_record(otel_histogram(otel_sdk_meter(sdk, "m", NULL), "took", "s", NULL, bounds, 2), 3, NULL, 0);
    const struct otel_stream_block *block = (const void *)(shared->area + sizeof(struct otel_area_head));
    assert_int_equal(block->block.type, OTEL_BLOCK_STREAM);
    assert_int_equal(block->aggregation, OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM);
    otel_sdk_free(sdk);
    munmap(shared, sizeof *shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_area_is_folded_into_the_collectors_own_series),
        cmocka_unit_test(killed_measuring_process_loses_nothing_it_had_finished),
        cmocka_unit_test(totals_of_several_processes_add_up),
        cmocka_unit_test(full_area_counts_what_it_loses),
        cmocka_unit_test(area_with_other_buckets_keeps_count_and_sum),
        cmocka_unit_test(an_sdk_measures_into_its_area_as_exporters_prefer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
