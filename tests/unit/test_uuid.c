// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"

#include "fastqueue/error.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char text[] = "01234567-89ab-4cde-8f01-ABCDEFabcdef";

static void parsed_and_printed(void **state) {
    (void)state;
    static const unsigned char bytes[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0x4c, 0xde,
                                            0x8f, 0x01, 0xab, 0xcd, 0xef, 0xab, 0xcd, 0xef};
    fq_uuid id;
    char printed[FQ_UUID_TEXT];
    assert_int_equal(fq_uuid_parse(fq_str_of(text), &id), 0);
    assert_memory_equal(id.bytes, bytes, 16);
    fq_uuid_format(&id, printed);
    assert_memory_equal(printed, "01234567-89ab-4cde-8f01-abcdefabcdef", FQ_UUID_TEXT);
}

// Each position takes what belongs there and nothing else.
static void each_position_is_checked(void **state) {
    (void)state;
    for (size_t i = 0; i < FQ_UUID_TEXT; i++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[FQ_UUID_TEXT];
            memcpy(changed, text, sizeof changed);
            changed[i] = (char)byte;
            bool is_hex =
                (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
            bool is_good = text[i] == '-' ? byte == '-' : is_hex;
            fq_uuid id;
            assert_int_equal(fq_uuid_parse((fq_str){changed, sizeof changed}, &id),
                             is_good ? 0 : FQ_EINVALID);
        }
    }
}

static void length_is_checked(void **state) {
    (void)state;
    fq_uuid id;
    assert_int_equal(fq_uuid_parse((fq_str){text, 35}, &id), FQ_EINVALID);
    assert_int_equal(fq_uuid_parse(FQ_STR(""), &id), FQ_EINVALID);
    assert_int_equal(fq_uuid_parse(FQ_STR("01234567-89ab-4cde-8f01-abcdefabcdef0"), &id), FQ_EINVALID);
}

static void version_7_sorts_by_time(void **state) {
    (void)state;
    fq_uuid early = fq_uuid_v7(1000, UINT64_MAX, UINT64_MAX), late = fq_uuid_v7(1001, 0, 0);
    assert_true(memcmp(&early, &late, sizeof early) < 0);
    assert_int_equal(early.bytes[6] >> 4, 7);
    assert_int_equal(late.bytes[6] >> 4, 7);
    assert_int_equal(early.bytes[8] >> 6, 2);
    assert_int_equal(late.bytes[8] >> 6, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsed_and_printed),
        cmocka_unit_test(each_position_is_checked),
        cmocka_unit_test(length_is_checked),
        cmocka_unit_test(version_7_sorts_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
