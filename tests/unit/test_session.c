// SPDX-License-Identifier: Apache-2.0
// Sessions against a scripted peer: login, submits, results, commands, pushes; whole, byte by byte, and cut anywhere.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/session.h"

#include <stdio.h>
#include <string.h>

#define HELLO_REPLY "%2\r\n$6\r\nserver\r\n$9\r\nfastqueue\r\n$5\r\nproto\r\n:3\r\n"
#define ID_A        "018f0000-0000-7000-8000-00000000000a"
#define ID_B        "018f0000-0000-7000-8000-00000000000b"

static const int64_t S = 1000000;

static fq_session *session_new(void) {
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.token = "secret";
    options.seed = 7;
    return fq_session_new(&options);
}

static fq_slice slice(const char *text) {
    return (fq_slice){text, strlen(text)};
}

// Takes the output and compares it.
static void expect_output(fq_session *session, const char *expected) {
    fq_slice out = fq_session_output(session);
    char text[4096];
    assert_true(out.len < sizeof text);
    memcpy(text, out.ptr, out.len);
    text[out.len] = '\0';
    assert_string_equal(text, expected);
    fq_session_sent(session, out.len);
}

static void feed(fq_session *session, const char *bytes) {
    assert_int_equal(fq_session_feed(session, bytes, strlen(bytes), S), 0);
}

static struct fq_session_event expect_event(fq_session *session, enum fq_session_event_type type) {
    struct fq_session_event event;
    assert_int_equal(fq_session_next_event(session, &event), 1);
    assert_int_equal(event.type, type);
    return event;
}

static void expect_no_event(fq_session *session) {
    struct fq_session_event event;
    assert_int_equal(fq_session_next_event(session, &event), 0);
}

static void log_in(fq_session *session) {
    assert_int_equal(fq_session_connected(session, S), 0);
    expect_output(session, "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n");
    assert_false(fq_session_is_ready(session));
    feed(session, HELLO_REPLY);
    assert_true(fq_session_is_ready(session));
    expect_event(session, FQ_SESSION_READY);
}

static void a_submit_with_its_result_goes_out_in_one_write(void **state) {
    (void)state;
    fq_session *session = session_new();
    char id[37];
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID_A;
    options.priority = "high";
    options.retries = 2;
    options.want_result = true;
    assert_int_equal(fq_session_submit(session, slice("add"), slice("{}"), &options, 1, id), 0);
    assert_string_equal(id, ID_A);
    log_in(session);
    expect_output(session, "*9\r\n$9\r\nFQ.SUBMIT\r\n$3\r\nadd\r\n$2\r\n{}\r\n$2\r\nID\r\n$36\r\n" ID_A
                           "\r\n$8\r\nPRIORITY\r\n$4\r\nhigh\r\n$7\r\nRETRIES\r\n$1\r\n2\r\n"
                           "*2\r\n$8\r\nFQ.WATCH\r\n$36\r\n" ID_A "\r\n");
    feed(session, "$36\r\n" ID_A "\r\n*1\r\n:1\r\n");
    struct fq_session_event event = expect_event(session, FQ_SESSION_SUBMITTED);
    assert_int_equal(event.error, 0);
    assert_int_equal(event.tag, 1);
    assert_string_equal(event.id, ID_A);
    expect_no_event(session);
    feed(session, ">2\r\n$9\r\nfq.result\r\n%3\r\n$2\r\nid\r\n$36\r\n" ID_A
                  "\r\n$6\r\nstatus\r\n$7\r\nsuccess\r\n$6\r\nresult\r\n$1\r\n3\r\n");
    event = expect_event(session, FQ_SESSION_RESULT);
    assert_int_equal(event.error, 0);
    assert_int_equal(event.tag, 1);
    assert_true(event.result.has_result);
    assert_memory_equal(event.result.result.ptr, "3", 1);
    expect_no_event(session);
    fq_session_free(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submit_with_its_result_goes_out_in_one_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
