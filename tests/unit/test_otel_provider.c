// SPDX-License-Identifier: Apache-2.0
// What belongs to a whole tracer provider: concurrent askers, ids, and what it says once. And what the headers say.
#include "otel/trace/threshold.h"
#include "support/otel_spans.h"

#include <ctype.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { THREADS = 4, NAMES = 20, TURNS = 50 };

static int setup(void **state) {
    static struct span_fixture fixture;
    span_fixture_open(&fixture, NULL);
    *state = &fixture;
    return 0;
}
static int teardown(void **state) {
    span_fixture_close(*state);
    return 0;
}

struct asker {
    otel_tracer_provider *provider;
    otel_tracer *got[NAMES];
    bool changed;
};
static void *ask_often(void *context) {
    struct asker *asker = context;
    for (int i = 0; i < NAMES * TURNS; i++) {
        char name[16];
        snprintf(name, sizeof name, "lib%d", i % NAMES);
        otel_tracer *tracer = otel_tracer_get(asker->provider, &(struct otel_scope_info){.name = name});
        asker->changed |= asker->got[i % NAMES] != NULL && asker->got[i % NAMES] != tracer;
        asker->got[i % NAMES] = tracer;
    }
    return NULL;
}

static void tracers_are_got_by_several_threads(void **state) {
    struct span_fixture *fixture = *state;
    struct asker askers[THREADS] = {0};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        askers[i].provider = fixture->provider;
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++) {
        assert_false(askers[i].changed);
        for (int name = 0; name < NAMES; name++)
            assert_ptr_equal(askers[i].got[name], askers[0].got[name]);
    }
}

static void ids_come_from_the_programs_generator(void **state) {
    struct span_fixture *fixture = *state; // its generator: 0xab… and 0xcd…, then a count
    static const uint8_t trace_id[16] = {0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
                                         0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 1};
    static const uint8_t span_id[8] = {0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 2};
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    struct otel_span_context context = otel_span_context_of(span);
    assert_memory_equal(context.trace_id, trace_id, 16);
    assert_memory_equal(context.span_id, span_id, 8);
    otel_span_end(span);
}

// --- what is said once -----------------------------------------------------------------------------------------------
static void make_child(struct span_fixture *fixture, uint8_t flags, const char *tracestate) {
    const struct otel_span_context parent = {
        .trace_id = {[15] = 9}, .span_id = {1}, .flags = flags, .remote = true};
    otel_span_end(
        otel_span_start(fixture->tracer, "s",
                        &(struct otel_span_options){.parent = &parent, .parent_tracestate = tracestate}));
}

static void reopen(struct span_fixture *fixture, otel_sampler *sampler, struct otel_limits limits) {
    span_fixture_close(fixture);
    span_fixture_open(fixture, &(struct otel_tracer_provider_options){.limits = limits, .sampler = sampler});
}

static void presumed_randomness_is_said_once(void **state) {
    struct span_fixture *fixture = *state;
    otel_sampler *samplers[] = {otel_sampler_probability(0.5), otel_sampler_trace_id_ratio_threshold(0.5),
                                otel_sampler_composite(otel_composable_probability(0.5))};
    for (size_t i = 0; i < 3; i++) {
        reopen(fixture, samplers[i], OTEL_LIMITS_DEFAULT);
        otel_span_end(otel_span_start(fixture->tracer, "root", NULL));
        make_child(fixture, OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM, "");
        make_child(fixture, OTEL_FLAG_SAMPLED, "ot=rv:ffffffffffffff");
        assert_int_equal(fixture->report_count, 0);
        for (int k = 0; k < 3; k++)
            make_child(fixture, OTEL_FLAG_SAMPLED, "");
        assert_int_equal(fixture->report_count, 1);
        assert_non_null(strstr(fixture->report, "random"));
    }
}

static void ratio_of_a_span_with_a_parent_is_said_once(void **state) {
    struct span_fixture *fixture = *state;
    reopen(fixture, otel_sampler_trace_id_ratio(0.5), OTEL_LIMITS_DEFAULT);
    otel_span_end(otel_span_start(fixture->tracer, "root", NULL));
    assert_int_equal(fixture->report_count, 0);
    make_child(fixture, OTEL_FLAG_SAMPLED, "");
    make_child(fixture, OTEL_FLAG_SAMPLED, "");
    assert_int_equal(fixture->report_count, 1);
    assert_non_null(strstr(fixture->report, "parentbased_traceidratio"));
    // As the root of a parent-based one it never sees a parent.
    reopen(fixture, otel_sampler_parent_based(otel_sampler_trace_id_ratio(0.5), NULL, NULL, NULL, NULL),
           OTEL_LIMITS_DEFAULT);
    make_child(fixture, OTEL_FLAG_SAMPLED, "");
    assert_int_equal(fixture->report_count, 0);
}

static void what_limits_drop_is_said_once(void **state) {
    struct span_fixture *fixture = *state;
    struct otel_limits limits = OTEL_LIMITS_DEFAULT;
    limits.attributes = limits.events = 1;
    reopen(fixture, NULL, limits);
    for (int i = 0; i < 3; i++) {
        otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
        otel_span_set_attribute(span, otel_int("a", 1));
        assert_int_equal(fixture->report_count, i > 0);
        otel_span_set_attribute(span, otel_int("b", 1));
        otel_span_add_event(span, "e", 0, NULL, 0);
        otel_span_add_event(span, "e", 0, NULL, 0);
        otel_span_end(span);
    }
    assert_int_equal(fixture->report_count, 1);
    assert_non_null(strstr(fixture->report, "1 attributes, 1 events, 0 links"));
}

// --- what the headers say --------------------------------------------------------------------------------------------
// A header's comments in one line, one blank between words.
static char *prose_of(const char *header) {
    static char text[64 * 1024];
    char path[512];
    snprintf(path, sizeof path, FQ_SOURCE_DIR "/include/otel/%s", header);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t used = 0;
    bool is_begin = true, is_blank = true;
    for (int c; (c = getc(file)) != EOF && used + 2 < sizeof text;) {
        bool skips = isspace(c) || (is_begin && c == '*');
        is_begin = c == '\n' || (is_begin && skips);
        if (!skips)
            text[used++] = (char)c;
        else if (!is_blank)
            text[used++] = ' ';
        is_blank = skips;
    }
    text[used] = '\0';
    fclose(file);
    return text;
}

static void headers_prefer_attributes_given_at_the_start(void **state) {
    (void)state;
    assert_non_null(strstr(prose_of("trace.h"),
                           "Give attributes that are known when the span starts with its "
                           "options: only those are seen by samplers."));
}

static void headers_say_that_null_is_no_value(void **state) {
    (void)state;
    assert_non_null(strstr(prose_of("attribute.h"), "NULL makes an empty value, which is not recorded."));
}

static void headers_say_that_filtered_attributes_may_be_on_exemplars(void **state) {
    (void)state;
    assert_non_null(
        strstr(prose_of("sdk.h"),
               "Attributes that a view leaves out of its stream may still leave the program on exemplars, as "
               "their filtered attributes: OTEL_METRICS_EXEMPLAR_FILTER=always_off prevents that."));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tracers_are_got_by_several_threads),
        TEST(ids_come_from_the_programs_generator),
        TEST(presumed_randomness_is_said_once),
        TEST(ratio_of_a_span_with_a_parent_is_said_once),
        TEST(what_limits_drop_is_said_once),
        cmocka_unit_test(headers_prefer_attributes_given_at_the_start),
        cmocka_unit_test(headers_say_that_null_is_no_value),
        cmocka_unit_test(headers_say_that_filtered_attributes_may_be_on_exemplars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
