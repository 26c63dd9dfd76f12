// SPDX-License-Identifier: Apache-2.0
// What the words of `fastqueue submit` become.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on
#include "cli/submit_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *no_environment(void *context, const char *name) {
    (void)context;
    (void)name;
    return NULL;
}

static int read_words(const char *const *words, int count, fq_buf *payload) {
    struct fq_options options;
    assert_int_equal(fq_options_parse(&options, FQ_VERB_SUBMIT, count, words, no_environment, NULL), 0);
    fq_buf_init(payload, FQ_SUBMIT_BYTES_MAX);
    int code = fq_submit_words_read(&options, payload);
    fq_options_done(&options);
    return code;
}

static void test_arguments(void **state) {
    (void)state;
    static const struct {
        const char *words[8];
        const char *payload; // NULL: refused
    } rows[] = {
        {{"t"},                                             "{\"args\":[],\"kwargs\":{}}"                                 },
        {{"t", "1", "-2", "2.50", "True", "false"},         "{\"args\":[1,-2,2.50,true,false],\"kwargs\":{}}"             },
        {{"t", "--args", "null", "None", "x"},              "{\"args\":[null,\"None\",\"x\"],\"kwargs\":{}}"              },
        {{"t", "123456789012345678901234567890"},
         "{\"args\":[123456789012345678901234567890],\"kwargs\":{}}"                                                      },
        {{"t", "007", "1.", "+5", ""},                      "{\"args\":[\"007\",\"1.\",\"+5\",\"\"],\"kwargs\":{}}"       },
        {{"t", "{\"a\": [1, 2]}", "\"q\""},                 "{\"args\":[{\"a\": [1, 2]},\"q\"],\"kwargs\":{}}"            },
        {{"t", "say \"hi\"\n", "{broken"},                  "{\"args\":[\"say \\\"hi\\\"\\n\",\"{broken\"],\"kwargs\":{}}"},
        {{"t", "--kwargs", "a=1", "b=x=y", "\"c=\xc3\xa9"},
         "{\"args\":[],\"kwargs\":{\"a\":1,\"b\":\"x=y\",\"\\\"c\":\"\xc3\xa9\"}}"                                        },
        {{"--task-name", "t", "1", "--args", "2"},          "{\"args\":[1,2],\"kwargs\":{}}"                              },
        {{"t", "--kwargs", "novalue"},                      NULL                                                          },
        {{"t", "--kwargs", "=1"},                           NULL                                                          },
        {{"t", "\xff"},                                     NULL                                                          },
        {{"t", "--payload", "[1]"},                         "[1]"                                                         },
        {{"t", "--payload", "[1", "--encoding", "raw"},     "[1"                                                          },
        {{"t", "--payload", "[1"},                          NULL                                                          },
        {{"t", "--payload", "[1]", "--args", "2"},          NULL                                                          },
        {{"t", "--payload", "@/nowhere/at/all"},            NULL                                                          },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int count = 0;
        while (count < 8 && rows[i].words[count] != NULL)
            count++;
        fq_buf payload;
        int code = read_words(rows[i].words, count, &payload);
        if (rows[i].payload == NULL)
            assert_int_equal(code, FQ_EXIT_USAGE);
        else {
            assert_int_equal(code, 0);
            assert_int_equal(fq_buf_append_byte(&payload, '\0'), 0);
            assert_string_equal(fq_buf_str(&payload).ptr, rows[i].payload);
        }
        fq_buf_done(&payload);
    }
}

static void test_payload_from_a_file_keeps_every_byte(void **state) {
    (void)state;
    char path[] = "/tmp/fastqueue-payload-XXXXXX", source[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a\0b\xff", 4), 4);
    close(fd);
    snprintf(source, sizeof source, "@%s", path);
    const char *words[] = {"t", "--payload", source, "--encoding", "raw"};
    fq_buf payload;
    assert_int_equal(read_words(words, 5, &payload), 0);
    assert_int_equal(fq_buf_len(&payload), 4);
    assert_memory_equal(fq_buf_str(&payload).ptr, "a\0b\xff", 4);
    fq_buf_done(&payload);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_payload_from_a_file_keeps_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
