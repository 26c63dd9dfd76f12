// SPDX-License-Identifier: Apache-2.0
#include "support/session_script.h"

fq_session *script_session(void) {
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.token = "secret";
    options.seed = 7;
    fq_session *session = fq_session_new(&options);
    assert_non_null(session);
    return session;
}

fq_session *script_ready_session(void) {
    fq_session *session = script_session();
    assert_int_equal(fq_session_connected(session, S), 0);
    script_expect_output(session,
                         "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n");
    assert_false(fq_session_is_ready(session));
    script_feed(session, HELLO_REPLY);
    assert_true(fq_session_is_ready(session));
    script_expect_event(session, FQ_SESSION_READY);
    return session;
}

fq_slice script_slice(const char *text) {
    return (fq_slice){text, strlen(text)};
}

void script_expect_output(fq_session *session, const char *expected) {
    fq_slice out = fq_session_output(session);
    char text[4096];
    assert_true(out.len < sizeof text);
    memcpy(text, out.ptr, out.len);
    text[out.len] = '\0';
    assert_string_equal(text, expected);
    fq_session_sent(session, out.len);
}

void script_feed(fq_session *session, const char *bytes) {
    assert_int_equal(fq_session_feed(session, bytes, strlen(bytes), S), 0);
}

struct fq_session_event script_expect_event(fq_session *session, enum fq_session_event_type type) {
    struct fq_session_event event;
    assert_int_equal(fq_session_next_event(session, &event), 1);
    assert_int_equal(event.type, type);
    return event;
}

void script_expect_no_event(fq_session *session) {
    struct fq_session_event event;
    assert_int_equal(fq_session_next_event(session, &event), 0);
}

void script_submit(fq_session *session, const char *id, bool want_result, uint64_t tag) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = id;
    options.want_result = want_result;
    char given[37];
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice("p"), &options, tag, given),
                     0);
    fq_slice out = fq_session_output(session);
    fq_session_sent(session, out.len);
}
