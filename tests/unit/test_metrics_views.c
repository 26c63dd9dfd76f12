// SPDX-License-Identifier: Apache-2.0
// Views: which instruments they select, what becomes of them, and cardinality limits.
#include "support/metrics_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct probe_world world;
static struct probe probe;
static otel_meter_provider *provider;
static otel_meter *meter;

static int begin(void **state) {
    (void)state;
    probe_world_init(&world);
    provider = NULL;
    return 0;
}
static int end(void **state) {
    (void)state;
    otel_meter_provider_free(provider);
    probe_done(&probe);
    return 0;
}
static struct otel_view_options view_of(const char *name) {
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = name;
    return view;
}
static void use_with(const struct otel_view_options *views, size_t count,
                     const struct otel_reader_options *reader) {
    static const struct otel_reader_options cumulative;
    struct otel_meter_provider_options options = {.runtime = &world.runtime,
                                                  .views = views,
                                                  .view_count = count,
                                                  .readers = reader != NULL ? reader : &cumulative,
                                                  .reader_count = 1};
    provider = otel_meter_provider_new(&options);
    assert_non_null(provider);
    meter = otel_meter_get(
        provider, &(struct otel_scope_info){.name = "lib.a", .version = "1", .schema_url = "https://s"});
}
static void use(const struct otel_view_options *views, size_t count) {
    use_with(views, count, NULL);
}
static void collect(void) {
    probe_collect(&probe, provider, 0);
}
static const struct probe_point *found(const char *name, const char *attributes) {
    return probe_find(&probe, name, attributes);
}
static void measure(enum otel_instrument_kind kind, const char *name, const char *unit) {
    struct otel_instrument_options options = {.kind = kind, .name = name, .unit = unit};
    otel_measure(otel_instrument_new(meter, &options), 1, NULL, 0, NULL);
}

// --- selection -------------------------------------------------------------------------------------------------------
static void view_selects_by_each_criterion(void **state) {
    (void)state;
    struct otel_view_options views[6];
    for (int i = 0; i < 6; i++) {
        views[i] = view_of(NULL);
        views[i].aggregation = OTEL_AGGREGATE_DROP;
    }
    views[0].instrument_name = "by.name";
    views[1].instrument_kind = OTEL_UP_DOWN_COUNTER;
    views[2].instrument_unit = "s";
    views[3].meter_name = "lib.b";
    views[4].meter_version = "2";
    views[5].meter_schema_url = "https://t";
    use(views, 6);
    otel_meter *meters[] = {
        meter, otel_meter_get(provider, &(struct otel_scope_info){.name = "lib.b"}),
        otel_meter_get(provider, &(struct otel_scope_info){.name = "lib.a", .version = "2"}),
        otel_meter_get(provider, &(struct otel_scope_info){.name = "l", .schema_url = "https://t"})};
    measure(OTEL_COUNTER, "by.name", NULL);
    measure(OTEL_UP_DOWN_COUNTER, "by.kind", NULL);
    measure(OTEL_COUNTER, "by.unit", "s");
    measure(OTEL_COUNTER, "stays", "S");
    for (int i = 1; i < 4; i++) {
        meter = meters[i];
        measure(OTEL_COUNTER, "of.meter", NULL);
    }
    collect();
    assert_int_equal(probe.count, 1);
    assert_non_null(found("stays", NULL));
}

static void all_criteria_must_match(void **state) {
    (void)state;
    struct otel_view_options view = view_of("a");
    view.instrument_kind = OTEL_HISTOGRAM;
    view.aggregation = OTEL_AGGREGATE_DROP;
    use(&view, 1);
    measure(OTEL_COUNTER, "a", NULL);
    collect();
    assert_int_equal(probe.count, 1);
}

static void view_selection_supports_wildcards(void **state) {
    (void)state;
    struct otel_view_options views[2] = {view_of("http.*.d?ration"), view_of("X*Y*Z")};
    views[0].aggregation = views[1].aggregation = OTEL_AGGREGATE_DROP;
    use(views, 2);
    const char *dropped[] = {"http.server.duration", "http..doration", "xyz", "x1y2yz", "XYYZ"};
    const char *kept[] = {"http.server.dration", "http.duration", "xyza", "xz", "axyz"};
    for (int i = 0; i < 5; i++) {
        measure(OTEL_COUNTER, dropped[i], NULL);
        measure(OTEL_COUNTER, kept[i], NULL);
    }
    collect();
    assert_int_equal(probe.count, 5);
    for (int i = 0; i < 5; i++)
        assert_non_null(found(kept[i], NULL));
}

static void view_match_all_wildcard(void **state) {
    (void)state;
    struct otel_view_options view = view_of("*");
    view.aggregation = OTEL_AGGREGATE_DROP;
    use(&view, 1);
    otel_instrument *counter = otel_counter(meter, "any", NULL, NULL);
    assert_false(otel_instrument_enabled(counter));
    otel_add(counter, 1, NULL, 0);
    collect();
    assert_int_equal(probe.count, 0);
}

// --- streams ---------------------------------------------------------------------------------------------------------
static void view_sets_name_and_description(void **state) {
    (void)state;
    struct otel_view_options view = view_of("old");
    view.name = "new";
    view.description = "Better";
    use(&view, 1);
    otel_add(otel_counter(meter, "old", "{x}", "Worse"), 2, NULL, 0);
    collect();
    assert_null(found("old", NULL));
    assert_true(found("new", NULL)->value == 2);
    assert_string_equal(found("new", NULL)->description, "Better");
    assert_string_equal(found("new", NULL)->unit, "{x}");
}

static void view_name_for_several_instruments_is_refused(void **state) {
    (void)state;
    struct otel_view_options view = view_of("a*");
    view.name = "new";
    use(&view, 1);
    assert_int_equal(world.report_count, 1);
    measure(OTEL_COUNTER, "aa", NULL);
    collect();
    assert_non_null(found("aa", NULL));
}

static void view_keeps_only_its_attribute_keys(void **state) {
    (void)state;
    const char *keys[] = {"b"};
    struct otel_view_options view = view_of("c");
    view.attribute_keys = keys;
    view.attribute_key_count = 1;
    use(&view, 1);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    for (int i = 0; i < 10; i++) {
        struct otel_attribute attributes[] = {otel_int("a", i), otel_int("b", i % 2)};
        otel_add(counter, 1, attributes, 2);
    }
    collect();
    assert_int_equal(probe.count, 2);
    assert_true(found("c", "b=0")->value == 5 && found("c", "b=1")->value == 5);
}

static void view_with_no_keys_keeps_no_attribute(void **state) {
    (void)state;
    const char *keys[] = {NULL};
    struct otel_view_options view = view_of("c");
    view.attribute_keys = keys;
    use(&view, 1);
    struct otel_attribute attribute = otel_int("a", 1);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, &attribute, 1);
    collect();
    assert_non_null(found("c", ""));
}

static void view_excludes_attribute_keys(void **state) {
    (void)state;
    const char *keys[] = {"a", "x"};
    struct otel_view_options view = view_of("c");
    view.excluded_keys = keys;
    view.excluded_key_count = 2;
    use(&view, 1);
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("b", 2)};
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, attributes, 2);
    collect();
    assert_non_null(found("c", "b=2"));
}

static void view_filters_observations_and_adds_them_up(void **state);

static void observe_pools(otel_observer *observer, void *context) {
    (void)context;
    for (int i = 0; i < 4; i++) {
        struct otel_attribute pool = otel_int("pool", i);
        otel_observe_int(observer, 10 + i, &pool, 1);
    }
}
static void view_filters_observations_and_adds_them_up(void **state) {
    (void)state;
    const char *keys[] = {"pool"};
    struct otel_view_options view = view_of("used");
    view.excluded_keys = keys;
    view.excluded_key_count = 1;
    use(&view, 1);
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_UP_DOWN_COUNTER, .name = "used", .integer = true, .observe = observe_pools};
    otel_instrument_new(meter, &options);
    for (int turn = 0; turn < 2; turn++) {
        collect();
        assert_int_equal(probe.count, 1);
        assert_true(found("used", "")->value == 46);
    }
}

static void several_views_for_one_instrument(void **state) {
    (void)state;
    const char *keys[] = {"a"};
    struct otel_view_options views[3] = {view_of("c"), view_of("c"), view_of("*")};
    views[0].name = "by.a";
    views[0].attribute_keys = keys;
    views[0].attribute_key_count = 1;
    views[1].name = "spread";
    views[1].aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    use(views, 3);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("b", 2)};
    otel_series *series = otel_bind(counter, attributes, 2);
    otel_series_add(series, 4);
    otel_add(counter, 3, attributes, 2);
    collect();
    assert_int_equal(probe.count, 3);
    assert_true(found("by.a", "a=1")->value == 7);
    assert_int_equal(found("spread", "a=1,b=2")->count, 2);
    assert_true(found("c", "a=1,b=2")->value == 7);
}

static void views_can_compose_to_one_stream(void **state) {
    (void)state;
    const char *keys[] = {"a"};
    struct otel_view_options views[3] = {view_of("*"), view_of("h"), view_of("h")};
    views[0].attribute_keys = keys;
    views[0].attribute_key_count = 1;
    views[1].name = "renamed";
    views[1].description = "first";
    views[2].description = "second";
    views[2].aggregation = OTEL_AGGREGATE_SUM;
    static const struct otel_reader_options reader;
    struct otel_meter_provider_options options = {.runtime = &world.runtime,
                                                  .views = views,
                                                  .view_count = 3,
                                                  .views_compose = true,
                                                  .readers = &reader,
                                                  .reader_count = 1};
    provider = otel_meter_provider_new(&options);
    meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("b", 2)};
    otel_record(otel_histogram(meter, "h", NULL, NULL, NULL, 0), 5, attributes, 2);
    otel_add(otel_counter(meter, "other", NULL, NULL), 5, attributes, 2);
    collect();
    assert_int_equal(probe.count, 2);
    assert_int_equal(found("renamed", "a=1")->shape, 7);
    assert_string_equal(found("renamed", "a=1")->description, "second");
    assert_non_null(found("other", "a=1"));
    assert_int_equal(world.report_count, 0);
}

static void views_that_collide_are_warned_of(void **state) {
    (void)state;
    struct otel_view_options views[2] = {view_of("c"), view_of("*")};
    use(views, 2);
    measure(OTEL_COUNTER, "c", NULL);
    assert_int_equal(world.report_count, 1);
    collect();
    assert_int_equal(probe_count(&probe, "c"), 2);
}

// --- aggregations ----------------------------------------------------------------------------------------------------
static void view_chooses_each_aggregation(void **state) {
    (void)state;
    static const double bounds[] = {10, 20};
    struct otel_view_options views[6] = {view_of("sum"),         view_of("last"), view_of("explicit"),
                                         view_of("exponential"), view_of("drop"), view_of("default")};
    views[0].aggregation = OTEL_AGGREGATE_SUM;
    views[1].aggregation = OTEL_AGGREGATE_LAST_VALUE;
    views[2].aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    views[2].bounds = bounds;
    views[2].bound_count = 2;
    views[2].no_min_max = true;
    views[3].aggregation = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    views[3].max_size = 2;
    views[3].max_scale = 3;
    views[4].aggregation = OTEL_AGGREGATE_DROP;
    use(views, 6);
    static const char *const names[] = {"sum", "last", "explicit", "exponential", "drop", "default"};
    for (int i = 0; i < 6; i++) {
        otel_instrument *histogram = otel_histogram(meter, names[i], NULL, NULL, NULL, 0);
        otel_record(histogram, 12, NULL, 0);
        otel_record(histogram, 13, NULL, 0);
    }
    collect();
    assert_int_equal(probe.count, 5);
    assert_true(found("sum", NULL)->shape == 7 && found("sum", NULL)->value == 25 &&
                found("sum", NULL)->monotonic);
    assert_true(found("last", NULL)->shape == 5 && found("last", NULL)->value == 13);
    const struct probe_point *point = found("explicit", NULL);
    assert_true(point->bound_count == 2 && point->buckets[1] == 2 && !point->has_min_max);
    point = found("exponential", NULL);
    assert_true(point->shape == 10 && point->scale == 3 && point->bucket_count == 2);
    assert_int_equal(found("default", NULL)->bound_count, 15);
}

static void aggregation_that_does_not_suit_falls_back(void **state) {
    (void)state;
    struct otel_view_options views[2] = {view_of("o"), view_of("g")};
    views[0].aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    views[1].aggregation = OTEL_AGGREGATE_SUM;
    use(views, 2);
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_COUNTER, .name = "o", .observe = observe_pools};
    otel_instrument_new(meter, &options);
    measure(OTEL_GAUGE, "g", NULL);
    assert_int_equal(world.report_count, 2);
    collect();
    assert_int_equal(found("o", NULL)->shape, 7);
    assert_int_equal(found("g", NULL)->shape, 5);
}

static void histogram_of_what_goes_both_ways_has_no_sum(void **state) {
    (void)state;
    struct otel_view_options view = view_of("u");
    view.aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    use(&view, 1);
    otel_add(otel_up_down_counter(meter, "u", NULL, NULL), -5, NULL, 0);
    collect();
    assert_false(found("u", NULL)->has_sum);
    assert_int_equal(found("u", NULL)->buckets[0], 1);
}

static void views_beat_advice(void **state) {
    (void)state;
    static const double advised[] = {1}, chosen[] = {2, 3};
    const char *advised_keys[] = {"a"}, *chosen_keys[] = {"b"};
    struct otel_view_options view = view_of("h");
    view.aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    view.bounds = chosen;
    view.bound_count = 2;
    view.attribute_keys = chosen_keys;
    view.attribute_key_count = 1;
    use(&view, 1);
    struct otel_instrument_options options = {.kind = OTEL_HISTOGRAM,
                                              .name = "h",
                                              .bounds = advised,
                                              .bound_count = 1,
                                              .attribute_keys = advised_keys,
                                              .attribute_key_count = 1};
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("b", 2)};
    otel_record(otel_instrument_new(meter, &options), 1, attributes, 2);
    collect();
    assert_int_equal(found("h", "b=2")->bound_count, 2);
}

// --- cardinality -----------------------------------------------------------------------------------------------------
static void add_sets(otel_instrument *counter, int from, int to) {
    for (int i = from; i < to; i++) {
        struct otel_attribute attribute = otel_int("i", i);
        otel_add(counter, 1, &attribute, 1);
    }
}

static void cardinality_limit_overflows_and_loses_nothing(void **state) {
    (void)state;
    use(NULL, 0);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    add_sets(counter, 0, 2000);
    collect();
    assert_int_equal(probe.count, 2000);
    assert_null(found("c", "otel.metric.overflow=true"));
    add_sets(counter, 1990, 3000);
    collect();
    assert_int_equal(probe.count, 2001);
    assert_true(found("c", "otel.metric.overflow=true")->value == 1000);
    assert_true(found("c", "i=1995")->value == 2); // known sets stay
    struct otel_measurement_stats stats;
    otel_meter_provider_measurement_stats(provider, &stats);
    assert_int_equal(stats.overflowed, 1000);
}

static void cardinality_limit_of_the_reader(void **state) {
    (void)state;
    use_with(NULL, 0, &(struct otel_reader_options){.cardinality_limit = 3});
    add_sets(otel_counter(meter, "c", NULL, NULL), 0, 10);
    collect();
    assert_int_equal(probe.count, 4);
    assert_true(found("c", "otel.metric.overflow=true")->value == 7);
}

static void cardinality_limit_of_a_view_beats_the_readers(void **state) {
    (void)state;
    struct otel_view_options view = view_of("c");
    view.cardinality_limit = 5;
    use_with(&view, 1, &(struct otel_reader_options){.cardinality_limit = 3});
    add_sets(otel_counter(meter, "c", NULL, NULL), 0, 10);
    add_sets(otel_counter(meter, "d", NULL, NULL), 0, 10);
    collect();
    assert_int_equal(probe_count(&probe, "c"), 6);
    assert_int_equal(probe_count(&probe, "d"), 4);
}

static void limit_counts_what_the_view_keeps(void **state) {
    (void)state;
    const char *keys[] = {"i"};
    struct otel_view_options view = view_of("c");
    view.excluded_keys = keys;
    view.excluded_key_count = 1;
    view.cardinality_limit = 1;
    use(&view, 1);
    add_sets(otel_counter(meter, "c", NULL, NULL), 0, 5000);
    collect();
    assert_int_equal(probe.count, 1);
    assert_true(found("c", "")->value == 5000);
}

static int first_observed;
static void observe_sets(otel_observer *observer, void *context) {
    (void)context;
    for (int i = first_observed; i < first_observed + 3; i++) {
        struct otel_attribute attribute = otel_int("i", i);
        otel_observe_int(observer, i, &attribute, 1);
    }
}
static void observed_sets_that_end_make_room(void **state) {
    (void)state;
    use_with(NULL, 0, &(struct otel_reader_options){.cardinality_limit = 3});
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_GAUGE, .name = "g", .integer = true, .observe = observe_sets};
    otel_instrument_new(meter, &options);
    for (first_observed = 0; first_observed < 60; first_observed += 3) {
        world.unix_ns += 1000;
        collect();
        assert_int_equal(probe.count, 3);
        for (int i = first_observed; i < first_observed + 3; i++) {
            char wanted[16];
            snprintf(wanted, sizeof wanted, "i=%d", i);
            assert_non_null(found("g", wanted));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(view_selects_by_each_criterion, begin, end),
        cmocka_unit_test_setup_teardown(all_criteria_must_match, begin, end),
        cmocka_unit_test_setup_teardown(view_selection_supports_wildcards, begin, end),
        cmocka_unit_test_setup_teardown(view_match_all_wildcard, begin, end),
        cmocka_unit_test_setup_teardown(view_sets_name_and_description, begin, end),
        cmocka_unit_test_setup_teardown(view_name_for_several_instruments_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(view_keeps_only_its_attribute_keys, begin, end),
        cmocka_unit_test_setup_teardown(view_with_no_keys_keeps_no_attribute, begin, end),
        cmocka_unit_test_setup_teardown(view_excludes_attribute_keys, begin, end),
        cmocka_unit_test_setup_teardown(view_filters_observations_and_adds_them_up, begin, end),
        cmocka_unit_test_setup_teardown(several_views_for_one_instrument, begin, end),
        cmocka_unit_test_setup_teardown(views_can_compose_to_one_stream, begin, end),
        cmocka_unit_test_setup_teardown(views_that_collide_are_warned_of, begin, end),
        cmocka_unit_test_setup_teardown(view_chooses_each_aggregation, begin, end),
        cmocka_unit_test_setup_teardown(aggregation_that_does_not_suit_falls_back, begin, end),
        cmocka_unit_test_setup_teardown(histogram_of_what_goes_both_ways_has_no_sum, begin, end),
        cmocka_unit_test_setup_teardown(views_beat_advice, begin, end),
        cmocka_unit_test_setup_teardown(cardinality_limit_overflows_and_loses_nothing, begin, end),
        cmocka_unit_test_setup_teardown(cardinality_limit_of_the_reader, begin, end),
        cmocka_unit_test_setup_teardown(cardinality_limit_of_a_view_beats_the_readers, begin, end),
        cmocka_unit_test_setup_teardown(limit_counts_what_the_view_keeps, begin, end),
        cmocka_unit_test_setup_teardown(observed_sets_that_end_make_room, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
