// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "otel/context/tracestate.h"

static char out[OTEL_TRACESTATE_KEPT_MAX + 1];

static const char *set(const char *text, const char *key, const char *value) {
    size_t len = otel_tracestate_set(text, strlen(text), key, value, value != NULL ? strlen(value) : 0, out);
    assert_int_equal(len, strlen(out));
    return out;
}
static const char *set_ot(const char *text, const char *key, const char *value) {
    size_t len =
        otel_tracestate_set_ot(text, strlen(text), key, value, value != NULL ? strlen(value) : 0, out);
    assert_int_equal(len, strlen(out));
    return out;
}

static void test_a_member_set_goes_to_the_left(void **state) {
    (void)state;
    assert_string_equal(set("", "a", "1"), "a=1");
    assert_string_equal(set("a=1,b=2", "c", "3"), "c=3,a=1,b=2");
    assert_string_equal(set("a=1,b=2,c=3", "b", "9"), "b=9,a=1,c=3");
    assert_string_equal(set("a=1,b=2", "a", NULL), "b=2");
    assert_string_equal(set("a=1", "a", NULL), "");
    assert_string_equal(set("a=1", "x", NULL), "a=1");
}

static void test_an_unsound_member_changes_nothing(void **state) {
    (void)state;
    assert_string_equal(set("a=1", "B", "2"), "a=1");
    assert_string_equal(set("a=1", "b", "2,c=3"), "a=1");
    assert_string_equal(set("a=1", "b", ""), "a=1");
    assert_string_equal(set("a=1", "", "2"), "a=1");
}

// The new one has a place for certain: the oldest gives way, by count and by size.
static void test_the_right_end_gives_way(void **state) {
    (void)state;
    char full[512] = "";
    for (int i = 0; i < 32; i++) {
        char member[16];
        snprintf(member, sizeof member, "%sk%02d=1", i > 0 ? "," : "", i);
        strcat(full, member);
    }
    set(full, "new", "1");
    assert_int_equal(strncmp(out, "new=1,k00=1,", 12), 0);
    assert_non_null(strstr(out, "k30=1"));
    assert_null(strstr(out, "k31=1"));
}

static void test_members_are_found(void **state) {
    (void)state;
    const char *text = "aa=1,a=2, b= 3", *value;
    size_t len;
    assert_true(otel_tracestate_find(text, strlen(text), "a", &value, &len));
    assert_int_equal(len, 1);
    assert_memory_equal(value, "2", 1);
    assert_true(otel_tracestate_find(text, strlen(text), "b", &value, &len));
    assert_memory_equal(value, " 3", 2);
    assert_false(otel_tracestate_find(text, strlen(text), "c", &value, &len));
    assert_false(otel_tracestate_find("", 0, "a", &value, &len));
}

static void test_fields_of_ot(void **state) {
    (void)state;
    const char *text = "x=1,ot=p:8;th:c;rv:00000000000001,y=2", *value;
    size_t len;
    assert_true(otel_tracestate_find_ot(text, strlen(text), "th", &value, &len));
    assert_memory_equal(value, "c", len);
    assert_true(otel_tracestate_find_ot(text, strlen(text), "rv", &value, &len));
    assert_int_equal(len, 14);
    assert_false(otel_tracestate_find_ot(text, strlen(text), "t", &value, &len));
    assert_false(otel_tracestate_find_ot("x=1", 3, "th", &value, &len));
    assert_string_equal(set_ot(text, "th", "8"), "ot=th:8;p:8;rv:00000000000001,x=1,y=2");
    assert_string_equal(set_ot(text, "th", NULL), "ot=p:8;rv:00000000000001,x=1,y=2");
    assert_string_equal(set_ot("x=1,ot=th:8", "th", NULL), "x=1");
    // What is no field by the grammar goes, rather than take the new value with it.
    assert_string_equal(set_ot("ot=th)c;rv{:0 ;a:1;B:2;c:3 ;;x", "th", "8"), "ot=th:8;a:1");
    assert_false(otel_tracestate_find_ot("ot=th:8+", 8, "th", &value, &len));
    assert_string_equal(set_ot("x=1", "th", "0"), "ot=th:0,x=1");
    assert_string_equal(set_ot("x=1", "th", NULL), "x=1");
    assert_string_equal(set_ot("", "rv", "ffffffffffffff"), "ot=rv:ffffffffffffff");
}

static void test_ot_that_grows_too_long_loses_unknown_fields(void **state) {
    (void)state;
    char text[300] = "ot=", unknown[260];
    memset(unknown, 'v', sizeof unknown);
    unknown[0] = 'u';
    unknown[1] = ':';
    unknown[250] = '\0';
    strcat(text, unknown);
    assert_string_equal(set_ot(text, "th", "fd70a4"), "ot=th:fd70a4");
}

// Long members go first where all do not fit; what was just set is not among them.
static void test_what_was_just_set_stays(void **state) {
    (void)state;
    char text[520] = "", expected[520];
    size_t len = (size_t)snprintf(text, sizeof text, "ot=a:%0180d", 0);
    for (int i = 0; i < 3; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",k%d=%0100d", i, i);
    assert_in_range(len, OTEL_TRACESTATE_KEPT_MAX - 20, OTEL_TRACESTATE_KEPT_MAX);
    snprintf(expected, sizeof expected, "ot=th:fd70a4;rv:00000000000001;a:%0180d,k0=%0100d,k1=%0100d", 0, 0,
             1);
    char once[OTEL_TRACESTATE_KEPT_MAX + 1];
    strcpy(once, set_ot(text, "rv", "00000000000001"));
    assert_string_equal(set_ot(once, "th", "fd70a4"), expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_member_set_goes_to_the_left),
        cmocka_unit_test(test_an_unsound_member_changes_nothing),
        cmocka_unit_test(test_the_right_end_gives_way),
        cmocka_unit_test(test_what_was_just_set_stays),
        cmocka_unit_test(test_members_are_found),
        cmocka_unit_test(test_fields_of_ot),
        cmocka_unit_test(test_ot_that_grows_too_long_loses_unknown_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
