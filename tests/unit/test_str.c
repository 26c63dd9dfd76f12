// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/str.h"
#include "fastqueue/error.h"

static void integers_are_exact(void **state) {
    (void)state;
    int64_t value;
    assert_int_equal(fq_str_to_int64(FQ_STR("-9223372036854775808"), &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(fq_str_to_int64(FQ_STR("9223372036854775807"), &value), 0);
    assert_true(value == INT64_MAX);
    const char *bad[] = {"",   "-", "+1", " 1", "1 ", "1x", "9223372036854775808", "-9223372036854775809",
                         "1e3"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(fq_str_to_int64(fq_str_of(bad[i]), &value), FQ_EINVALID);
}

static void utf8_is_checked(void **state) {
    (void)state;
    assert_true(fq_str_is_utf8(FQ_STR("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80")));
    const char *bad[] = {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xff", "\xe0\x80\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(fq_str_is_utf8(fq_str_of(bad[i])));
}

static void names_have_no_blanks(void **state) {
    (void)state;
    assert_true(fq_str_is_name(FQ_STR("mail.send-v2")));
    assert_false(fq_str_is_name(FQ_STR("")));
    assert_false(fq_str_is_name(FQ_STR("a b")));
    assert_false(fq_str_is_name(FQ_STR("a\nb")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_exact),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(names_have_no_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
