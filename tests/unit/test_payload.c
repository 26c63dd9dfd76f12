// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/payload.h"

#include <math.h>

static void expect_text(fq_payload *payload, const char *expected) {
    const char *text;
    size_t len;
    assert_int_equal(fq_payload_text(payload, &text, &len), 0);
    assert_string_equal(text, expected);
}

static void values_of_every_kind(void **state) {
    (void)state;
    fq_payload *payload = fq_payload_new();
    expect_text(payload, "{\"args\":[],\"kwargs\":{}}");
    fq_payload_add_int(payload, NULL, INT64_MIN);
    fq_payload_add_double(payload, NULL, 0.5);
    fq_payload_add_bool(payload, NULL, true);
    fq_payload_add_null(payload, NULL);
    fq_payload_add_string(payload, "to", "a\"b\0c", 5);
    fq_payload_add_json(payload, "list", "[1,{\"x\":[]}]", 12);
    expect_text(payload, "{\"args\":[-9223372036854775808,0.5,true,null],"
                         "\"kwargs\":{\"to\":\"a\\\"b\\u0000c\",\"list\":[1,{\"x\":[]}]}}");
    fq_payload_add_int(payload, "list", 2);
    expect_text(payload, "{\"args\":[-9223372036854775808,0.5,true,null],"
                         "\"kwargs\":{\"to\":\"a\\\"b\\u0000c\",\"list\":2}}");
    assert_null(fq_payload_free(payload));
    assert_null(fq_payload_free(NULL));
}

static void what_json_cannot_say_is_refused(void **state) {
    (void)state;
    for (int i = 0; i < 6; i++) {
        fq_payload *payload = fq_payload_new();
        int rc = 0;
        switch (i) {
        case 0: rc = fq_payload_add_double(payload, NULL, NAN); break;
        case 1: rc = fq_payload_add_double(payload, "x", -INFINITY); break;
        case 2: rc = fq_payload_add_string(payload, NULL, "\xff", 1); break;
        case 3: rc = fq_payload_add_json(payload, NULL, "{", 1); break;
        case 4: rc = fq_payload_add_json(payload, NULL, "1 2", 3); break;
        default: rc = fq_payload_add_int(payload, "\xff", 1); break;
        }
        assert_int_equal(rc, FQ_EENCODING);
        assert_int_equal(fq_payload_add_int(payload, NULL, 1), FQ_EENCODING);
        const char *text;
        size_t len;
        assert_int_equal(fq_payload_text(payload, &text, &len), FQ_EENCODING);
        fq_payload_free(payload);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(what_json_cannot_say_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
