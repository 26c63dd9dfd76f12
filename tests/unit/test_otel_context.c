// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "otel/trace.h"

// A span of this process with an identity that ends in `number`.
static otel_span *span_of(uint8_t number) {
    const struct otel_span_context identity = {
        .trace_id = {[15] = number}, .span_id = {[7] = number}, .flags = OTEL_FLAG_SAMPLED};
    const struct otel_span_options options = {.parent = &identity};
    otel_span *span = otel_span_start(NULL, "test", &options);
    assert_non_null(span);
    return span;
}
static int current_number(void) {
    struct otel_span_context identity;
    return otel_current_span_context(&identity) ? identity.span_id[7] : 0;
}
static otel_context *remote_context(uint8_t number, const char *tracestate) {
    const struct otel_span_context identity = {
        .trace_id = {[15] = number}, .span_id = {[7] = number}, .remote = true};
    return otel_context_with_span_context(NULL, &identity, tracestate, strlen(tracestate));
}

static int released;
static void count_release(void *value) {
    (void)value;
    released++;
}

static void test_context_keys_and_values(void **state) {
    (void)state;
    const otel_context_key *one = otel_context_key_new("name"), *two = otel_context_key_new("name");
    char first[] = "first", second[] = "second";
    released = 0;
    assert_ptr_not_equal(one, two);
    otel_context *a = otel_context_with_value(NULL, one, first, count_release);
    otel_context *b = otel_context_with_value(a, two, second, NULL);
    otel_context *c = otel_context_with_value(b, one, second, NULL);
    assert_ptr_equal(otel_context_value(a, one), first);
    assert_null(otel_context_value(a, two));
    assert_ptr_equal(otel_context_value(b, one), first);
    assert_ptr_equal(otel_context_value(b, two), second);
    assert_ptr_equal(otel_context_value(c, one), second); // a and b are as they were
    assert_null(otel_context_value(NULL, one));
    assert_null(otel_context_release(a));
    assert_int_equal(released, 0); // b holds it
    otel_context_release(c);
    otel_context_release(b);
    assert_int_equal(released, 1);
    assert_null(otel_context_release(NULL));
    assert_null(otel_context_retain(NULL));
    free((void *)(uintptr_t)one);
    free((void *)(uintptr_t)two);
}

static void test_context_attach_and_detach(void **state) {
    (void)state;
    otel_context *outer = remote_context(1, ""), *inner = remote_context(2, "");
    struct otel_scope a, b, empty;
    assert_null(otel_context_current());
    otel_scope_enter(&a, outer);
    assert_ptr_equal(otel_context_current(), outer);
    otel_scope_enter(&b, inner);
    assert_ptr_equal(otel_context_current(), inner);
    assert_int_equal(current_number(), 2);
    otel_scope_enter(&empty, NULL); // the empty context hides what is around it
    assert_null(otel_context_current());
    assert_int_equal(current_number(), 0);
    otel_scope_leave(&empty);
    otel_scope_leave(&b);
    assert_ptr_equal(otel_context_current(), outer);
    otel_scope_leave(&a);
    assert_null(otel_context_current());
    otel_context_release(inner);
    otel_context_release(outer);
}

static void test_context_of_a_remote_span(void **state) {
    (void)state;
    otel_context *context = remote_context(7, " a=1 ,, b=2");
    struct otel_span_context identity;
    const char *tracestate;
    size_t len;
    assert_true(otel_context_span_context(context, &identity, &tracestate, &len));
    assert_true(identity.remote);
    assert_int_equal(identity.span_id[7], 7);
    assert_string_equal(tracestate, "a=1,b=2");
    assert_int_equal(len, 7);
    assert_null(otel_context_span(context));
    struct otel_scope scope;
    otel_scope_enter(&scope, context);
    assert_null(otel_span_current());
    assert_int_equal(current_number(), 7);
    otel_scope_leave(&scope);
    // An invalid list is left out, the identity stays.
    otel_context *other = remote_context(8, "A=1");
    assert_true(otel_context_span_context(other, &identity, &tracestate, &len));
    assert_int_equal(len, 0);
    assert_string_equal(tracestate, "");
    assert_false(otel_context_span_context(NULL, &identity, NULL, NULL));
    otel_context_release(other);
    otel_context_release(context);
}

static void test_span_is_made_current(void **state) {
    (void)state;
    otel_span *outer = span_of(1), *inner = span_of(2);
    struct otel_scope a, b, none;
    otel_scope_enter_span(&a, outer);
    assert_ptr_equal(otel_span_current(), outer);
    otel_scope_enter_span(&b, inner);
    assert_ptr_equal(otel_span_current(), inner);
    assert_int_equal(current_number(), 2);
    otel_scope_enter_span(&none, NULL); // telemetry is off further in: what is current stays
    assert_ptr_equal(otel_span_current(), inner);
    otel_scope_leave(&none);
    otel_scope_leave(&b);
    assert_ptr_equal(otel_span_current(), outer);
    otel_scope_leave(&a);
    assert_null(otel_span_current());
    otel_span_end(outer);
    otel_span_end(inner);
}

static void test_current_context_holds_the_current_span(void **state) {
    (void)state;
    otel_baggage *baggage = otel_baggage_with(NULL, "user", "7", NULL);
    otel_context *context = otel_context_with_baggage(NULL, baggage);
    otel_span *span = span_of(3);
    struct otel_scope a, b, c;
    otel_scope_enter(&a, context);
    otel_scope_enter_span(&b, span);
    const otel_context *current = otel_context_current();
    assert_ptr_equal(otel_context_span(current), span);
    assert_string_equal(otel_baggage_get(otel_context_baggage(current), "user"), "7");
    assert_ptr_equal(otel_context_current(), current); // not another one each time
    // What is made from it and entered has the span still.
    otel_context *more = otel_context_with_baggage(current, NULL);
    otel_scope_enter(&c, more);
    assert_ptr_equal(otel_span_current(), span);
    assert_null(otel_context_baggage(otel_context_current()));
    otel_scope_leave(&c);
    otel_scope_leave(&b);
    assert_null(otel_span_current());
    assert_ptr_equal(otel_context_current(), context);
    otel_scope_leave(&a);
    otel_context_release(more);
    otel_context_release(context);
    otel_baggage_release(baggage);
    otel_span_end(span);
}

static void *in_thread(void *argument) {
    otel_context *context = argument;
    struct otel_scope scope;
    assert_int_equal(current_number(), 0); // nothing of the other thread's
    otel_scope_enter(&scope, context);
    assert_int_equal(current_number(), 4);
    assert_non_null(otel_span_current());
    otel_scope_leave(&scope);
    otel_context_release(context);
    return NULL;
}

static void test_captured_context_goes_to_another_thread(void **state) {
    (void)state;
    assert_null(otel_context_capture());
    otel_span *span = span_of(4);
    struct otel_scope scope;
    pthread_t thread;
    otel_scope_enter_span(&scope, span);
    otel_context *captured = otel_context_capture();
    otel_scope_leave(&scope);
    otel_span_end(span); // the context has a reference of its own
    assert_int_equal(pthread_create(&thread, NULL, in_thread, captured), 0);
    pthread_join(thread, NULL);
}

static void test_context_with_a_span(void **state) {
    (void)state;
    otel_span *span = span_of(5);
    otel_context *remote = remote_context(6, "a=1");
    otel_context *context = otel_context_with_span(remote, span);
    assert_ptr_equal(otel_context_span(context), span);
    struct otel_span_context identity;
    assert_true(otel_context_span_context(context, &identity, NULL, NULL));
    assert_int_equal(identity.span_id[7], 5);
    otel_context *same = otel_context_with_span(remote, NULL);
    assert_ptr_equal(same, remote);
    otel_context_release(same);
    otel_context_release(remote);
    otel_context_release(context);
    otel_span_end(span);
}

// Leaving in the wrong order leaves what is inside, too, and nothing of it comes back.
static void test_scopes_left_out_of_order(void **state) {
    (void)state;
    otel_span *one = span_of(1), *two = span_of(2), *three = span_of(3);
    struct otel_scope a, b, c;
    otel_scope_enter_span(&a, one);
    otel_scope_enter_span(&b, two);
    otel_scope_enter_span(&c, three);
    (void)otel_context_current(); // c owns a context now
    otel_scope_leave(&b);
    assert_int_equal(current_number(), 1);
    otel_scope_leave(&c); // late: changes nothing
    assert_int_equal(current_number(), 1);
    otel_scope_leave(&b); // twice: changes nothing
    assert_int_equal(current_number(), 1);
    otel_scope_leave(&a);
    assert_int_equal(current_number(), 0);
    otel_span_end(one);
    otel_span_end(two);
    otel_span_end(three);
}

static void *leave_here(void *scope) {
    otel_scope_leave(scope);
    return NULL;
}
static void test_scope_left_by_another_thread(void **state) {
    (void)state;
    otel_span *span = span_of(1);
    struct otel_scope scope;
    pthread_t thread;
    otel_scope_enter_span(&scope, span);
    assert_int_equal(pthread_create(&thread, NULL, leave_here, &scope), 0);
    pthread_join(thread, NULL);
    assert_int_equal(current_number(), 1);
    otel_scope_leave(&scope);
    assert_int_equal(current_number(), 0);
    otel_span_end(span);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context_keys_and_values),
        cmocka_unit_test(test_context_attach_and_detach),
        cmocka_unit_test(test_context_of_a_remote_span),
        cmocka_unit_test(test_span_is_made_current),
        cmocka_unit_test(test_current_context_holds_the_current_span),
        cmocka_unit_test(test_captured_context_goes_to_another_thread),
        cmocka_unit_test(test_context_with_a_span),
        cmocka_unit_test(test_scopes_left_out_of_order),
        cmocka_unit_test(test_scope_left_by_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
