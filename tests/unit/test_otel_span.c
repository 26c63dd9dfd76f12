// SPDX-License-Identifier: Apache-2.0
// Spans as a program makes them, and what of them reaches the wire.
#include "support/otel_spans.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

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

static const struct otel_span_context REMOTE = {
    .trace_id = {1, 2, 3},
      .span_id = {9, 8 },
      .flags = OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM, .remote = true
};

static void end_and_see(struct span_fixture *fixture, otel_span *span, struct span_seen *ret) {
    otel_span_end(span);
    span_seen(fixture, fixture->record_count - 1, ret);
}

// --- provider and tracer ---------------------------------------------------------------------------------------------
static void test_tracer_get_same_scope_same_tracer(void **state) {
    struct span_fixture *fixture = *state;
    const struct otel_attribute a[] = {otel_text("x", "1"), otel_int("y", 2)};
    const struct otel_attribute b[] = {otel_int("y", 2), otel_text("x", "1")};
    otel_tracer *first =
        otel_tracer_get(fixture->provider, &(struct otel_scope_info){"lib", "1", "https://s/1", a, 2});
    otel_tracer *again =
        otel_tracer_get(fixture->provider, &(struct otel_scope_info){"lib", "1", "https://s/1", b, 2});
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, otel_tracer_get(fixture->provider,
                                                &(struct otel_scope_info){"lib", "2", "https://s/1", a, 2}));
    assert_ptr_not_equal(first, otel_tracer_get(fixture->provider,
                                                &(struct otel_scope_info){"lib", "1", "https://s/2", a, 2}));
    assert_ptr_not_equal(first, otel_tracer_get(fixture->provider,
                                                &(struct otel_scope_info){"lib", "1", "https://s/1", a, 1}));
}

static void test_tracer_get_with_scope_attributes_and_schema_url(void **state) {
    struct span_fixture *fixture = *state;
    const struct otel_attribute attribute = otel_text("kind", "glue");
    otel_tracer *tracer = otel_tracer_get(
        fixture->provider,
        &(struct otel_scope_info){"lib", "1.2", "https://opentelemetry.io/schemas/1.44.0", &attribute, 1});
    otel_span_end(otel_span_start(tracer, "s", NULL));
    const uint8_t *record = fixture->records[0];
    uint32_t lens[2];
    memcpy(lens, record, sizeof lens);
    const uint8_t *scope = record + sizeof lens, *name, *version;
    size_t name_len, version_len;
    assert_true(message_field(scope, lens[0], 1, 0, &name, &name_len, NULL));
    assert_memory_equal(name, "lib", name_len);
    assert_true(message_field(scope, lens[0], 2, 0, &version, &version_len, NULL));
    assert_memory_equal(version, "1.2", version_len);
    assert_string_equal(message_text(scope, lens[0], 3, "kind"), "glue");
    assert_int_equal(lens[1], strlen("https://opentelemetry.io/schemas/1.44.0"));
    assert_memory_equal(scope + lens[0], "https://opentelemetry.io/schemas/1.44.0", lens[1]);
}

static void test_tracer_without_name_works_and_is_reported(void **state) {
    struct span_fixture *fixture = *state;
    otel_tracer *tracer = otel_tracer_get(fixture->provider, &(struct otel_scope_info){.name = ""});
    assert_non_null(tracer);
    assert_int_equal(fixture->report_count, 1);
    otel_span_end(otel_span_start(tracer, "s", NULL));
    assert_int_equal(fixture->record_count, 1);
}

static void test_shutdown_ends_recording_once(void **state) {
    struct span_fixture *fixture = *state;
    assert_true(otel_tracer_enabled(fixture->tracer));
    assert_int_equal(otel_tracer_provider_shutdown(fixture->provider, 1000), OTEL_OK);
    assert_int_equal(otel_tracer_provider_shutdown(fixture->provider, 1000), OTEL_OK);
    assert_int_equal(otel_tracer_provider_flush(fixture->provider, 1000), OTEL_FAILED);
    assert_false(otel_tracer_enabled(fixture->tracer));
    assert_null(otel_span_start(fixture->tracer, "late", NULL));
    assert_int_equal(fixture->record_count, 0);
}

static void test_null_everything_does_nothing(void **state) {
    (void)state;
    assert_null(otel_tracer_get(NULL, NULL));
    assert_false(otel_tracer_enabled(NULL));
    assert_null(otel_span_start(NULL, "s", NULL));
    otel_span_set_attribute(NULL, otel_int("a", 1));
    otel_span_add_event(NULL, "e", 0, NULL, 0);
    otel_span_add_link(NULL, NULL);
    otel_span_set_status(NULL, OTEL_STATUS_OK, NULL);
    otel_span_update_name(NULL, "x");
    otel_span_record_exception(NULL, "T", "m", NULL, NULL, 0);
    assert_false(otel_span_is_recording(NULL));
    assert_false(otel_span_context_is_valid(&(struct otel_span_context){0}));
    assert_string_equal(otel_span_tracestate(NULL, NULL), "");
    otel_span_end(NULL);
    otel_span_release(otel_span_retain(NULL));
    assert_int_equal(otel_tracer_provider_flush(NULL, 0), OTEL_OK);
    assert_int_equal(otel_tracer_provider_shutdown(NULL, 0), OTEL_OK);
}

// --- identity and parents --------------------------------------------------------------------------------------------
static void test_root_span_has_new_trace_and_random_flag(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "root", NULL);
    struct otel_span_context context = otel_span_context_of(span);
    assert_true(otel_span_context_is_valid(&context));
    assert_false(context.remote);
    assert_int_equal(context.flags, OTEL_FLAG_SAMPLED | OTEL_FLAG_RANDOM);
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_false(seen.has_parent);
    assert_int_equal(seen.flags, 0x103);
    assert_memory_equal(seen.trace_id, context.trace_id, 16);
    assert_int_equal(seen.kind, OTEL_SPAN_INTERNAL);
}

static void test_default_parent_is_the_active_span(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *outer = otel_span_start(fixture->tracer, "outer", NULL);
    struct otel_scope scope;
    otel_scope_enter_span(&scope, outer);
    assert_ptr_equal(otel_span_current(), outer);
    struct span_seen inner, of_root;
    end_and_see(fixture, otel_span_start(fixture->tracer, "inner", NULL), &inner);
    end_and_see(fixture, otel_span_start(fixture->tracer, "r", &(struct otel_span_options){.root = true}),
                &of_root);
    otel_scope_leave(&scope);
    assert_null(otel_span_current());
    struct otel_span_context context = otel_span_context_of(outer);
    assert_memory_equal(inner.trace_id, context.trace_id, 16);
    assert_memory_equal(inner.parent_span_id, context.span_id, 8);
    assert_int_equal(inner.flags, 0x103); // a local parent
    assert_false(of_root.has_parent);
    assert_memory_not_equal(of_root.trace_id, context.trace_id, 16);
    otel_span_end(outer);
}

static void test_parent_from_context(void **state) {
    struct span_fixture *fixture = *state;
    otel_context *context = otel_context_with_span_context(NULL, &REMOTE, "a=1", 3);
    otel_span *span =
        otel_span_start(fixture->tracer, "child", &(struct otel_span_options){.context = context});
    size_t len;
    assert_string_equal(otel_span_tracestate(span, &len), "a=1");
    assert_int_equal(len, 3);
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_memory_equal(seen.trace_id, REMOTE.trace_id, 16);
    assert_memory_equal(seen.parent_span_id, REMOTE.span_id, 8);
    assert_string_equal(seen.tracestate, "a=1");
    assert_int_equal(seen.flags, 0x303); // known to be remote, and remote
    otel_context_release(context);
}

static void test_parent_given_wins_and_its_tracestate_is_checked(void **state) {
    struct span_fixture *fixture = *state;
    const char *states[][2] = {
        {"a=1,b=2", "a=1,b=2"},
        {"A=\x01",  ""       }
    };
    for (size_t i = 0; i < 2; i++) {
        struct span_seen seen;
        end_and_see(fixture,
                    otel_span_start(
                        fixture->tracer, "child",
                        &(struct otel_span_options){.parent = &REMOTE, .parent_tracestate = states[i][0]}),
                    &seen);
        assert_memory_equal(seen.parent_span_id, REMOTE.span_id, 8);
        assert_string_equal(seen.tracestate, states[i][1]);
    }
    const struct otel_span_context none = {0};
    struct span_seen root;
    end_and_see(fixture, otel_span_start(fixture->tracer, "r", &(struct otel_span_options){.parent = &none}),
                &root);
    assert_false(root.has_parent);
}

static void test_long_tracestate_goes_on_to_children(void **state) {
    struct span_fixture *fixture = *state;
    char text[400];
    memset(text, 'v', sizeof text);
    memcpy(text, "k=", 2);
    text[200] = '\0';
    otel_span *span = otel_span_start(
        fixture->tracer, "s", &(struct otel_span_options){.parent = &REMOTE, .parent_tracestate = text});
    struct otel_scope scope;
    otel_scope_enter_span(&scope, span);
    struct span_seen child;
    end_and_see(fixture, otel_span_start(fixture->tracer, "c", NULL), &child);
    otel_scope_leave(&scope);
    assert_string_equal(child.tracestate, text);
    otel_span_end(span);
}

static void test_without_provider_the_parents_identity_goes_on(void **state) {
    (void)state;
    otel_span *span = otel_span_start(
        NULL, "s", &(struct otel_span_options){.parent = &REMOTE, .parent_tracestate = "a=1"});
    assert_non_null(span);
    assert_false(otel_span_is_recording(span));
    struct otel_span_context context = otel_span_context_of(span);
    assert_memory_equal(context.trace_id, REMOTE.trace_id, 16);
    assert_memory_equal(context.span_id, REMOTE.span_id, 8);
    assert_string_equal(otel_span_tracestate(span, NULL), "a=1");
    otel_span_set_attribute(span, otel_int("a", 1));
    otel_span_end(span);
}

// --- names, times, kinds ---------------------------------------------------------------------------------------------
static void test_times_and_kind(void **state) {
    struct span_fixture *fixture = *state;
    struct span_seen seen;
    otel_span *span = otel_span_start(
        fixture->tracer, "s", &(struct otel_span_options){.kind = OTEL_SPAN_CLIENT, .start_unix_ns = 77});
    otel_span_end_at(span, 99);
    span_seen(fixture, 0, &seen);
    assert_int_equal(seen.start_ns, 77);
    assert_int_equal(seen.end_ns, 99);
    assert_int_equal(seen.kind, OTEL_SPAN_CLIENT);
    // A duration is measured by the monotonic clock: setting the other one does not show.
    span = otel_span_start(fixture->tracer, "s", NULL);
    fixture->unix_ns += 1000000000;
    fixture->monotonic_ns += 250;
    end_and_see(fixture, span, &seen);
    assert_int_equal(seen.start_ns, 1000000);
    assert_int_equal(seen.end_ns - seen.start_ns, 250);
}

static void test_clock_that_was_set_shows_up_soon(void **state) {
    struct span_fixture *fixture = *state;
    struct span_seen seen;
    end_and_see(fixture, otel_span_start(fixture->tracer, "s", NULL), &seen);
    fixture->unix_ns = INT64_C(5000000000);
    fixture->monotonic_ns += 60 * 1000 * 1000;
    end_and_see(fixture, otel_span_start(fixture->tracer, "s", NULL), &seen);
    assert_int_equal(seen.start_ns, INT64_C(5000000000));
}

static void test_update_name(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "before", NULL);
    otel_span_set_attribute(span, otel_text("k", "v"));
    otel_span_add_event(span, "e", 5, NULL, 0);
    otel_span_update_name(span, "a much longer name than it had before");
    struct span_seen seen;
    end_and_see(fixture, span, &seen);
    assert_string_equal(seen.name, "a much longer name than it had before");
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "k"), "v");
    assert_int_equal(seen.events, 1);
}

// --- recording and ends ----------------------------------------------------------------------------------------------
static void test_is_recording_becomes_false_after_end(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
    assert_true(otel_span_is_recording(span));
    otel_span *mine = otel_span_retain(span);
    otel_span_end(span);
    assert_false(otel_span_is_recording(mine));
    otel_span_set_attribute(mine, otel_int("late", 1));
    otel_span_add_event(mine, "late", 0, NULL, 0);
    otel_span_set_status(mine, OTEL_STATUS_ERROR, "late");
    otel_span_update_name(mine, "late");
    struct otel_span_context context = otel_span_context_of(mine);
    assert_true(otel_span_context_is_valid(&context));
    otel_span_end(mine); // gives the reference back and counts no more
    assert_int_equal(fixture->record_count, 1);
    struct span_seen seen;
    span_seen(fixture, 0, &seen);
    assert_string_equal(seen.name, "s");
    assert_int_equal(seen.attributes + seen.events, 0);
}

static void test_status_order(void **state) {
    struct span_fixture *fixture = *state;
    const struct {
        enum otel_status set[3];
        int64_t want;
        const char *description;
    } cases[] = {
        {{OTEL_STATUS_UNSET, OTEL_STATUS_UNSET, OTEL_STATUS_UNSET}, 0, ""       },
        {{OTEL_STATUS_ERROR, OTEL_STATUS_UNSET, OTEL_STATUS_UNSET}, 2, "because"},
        {{OTEL_STATUS_ERROR, OTEL_STATUS_OK, OTEL_STATUS_ERROR},    1, ""       },
        {{OTEL_STATUS_OK, OTEL_STATUS_ERROR, OTEL_STATUS_UNSET},    1, ""       },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        otel_span *span = otel_span_start(fixture->tracer, "s", NULL);
        for (size_t k = 0; k < 3; k++)
            otel_span_set_status(span, cases[i].set[k], "because");
        struct span_seen seen;
        end_and_see(fixture, span, &seen);
        assert_int_equal(seen.status, cases[i].want);
        assert_string_equal(seen.description, cases[i].description);
    }
}

static void test_block_is_left_by_return_too(void **state) {
    struct span_fixture *fixture = *state;
    for (int i = 0; i < 2; i++) {
        OTEL_SPAN_SCOPE(fixture->tracer, "block") {
            assert_non_null(otel_span_current());
            otel_span_set_attribute(otel_span_current(), otel_int("i", i));
            if (i == 0)
                break;
        }
        assert_null(otel_span_current());
    }
    assert_int_equal(fixture->record_count, 2);
}

static void test_counts_by_parent_and_decision(void **state) {
    struct span_fixture *fixture = *state;
    otel_span *open = otel_span_start(fixture->tracer, "s", NULL);
    otel_span_end(otel_span_start(fixture->tracer, "s", &(struct otel_span_options){.parent = &REMOTE}));
    struct otel_span_context dropped = REMOTE;
    dropped.flags = 0;
    otel_span_end(otel_span_start(fixture->tracer, "s", &(struct otel_span_options){.parent = &dropped}));
    struct otel_tracer_stats stats;
    otel_tracer_provider_stats(fixture->provider, &stats);
    assert_int_equal(stats.started[0][OTEL_RECORD_AND_SAMPLE], 1);
    assert_int_equal(stats.started[2][OTEL_RECORD_AND_SAMPLE], 1);
    assert_int_equal(stats.started[2][OTEL_DROP], 1);
    assert_int_equal(stats.live[OTEL_RECORD_AND_SAMPLE], 1);
    otel_span_end(open);
    otel_tracer_provider_stats(fixture->provider, &stats);
    assert_int_equal(stats.live[OTEL_RECORD_AND_SAMPLE], 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tracer_get_same_scope_same_tracer),
        TEST(test_tracer_get_with_scope_attributes_and_schema_url),
        TEST(test_tracer_without_name_works_and_is_reported),
        TEST(test_shutdown_ends_recording_once),
        TEST(test_null_everything_does_nothing),
        TEST(test_root_span_has_new_trace_and_random_flag),
        TEST(test_default_parent_is_the_active_span),
        TEST(test_parent_from_context),
        TEST(test_parent_given_wins_and_its_tracestate_is_checked),
        TEST(test_long_tracestate_goes_on_to_children),
        TEST(test_without_provider_the_parents_identity_goes_on),
        TEST(test_times_and_kind),
        TEST(test_clock_that_was_set_shows_up_soon),
        TEST(test_update_name),
        TEST(test_is_recording_becomes_false_after_end),
        TEST(test_status_order),
        TEST(test_block_is_left_by_return_too),
        TEST(test_counts_by_parent_and_decision),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
