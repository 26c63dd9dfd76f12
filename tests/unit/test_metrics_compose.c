// SPDX-License-Identifier: Apache-2.0
// Views that compose: several make one stream.
#include "support/metrics_probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

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
static void use(const struct otel_view_options *views, size_t count, bool compose) {
    static const struct otel_reader_options pulled;
    struct otel_meter_provider_options options = {.runtime = &world.runtime,
                                                  .views = views,
                                                  .view_count = count,
                                                  .views_compose = compose,
                                                  .readers = &pulled,
                                                  .reader_count = 1};
    provider = otel_meter_provider_new(&options);
    assert_non_null(provider);
    meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
}
static struct otel_view_options view_of(const char *instrument, const char *name) {
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = instrument;
    view.name = name;
    return view;
}
static const struct probe_point *found(const char *name, const char *attributes) {
    return probe_find(&probe, name, attributes);
}

// --- composition -----------------------------------------------------------------------------------------------------
static void views_compose_into_one_stream(void **state) {
    (void)state;
    const char *ab[] = {"a", "b"}, *bc[] = {"b", "c"}, *without[] = {"x"};
    static const double first[] = {1}, last[] = {10, 20};
    struct otel_view_options views[4] = {view_of("h", "out"), view_of("h", "out"), view_of("*", NULL),
                                         view_of("h", "other")};
    views[0].description = "first";
    views[0].aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    views[0].bounds = first;
    views[0].bound_count = 1;
    views[0].no_min_max = true;
    views[0].attribute_keys = ab;
    views[0].attribute_key_count = 2;
    views[1].description = "last";
    views[1].aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM;
    views[1].bounds = last;
    views[1].bound_count = 2;
    views[1].attribute_keys = bc;
    views[1].attribute_key_count = 2;
    views[2].excluded_keys = without; // has no name: adds to both
    views[2].excluded_key_count = 1;
    use(views, 4, true);
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("b", 2), otel_int("c", 3),
                                          otel_int("x", 4)};
    otel_record(otel_histogram(meter, "h", NULL, "own", NULL, 0), 15, attributes, 4);
    probe_collect(&probe, provider, 0);
    assert_int_equal(probe.count, 2);
    const struct probe_point *point = found("out", "b=2"); // kept by all that say which
    assert_non_null(point);
    assert_string_equal(point->description, "last");
    assert_int_equal(point->bound_count, 2); // an aggregation comes with all of its settings
    assert_true(point->has_min_max);
    assert_non_null(found("other", "a=1,b=2,c=3"));
    assert_string_equal(found("other", NULL)->description, "own");
    assert_int_equal(world.report_count, 0);
}

static void views_without_a_name_compose_under_the_instruments(void **state) {
    (void)state;
    struct otel_view_options views[3] = {view_of("c", NULL), view_of("*", NULL), view_of("c", NULL)};
    views[0].description = "described";
    views[1].cardinality_limit = 1;
    views[2].aggregation = OTEL_AGGREGATE_LAST_VALUE;
    use(views, 3, true);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    for (int i = 0; i < 3; i++) {
        struct otel_attribute attribute = otel_int("i", i);
        otel_add(counter, 5, &attribute, 1);
    }
    probe_collect(&probe, provider, 0);
    assert_int_equal(probe_count(&probe, "c"), 2); // one, and the overflow
    assert_string_equal(found("c", "i=0")->description, "described");
    assert_int_equal(found("c", "i=0")->shape, 5);
}

static void observe_one(otel_observer *observer, void *context) {
    (void)context;
    otel_observe(observer, 4, NULL, 0);
}
static void unsuitable_setting_leaves_the_one_before(void **state) {
    (void)state;
    struct otel_view_options views[2] = {view_of("o", NULL), view_of("o", NULL)};
    views[0].aggregation = OTEL_AGGREGATE_LAST_VALUE;
    views[1].aggregation = OTEL_AGGREGATE_EXPLICIT_HISTOGRAM; // of observations: makes no sense
    use(views, 2, true);
    struct otel_instrument_options options = {
        .kind = OTEL_OBSERVABLE_COUNTER, .name = "o", .observe = observe_one};
    otel_instrument_new(meter, &options);
    assert_int_equal(world.report_count, 1);
    probe_collect(&probe, provider, 0);
    assert_int_equal(found("o", NULL)->shape, 5);
}

static void views_do_not_compose_unless_asked(void **state) {
    (void)state;
    struct otel_view_options views[2] = {view_of("c", "one"), view_of("c", NULL)};
    use(views, 2, false);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    probe_collect(&probe, provider, 0);
    assert_non_null(found("one", NULL));
    assert_non_null(found("c", NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(views_compose_into_one_stream),
        TEST(views_without_a_name_compose_under_the_instruments),
        TEST(unsuitable_setting_leaves_the_one_before),
        TEST(views_do_not_compose_unless_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
