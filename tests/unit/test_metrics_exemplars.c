// SPDX-License-Identifier: Apache-2.0
// Exemplars: filters, reservoirs and what an exemplar tells.
#include "support/metrics_probe.h"

#include "otel/trace/provider.h"

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
static void use(enum otel_exemplar_filter filter, const struct otel_view_options *view,
                const struct otel_reader_options *reader) {
    static const struct otel_reader_options cumulative;
    struct otel_meter_provider_options options = {.runtime = &world.runtime,
                                                  .exemplar_filter = filter,
                                                  .views = view,
                                                  .view_count = view != NULL ? 1 : 0,
                                                  .readers = reader != NULL ? reader : &cumulative,
                                                  .reader_count = 1};
    provider = otel_meter_provider_new(&options);
    assert_non_null(provider);
    meter = otel_meter_get(provider, &(struct otel_scope_info){.name = "m"});
}
static const struct probe_point *collected(const char *name) {
    probe_collect(&probe, provider, 0);
    const struct probe_point *point = probe_find(&probe, name, NULL);
    assert_non_null(point);
    return point;
}
static struct otel_span_context span_of(uint8_t byte, bool sampled) {
    struct otel_span_context span = {.flags = sampled ? OTEL_FLAG_SAMPLED : 0};
    memset(span.trace_id, byte, 16);
    memset(span.span_id, byte + 1, 8);
    return span;
}

// --- filters ---------------------------------------------------------------------------------------------------------
static void trace_based_filter_wants_a_sampled_span(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_TRACE_BASED, NULL, NULL);
    otel_instrument *counter = otel_counter(meter, "c", NULL, NULL);
    struct otel_span_context sampled = span_of(1, true), not_sampled = span_of(2, false);
    otel_add(counter, 1, NULL, 0);
    otel_measure(counter, 1, NULL, 0, &not_sampled);
    otel_measure(counter, 1, NULL, 0, NULL);
    assert_int_equal(collected("c")->exemplar_count, 0);
    otel_measure(counter, 5, NULL, 0, &sampled);
    const struct probe_point *point = collected("c");
    assert_int_equal(point->exemplar_count, 1);
    assert_true(point->exemplars[0].value == 5);
}

static void always_on_filter_needs_no_span(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_ALWAYS_ON, NULL, NULL);
    otel_add(otel_counter(meter, "c", NULL, NULL), 3, NULL, 0);
    const struct probe_point *point = collected("c");
    assert_int_equal(point->exemplar_count, 1);
    assert_false(point->exemplars[0].has_ids);
}

static void always_off_filter_disables_exemplars(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_ALWAYS_OFF, NULL, NULL);
    struct otel_span_context sampled = span_of(1, true);
    otel_measure(otel_counter(meter, "c", NULL, NULL), 5, NULL, 0, &sampled);
    assert_int_equal(collected("c")->exemplar_count, 0);
}

static void exemplar_filter_can_be_changed_for_existing_instruments(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_ALWAYS_OFF, NULL, NULL);
    otel_series *series = otel_bind(otel_counter(meter, "c", NULL, NULL), NULL, 0);
    otel_series_add(series, 1);
    otel_meter_provider_set_exemplar_filter(provider, OTEL_EXEMPLARS_ALWAYS_ON);
    otel_series_add(series, 2);
    otel_add(otel_counter(meter, "later", NULL, NULL), 2, NULL, 0);
    assert_int_equal(collected("c")->exemplar_count, 1);
    assert_int_equal(collected("later")->exemplar_count, 1);
}

// --- what an exemplar tells ------------------------------------------------------------------------------------------
static void exemplar_has_value_time_and_ids_of_the_span(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_TRACE_BASED, NULL, NULL);
    struct otel_span_context span = span_of(0x11, true);
    world.unix_ns = 123456;
    otel_measure(otel_histogram(meter, "h", NULL, NULL, NULL, 0), 7.5, NULL, 0, &span);
    world.unix_ns = 200000;
    const struct probe_point *point = collected("h");
    assert_int_equal(point->exemplar_count, 1);
    assert_true(point->exemplars[0].value == 7.5);
    assert_int_equal(point->exemplars[0].unix_ns, 123456);
    assert_memory_equal(point->exemplars[0].trace_id, span.trace_id, 16);
    assert_memory_equal(point->exemplars[0].span_id, span.span_id, 8);
}

static void exemplar_names_the_active_span(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_TRACE_BASED, NULL, NULL);
    struct otel_span_context span = span_of(0x21, true);
    otel_context *context = otel_context_with_span_context(NULL, &span, NULL, 0);
    struct otel_scope scope;
    otel_scope_enter(&scope, context);
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, NULL, 0);
    otel_scope_leave(&scope);
    otel_context_release(context);
    const struct probe_point *point = collected("c");
    assert_int_equal(point->exemplar_count, 1);
    assert_memory_equal(point->exemplars[0].trace_id, span.trace_id, 16);
}

static void exemplars_retain_attributes_that_the_view_drops(void **state) {
    (void)state;
    const char *keys[] = {"a"};
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.attribute_keys = keys;
    view.attribute_key_count = 1;
    use(OTEL_EXEMPLARS_ALWAYS_ON, &view, NULL);
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_int("user", 42), otel_text("zone", "eu")};
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, attributes, 3);
    const struct probe_point *point = collected("c");
    assert_string_equal(point->attributes, "a=1");
    assert_string_equal(point->exemplars[0].filtered, "user=42,zone=eu");
}

static void filtered_attributes_that_do_not_fit_are_left_out_whole(void **state) {
    (void)state;
    const char *keys[] = {"none"};
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.attribute_keys = keys;
    view.attribute_key_count = 1;
    use(OTEL_EXEMPLARS_ALWAYS_ON, &view, NULL);
    char big[400];
    memset(big, 'x', sizeof big);
    struct otel_attribute attributes[] = {otel_int("a", 1), otel_text_len("b", big, sizeof big)};
    otel_add(otel_counter(meter, "c", NULL, NULL), 1, attributes, 2);
    assert_string_equal(collected("c")->exemplars[0].filtered, "a=1");
}

// --- reservoirs ------------------------------------------------------------------------------------------------------
static void aligned_reservoir_keeps_one_for_each_bucket(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_ALWAYS_ON, NULL, NULL);
    static const double bounds[] = {10, 20};
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, bounds, 2);
    for (int i = 0; i < 100; i++)
        otel_record(histogram, i % 30 + 1, NULL, 0);
    const struct probe_point *point = collected("h");
    assert_int_equal(point->exemplar_count, 3);
    assert_true(point->exemplars[0].value <= 10);
    assert_true(point->exemplars[1].value > 10 && point->exemplars[1].value <= 20);
    assert_true(point->exemplars[2].value > 20);
}

// 10,000 collections of 10 measurements each: each value has a tenth of them, within 6 standard deviations.
static void simple_reservoir_gives_all_the_same_chance(void **state) {
    (void)state;
    use(OTEL_EXEMPLARS_ALWAYS_ON, NULL, NULL);
    enum { TURNS = 10000, VALUES = 10 };
    otel_series *series = otel_bind(otel_gauge(meter, "g", NULL, NULL), NULL, 0);
    int chosen[VALUES] = {0};
    fq_buf out = {0};
    for (int turn = 0; turn < TURNS; turn++) {
        world.unix_ns++;
        for (int i = 0; i < VALUES; i++)
            otel_series_record(series, i);
        fq_buf_clear(&out);
        size_t points;
        assert_int_equal(otel_meter_provider_collect(provider, 0, &out, &points), OTEL_OK);
        probe_read(&probe, fq_buf_str(&out).ptr, fq_buf_len(&out));
        chosen[(int)probe.points[0].exemplars[0].value]++;
    }
    fq_buf_done(&out);
    for (int i = 0; i < VALUES; i++)
        assert_in_range(chosen[i], 1000 - 180, 1000 + 180);
}

static void exponential_histograms_keep_up_to_twenty(void **state) {
    (void)state;
    struct otel_reader_options reader = {0};
    reader.aggregation[OTEL_HISTOGRAM] = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    use(OTEL_EXEMPLARS_ALWAYS_ON, NULL, &reader);
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, NULL, 0);
    for (int i = 1; i <= 100; i++)
        otel_record(histogram, i, NULL, 0);
    assert_int_equal(collected("h")->exemplar_count, 20);
}

static void delta_exemplars_are_of_their_interval(void **state) {
    (void)state;
    struct otel_reader_options reader = {.temporality = {[OTEL_COUNTER] = OTEL_TEMPORALITY_DELTA}};
    use(OTEL_EXEMPLARS_ALWAYS_ON, NULL, &reader);
    otel_series *series = otel_bind(otel_counter(meter, "c", NULL, NULL), NULL, 0);
    world.unix_ns = 2000;
    otel_series_add(series, 1);
    world.unix_ns = 3000;
    assert_int_equal(collected("c")->exemplar_count, 1);
    world.unix_ns = 4000;
    otel_meter_provider_set_exemplar_filter(provider, OTEL_EXEMPLARS_ALWAYS_OFF);
    otel_series_add(series, 1);
    assert_int_equal(collected("c")->exemplar_count, 0);
}

// --- a reservoir of the program's own ---------------------------------------------------------------------------------
struct greatest {
    struct otel_reservoir_exemplar best;
    struct otel_attribute attribute;
    char user[32];
};
static int created, freed;
static void *greatest_create(void *context, const double *bounds, size_t bound_count) {
    (void)bounds;
    *(size_t *)context = bound_count;
    created++;
    return calloc(1, sizeof(struct greatest));
}
static void greatest_offer(void *self, double value, int64_t unix_ns, const struct otel_attribute *attributes,
                           size_t count, const struct otel_span_context *span, const otel_context *context) {
    struct greatest *greatest = self;
    assert_null(context);
    if (value <= greatest->best.value)
        return;
    greatest->best.value = value;
    greatest->best.unix_ns = unix_ns;
    if (span != NULL)
        memcpy(greatest->best.trace_id, span->trace_id, 16);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(attributes[i].key, "user") == 0)
            snprintf(greatest->user, sizeof greatest->user, "%.*s", (int)attributes[i].value.as.text.len,
                     attributes[i].value.as.text.data);
    }
}
static size_t greatest_collect(void *self, struct otel_reservoir_exemplar *ret_exemplars, size_t max) {
    struct greatest *greatest = self;
    assert_true(max > 0);
    greatest->attribute = otel_text("user", greatest->user);
    greatest->best.attributes = &greatest->attribute;
    greatest->best.attribute_count = 1;
    *ret_exemplars = greatest->best;
    return 1;
}
static void greatest_free(void *self) {
    freed++;
    free(self);
}

static void view_configures_the_exemplar_reservoir(void **state) {
    (void)state;
    static const struct otel_reservoir_ops ops = {greatest_create, greatest_offer, greatest_collect,
                                                  greatest_free};
    const char *keys[] = {"user"};
    size_t bound_count = 0;
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.excluded_keys = keys;
    view.excluded_key_count = 1;
    view.reservoir = &ops;
    view.reservoir_context = &bound_count;
    use(OTEL_EXEMPLARS_ALWAYS_ON, &view, NULL);
    otel_instrument *histogram = otel_histogram(meter, "h", NULL, NULL, NULL, 0);
    const char *users[] = {"ann", "bob", "eve"};
    const double values[] = {3, 9, 6};
    struct otel_span_context span = span_of(5, true);
    for (int i = 0; i < 3; i++) {
        struct otel_attribute user = otel_text("user", users[i]);
        otel_measure(histogram, values[i], &user, 1, &span);
    }
    const struct probe_point *point = collected("h");
    assert_int_equal(point->exemplar_count, 1);
    assert_true(point->exemplars[0].value == 9);
    assert_string_equal(point->exemplars[0].filtered, "user=bob");
    assert_memory_equal(point->exemplars[0].trace_id, span.trace_id, 16);
    assert_int_equal(bound_count, 15);
    provider = otel_meter_provider_free(provider);
    assert_int_equal(created, 1);
    assert_int_equal(freed, created);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(trace_based_filter_wants_a_sampled_span, begin, end),
        cmocka_unit_test_setup_teardown(always_on_filter_needs_no_span, begin, end),
        cmocka_unit_test_setup_teardown(always_off_filter_disables_exemplars, begin, end),
        cmocka_unit_test_setup_teardown(exemplar_filter_can_be_changed_for_existing_instruments, begin, end),
        cmocka_unit_test_setup_teardown(exemplar_has_value_time_and_ids_of_the_span, begin, end),
        cmocka_unit_test_setup_teardown(exemplar_names_the_active_span, begin, end),
        cmocka_unit_test_setup_teardown(exemplars_retain_attributes_that_the_view_drops, begin, end),
        cmocka_unit_test_setup_teardown(filtered_attributes_that_do_not_fit_are_left_out_whole, begin, end),
        cmocka_unit_test_setup_teardown(aligned_reservoir_keeps_one_for_each_bucket, begin, end),
        cmocka_unit_test_setup_teardown(simple_reservoir_gives_all_the_same_chance, begin, end),
        cmocka_unit_test_setup_teardown(exponential_histograms_keep_up_to_twenty, begin, end),
        cmocka_unit_test_setup_teardown(delta_exemplars_are_of_their_interval, begin, end),
        cmocka_unit_test_setup_teardown(view_configures_the_exemplar_reservoir, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
