// SPDX-License-Identifier: Apache-2.0
// Tables, times, counts and JSON as the verbs print them.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_durations_and_counts(void **state) {
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {-1,           "-"    },
        {0,            "0us"  },
        {999,          "999us"},
        {1500,         "1.5ms"},
        {123456,       "123ms"},
        {1500000,      "1.50s"},
        {200000000,    "3m20s"},
        {7500000000,   "2h05m"},
        {277200000000, "3d05h"}
    };
    char text[FQ_OUTPUT_TIME_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        fq_output_duration(rows[i].us, text);
        assert_string_equal(text, rows[i].text);
    }
    fq_output_count(950, text);
    assert_string_equal(text, "950");
    fq_output_count(1234, text);
    assert_string_equal(text, "1.2k");
    fq_output_count(5600000, text);
    assert_string_equal(text, "5.6M");
    fq_output_moment(0, text);
    assert_string_equal(text, "-");
}

static char *print_table(struct fq_text_table *table, const char *empty) {
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    fq_text_table_print(table, memory, empty);
    fclose(memory);
    return text;
}

static void test_table(void **state) {
    (void)state;
    struct fq_text_table table;
    fq_text_table_init(&table, "NAME", ">N", "NOTE", NULL);
    for (int i = 0; i < 9; i++) {
        fq_text_table_add(&table, i == 0 ? "\xc3\xa9t\xc3\xa9" : "x");
        fq_text_table_add(&table, "%d", i * 100);
        fq_text_table_add_slice(&table, (fq_slice){"a\033[2Jb", i == 0 ? 6 : 1});
    }
    char *text = print_table(&table, "nothing");
    assert_memory_equal(text, "NAME    N  NOTE\n\xc3\xa9t\xc3\xa9     0  a?[2Jb\nx     100  a\n",
                        strlen("NAME    N  NOTE\n\xc3\xa9t\xc3\xa9     0  a?[2Jb\nx     100  a\n"));
    free(text);
    fq_text_table_init(&table, "NAME", NULL);
    text = print_table(&table, "nothing");
    assert_string_equal(text, "nothing\n");
    free(text);
}

static void test_bytes_in_json(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } rows[] = {
        {"plain",        5, "plain"      },
        {"\xff",         1, "base64:/w=="},
        {"\xff\xfe",     2, "base64://4="},
        {"\xff\xfe\xfd", 3, "base64://79"},
        {NULL,           0, ""           }
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *string = fq_output_json_text((fq_slice){rows[i].bytes, rows[i].len});
        assert_string_equal(json_string_value(string), rows[i].text);
        json_decref(string);
    }
}

static void test_replies_in_json(void **state) {
    (void)state;
    // {"a": [1, nil], "b": true}
    const struct fq_value values[] = {
        {.type = FQ_VALUE_MAP,     .child_count = 4, .next = 7       },
        {.type = FQ_VALUE_TEXT,    .next = 2,        .text = {"a", 1}},
        {.type = FQ_VALUE_ARRAY,   .child_count = 2, .next = 5       },
        {.type = FQ_VALUE_INTEGER, .next = 4,        .integer = 1    },
        {.type = FQ_VALUE_NIL,     .next = 5       },
        {.type = FQ_VALUE_TEXT,               .next = 6, .text = {"b", 1}                },
        {.type = FQ_VALUE_BOOLEAN,               .next = 7,     .integer = 1},
    };
    json_t *object = fq_output_json(values, 0);
    char *text = json_dumps(object, JSON_COMPACT);
    assert_string_equal(text, "{\"a\":[1,null],\"b\":true}");
    free(text);
    json_decref(object);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_and_counts),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_bytes_in_json),
        cmocka_unit_test(test_replies_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
