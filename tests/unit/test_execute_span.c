// SPDX-License-Identifier: Apache-2.0
// What the span of an attempt says: attributes, and a failure cut to what a span takes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/execute_span.h"

#include <stdlib.h>

// The value of a key, EMPTY if there is none.
static struct otel_value find(const struct otel_attribute *attributes, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(attributes[i].key, key) == 0)
            return attributes[i].value;
    return (struct otel_value){.type = OTEL_VALUE_EMPTY};
}

static void attributes_name_the_task_and_its_place(void **state) {
    (void)state;
    const struct fq_execute_place place = {"w1", "127.0.0.1", 5555};
    const struct fq_execute_task task = {.id = "01a20429-2953-7821-82af-e5884f407b9e",
                                         .name = FQ_STR("add"),
                                         .priority = "high",
                                         .attempt = 3,
                                         .delay_ms = 0,
                                         .wait_ms = 0,
                                         .transfer_ms = -1};
    struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX];
    size_t count = fq_execute_attributes(&place, &task, attributes);
    assert_true(count <= FQ_EXECUTE_ATTRIBUTES_MAX);
    assert_int_equal(find(attributes, count, "fastqueue.task.attempt").as.integer, 3);
    assert_int_equal(find(attributes, count, "server.port").as.integer, 5555);
    assert_int_equal(find(attributes, count, "task.id").as.text.len, 36);
    assert_memory_equal(find(attributes, count, "messaging.destination.name").as.text.data, "add", 3);
    assert_int_equal(find(attributes, count, "fastqueue.task.wait_time_ms").type, OTEL_VALUE_INT);
    assert_int_equal(find(attributes, count, "fastqueue.task.delay_ms").type, OTEL_VALUE_EMPTY);    // none
    assert_int_equal(find(attributes, count, "fastqueue.task.transfer_ms").type, OTEL_VALUE_EMPTY); // unknown
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(attributes[i].key, attributes[j].key);
}

static void an_unknown_server_is_not_named(void **state) {
    (void)state;
    const struct fq_execute_place place = {"w1", "", 0};
    const struct fq_execute_task task = {
        .id = "01a20429-2953-7821-82af-e5884f407b9e", .name = FQ_STR("t"), .priority = "normal"};
    struct otel_attribute attributes[FQ_EXECUTE_ATTRIBUTES_MAX];
    size_t count = fq_execute_attributes(&place, &task, attributes);
    assert_int_equal(find(attributes, count, "server.address").type, OTEL_VALUE_EMPTY);
    assert_int_equal(find(attributes, count, "server.port").type, OTEL_VALUE_EMPTY);
}

static void the_error_type_says_why(void **state) {
    (void)state;
    const struct fq_runner_outcome outcome = {.error_type = FQ_STR("ValueError"), .message = FQ_STR("m")};
    struct fq_execute_failure failure = fq_execute_failure_of(&outcome, FQ_WISH_NONE);
    assert_null(failure.error_type);
    assert_string_equal(failure.state, "failure");
    failure = fq_execute_failure_of(&outcome, FQ_WISH_TIMEOUT);
    assert_string_equal(failure.error_type, "timeout");
    assert_string_equal(failure.state, "timeout");
    failure = fq_execute_failure_of(&outcome, FQ_WISH_CANCEL);
    assert_string_equal(failure.error_type, "cancelled");
    const struct fq_runner_outcome nameless = {.message = FQ_STR("m")};
    failure = fq_execute_failure_of(&nameless, FQ_WISH_NONE);
    assert_memory_equal(failure.type.ptr, "_OTHER", failure.type.len);
}

static void long_texts_are_cut_at_characters(void **state) {
    (void)state;
    const size_t len = 3 * 20000;
    char *text = malloc(len + 1);
    assert_non_null(text);
    for (size_t i = 0; i < len; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    for (size_t shift = 0; shift < 3; shift++) {
        const struct fq_runner_outcome outcome = {
            .message = {text, len - 3 * shift},
              .stack = {text, len - 3 * shift}
        };
        struct fq_execute_failure failure = fq_execute_failure_of(&outcome, FQ_WISH_NONE);
        assert_true(failure.message.len <= FQ_EXECUTE_MESSAGE_MAX && failure.message.len > 4000);
        assert_true(failure.stack.len <= FQ_EXECUTE_STACK_MAX && failure.stack.len > 16000);
        assert_true(fq_str_is_utf8(failure.message) && fq_str_is_utf8(failure.stack));
        assert_ptr_equal(failure.stack.ptr + failure.stack.len, text + len - 3 * shift); // its end
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_name_the_task_and_its_place),
        cmocka_unit_test(an_unknown_server_is_not_named),
        cmocka_unit_test(the_error_type_says_why),
        cmocka_unit_test(long_texts_are_cut_at_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
