// SPDX-License-Identifier: Apache-2.0
// Span processors of a program's own, and the views of spans that they get.
#include "support/otel_spans.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct watcher {
    unsigned starts, endings, ends, flushes, shutdowns, frees;
    const otel_context *parent_context;
    int result;
    void (*look)(const struct otel_span_view *view);
    otel_span *kept;
};

static void on_start(void *self, otel_span *span, const otel_context *parent_context) {
    struct watcher *watcher = self;
    watcher->starts++;
    watcher->parent_context = parent_context;
    otel_span_set_attribute(span, otel_text("at", "start"));
}
static void on_ending(void *self, otel_span *span) {
    struct watcher *watcher = self;
    watcher->endings++;
    assert_true(otel_span_is_recording(span));
    otel_span_set_attribute(span, otel_text("at", "ending"));
    otel_span_end(otel_span_retain(span)); // it is being ended already
}
static void on_end(void *self, const struct otel_span_view *view) {
    struct watcher *watcher = self;
    watcher->ends++;
    assert_false(otel_span_is_recording(view->span));
    if (watcher->look != NULL)
        watcher->look(view);
}
static int on_flush(void *self, int64_t timeout_ms) {
    struct watcher *watcher = self;
    assert_in_range(timeout_ms, 1, 5000);
    watcher->flushes++;
    return watcher->result;
}
static int on_shutdown(void *self, int64_t timeout_ms) {
    struct watcher *watcher = self;
    (void)timeout_ms;
    watcher->shutdowns++;
    return watcher->result;
}
static void on_free(void *self) {
    ((struct watcher *)self)->frees++;
}
static const struct otel_span_processor_ops watcher_ops = {
    .on_start = on_start,
    .on_ending = on_ending,
    .on_end = on_end,
    .flush = on_flush,
    .shutdown = on_shutdown,
    .free = on_free,
};

static void open_watched(struct span_fixture *fixture, struct watcher *watcher, otel_sampler *sampler) {
    const struct otel_span_processor processor = {&watcher_ops, watcher};
    span_fixture_open(fixture, &(struct otel_tracer_provider_options){.limits = OTEL_LIMITS_DEFAULT,
                                                                      .sampler = sampler,
                                                                      .processors = &processor,
                                                                      .processor_count = 1});
}

static void test_processor_sees_start_ending_end_in_order(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct watcher watcher = {0};
    open_watched(&fixture, &watcher, NULL);
    const struct otel_span_context parent = {.trace_id = {1}, .span_id = {1}, .flags = 1, .remote = true};
    otel_context *context = otel_context_with_span_context(NULL, &parent, NULL, 0);
    otel_span *span = otel_span_start(fixture.tracer, "s", &(struct otel_span_options){.context = context});
    assert_int_equal(watcher.starts, 1);
    assert_ptr_equal(watcher.parent_context, context); // OnStart receives the parent context
    assert_int_equal(watcher.ends, 0);
    otel_span_end(span);
    assert_int_equal(watcher.endings, 1);
    assert_int_equal(watcher.ends, 1);
    struct span_seen seen;
    span_seen(&fixture, 0, &seen); // what on_ending changed is in the record
    assert_string_equal(message_text(seen.message, seen.message_len, 9, "at"), "ending");
    assert_int_equal(fixture.record_count, 1);
    otel_context_release(context);
    span_fixture_close(&fixture);
    assert_int_equal(watcher.frees, 1);
}

static void test_record_only_spans_reach_processors_not_exporters(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct watcher watcher = {0};
    open_watched(&fixture, &watcher, otel_sampler_always_record(otel_sampler_always_off()));
    otel_span_end(otel_span_start(fixture.tracer, "s", NULL));
    assert_int_equal(watcher.ends, 1);
    assert_int_equal(fixture.record_count, 0);
    span_fixture_close(&fixture);
}

static void test_dropped_spans_reach_nobody(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct watcher watcher = {0};
    open_watched(&fixture, &watcher, otel_sampler_always_off());
    otel_span_end(otel_span_start(fixture.tracer, "s", NULL));
    assert_int_equal(watcher.starts + watcher.endings + watcher.ends, 0);
    span_fixture_close(&fixture);
}

static int hook_calls;
static int hook(void *context, int64_t timeout_ms) {
    (void)timeout_ms;
    assert_int_equal(((struct watcher *)context)->flushes + ((struct watcher *)context)->shutdowns,
                     hook_calls + 1);
    hook_calls++;
    return OTEL_OK;
}

static void test_flush_and_shutdown_reach_processors_first(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct watcher watcher = {0};
    hook_calls = 0;
    open_watched(&fixture, &watcher, NULL);
    otel_tracer_provider_on_flush(fixture.provider, hook, &watcher);
    assert_int_equal(otel_tracer_provider_flush(fixture.provider, 5000), OTEL_OK);
    watcher.result = OTEL_TIMEOUT;
    assert_int_equal(otel_tracer_provider_flush(fixture.provider, 5000), OTEL_TIMEOUT);
    assert_int_equal(otel_tracer_provider_shutdown(fixture.provider, 5000), OTEL_TIMEOUT);
    assert_int_equal(otel_tracer_provider_shutdown(fixture.provider, 5000), OTEL_OK);
    assert_int_equal(watcher.flushes, 2);
    assert_int_equal(watcher.shutdowns, 1);
    assert_int_equal(hook_calls, 3);
    span_fixture_close(&fixture);
}

static void test_processor_added_while_running(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct watcher watcher = {0};
    span_fixture_open(&fixture, NULL);
    otel_span *before = otel_span_start(fixture.tracer, "s", NULL);
    const struct otel_span_processor processor = {&watcher_ops, &watcher};
    assert_int_equal(otel_tracer_provider_add_processor(fixture.provider, processor), OTEL_OK);
    otel_span_end(before);
    assert_int_equal(watcher.starts, 0);
    assert_int_equal(watcher.ends, 1);
    for (int i = 0; i < 20; i++)
        otel_tracer_provider_add_processor(fixture.provider, processor);
    assert_int_equal(watcher.frees, 5); // 16 fit; the others are given back
    span_fixture_close(&fixture);
    assert_int_equal(watcher.frees, 21);
}

// --- views -----------------------------------------------------------------------------------------------------------
static void look_at_everything(const struct otel_span_view *view) {
    assert_string_equal(view->name, "viewed");
    assert_string_equal(view->scope->name, "lib");
    assert_string_equal(view->scope->version, "1");
    assert_int_equal(view->scope->attribute_count, 1);
    assert_int_equal(view->kind, OTEL_SPAN_SERVER);
    assert_string_equal(view->tracestate, "a=1");
    assert_true(view->parent_is_remote);
    assert_int_equal(view->parent_span_id[0], 7);
    assert_int_equal(view->context.flags, OTEL_FLAG_SAMPLED);
    assert_int_equal(view->start_unix_ns, 10);
    assert_int_equal(view->end_unix_ns, 20);
    assert_int_equal(view->status, OTEL_STATUS_ERROR);
    assert_string_equal(view->status_description, "why");
    assert_int_equal(view->attribute_count, 6);
    struct otel_attribute attribute;
    assert_true(otel_span_view_attribute(view, 0, &attribute));
    assert_string_equal(attribute.key, "t");
    assert_int_equal(attribute.value.as.text.len, 4);
    assert_memory_equal(attribute.value.as.text.data, "text", 4);
    assert_true(otel_span_view_attribute(view, 1, &attribute));
    assert_int_equal(attribute.value.as.integer, -3);
    assert_true(otel_span_view_attribute(view, 2, &attribute));
    assert_true(attribute.value.as.boolean);
    assert_true(otel_span_view_attribute(view, 3, &attribute));
    assert_true(attribute.value.as.real > 0.4 && attribute.value.as.real < 0.6);
    assert_true(otel_span_view_attribute(view, 4, &attribute));
    assert_int_equal(attribute.value.type, OTEL_VALUE_ARRAY);
    assert_int_equal(attribute.value.as.array.count, 2);
    assert_int_equal(attribute.value.as.array.items[1].as.integer, 2);
    assert_true(otel_span_view_attribute(view, 5, &attribute));
    assert_string_equal(attribute.key, "at");
    assert_false(otel_span_view_attribute(view, 6, &attribute));

    struct otel_span_event_view event;
    assert_true(otel_span_view_event(view, 1, &event));
    assert_string_equal(event.name, "second");
    assert_int_equal(event.unix_ns, 15);
    assert_int_equal(event.attribute_count, 1);
    assert_true(otel_span_view_event_attribute(view, 1, 0, &attribute));
    assert_string_equal(attribute.key, "e");
    assert_false(otel_span_view_event_attribute(view, 1, 1, &attribute));
    assert_false(otel_span_view_event_attribute(view, 2, 0, &attribute));
    assert_false(otel_span_view_event(view, 2, &event));

    struct otel_link link;
    assert_true(otel_span_view_link(view, 0, &link));
    assert_int_equal(link.context.trace_id[0], 5);
    assert_true(link.context.remote);
    assert_string_equal(link.tracestate, "b=2");
    assert_int_equal(link.attribute_count, 1);
    assert_string_equal(link.attributes[0].key, "l");
    assert_false(otel_span_view_link(view, 1, &link));
}

static void test_view_shows_the_whole_span(void **state) {
    (void)state;
    struct span_fixture fixture;
    struct watcher watcher = {.look = look_at_everything};
    open_watched(&fixture, &watcher, NULL);
    const struct otel_attribute in_scope = otel_int("scoped", 1), in_link = otel_int("l", 1),
                                in_event = otel_int("e", 1);
    otel_tracer *tracer =
        otel_tracer_get(fixture.provider, &(struct otel_scope_info){"lib", "1", NULL, &in_scope, 1});
    const struct otel_span_context parent = {.trace_id = {1}, .span_id = {7}, .flags = 1, .remote = true};
    const struct otel_link link = {
        .context = {.trace_id = {5}, .span_id = {5}, .remote = true},
        .tracestate = "b=2",
        .attributes = &in_link,
        .attribute_count = 1
    };
    const struct otel_value items[] = {
        {.type = OTEL_VALUE_INT, .as.integer = 1},
        {.type = OTEL_VALUE_INT, .as.integer = 2}
    };
    const struct otel_attribute attributes[] = {otel_text("t", "text"), otel_int("i", -3),
                                                otel_bool("b", true), otel_double("d", 0.5),
                                                otel_array("a", items, 2)};
    otel_span *span = otel_span_start(tracer, "viewed",
                                      &(struct otel_span_options){.kind = OTEL_SPAN_SERVER,
                                                                  .parent = &parent,
                                                                  .parent_tracestate = "a=1",
                                                                  .start_unix_ns = 10,
                                                                  .attributes = attributes,
                                                                  .attribute_count = 5,
                                                                  .links = &link,
                                                                  .link_count = 1});
    otel_span_add_event(span, "first", 12, NULL, 0);
    otel_span_add_event(span, "second", 15, &in_event, 1);
    otel_span_set_status(span, OTEL_STATUS_ERROR, "why");
    otel_span_end_at(span, 20);
    assert_int_equal(watcher.ends, 1);
    span_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_processor_sees_start_ending_end_in_order),
        cmocka_unit_test(test_record_only_spans_reach_processors_not_exporters),
        cmocka_unit_test(test_dropped_spans_reach_nobody),
        cmocka_unit_test(test_flush_and_shutdown_reach_processors_first),
        cmocka_unit_test(test_processor_added_while_running),
        cmocka_unit_test(test_view_shows_the_whole_span),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
