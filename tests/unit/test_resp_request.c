// SPDX-License-Identifier: Apache-2.0
// Requests in every chunking, at every limit, and malformed.
#include "resp/reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fq_resp_limits small = {.args_max = 4, .arg_bytes_max = 16, .total_bytes_max = 64};

// Feeds `text` whole; what fq_resp_request_next says of it.
static int read_once(const char *text, size_t len, const struct fq_resp_limits *limits, char *error,
                     size_t size) {
    fq_buf input = {0};
    assert_int_equal(fq_buf_append(&input, text, len), 0);
    fq_resp_request_reader *reader = fq_resp_request_reader_new();
    struct fq_resp_request request;
    size_t consumed;
    int rc = fq_resp_request_next(reader, &input, limits, &request, &consumed);
    if (rc < 0) {
        snprintf(error, size, "%s", fq_resp_request_error(reader));
        assert_true(error[0] != '\0');
    }
    fq_resp_request_reader_free(reader);
    fq_buf_done(&input);
    return rc;
}

static void whole_request_is_found(void **state) {
    (void)state;
    fq_buf input = {0};
    assert_int_equal(
        fq_buf_append_str(&input, FQ_STR("*3\r\n$4\r\nPING\r\n$0\r\n\r\n$3\r\na\r\n\r\n*1\r\n$1\r\nx\r\n")),
        0);
    fq_resp_request_reader *reader = fq_resp_request_reader_new();
    struct fq_resp_request request;
    size_t consumed = 0;
    assert_int_equal(fq_resp_request_next(reader, &input, &small, &request, &consumed), 1);
    assert_int_equal(request.arg_count, 3);
    assert_true(fq_str_equal(request.args[0], FQ_STR("PING")));
    assert_true(fq_str_equal(request.args[1], FQ_STR("")));
    assert_true(fq_str_equal(request.args[2], FQ_STR("a\r\n")));
    fq_buf_consume(&input, consumed);
    assert_int_equal(fq_resp_request_next(reader, &input, &small, &request, &consumed), 1);
    assert_int_equal(request.arg_count, 1);
    assert_true(fq_str_equal(request.args[0], FQ_STR("x")));
    fq_buf_consume(&input, consumed);
    assert_int_equal(fq_buf_len(&input), 0);
    assert_int_equal(fq_resp_request_next(reader, &input, &small, &request, &consumed), 0);
    fq_resp_request_reader_free(reader);
    fq_buf_done(&input);
}

// One byte at a time into a buffer that moves with every byte: nothing is found early, nothing is lost.
static void byte_by_byte(void **state) {
    (void)state;
    static const char text[] = "*2\r\n$5\r\nhello\r\n$11\r\nhello world\r\n";
    size_t len = sizeof text - 1;
    fq_resp_request_reader *reader = fq_resp_request_reader_new();
    for (int round = 0; round < 3; round++) {
        for (size_t given = 1; given <= len; given++) {
            char *copy = malloc(given);
            assert_non_null(copy);
            memcpy(copy, text, given);
            fq_buf input = {.data = copy, .end = given, .capacity = given};
            struct fq_resp_request request;
            size_t consumed = 0;
            int rc = fq_resp_request_next(reader, &input, &small, &request, &consumed);
            assert_int_equal(rc, given == len ? 1 : 0);
            if (rc == 1) {
                assert_int_equal(consumed, len);
                assert_int_equal(request.arg_count, 2);
                assert_true(fq_str_equal(request.args[1], FQ_STR("hello world")));
                assert_ptr_equal(request.args[0].ptr, copy + 8);
            }
            free(copy);
        }
    }
    fq_resp_request_reader_free(reader);
}

static void empty_request_asks_for_nothing(void **state) {
    (void)state;
    fq_buf input = {0};
    assert_int_equal(fq_buf_append_str(&input, FQ_STR("*0\r\n")), 0);
    fq_resp_request_reader *reader = fq_resp_request_reader_new();
    struct fq_resp_request request;
    size_t consumed = 0;
    assert_int_equal(fq_resp_request_next(reader, &input, &small, &request, &consumed), 1);
    assert_int_equal(request.arg_count, 0);
    assert_int_equal(consumed, 4);
    fq_resp_request_reader_free(reader);
    fq_buf_done(&input);
}

// Limits are judged on the header alone: not a byte of the body is there.
static void limits_are_judged_before_the_body(void **state) {
    (void)state;
    char error[256];
    assert_int_equal(read_once("*5\r\n", 4, &small, error, sizeof error), FQ_ETOOBIG);
    assert_non_null(strstr(error, "at most 4"));
    assert_int_equal(read_once("*1\r\n$17\r\n", 9, &small, error, sizeof error), FQ_ETOOBIG);
    assert_non_null(strstr(error, "argument 1 has 17 bytes"));
    assert_int_equal(read_once("*1\r\n$16\r\n", 9, &small, error, sizeof error), 0);
    assert_int_equal(read_once("*4\r\n", 4, &small, error, sizeof error), 0);
    static const char sum[] = "*4\r\n$16\r\n0123456789abcdef\r\n$16\r\n0123456789abcdef\r\n$16\r\n";
    assert_int_equal(read_once(sum, sizeof sum - 1, &small, error, sizeof error), FQ_ETOOBIG);
    assert_non_null(strstr(error, "64 bytes"));
    assert_int_equal(read_once("*1\r\n$999999999999999999\r\n", 25, &small, error, sizeof error), FQ_ETOOBIG);
}

static void malformed_requests_are_refused(void **state) {
    (void)state;
    static const char *const corpus[] = {
        "PING\r\n",
        "+OK\r\n",
        "*-1\r\n",
        "*x\r\n",
        "*\r\n",
        "*1\n$1\r\n",
        "*1\rX",
        "*1\r\n:1\r\n",
        "*1\r\n$-1\r\n",
        "*1\r\n$\r\n",
        "*1\r\n$1x\r\n",
        "*1\r\n$1\r\nab\r",
        "*1\r\n$1\r\na\rx",
        "*1\r\n$1\r\naxx",
        "*1\r\n*1\r\n",
        "*1 \r\n",
        "* 1\r\n",
        "*+1\r\n",
        "*9999999999999999999\r\n",
        "*1\r\n$9999999999999999999\r\n",
        "\r\n",
        "$4\r\nPING\r\n",
        "*2\r\n$1\r\na\r\n+b\r\n",
    };
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        char error[256];
        int rc = read_once(corpus[i], strlen(corpus[i]), &small, error, sizeof error);
        if (rc != FQ_EPROTOCOL)
            print_error("corpus %zu gave %d\n", i, rc);
        assert_int_equal(rc, FQ_EPROTOCOL);
    }
}

static void other_protocols_are_named(void **state) {
    (void)state;
    char error[256];
    assert_int_equal(read_once("GET / HTTP/1.1\r\n", 16, &small, error, sizeof error), FQ_EPROTOCOL);
    assert_non_null(strstr(error, "HTTP"));
    assert_int_equal(read_once("\x16\x03\x01\x02", 4, &small, error, sizeof error), FQ_EPROTOCOL);
    assert_non_null(strstr(error, "TLS"));
    assert_int_equal(read_once("\0\0\0\0", 4, &small, error, sizeof error), FQ_EPROTOCOL);
}

// Every prefix of random garbage ends in "more" or an error, never in a request of bytes that are not there.
static void garbage_never_reads_outside(void **state) {
    (void)state;
    static const char alphabet[] = "*$0123456789\r\nab-";
    unsigned seed = 12345;
    size_t found = 0;
    for (int round = 0; round < 20000; round++) {
        size_t len = 1 + (seed >> 8) % 40;
        char *text = malloc(len);
        assert_non_null(text);
        for (size_t i = 0; i < len; i++) {
            seed = seed * 1103515245u + 12345u;
            text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
        }
        text[0] = '*';
        fq_buf input = {.data = text, .end = len, .capacity = len};
        fq_resp_request_reader *reader = fq_resp_request_reader_new();
        struct fq_resp_request request = {0};
        size_t consumed = 0;
        int rc = fq_resp_request_next(reader, &input, &small, &request, &consumed);
        if (rc == 1) {
            found++;
            assert_true(consumed <= len);
            for (size_t i = 0; i < request.arg_count; i++)
                assert_true(request.args[i].ptr >= text &&
                            request.args[i].ptr + request.args[i].len <= text + len);
        }
        fq_resp_request_reader_free(reader);
        free(text);
    }
    assert_true(found > 0);
}

static void many_arguments_grow_and_shrink(void **state) {
    (void)state;
    const struct fq_resp_limits wide = {.args_max = 5000};
    fq_buf input = {0};
    assert_int_equal(fq_buf_printf(&input, "*5000\r\n"), 0);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(fq_buf_printf(&input, "$4\r\n%04d\r\n", i), 0);
    fq_resp_request_reader *reader = fq_resp_request_reader_new();
    for (int round = 0; round < 2; round++) {
        struct fq_resp_request request;
        size_t consumed;
        assert_int_equal(fq_resp_request_next(reader, &input, &wide, &request, &consumed), 1);
        assert_int_equal(request.arg_count, 5000);
        assert_true(fq_str_equal(request.args[4999], FQ_STR("4999")));
        assert_int_equal(consumed, fq_buf_len(&input));
    }
    fq_resp_request_reader_free(reader);
    fq_buf_done(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_request_is_found),         cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(empty_request_asks_for_nothing), cmocka_unit_test(limits_are_judged_before_the_body),
        cmocka_unit_test(malformed_requests_are_refused), cmocka_unit_test(other_protocols_are_named),
        cmocka_unit_test(garbage_never_reads_outside),    cmocka_unit_test(many_arguments_grow_and_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
