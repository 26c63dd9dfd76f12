// SPDX-License-Identifier: Apache-2.0
// Whose line is it: marks give to each task what it printed, whenever it is read, and in whatever pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/output_lines.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct fq_output_marks marks;
    struct fq_output_lines lines[FQ_OUTPUT_STREAMS];
    char said[4096]; // "owner>line|" for each
};

static void emit(void *context, int stream, fq_str line, const struct fq_output_owner *owner) {
    struct fixture *fixture = context;
    size_t len = strlen(fixture->said);
    snprintf(fixture->said + len, sizeof fixture->said - len, "%s%u>%.*s|", stream == 1 ? "e" : "",
             owner->is_known != 0 ? owner->attempt : 0, (int)line.len, line.ptr);
}

// Tasks are told apart by their attempt here.
static struct fq_output_owner task(uint32_t number) {
    return (struct fq_output_owner){.attempt = number, .is_known = number > 0};
}
static void mark(struct fixture *fixture, uint32_t number, uint64_t out, uint64_t err) {
    const struct fq_output_mark mark = {
        .until = {out, err},
          .owner = task(number)
    };
    fq_output_mark_add(&fixture->marks, &mark);
}
static void take(struct fixture *fixture, int stream, const char *text, uint32_t present) {
    const struct fq_output_owner owner = task(present);
    fq_output_take(fixture->lines, &fixture->marks, stream, text, strlen(text), &owner, emit, fixture);
}
static struct fixture *begin(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    *state = fixture;
    return fixture;
}
static int end(void **state) {
    free(*state);
    return 0;
}

static void lines_of_a_running_task_are_its_own(void **state) {
    struct fixture *fixture = begin(state);
    take(fixture, 0, "one\ntw", 1);
    take(fixture, 0, "o\n\nthree", 1);
    assert_string_equal(fixture->said, "1>one|1>two|");
    take(fixture, 0, "nobody\n", 0);
    assert_string_equal(fixture->said, "1>one|1>two|1>three|0>nobody|");
}

static void marks_tell_tasks_apart_that_are_read_late(void **state) {
    struct fixture *fixture = begin(state);
    mark(fixture, 1, 4, 0);
    mark(fixture, 2, 12, 0);
    take(fixture, 0, "one\ntwo\ntwo\nthree\n", 3);
    assert_string_equal(fixture->said, "1>one|2>two|2>two|3>three|");
    assert_int_equal(fixture->marks.count, 0);
}

static void a_mark_ends_an_unfinished_line(void **state) {
    struct fixture *fixture = begin(state);
    mark(fixture, 1, 7, 0);
    take(fixture, 0, "no newline", 2);
    assert_string_equal(fixture->said, "1>no newl|");
    take(fixture, 0, " here\n", 2);
    assert_string_equal(fixture->said, "1>no newl|2>ine here|");
}

static void a_mark_that_comes_behind_its_bytes_is_passed(void **state) {
    struct fixture *fixture = begin(state);
    take(fixture, 0, "half", 1);
    mark(fixture, 1, 4, 0);
    take(fixture, 0, "next\n", 2);
    assert_string_equal(fixture->said, "1>half|2>next|");
    assert_int_equal(fixture->marks.count, 0);
}

static void the_two_streams_are_counted_apart(void **state) {
    struct fixture *fixture = begin(state);
    mark(fixture, 1, 2, 2);
    take(fixture, 1, "a\nb\n", 2);
    assert_string_equal(fixture->said, "e1>a|e2>b|");
    assert_int_equal(fixture->marks.count, 1);
    take(fixture, 0, "c\nd\n", 2);
    assert_string_equal(fixture->said, "e1>a|e2>b|1>c|2>d|");
    assert_int_equal(fixture->marks.count, 0);
}

static void a_long_line_is_cut_and_said_once(void **state) {
    struct fixture *fixture = begin(state);
    char text[3 * FQ_OUTPUT_LINE_MAX + 2];
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 2, "\n", 2);
    struct fq_output_owner owner = task(1);
    fixture->said[0] = '\0';
    fq_output_take(fixture->lines, &fixture->marks, 0, text, strlen(text), &owner, emit, fixture);
    assert_int_equal(fixture->lines[0].len, 0);
    assert_int_equal(fixture->lines[0].taken, strlen(text));
    assert_true(strlen(fixture->said) == sizeof fixture->said - 1 && strchr(fixture->said, '|') == NULL);
}

static void too_many_marks_cost_the_oldest(void **state) {
    struct fixture *fixture = begin(state);
    for (uint32_t i = 1; i <= FQ_OUTPUT_MARKS_MAX + 1; i++)
        mark(fixture, i, (uint64_t)i * 2, 0);
    take(fixture, 0, "a\nb\nc\n", 999);
    assert_string_equal(fixture->said, "2>a|2>b|3>c|");
}

static void what_is_left_is_said_at_the_end(void **state) {
    struct fixture *fixture = begin(state);
    take(fixture, 0, "out", 1);
    take(fixture, 1, "err", 1);
    fq_output_end(fixture->lines, emit, fixture);
    fq_output_end(fixture->lines, emit, fixture);
    assert_string_equal(fixture->said, "1>out|e1>err|");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_of_a_running_task_are_its_own, end),
        cmocka_unit_test_teardown(marks_tell_tasks_apart_that_are_read_late, end),
        cmocka_unit_test_teardown(a_mark_ends_an_unfinished_line, end),
        cmocka_unit_test_teardown(a_mark_that_comes_behind_its_bytes_is_passed, end),
        cmocka_unit_test_teardown(the_two_streams_are_counted_apart, end),
        cmocka_unit_test_teardown(a_long_line_is_cut_and_said_once, end),
        cmocka_unit_test_teardown(too_many_marks_cost_the_oldest, end),
        cmocka_unit_test_teardown(what_is_left_is_said_at_the_end, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
