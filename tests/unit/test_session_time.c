// SPDX-License-Identifier: Apache-2.0
// A session and the clock it is told: pings, silence, pauses between connects, refusals.
#include "support/session_script.h"

static const int64_t MS = 1000;

static int tick(fq_session *session, int64_t now_us) {
    return fq_session_tick(session, now_us);
}

static void an_idle_connection_is_pinged(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    assert_int_equal(fq_session_deadline(session), 16 * S);
    assert_int_equal(tick(session, 16 * S - 1), 0);
    script_expect_output(session, "");
    assert_int_equal(tick(session, 16 * S), 0);
    script_expect_output(session, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(tick(session, 17 * S), 0); // only one at a time
    script_expect_output(session, "");
    assert_int_equal(fq_session_feed(session, "+PONG\r\n", 7, 18 * S), 0);
    script_expect_no_event(session);
    assert_int_equal(fq_session_deadline(session), 33 * S);
    assert_int_equal(tick(session, 33 * S), 0);
    script_expect_output(session, "*1\r\n$4\r\nPING\r\n");
    fq_session_free(session);
}

static void a_silent_peer_is_given_up(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    assert_int_equal(tick(session, 10 * S), 0);
    script_submit(session, ID_A, false, 1);
    assert_int_equal(tick(session, 11 * S), 0); // from here on the answer is awaited
    assert_int_equal(fq_session_deadline(session), 16 * S);
    assert_int_equal(tick(session, 16 * S), 0);
    script_expect_output(session, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(fq_session_deadline(session), 41 * S);
    assert_int_equal(tick(session, 41 * S - 1), 0);
    assert_int_equal(tick(session, 41 * S), FQ_ETIMEOUT);
    assert_non_null(strstr(fq_session_error(session), "30000 ms"));
    assert_true(fq_session_deadline(session) < 0);
    assert_int_equal(fq_session_output(session).len, 0);
    assert_int_equal(fq_session_feed(session, "+PONG\r\n", 7, 42 * S), FQ_ETIMEOUT);
    fq_session_free(session);
}

// An answer that takes minutes to arrive is no silence.
static void a_slow_peer_is_not(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice args[] = {script_slice("FQ.LIST")};
    assert_int_equal(fq_session_command(session, args, 1, true, 1), 0);
    fq_session_sent(session, fq_session_output(session).len);
    const char *reply = "$20\r\n01234567890123456789\r\n";
    int64_t now_us = S;
    for (size_t i = 0; i < strlen(reply); i++) {
        now_us += 29 * S;
        assert_int_equal(tick(session, now_us), 0);
        fq_session_sent(session, fq_session_output(session).len);
        assert_int_equal(fq_session_feed(session, reply + i, 1, now_us), 0);
    }
    script_expect_event(session, FQ_SESSION_REPLY);
    fq_session_free(session);
}

static void a_login_without_answer_is_given_up(void **state) {
    (void)state;
    fq_session *session = script_session();
    assert_int_equal(fq_session_connected(session, S), 0);
    assert_int_equal(fq_session_deadline(session), 31 * S);
    assert_int_equal(tick(session, 31 * S), FQ_ETIMEOUT);
    fq_session_free(session);
}

static void pauses_grow_until_a_connection_is_good(void **state) {
    (void)state;
    fq_session *session = script_session();
    int64_t low = 25 * MS, high = 50 * MS;
    for (int i = 0; i < 12; i++) {
        fq_session_disconnected(session, S);
        int64_t delay = fq_session_reconnect_delay_us(session);
        assert_in_range(delay, low, high);
        assert_int_equal(fq_session_reconnect_delay_us(session), delay);
        high = high * 2 < 5 * S ? high * 2 : 5 * S;
        low = high / 2;
    }
    // One that breaks right after the login is none, one that lasts is.
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fq_session_connected(session, S), 0);
        script_feed(session, HELLO_REPLY);
        script_expect_event(session, FQ_SESSION_READY);
        fq_session_disconnected(session, i == 0 ? S + 10 * MS : 3 * S);
        script_expect_no_event(session);
        assert_true(i == 0 ? fq_session_reconnect_delay_us(session) >= 2 * S
                           : fq_session_reconnect_delay_us(session) == 0);
    }
    fq_session_disconnected(session, 3 * S);
    assert_in_range(fq_session_reconnect_delay_us(session), 25 * MS, 50 * MS);
    assert_true(fq_session_deadline(session) == INT64_MAX);
    fq_session_free(session);
}

static void a_refused_credential_ends_everything(void **state) {
    (void)state;
    const char *lines[] = {"-WRONGPASS invalid user name or token\r\n", "-NOAUTH authentication required\r\n",
                           "-NOPROTO only RESP2 here\r\n"};
    const int errors[] = {FQ_EWRONGPASS, FQ_ENOAUTH, FQ_ENOPROTO};
    for (size_t i = 0; i < 3; i++) {
        fq_session *session = script_session();
        script_submit(session, ID_A, true, 1);
        const fq_slice args[] = {script_slice("PING")};
        assert_int_equal(fq_session_command(session, args, 1, true, 2), 0);
        assert_int_equal(fq_session_watch(session, ID_B, 3), 0);
        assert_int_equal(fq_session_connected(session, S), 0);
        assert_int_equal(fq_session_feed(session, lines[i], strlen(lines[i]), S), errors[i]);
        assert_null(strstr(fq_session_error(session), "secret"));
        fq_session_disconnected(session, S);
        assert_true(fq_session_reconnect_delay_us(session) == INT64_MAX);
        struct fq_session_event event = script_expect_event(session, FQ_SESSION_SUBMITTED);
        assert_int_equal(event.error, errors[i]);
        assert_string_equal(event.id, ID_A);
        assert_int_equal(script_expect_event(session, FQ_SESSION_REPLY).error, errors[i]);
        event = script_expect_event(session, FQ_SESSION_RESULT);
        assert_int_equal(event.error, errors[i]);
        assert_int_equal(event.tag, 3);
        script_expect_no_event(session);
        assert_int_equal(fq_session_command(session, args, 1, true, 2), errors[i]);
        assert_int_equal(fq_session_watch(session, ID_B, 3), errors[i]);
        fq_session_free(session);
    }
}

static void a_busy_server_is_tried_again(void **state) {
    (void)state;
    fq_session *session = script_session();
    script_submit(session, ID_A, false, 1);
    assert_int_equal(fq_session_connected(session, S), 0);
    fq_session_sent(session, fq_session_output(session).len);
    const char *line = "-BUSY too many connections\r\n";
    assert_int_equal(fq_session_feed(session, line, strlen(line), S), FQ_EBUSY);
    fq_session_disconnected(session, S);
    assert_in_range(fq_session_reconnect_delay_us(session), 1, 50 * MS);
    script_expect_no_event(session);
    assert_int_equal(fq_session_connected(session, S), 0);
    fq_session_sent(session, fq_session_output(session).len);
    script_feed(session, HELLO_REPLY "$36\r\n" ID_A "\r\n");
    script_expect_event(session, FQ_SESSION_READY);
    assert_true(fq_session_output(session).len > 0);
    fq_session_free(session);
}

static void unanswered_requests_have_a_limit(void **state) {
    (void)state;
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.output_bytes_max = 100;
    fq_session *session = fq_session_new(&options);
    const fq_slice args[] = {script_slice("ECHO"), script_slice("0123456789012345678901234567890123456789")};
    assert_int_equal(fq_session_command(session, args, 2, true, 1), 0);
    assert_int_equal(fq_session_command(session, args, 2, true, 2), FQ_EFULL);
    assert_true(fq_session_error(session)[0] != '\0');
    fq_session_forget(session, 1);
    assert_int_equal(fq_session_command(session, args, 2, true, 2), 0);
    fq_session_free(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_connection_is_pinged),
        cmocka_unit_test(a_silent_peer_is_given_up),
        cmocka_unit_test(a_slow_peer_is_not),
        cmocka_unit_test(a_login_without_answer_is_given_up),
        cmocka_unit_test(pauses_grow_until_a_connection_is_good),
        cmocka_unit_test(a_refused_credential_ends_everything),
        cmocka_unit_test(a_busy_server_is_tried_again),
        cmocka_unit_test(unanswered_requests_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
