// SPDX-License-Identifier: Apache-2.0
// Samplers: who is kept, what they write into the tracestate, how they describe themselves.
#include "otel/trace/threshold.h"
#include "support/otel_spans.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// A request for a trace id with given last 8 bytes.
struct asked {
    struct otel_sampling_request request;
    struct otel_span_context parent;
    uint8_t trace_id[16];
};

static void ask(struct asked *asked, uint64_t low, const char *tracestate, int parent_flags, bool remote) {
    *asked = (struct asked){
        .parent = {.flags = (uint8_t)parent_flags, .remote = remote}
    };
    for (int i = 0; i < 8; i++)
        asked->trace_id[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    asked->request = (struct otel_sampling_request){.parent = parent_flags >= 0 ? &asked->parent : NULL,
                                                    .parent_tracestate = tracestate,
                                                    .parent_tracestate_len = strlen(tracestate),
                                                    .trace_id = asked->trace_id,
                                                    .name = "s",
                                                    .kind = OTEL_SPAN_INTERNAL};
}

static enum otel_decision decide(otel_sampler *sampler, const struct asked *asked,
                                 struct otel_sampling_result *result) {
    memset(result, 0, sizeof *result);
    otel_sampler_sample(sampler, &asked->request, result);
    return result->decision;
}

static void test_always_on_and_off(void **state) {
    (void)state;
    otel_sampler *on = otel_sampler_always_on(), *off = otel_sampler_always_off();
    struct asked asked;
    struct otel_sampling_result result;
    ask(&asked, 1, "", 0, true);
    assert_int_equal(decide(on, &asked, &result), OTEL_RECORD_AND_SAMPLE);
    assert_int_equal(decide(off, &asked, &result), OTEL_DROP);
    assert_false(result.tracestate_is_set);
    assert_string_equal(otel_sampler_description(on), "AlwaysOnSampler");
    assert_string_equal(otel_sampler_description(off), "AlwaysOffSampler");
    otel_sampler_free(on);
    otel_sampler_free(off);
}

static void test_trace_id_ratio_keeps_the_low_ids(void **state) {
    (void)state;
    const struct {
        double ratio;
        uint64_t low;
        enum otel_decision want;
    } cases[] = {
        {0.5,  UINT64_C(0x7fffffffffffffff), OTEL_RECORD_AND_SAMPLE},
        {0.5,  UINT64_C(0x8000000000000000), OTEL_DROP             },
        {0.25, UINT64_C(0x3fffffffffffffff), OTEL_RECORD_AND_SAMPLE},
        {0.25, UINT64_C(0x4000000000000000), OTEL_DROP             },
        {0,    0,                            OTEL_DROP             },
        {-1,   0,                            OTEL_DROP             },
        {1,    UINT64_MAX,                   OTEL_RECORD_AND_SAMPLE},
        {7,    UINT64_MAX,                   OTEL_RECORD_AND_SAMPLE},
        {NAN,  0,                            OTEL_DROP             },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        otel_sampler *sampler = otel_sampler_trace_id_ratio(cases[i].ratio);
        struct asked asked;
        struct otel_sampling_result result;
        ask(&asked, cases[i].low, "", 0, true); // the parent's flag does not matter
        assert_int_equal(decide(sampler, &asked, &result), cases[i].want);
        assert_false(result.tracestate_is_set);
        otel_sampler_free(sampler);
    }
    otel_sampler *sampler = otel_sampler_trace_id_ratio(0.1);
    assert_string_equal(otel_sampler_description(sampler), "TraceIdRatioBased{0.100000}");
    otel_sampler_free(sampler);
}

static void test_parent_based_asks_by_parent(void **state) {
    (void)state;
    struct asked asked;
    struct otel_sampling_result result;
    otel_sampler *sampler = otel_sampler_parent_based(otel_sampler_always_off(), NULL, NULL, NULL, NULL);
    const struct {
        int flags;
        bool remote;
        enum otel_decision want;
    } cases[] = {
        {-1, false, OTEL_DROP             },
        {1,  true,  OTEL_RECORD_AND_SAMPLE},
        {0,  true,  OTEL_DROP             },
        {1,  false, OTEL_RECORD_AND_SAMPLE},
        {0,  false, OTEL_DROP             },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(&asked, 1, "", cases[i].flags, cases[i].remote);
        assert_int_equal(decide(sampler, &asked, &result), cases[i].want);
    }
    assert_string_equal(otel_sampler_description(sampler),
                        "ParentBased{root:AlwaysOffSampler,remoteParentSampled:AlwaysOnSampler,"
                        "remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,"
                        "localParentNotSampled:AlwaysOffSampler}");
    otel_sampler_free(sampler);
    // Each of the five can be another one.
    sampler = otel_sampler_parent_based(otel_sampler_always_on(), otel_sampler_always_off(),
                                        otel_sampler_always_on(), otel_sampler_always_off(),
                                        otel_sampler_always_on());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ask(&asked, 1, "", cases[i].flags, cases[i].remote);
        assert_int_not_equal(decide(sampler, &asked, &result), cases[i].want);
    }
    otel_sampler_free(sampler);
}

static void test_always_record_keeps_dropped_spans_for_processors(void **state) {
    (void)state;
    struct asked asked;
    struct otel_sampling_result result;
    otel_sampler *sampler = otel_sampler_always_record(otel_sampler_always_off());
    ask(&asked, 1, "", -1, false);
    assert_int_equal(decide(sampler, &asked, &result), OTEL_RECORD_ONLY);
    otel_sampler_free(sampler);
    sampler = otel_sampler_always_record(otel_sampler_always_on());
    assert_int_equal(decide(sampler, &asked, &result), OTEL_RECORD_AND_SAMPLE);
    otel_sampler_free(sampler);
    assert_null(otel_sampler_always_record(NULL));
}

// --- probability -----------------------------------------------------------------------------------------------------
static void test_thresholds_have_four_significant_digits(void **state) {
    (void)state;
    const struct {
        double ratio;
        const char *want;
    } cases[] = {
        {1,       "0"     },
        {0.5,     "8"     },
        {0.25,    "c"     },
        {0.2,     "cccd"  },
        {0.125,   "e"     },
        {0.1,     "e666"  },
        {0.01,    "fd70a" },
        {0.001,   "ffbe77"},
        {1.0 / 3, "aaab"  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[OTEL_THRESHOLD_TEXT + 1];
        uint64_t threshold = otel_threshold_of(cases[i].ratio), again;
        size_t len = otel_threshold_format(threshold, text);
        assert_string_equal(text, cases[i].want);
        assert_true(otel_threshold_parse(text, len, &again));
        assert_true(again == threshold);
    }
    assert_true(otel_threshold_of(0) == OTEL_THRESHOLD_NEVER);
    assert_true(otel_threshold_of(1e-300) == OTEL_THRESHOLD_NEVER);
    uint64_t none;
    assert_false(otel_threshold_parse("", 0, &none));
    assert_false(otel_threshold_parse("G", 1, &none));
    assert_false(otel_threshold_parse("123456789012345", 15, &none));
}

static void expect_threshold_rule(otel_sampler *sampler) {
    struct asked asked;
    struct otel_sampling_result result;
    ask(&asked, UINT64_C(0xff7fffffffffffff), "", -1, false); // R = 7f…: below the half
    assert_int_equal(decide(sampler, &asked, &result), OTEL_DROP);
    ask(&asked, UINT64_C(0x0080000000000000), "", -1, false);
    assert_int_equal(decide(sampler, &asked, &result), OTEL_RECORD_AND_SAMPLE);
    assert_true(result.tracestate_is_set);
    assert_string_equal(result.tracestate, "ot=th:8");
    // Explicit randomness is asked instead of the id, and stays; others' members stay, too.
    ask(&asked, 0, "v=1,ot=rv:ffffffffffffff;th:0", 1, true);
    assert_int_equal(decide(sampler, &asked, &result), OTEL_RECORD_AND_SAMPLE);
    assert_non_null(strstr(result.tracestate, "rv:ffffffffffffff"));
    assert_non_null(strstr(result.tracestate, "th:8"));
    assert_non_null(strstr(result.tracestate, "v=1"));
    ask(&asked, UINT64_MAX, "ot=rv:00000000000000;th:0", 1, true);
    assert_int_equal(decide(sampler, &asked, &result), OTEL_DROP);
    assert_true(result.tracestate_is_set);
    assert_null(strstr(result.tracestate, "th:"));
}

static void test_probability_sampler_writes_its_threshold(void **state) {
    (void)state;
    otel_sampler *sampler = otel_sampler_probability(0.5);
    expect_threshold_rule(sampler);
    otel_sampler_free(sampler);
}

static void test_trace_id_ratio_with_th_in_the_tracestate(void **state) {
    (void)state;
    otel_sampler *sampler = otel_sampler_trace_id_ratio_threshold(0.5);
    expect_threshold_rule(sampler);
    assert_string_equal(otel_sampler_description(sampler), "TraceIdRatioBased{0.500000}");
    otel_sampler_free(sampler);
}

static void test_higher_probability_keeps_a_superset(void **state) {
    (void)state;
    otel_sampler *few = otel_sampler_probability(0.1), *many = otel_sampler_probability(0.3);
    uint64_t low = 1;
    unsigned kept = 0;
    for (int i = 0; i < 2000; i++) {
        low = low * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        struct asked asked;
        struct otel_sampling_result result;
        ask(&asked, low >> 7 ^ low << 13, "", -1, false);
        if (decide(few, &asked, &result) == OTEL_RECORD_AND_SAMPLE) {
            kept++;
            assert_int_equal(decide(many, &asked, &result), OTEL_RECORD_AND_SAMPLE);
        }
    }
    assert_in_range(kept, 120, 280);
    otel_sampler_free(few);
    otel_sampler_free(many);
}

// --- composable ------------------------------------------------------------------------------------------------------
static bool has_blank(void *context, const struct otel_sampling_request *request) {
    (void)context;
    return strchr(request->name, ' ') != NULL;
}

static void test_composite_sampler_with_rules_and_annotations(void **state) {
    (void)state;
    const struct otel_attribute note = otel_text("sampled.by", "rule 2");
    const struct otel_sampling_rule rules[] = {
        {.attribute_key = "http.route",                                       .attribute_text = "/healthz", .then = otel_composable_always_off()},
        {.kind = OTEL_SPAN_SERVER,
         .roots_only = true,
         .then = otel_composable_annotating(otel_composable_probability(0.5), &note, 1)},
        {.matches = has_blank, .then = otel_composable_always_on()                       },
    };
    otel_sampler *sampler =
        otel_sampler_composite(otel_composable_parent_threshold(otel_composable_rule_based(rules, 3)));
    struct asked asked;
    struct otel_sampling_result result;
    const struct otel_attribute health = otel_text("http.route", "/healthz");
    ask(&asked, UINT64_MAX, "", -1, false);
    asked.request.kind = OTEL_SPAN_SERVER;
    asked.request.attributes = &health;
    asked.request.attribute_count = 1;
    assert_int_equal(decide(sampler, &asked, &result), OTEL_DROP);
    asked.request.attribute_count = 0;
    assert_int_equal(decide(sampler, &asked, &result), OTEL_RECORD_AND_SAMPLE);
    assert_string_equal(result.tracestate, "ot=th:8");
    assert_int_equal(result.attribute_count, 1);
    assert_string_equal(result.attributes[0].key, "sampled.by");
    asked.trace_id[9] = 0; // randomness below the threshold
    assert_int_equal(decide(sampler, &asked, &result), OTEL_DROP);
    assert_int_equal(result.attribute_count, 0);
    asked.request.kind = OTEL_SPAN_INTERNAL;
    assert_int_equal(decide(sampler, &asked, &result), OTEL_DROP); // no rule
    asked.request.name = "two words";
    assert_int_equal(decide(sampler, &asked, &result), OTEL_RECORD_AND_SAMPLE);
    assert_string_equal(result.tracestate, "ot=th:0");
    otel_sampler_free(sampler);
}

static void test_parent_threshold_follows_the_parent(void **state) {
    (void)state;
    otel_sampler *sampler =
        otel_sampler_composite(otel_composable_parent_threshold(otel_composable_always_off()));
    const struct {
        const char *tracestate;
        int flags;
        uint64_t low;
        enum otel_decision want;
        const char *written; // NULL: the parent's goes on
    } cases[] = {
        {"ot=th:8", 1,  UINT64_MAX, OTEL_RECORD_AND_SAMPLE, "ot=th:8"},
        {"ot=th:8", 0,  0,          OTEL_DROP,              ""       },
        {"ot=th:8", 1,  0,          OTEL_RECORD_AND_SAMPLE, ""       }, // contradicts itself: the flag counts
        {"",        1,  0,          OTEL_RECORD_AND_SAMPLE, NULL     },
        {"",        0,  UINT64_MAX, OTEL_DROP,              NULL     },
        {"",        -1, UINT64_MAX, OTEL_DROP,              NULL     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asked asked;
        struct otel_sampling_result result;
        ask(&asked, cases[i].low, cases[i].tracestate, cases[i].flags, true);
        assert_int_equal(decide(sampler, &asked, &result), cases[i].want);
        assert_int_equal(result.tracestate_is_set, cases[i].written != NULL);
        if (cases[i].written != NULL)
            assert_string_equal(result.tracestate, cases[i].written);
    }
    otel_sampler_free(sampler);
    assert_null(otel_sampler_composite(otel_composable_parent_threshold(NULL)));
}

// --- with a tracer ---------------------------------------------------------------------------------------------------
static const otel_context *seen_context;
static void sample_looking(void *self, const struct otel_sampling_request *request,
                           struct otel_sampling_result *result) {
    seen_context = request->context;
    assert_string_equal(request->name, "op");
    assert_int_equal(request->attribute_count, 1);
    result->decision = *(const enum otel_decision *)self;
    result->tracestate_is_set = true;
    strcpy(result->tracestate, "mine=1");
    result->attributes[result->attribute_count++] = otel_text("by", "sampler");
}

static void start_with(enum otel_decision decision, struct span_fixture *fixture, otel_span **ret_span) {
    static const struct otel_sampler_ops ops = {.sample = sample_looking};
    static enum otel_decision kept;
    kept = decision;
    span_fixture_open(
        fixture, &(struct otel_tracer_provider_options){.limits = OTEL_LIMITS_DEFAULT,
                                                        .sampler = otel_sampler_new(&ops, &kept, "Looking")});
    const struct otel_attribute attribute = otel_int("a", 1);
    const struct otel_span_context parent = {.trace_id = {1}, .span_id = {1}, .flags = 1, .remote = true};
    otel_context *context = otel_context_with_span_context(NULL, &parent, "theirs=1", 8);
    *ret_span = otel_span_start(
        fixture->tracer, "op",
        &(struct otel_span_options){.context = context, .attributes = &attribute, .attribute_count = 1});
    assert_ptr_equal(seen_context, context);
    otel_context_release(context);
}

static void test_sampler_gets_context_and_changes_tracestate(void **state) {
    (void)state;
    struct span_fixture fixture;
    otel_span *span;
    start_with(OTEL_RECORD_AND_SAMPLE, &fixture, &span);
    assert_string_equal(otel_span_tracestate(span, NULL), "mine=1");
    otel_span_end(span);
    struct span_seen seen;
    span_seen(&fixture, 0, &seen);
    assert_string_equal(seen.tracestate, "mine=1");
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "by"), "sampler");
    assert_int_equal(seen.attributes, 2);
    span_fixture_close(&fixture);
}

static void test_dropped_span_has_a_new_span_id_and_is_not_sampled(void **state) {
    (void)state;
    struct span_fixture fixture;
    otel_span *span;
    start_with(OTEL_DROP, &fixture, &span);
    struct otel_span_context context = otel_span_context_of(span);
    assert_int_equal(context.trace_id[0], 1);
    assert_int_equal(context.span_id[0], 0xcd);
    assert_int_equal(context.flags & OTEL_FLAG_SAMPLED, 0);
    assert_false(otel_span_is_recording(span));
    otel_span_end(span);
    assert_int_equal(fixture.record_count, 0);
    span_fixture_close(&fixture);
}

static void test_record_only_is_not_exported(void **state) {
    (void)state;
    struct span_fixture fixture;
    otel_span *span;
    start_with(OTEL_RECORD_ONLY, &fixture, &span);
    assert_true(otel_span_is_recording(span));
    assert_int_equal(otel_span_context_of(span).flags & OTEL_FLAG_SAMPLED, 0);
    otel_span_end(span);
    assert_int_equal(fixture.record_count, 0);
    span_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_always_on_and_off),
        cmocka_unit_test(test_trace_id_ratio_keeps_the_low_ids),
        cmocka_unit_test(test_parent_based_asks_by_parent),
        cmocka_unit_test(test_always_record_keeps_dropped_spans_for_processors),
        cmocka_unit_test(test_thresholds_have_four_significant_digits),
        cmocka_unit_test(test_probability_sampler_writes_its_threshold),
        cmocka_unit_test(test_trace_id_ratio_with_th_in_the_tracestate),
        cmocka_unit_test(test_higher_probability_keeps_a_superset),
        cmocka_unit_test(test_composite_sampler_with_rules_and_annotations),
        cmocka_unit_test(test_parent_threshold_follows_the_parent),
        cmocka_unit_test(test_sampler_gets_context_and_changes_tracestate),
        cmocka_unit_test(test_dropped_span_has_a_new_span_id_and_is_not_sampled),
        cmocka_unit_test(test_record_only_is_not_exported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
