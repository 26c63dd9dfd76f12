// SPDX-License-Identifier: Apache-2.0
// Replies of both protocols: what the writer writes the reader reads, in every chunking.
#include "resp/reader.h"
#include "resp/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fq_resp_limits limits = {
    .args_max = 64, .arg_bytes_max = 64, .total_bytes_max = 1024, .depth_max = 4};

static int read_text(fq_resp_reply_reader *reader, fq_str text, const struct fq_resp_node **ret_nodes,
                     size_t *ret_consumed) {
    fq_buf input = {.data = (char *)(uintptr_t)text.ptr, .end = text.len, .capacity = text.len};
    return fq_resp_reply_next(reader, &input, &limits, ret_nodes, ret_consumed);
}

static int outcome_of(const char *text) {
    fq_resp_reply_reader *reader = fq_resp_reply_reader_new();
    const struct fq_resp_node *nodes;
    size_t consumed;
    int rc = read_text(reader, fq_str_of(text), &nodes, &consumed);
    if (rc < 0)
        assert_true(fq_resp_reply_error(reader)[0] != '\0');
    fq_resp_reply_reader_free(reader);
    return rc;
}

static void write_sample(struct fq_resp_writer *writer) {
    fq_resp_write_array(writer, 8);
    fq_resp_write_status(writer, "OK");
    fq_resp_write_integer(writer, INT64_MIN);
    fq_resp_write_string(writer, FQ_STR("a\r\nb"));
    fq_resp_write_nil(writer);
    fq_resp_write_boolean(writer, true);
    fq_resp_write_double(writer, 0.5);
    fq_resp_write_map(writer, 2);
    fq_resp_write_text(writer, "one");
    fq_resp_write_integer(writer, 1);
    fq_resp_write_text(writer, "empty");
    fq_resp_write_array(writer, 0);
    fq_resp_write_error(writer, "ERR", "no\r\nnewline");
}

static void check_sample(const struct fq_resp_node *nodes, int protocol) {
    assert_int_equal(nodes[0].type, FQ_RESP_ARRAY);
    assert_int_equal(nodes[0].child_count, 8);
    assert_int_equal(nodes[0].next, 13);
    assert_int_equal(nodes[1].type, FQ_RESP_STATUS);
    assert_true(fq_str_equal(nodes[1].text, FQ_STR("OK")));
    assert_true(nodes[2].integer == INT64_MIN);
    assert_true(fq_str_equal(nodes[3].text, FQ_STR("a\r\nb")));
    assert_int_equal(nodes[4].type, FQ_RESP_NIL);
    assert_int_equal(nodes[5].type, protocol == 3 ? FQ_RESP_BOOLEAN : FQ_RESP_INTEGER);
    assert_int_equal(nodes[5].integer, 1);
    assert_true(fq_str_equal(nodes[6].text, FQ_STR("0.5")));
    assert_int_equal(nodes[7].type, protocol == 3 ? FQ_RESP_MAP : FQ_RESP_ARRAY);
    assert_int_equal(nodes[7].child_count, 4);
    const struct fq_resp_node *one = fq_resp_map_get(nodes, 7, FQ_STR("one"));
    assert_non_null(one);
    assert_int_equal(one->integer, 1);
    const struct fq_resp_node *empty = fq_resp_map_get(nodes, 7, FQ_STR("empty"));
    assert_non_null(empty);
    assert_int_equal(empty->child_count, 0);
    assert_null(fq_resp_map_get(nodes, 7, FQ_STR("two")));
    assert_int_equal(nodes[12].type, FQ_RESP_ERROR);
    assert_true(fq_str_equal(nodes[12].text, FQ_STR("ERR no  newline")));
}

static void written_is_read_byte_by_byte(void **state) {
    (void)state;
    for (int protocol = 2; protocol <= 3; protocol++) {
        fq_buf out = {0};
        struct fq_resp_writer writer = {.out = &out, .protocol = protocol};
        write_sample(&writer);
        assert_int_equal(writer.failed, 0);
        fq_resp_reply_reader *reader = fq_resp_reply_reader_new();
        size_t len = fq_buf_len(&out);
        for (int round = 0; round < 2; round++) {
            for (size_t given = 1; given <= len; given++) {
                char *copy = malloc(given);
                assert_non_null(copy);
                memcpy(copy, out.data, given);
                const struct fq_resp_node *nodes;
                size_t consumed = 0;
                int rc = read_text(reader, (fq_str){copy, given}, &nodes, &consumed);
                assert_int_equal(rc, given == len ? 1 : 0);
                if (rc == 1) {
                    assert_int_equal(consumed, len);
                    check_sample(nodes, protocol);
                }
                free(copy);
            }
        }
        fq_resp_reply_reader_free(reader);
        fq_buf_done(&out);
    }
}

static void the_rest_of_resp3_is_read(void **state) {
    (void)state;
    fq_resp_reply_reader *reader = fq_resp_reply_reader_new();
    const struct fq_resp_node *nodes;
    size_t consumed;
    fq_str text = FQ_STR(">2\r\n=7\r\ntxt:abc\r\n~1\r\n(123456789012345678901\r\n");
    assert_int_equal(read_text(reader, text, &nodes, &consumed), 1);
    assert_int_equal(nodes[0].type, FQ_RESP_PUSH);
    assert_true(fq_str_equal(nodes[1].text, FQ_STR("abc")));
    assert_int_equal(nodes[2].type, FQ_RESP_SET);
    assert_true(fq_str_equal(nodes[3].text, FQ_STR("123456789012345678901")));
    assert_int_equal(read_text(reader, FQ_STR("!5\r\nERR x\r\n"), &nodes, &consumed), 1);
    assert_int_equal(nodes[0].type, FQ_RESP_ERROR);
    assert_int_equal(read_text(reader, FQ_STR(",inf\r\n"), &nodes, &consumed), 1);
    assert_true(nodes[0].real > 1e308);
    assert_int_equal(read_text(reader, FQ_STR("*-1\r\n"), &nodes, &consumed), 1);
    assert_int_equal(nodes[0].type, FQ_RESP_NIL);
    assert_int_equal(read_text(reader, FQ_STR(":+7\r\n"), &nodes, &consumed), 1);
    assert_int_equal(nodes[0].integer, 7);
    fq_resp_reply_reader_free(reader);
}

static void attributes_are_dropped(void **state) {
    (void)state;
    fq_resp_reply_reader *reader = fq_resp_reply_reader_new();
    const struct fq_resp_node *nodes;
    size_t consumed;
    fq_str text = FQ_STR("|1\r\n+ttl\r\n*1\r\n:9\r\n*2\r\n|0\r\n:1\r\n:2\r\n");
    assert_int_equal(read_text(reader, text, &nodes, &consumed), 1);
    assert_int_equal(consumed, text.len);
    assert_int_equal(nodes[0].type, FQ_RESP_ARRAY);
    assert_int_equal(nodes[0].next, 3);
    assert_int_equal(nodes[1].integer, 1);
    assert_int_equal(nodes[2].integer, 2);
    fq_resp_reply_reader_free(reader);
}

static void limits_hold(void **state) {
    (void)state;
    assert_int_equal(outcome_of("*65\r\n"), FQ_ETOOBIG);
    assert_int_equal(outcome_of("%33\r\n"), FQ_ETOOBIG);
    assert_int_equal(outcome_of("$65\r\n"), FQ_ETOOBIG);
    assert_int_equal(outcome_of("$64\r\n"), 0);
    assert_int_equal(outcome_of("*1\r\n*1\r\n*1\r\n*1\r\n"), 0);
    assert_int_equal(outcome_of("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"), FQ_ETOOBIG);
    assert_int_equal(outcome_of("*40\r\n*40\r\n*40\r\n*40\r\n"), 0);
}

static void malformed_replies_are_refused(void **state) {
    (void)state;
    static const char *const corpus[] = {
        "x\r\n",          "$-2\r\n", "*-2\r\n",  "%-1\r\n",     ":\r\n",        ":1x\r\n",
        "#x\r\n",         "#tt\r\n", ",abc\r\n", ",\r\n",       "$1\r\nab\r\n", "=3\r\nabc\r\n",
        "=4\r\nabcd\r\n", "+a\n",    "$x\r\n",   "*1\r\n?\r\n", "*1\r\n$x\r\n",
    };
    for (size_t i = 0; i < sizeof corpus / sizeof corpus[0]; i++) {
        int rc = outcome_of(corpus[i]);
        if (rc != FQ_EPROTOCOL)
            print_error("corpus %zu gave %d\n", i, rc);
        assert_int_equal(rc, FQ_EPROTOCOL);
    }
}

static void a_full_buffer_is_remembered(void **state) {
    (void)state;
    fq_buf out;
    fq_buf_init(&out, 64);
    struct fq_resp_writer writer = {.out = &out, .protocol = 3};
    fq_resp_write_status(&writer, "OK");
    size_t before = fq_buf_len(&out);
    char large[100] = {0};
    fq_resp_write_string(&writer, (fq_str){large, sizeof large});
    assert_int_equal(writer.failed, FQ_ETOOBIG);
    fq_resp_write_integer(&writer, 1);
    assert_int_equal(fq_buf_len(&out), before);
    fq_buf_done(&out);
}

static void numbers_are_written_as_they_are(void **state) {
    (void)state;
    fq_buf out = {0};
    struct fq_resp_writer writer = {.out = &out, .protocol = 3};
    fq_resp_write_integer(&writer, 0);
    fq_resp_write_integer(&writer, -1);
    fq_resp_write_integer(&writer, INT64_MAX);
    fq_resp_write_request(&writer, 2);
    fq_resp_write_push(&writer, 10);
    assert_true(fq_str_equal(fq_buf_str(&out), FQ_STR(":0\r\n:-1\r\n:9223372036854775807\r\n*2\r\n>10\r\n")));
    fq_buf_done(&out);
}

static void check_digits(uint64_t value) {
    fq_buf out = {0};
    struct fq_resp_writer writer = {.out = &out, .protocol = 2};
    char digits[24], expected[40];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    snprintf(expected, sizeof expected, "$%d\r\n%s\r\n", len, digits);
    fq_resp_write_digits(&writer, value);
    assert_true(fq_str_equal(fq_buf_str(&out), fq_str_of(expected)));
    fq_buf_done(&out);
}

// Every number of digits, at both of its ends.
static void numbers_have_all_their_digits(void **state) {
    (void)state;
    check_digits(0);
    check_digits(UINT64_MAX);
    for (uint64_t power = 1;; power *= 10) {
        check_digits(power - 1);
        check_digits(power);
        check_digits(power + 1);
        check_digits(power * 9 / 7);
        if (power > UINT64_MAX / 10)
            break;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read_byte_by_byte),    cmocka_unit_test(the_rest_of_resp3_is_read),
        cmocka_unit_test(attributes_are_dropped),          cmocka_unit_test(limits_hold),
        cmocka_unit_test(malformed_replies_are_refused),   cmocka_unit_test(a_full_buffer_is_remembered),
        cmocka_unit_test(numbers_are_written_as_they_are), cmocka_unit_test(numbers_have_all_their_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
