// SPDX-License-Identifier: Apache-2.0
// Meters and instruments: each kind, their names, units and descriptions, duplicates and advice.
#include "support/metrics_probe.h"

#include <math.h>
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
    provider = probe_provider(&world, NULL);
    meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m", .version = "1"});
    return 0;
}
static int end(void **state) {
    (void)state;
    otel_meter_provider_free(provider);
    probe_done(&probe);
    return 0;
}
static const struct probe_point *collected(const char *name, const char *attributes) {
    probe_collect(&probe, provider, 0);
    return probe_find(&probe, name, attributes);
}

// --- meters ----------------------------------------------------------------------------------------------------------
static void any_number_of_meter_providers(void **state) {
    (void)state;
    otel_meter_provider *other = probe_provider(&world, NULL);
    otel_meter *others = otel_meter_get(other, &(struct otel_scope_info){.name = "m", .version = "1"});
    assert_ptr_not_equal(others, meter);
    otel_add(otel_counter(others, "c", NULL, NULL), 1, NULL, 0);
    assert_null(collected("c", NULL));
    probe_collect(&probe, other, 0);
    assert_non_null(probe_find(&probe, "c", NULL));
    otel_meter_provider_free(other);
}

static void meter_is_identified_by_its_whole_scope(void **state) {
    (void)state;
    struct otel_attribute a = otel_text("a", "1"), b = otel_text("a", "2");
    struct otel_scope_info scopes[5] = {{0}};
    for (int i = 0; i < 5; i++) {
        scopes[i].name = "m";
        scopes[i].version = i == 0 ? NULL : i == 1 ? "2" : "1";
        scopes[i].schema_url = i == 2 ? "https://s/1" : NULL;
        scopes[i].attributes = i == 3 ? &a : &b;
        scopes[i].attribute_count = i >= 3 ? 1 : 0;
    }
    otel_meter *meters[5];
    for (int i = 0; i < 5; i++) {
        meters[i] = otel_meter_get(provider, &scopes[i]);
        assert_ptr_not_equal(meters[i], meter);
        assert_ptr_equal(meters[i], otel_meter_get(provider, &scopes[i]));
        for (int other = 0; other < i; other++)
            assert_ptr_not_equal(meters[i], meters[other]);
    }
    assert_ptr_equal(meter, otel_meter_get(provider, &(struct otel_scope_info){.name = "m", .version = "1"}));
}

static void meter_scope_and_schema_url_are_exported(void **state) {
    (void)state;
    otel_meter *with =
        otel_meter_get(provider, &(struct otel_scope_info){.name = "lib", .schema_url = "https://s/1"});
    otel_add(otel_counter(with, "c", NULL, NULL), 1, NULL, 0);
    const struct probe_point *point = collected("c", NULL);
    assert_string_equal(point->scope, "lib");
    assert_string_equal(point->schema_url, "https://s/1");
}

static void meter_without_a_name_works_and_keeps_it(void **state) {
    (void)state;
    otel_meter *nameless = otel_meter_get(provider, &(struct otel_scope_info){.name = ""});
    assert_non_null(nameless);
    assert_string_equal(otel_meter_name(nameless), "");
    assert_non_null(strstr(world.reports, "without a name"));
    otel_add(otel_counter(nameless, "c", NULL, NULL), 1, NULL, 0);
    assert_non_null(collected("c", NULL));
}

static void resource_is_of_all_metrics(void **state) {
    (void)state;
    static const uint8_t resource[] = "\x0a\x08\x0a\x01k\x12\x03\x0a\x01v";
    static const struct otel_reader_options reader;
    struct otel_meter_provider_options options = {.runtime = &world.runtime,
                                                  .resource = resource,
                                                  .resource_len = 10,
                                                  .resource_schema_url = "https://r/1",
                                                  .readers = &reader,
                                                  .reader_count = 1};
    otel_meter_provider *other = otel_meter_provider_new(&options);
    otel_add(otel_counter(otel_meter_get(other, &(struct otel_scope_info){.name = "a"}), "c", NULL, NULL), 1,
             NULL, 0);
    probe_collect(&probe, other, 0);
    assert_string_equal(probe.resource, "k=v");
    assert_string_equal(probe.resource_schema_url, "https://r/1");
    otel_meter_provider_free(other);
}

// --- kinds -----------------------------------------------------------------------------------------------------------
static void counter_counts_and_refuses_negative_amounts(void **state) {
    (void)state;
    otel_instrument *counter = otel_counter(meter, "c", "{x}", "Text");
    otel_add(counter, 1.5, NULL, 0);
    otel_add(counter, -1, NULL, 0);
    otel_add(counter, -1, NULL, 0);
    otel_add(counter, 0, NULL, 0);
    const struct probe_point *point = collected("c", "");
    assert_true(point->value == 1.5 && point->monotonic && point->shape == 7);
    assert_int_equal(world.report_count, 1); // once
    struct otel_measurement_stats stats;
    otel_meter_provider_measurement_stats(provider, &stats);
    assert_int_equal(stats.ignored, 2);
}

static void up_down_counter_goes_both_ways(void **state) {
    (void)state;
    otel_instrument *counter = otel_up_down_counter(meter, "u", NULL, NULL);
    otel_add(counter, 3, NULL, 0);
    otel_add(counter, -5, NULL, 0);
    const struct probe_point *point = collected("u", "");
    assert_true(point->value == -2 && !point->monotonic && point->shape == 7);
}

static void histogram_has_count_sum_extremes_and_buckets(void **state) {
    (void)state;
    otel_instrument *histogram = otel_histogram(meter, "h", "ms", NULL, NULL, 0);
    const double values[] = {0, 5, 5.1, 10000, 10000.1};
    for (int i = 0; i < 5; i++)
        otel_record(histogram, values[i], NULL, 0);
    const struct probe_point *point = collected("h", "");
    static const double bounds[] = {0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
    assert_int_equal(point->bound_count, 15);
    assert_memory_equal(point->bounds, bounds, sizeof bounds);
    assert_int_equal(point->count, 5);
    assert_true(point->min == 0 && point->max == 10000.1 && point->has_sum);
    assert_true(point->buckets[0] == 1 && point->buckets[1] == 1 && point->buckets[2] == 1 &&
                point->buckets[14] == 1 && point->buckets[15] == 1);
}

static void gauge_keeps_the_last_value(void **state) {
    (void)state;
    otel_instrument *gauge = otel_gauge(meter, "g", NULL, NULL);
    otel_record(gauge, 3, NULL, 0);
    otel_record(gauge, -7, NULL, 0);
    const struct probe_point *point = collected("g", "");
    assert_true(point->value == -7 && point->shape == 5 && point->start == 0);
}

static void observe_three(otel_observer *observer, void *context) {
    struct otel_attribute cpu = otel_int("cpu", 1);
    double *value = context;
    otel_observe(observer, *value, NULL, 0);
    otel_observe(observer, *value, &cpu, 1);
    otel_observe(observer, *value + 1, &cpu, 1); // once more: this one counts
    otel_observe(observer, (double)NAN, NULL, 0);
}

static otel_instrument *observable(enum otel_instrument_kind kind, const char *name, double *value) {
    struct otel_instrument_options options = {
        .kind = kind, .name = name, .observe = observe_three, .observe_context = value};
    return otel_instrument_new(meter, &options);
}

static void asynchronous_counter_is_asked_at_each_collection(void **state) {
    (void)state;
    double value = 10;
    assert_non_null(observable(OTEL_OBSERVABLE_COUNTER, "oc", &value));
    const struct probe_point *point = collected("oc", "");
    assert_true(point->value == 10 && point->monotonic && point->temporality == OTEL_TEMPORALITY_CUMULATIVE);
    value = 15;
    point = collected("oc", "cpu=1");
    assert_true(point->value == 16); // what was observed is the total
    assert_int_equal(probe_count(&probe, "oc"), 2);
}

static void asynchronous_gauge_is_asked_at_each_collection(void **state) {
    (void)state;
    double value = -4;
    assert_non_null(observable(OTEL_OBSERVABLE_GAUGE, "og", &value));
    const struct probe_point *point = collected("og", "");
    assert_true(point->value == -4 && point->shape == 5);
}

static void asynchronous_up_down_counter_is_asked_at_each_collection(void **state) {
    (void)state;
    double value = -4;
    otel_instrument *instrument = observable(OTEL_OBSERVABLE_UP_DOWN_COUNTER, "ou", &value);
    const struct probe_point *point = collected("ou", "");
    assert_true(point->value == -4 && point->shape == 7 && !point->monotonic);
    otel_instrument_unobserve(instrument, observe_three, &value);
    assert_null(collected("ou", NULL)); // only what is observed now is exported
    assert_int_equal(otel_instrument_observe(instrument, observe_three, &value), OTEL_OK);
    assert_non_null(collected("ou", NULL));
}

static void integer_instruments_have_integer_points(void **state) {
    (void)state;
    struct otel_instrument_options options = {.kind = OTEL_COUNTER, .name = "i", .integer = true};
    otel_instrument *counter = otel_instrument_new(meter, &options);
    otel_series *series = otel_bind(counter, NULL, 0);
    otel_series_add_int(series, INT64_C(9007199254740993));
    otel_series_add(series, 1.9); // toward zero
    const struct probe_point *point = collected("i", NULL);
    assert_true(point->is_integer && point->value == 9007199254740994.0);
}

static void values_that_are_not_finite_are_ignored_and_counted(void **state) {
    (void)state;
    otel_record(otel_histogram(meter, "h", NULL, NULL, NULL, 0), (double)NAN, NULL, 0);
    otel_add(otel_counter(meter, "c", NULL, NULL), (double)INFINITY, NULL, 0);
    otel_record(otel_gauge(meter, "g", NULL, NULL), (double)-INFINITY, NULL, 0);
    struct otel_measurement_stats stats;
    otel_meter_provider_measurement_stats(provider, &stats);
    assert_int_equal(stats.ignored, 3);
    probe_collect(&probe, provider, 0);
    assert_int_equal(probe.count, 0);
}

static void null_takes_every_call(void **state) {
    (void)state;
    assert_null(otel_meter_get(NULL, NULL));
    assert_null(otel_counter(NULL, "x", NULL, NULL));
    assert_null(otel_bind(NULL, NULL, 0));
    otel_add(NULL, 1, NULL, 0);
    otel_record(NULL, 1, NULL, 0);
    otel_measure(NULL, 1, NULL, 0, NULL);
    otel_series_add(NULL, 1);
    otel_series_add_int(NULL, 1);
    otel_series_record(NULL, 1);
    otel_series_measure(NULL, 1, NULL);
    otel_observe(NULL, 1, NULL, 0);
    otel_instrument_unobserve(NULL, observe_three, NULL);
    assert_int_equal(otel_instrument_observe(NULL, observe_three, NULL), OTEL_FAILED);
    assert_false(otel_instrument_enabled(NULL));
    assert_int_equal(otel_meter_provider_flush(NULL, 1), OTEL_OK);
    assert_int_equal(otel_meter_provider_shutdown(NULL, 1), OTEL_OK);
}

// --- what instruments are called --------------------------------------------------------------------------------------
static void instrument_names_conform_to_the_syntax(void **state) {
    (void)state;
    char longest[257] = "a";
    memset(longest + 1, 'b', 254);
    const char *valid[] = {"a", "A9_.-/z", longest};
    for (int i = 0; i < 3; i++)
        assert_non_null(otel_counter(meter, valid[i], NULL, NULL));
    assert_int_equal(world.report_count, 0);
    char too_long[258] = "a";
    memset(too_long + 1, 'b', 255);
    const char *invalid[] = {"", "9a", "_a", "a b", "ä", "a*", too_long};
    for (size_t i = 0; i < 7; i++) {
        otel_instrument *instrument = otel_counter(meter, invalid[i], NULL, NULL);
        assert_non_null(instrument); // and works
        assert_int_equal(world.report_count, i + 1);
        otel_add(instrument, 1, NULL, 0);
    }
    assert_non_null(collected("a b", NULL));
}

static void instrument_units_conform_to_the_syntax(void **state) {
    (void)state;
    char unit[65];
    memset(unit, 'u', 64);
    unit[63] = 0;
    otel_add(otel_counter(meter, "fits", unit, NULL), 1, NULL, 0);
    assert_int_equal(world.report_count, 0);
    assert_string_equal(collected("fits", NULL)->unit, unit);
    assert_ptr_equal(otel_counter(meter, "none", NULL, NULL), otel_counter(meter, "none", "", NULL));
    assert_ptr_not_equal(otel_counter(meter, "case", "By", NULL), otel_counter(meter, "case", "by", NULL));
    size_t before = world.report_count;
    unit[63] = 'u';
    unit[64] = 0;
    otel_counter(meter, "long", unit, NULL);
    otel_counter(meter, "not.ascii", "µs", NULL);
    assert_int_equal(world.report_count, before + 2);
}

static void instrument_descriptions_may_be_long_and_any_text(void **state) {
    (void)state;
    char text[1100] = "ä ";
    memset(text + 3, 'x', 1023);
    otel_add(otel_counter(meter, "c", NULL, text), 1, NULL, 0);
    assert_int_equal(world.report_count, 0);
    const struct probe_point *point = collected("c", NULL);
    assert_memory_equal(point->description, text, PROBE_TEXT - 1);
}

static void broken_utf8_is_repaired(void **state) {
    (void)state;
    struct otel_attribute attribute = otel_text("k", "a\xff"
                                                     "b");
    otel_add(otel_counter(meter, "c", NULL, "bad \xc3"), 1, &attribute, 1);
    const struct probe_point *point = collected("c", NULL);
    assert_string_equal(point->attributes, "k=a\xef\xbf\xbd"
                                           "b");
    assert_string_equal(point->description, "bad \xef\xbf\xbd");
}

// --- duplicates ------------------------------------------------------------------------------------------------------
static void identical_instruments_are_the_same(void **state) {
    (void)state;
    otel_instrument *first = otel_counter(meter, "requests", "{r}", "Text");
    assert_ptr_equal(first, otel_counter(meter, "requests", "{r}", "Text"));
    assert_int_equal(world.report_count, 0);
}

static void duplicate_name_warns_and_both_work(void **state) {
    (void)state;
    otel_instrument *first = otel_counter(meter, "requests", "{r}", NULL);
    otel_instrument *second = otel_histogram(meter, "requests", "{r}", NULL, NULL, 0);
    otel_instrument *third = otel_counter(meter, "requests", "s", NULL);
    assert_true(first != second && first != third);
    assert_int_equal(world.report_count, 2);
    otel_add(first, 1, NULL, 0);
    otel_record(second, 2, NULL, 0);
    otel_add(third, 3, NULL, 0);
    probe_collect(&probe, provider, 0);
    assert_int_equal(probe_count(&probe, "requests"), 3);
}

static void first_seen_name_is_the_streams_name(void **state) {
    (void)state;
    otel_instrument *first = otel_counter(meter, "requestCount", NULL, NULL);
    assert_ptr_equal(first, otel_counter(meter, "RequestCount", NULL, NULL));
    otel_instrument *other = otel_gauge(meter, "REQUESTCOUNT", NULL, NULL);
    assert_ptr_not_equal(first, other);
    otel_record(other, 1, NULL, 0);
    assert_non_null(collected("requestCount", NULL));
}

static void two_descriptions_warn_and_the_first_one_stays(void **state) {
    (void)state;
    otel_instrument *first = otel_counter(meter, "c", NULL, "one");
    assert_ptr_equal(first, otel_counter(meter, "c", NULL, "two"));
    assert_int_equal(world.report_count, 1);
    otel_add(first, 1, NULL, 0);
    assert_string_equal(collected("c", NULL)->description, "one");
}

static void same_name_under_different_meters_is_no_conflict(void **state) {
    (void)state;
    otel_meter *other = otel_meter_get(provider, &(struct otel_scope_info){.name = "other"});
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    otel_record(otel_gauge(other, "c", NULL, NULL), 2, NULL, 0);
    assert_int_equal(world.report_count, 0);
    probe_collect(&probe, provider, 0);
    assert_int_equal(probe_count(&probe, "c"), 2);
}

// --- advice ----------------------------------------------------------------------------------------------------------
static void advisory_explicit_bucket_boundaries(void **state) {
    (void)state;
    static const double bounds[] = {1, 2}, bad[] = {2, 1};
    otel_record(otel_histogram(meter, "h", NULL, NULL, bounds, 2), 1.5, NULL, 0);
    otel_record(otel_histogram(meter, "none", NULL, NULL, bounds, 0), 1.5, NULL, 0);
    otel_record(otel_histogram(meter, "bad", NULL, NULL, bad, 2), 1.5, NULL, 0);
    const struct probe_point *point = collected("h", NULL);
    assert_int_equal(point->bound_count, 2);
    assert_int_equal(point->buckets[1], 1);
    point = probe_find(&probe, "none", NULL);
    assert_int_equal(point->bound_count, 0);
    assert_int_equal(point->bucket_count, 1);
    assert_int_equal(probe_find(&probe, "bad", NULL)->bound_count, 15);
    assert_int_equal(world.report_count, 1);
}

static void advisory_attributes_parameter(void **state) {
    (void)state;
    const char *keys[] = {"a", "b"};
    struct otel_instrument_options options = {
        .kind = OTEL_COUNTER, .name = "c", .attribute_keys = keys, .attribute_key_count = 2};
    otel_instrument *counter = otel_instrument_new(meter, &options);
    struct otel_attribute attributes[] = {otel_text("c", "3"), otel_text("a", "1"), otel_text("b", "2")};
    otel_add(counter, 1, attributes, 3);
    attributes[0] = otel_text("c", "4");
    otel_add(counter, 1, attributes, 3);
    assert_true(collected("c", "a=1,b=2")->value == 2);
    assert_int_equal(probe.count, 1);
}

static void advisory_opt_in_attributes_need_a_view(void **state) {
    (void)state;
    const char *opt_in[] = {"b"}, *wanted[] = {"a", "b"};
    struct otel_instrument_options options = {
        .kind = OTEL_COUNTER, .name = "c", .opt_in_keys = opt_in, .opt_in_key_count = 1};
    struct otel_attribute attributes[] = {otel_text("a", "1"), otel_text("b", "2")};
    otel_add(otel_instrument_new(meter, &options), 1, attributes, 2);
    assert_non_null(collected("c", "a=1"));
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.attribute_keys = wanted;
    view.attribute_key_count = 2;
    static const struct otel_reader_options reader;
    struct otel_meter_provider_options with = {
        .runtime = &world.runtime, .views = &view, .view_count = 1, .readers = &reader, .reader_count = 1};
    otel_meter_provider *other = otel_meter_provider_new(&with);
    otel_meter *others = otel_meter_get(other, &(struct otel_scope_info){.name = "m"});
    otel_add(otel_instrument_new(others, &options), 1, attributes, 2);
    probe_collect(&probe, other, 0);
    assert_non_null(probe_find(&probe, "c", "a=1,b=2"));
    otel_meter_provider_free(other);
}

static void series_bound_to_attributes_is_the_one_looked_up(void **state) {
    (void)state;
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    struct otel_attribute attribute = otel_text("a", "1");
    otel_series *series = otel_bind(counter, &attribute, 1);
    otel_series_add(series, 2);
    otel_add(counter, 3, &attribute, 1);
    assert_true(collected("c", "a=1")->value == 5);
    assert_int_equal(probe.count, 1);
}

static void attribute_sets_are_sets(void **state) {
    (void)state;
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    struct otel_attribute forward[] = {otel_text("a", "1"), otel_bool("b", true), otel_double("c", 1.5)};
    struct otel_attribute backward[] = {otel_double("c", 1.5), otel_bool("b", true), otel_text("a", "0"),
                                        otel_text("a", "1"),   otel_text("", "x"),   otel_text("none", NULL)};
    struct otel_value items[] = {otel_value_string("x", 1), otel_value_string("y", 1)};
    struct otel_attribute array = otel_array("list", items, 2);
    otel_add(counter, 1, forward, 3);
    otel_add(counter, 1, backward, 6);
    otel_add(counter, 1, &array, 1);
    otel_add(counter, 1, &array, 1);
    struct otel_attribute other_type = otel_text("b", "true"), boolean = otel_bool("b", true);
    otel_add(counter, 1, &other_type, 1);
    otel_add(counter, 1, &boolean, 1);
    assert_true(collected("c", "a=1,b=true,c=1.5")->value == 2);
    assert_true(probe_find(&probe, "c", "list=?")->value == 2);
    assert_int_equal(probe.count, 4);
    assert_ptr_equal(otel_bind(counter, forward, 3), otel_bind(counter, backward, 6));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_number_of_meter_providers, begin, end),
        cmocka_unit_test_setup_teardown(meter_is_identified_by_its_whole_scope, begin, end),
        cmocka_unit_test_setup_teardown(meter_scope_and_schema_url_are_exported, begin, end),
        cmocka_unit_test_setup_teardown(meter_without_a_name_works_and_keeps_it, begin, end),
        cmocka_unit_test_setup_teardown(resource_is_of_all_metrics, begin, end),
        cmocka_unit_test_setup_teardown(counter_counts_and_refuses_negative_amounts, begin, end),
        cmocka_unit_test_setup_teardown(up_down_counter_goes_both_ways, begin, end),
        cmocka_unit_test_setup_teardown(histogram_has_count_sum_extremes_and_buckets, begin, end),
        cmocka_unit_test_setup_teardown(gauge_keeps_the_last_value, begin, end),
        cmocka_unit_test_setup_teardown(asynchronous_counter_is_asked_at_each_collection, begin, end),
        cmocka_unit_test_setup_teardown(asynchronous_gauge_is_asked_at_each_collection, begin, end),
        cmocka_unit_test_setup_teardown(asynchronous_up_down_counter_is_asked_at_each_collection, begin, end),
        cmocka_unit_test_setup_teardown(integer_instruments_have_integer_points, begin, end),
        cmocka_unit_test_setup_teardown(values_that_are_not_finite_are_ignored_and_counted, begin, end),
        cmocka_unit_test_setup_teardown(null_takes_every_call, begin, end),
        cmocka_unit_test_setup_teardown(instrument_names_conform_to_the_syntax, begin, end),
        cmocka_unit_test_setup_teardown(instrument_units_conform_to_the_syntax, begin, end),
        cmocka_unit_test_setup_teardown(instrument_descriptions_may_be_long_and_any_text, begin, end),
        cmocka_unit_test_setup_teardown(broken_utf8_is_repaired, begin, end),
        cmocka_unit_test_setup_teardown(identical_instruments_are_the_same, begin, end),
        cmocka_unit_test_setup_teardown(duplicate_name_warns_and_both_work, begin, end),
        cmocka_unit_test_setup_teardown(first_seen_name_is_the_streams_name, begin, end),
        cmocka_unit_test_setup_teardown(two_descriptions_warn_and_the_first_one_stays, begin, end),
        cmocka_unit_test_setup_teardown(same_name_under_different_meters_is_no_conflict, begin, end),
        cmocka_unit_test_setup_teardown(advisory_explicit_bucket_boundaries, begin, end),
        cmocka_unit_test_setup_teardown(advisory_attributes_parameter, begin, end),
        cmocka_unit_test_setup_teardown(advisory_opt_in_attributes_need_a_view, begin, end),
        cmocka_unit_test_setup_teardown(series_bound_to_attributes_is_the_one_looked_up, begin, end),
        cmocka_unit_test_setup_teardown(attribute_sets_are_sets, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
