// SPDX-License-Identifier: Apache-2.0
// A session that meets a standby, and where its drivers go then.
#include "client/target.h"
#include "support/session_script.h"

#include <stdio.h>

#define STANDBY                                                                                              \
    "%4\r\n$6\r\nserver\r\n$9\r\nfastqueue\r\n$5\r\nproto\r\n:3\r\n$4\r\nrole\r\n$7\r\nreplica\r\n$"         \
    "6\r\nleader\r\n"

static int feed(fq_session *session, const char *bytes, int64_t now_us) {
    fq_slice slice = script_slice(bytes);
    return fq_session_feed(session, slice.ptr, slice.len, now_us);
}

static void it_names_the_leader_and_keeps_what_was_asked(void **state) {
    (void)state;
    fq_session *session = script_session();
    assert_null(fq_session_leader(session));
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID_A;
    char id[37];
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice("p"), &options, 1, id), 0);
    assert_int_equal(fq_session_connected(session, S), 0);
    fq_session_sent(session, fq_session_output(session).len);
    int result = feed(session, STANDBY "$7\r\nh2:5555\r\n", S);
    struct fq_session_event event;
    while (fq_session_next_event(session, &event) == 1)
        fail();
    if (result == 0)
        result = fq_session_tick(session, S);
    assert_int_equal(result, FQ_ENOTACTIVE);
    assert_string_equal(fq_session_leader(session), "h2:5555");
    assert_non_null(strstr(fq_session_error(session), "h2:5555"));
    fq_session_disconnected(session, S);
    assert_in_range(fq_session_reconnect_delay_us(session), 0, S);
    // The next one leads: the submit goes there under its id.
    assert_int_equal(fq_session_connected(session, 2 * S), 0);
    assert_null(fq_session_leader(session));
    fq_session_sent(session, fq_session_output(session).len);
    assert_int_equal(feed(session, HELLO_REPLY, 2 * S), 0);
    assert_int_equal(script_expect_event(session, FQ_SESSION_READY).type, FQ_SESSION_READY);
    fq_slice output = fq_session_output(session);
    assert_non_null(memmem(output.ptr, output.len, ID_A, strlen(ID_A)));
    fq_session_free(session);
}

static void a_leader_that_is_not_told_is_no_error(void **state) {
    (void)state;
    static const char *const leaders[] = {"$0\r\n\r\n", ":7\r\n", "_\r\n"};
    for (size_t i = 0; i < sizeof leaders / sizeof *leaders; i++) {
        fq_session *session = script_session();
        assert_int_equal(fq_session_connected(session, S), 0);
        char bytes[300];
        snprintf(bytes, sizeof bytes, "%s%s", STANDBY, leaders[i]);
        int result = feed(session, bytes, S);
        struct fq_session_event event;
        assert_true(fq_session_next_event(session, &event) <= 0);
        assert_int_equal(result == 0 ? fq_session_tick(session, S) : result, FQ_ENOTACTIVE);
        assert_string_equal(fq_session_leader(session), "");
        fq_session_free(session);
    }
}

static struct fq_target target_of(const char *addresses) {
    struct fq_target target;
    struct fq_target_options options = {.address = addresses};
    char error[200];
    assert_int_equal(fq_target_init(&target, &options, error, sizeof error), 0);
    return target;
}

static void the_named_address_comes_first(void **state) {
    (void)state;
    struct fq_target target = target_of("tcp://a:1,tcp://b:2,tcp://[::1]:3,unix:///run/x.sock,tcp://B:4");
    fq_target_follow(&target, "b:4");
    assert_int_equal(target.current, 4);
    fq_target_follow(&target, "[::1]:3");
    assert_int_equal(target.current, 2);
    fq_target_follow(&target, "b:2");
    assert_int_equal(target.current, 1);
    // Nobody that is known, or itself: the next one.
    fq_target_follow(&target, "elsewhere:9");
    assert_int_equal(target.current, 2);
    fq_target_follow(&target, "");
    assert_int_equal(target.current, 3);
    fq_target_follow(&target, "nonsense");
    assert_int_equal(target.current, 4);
    fq_target_follow(&target, "b:4");
    assert_int_equal(target.current, 0);
    fq_target_done(&target);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_names_the_leader_and_keeps_what_was_asked),
        cmocka_unit_test(a_leader_that_is_not_told_is_no_error),
        cmocka_unit_test(the_named_address_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
