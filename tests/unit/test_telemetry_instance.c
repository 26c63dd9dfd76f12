// SPDX-License-Identifier: Apache-2.0
// The identity of a control plane in its telemetry: one for each data directory, the same after a restart.
#include "server/telemetry_instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void same_directory_is_the_same_instance(void **state) {
    (void)state;
    char first[FQ_INSTANCE_TEXT], again[FQ_INSTANCE_TEXT], other[FQ_INSTANCE_TEXT];
    assert_true(fq_telemetry_instance("/srv/queue", first));
    assert_true(fq_telemetry_instance("/srv/queue", again));
    assert_true(fq_telemetry_instance("/srv/queue2", other));
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
}

static void it_is_a_uuid_of_version_5(void **state) {
    (void)state;
    char text[FQ_INSTANCE_TEXT];
    assert_true(fq_telemetry_instance("/srv/queue", text));
    assert_int_equal(strlen(text), FQ_INSTANCE_TEXT - 1);
    assert_int_equal(strspn(text, "0123456789abcdef-"), FQ_INSTANCE_TEXT - 1);
    assert_true(text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-');
    assert_int_equal(text[14], '5');
    assert_non_null(strchr("89ab", text[19]));
}

static void memory_only_has_no_lasting_instance(void **state) {
    (void)state;
    char text[FQ_INSTANCE_TEXT] = "untouched";
    assert_false(fq_telemetry_instance("none", text));
    assert_string_equal(text, "untouched");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_directory_is_the_same_instance),
        cmocka_unit_test(it_is_a_uuid_of_version_5),
        cmocka_unit_test(memory_only_has_no_lasting_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
