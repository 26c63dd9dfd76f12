// SPDX-License-Identifier: Apache-2.0
// Many requests on one session: 10,000 submits whose tasks end in reverse order, with and without a lost connection, and
// ten thousand that share one tag.
#include "base/random.h"
#include "support/fake_peer.h"
#include "support/session_script.h"

#include <stdlib.h>

enum { COUNT = FAKE_TASKS_MAX };

struct crowd {
    fq_session *session;
    struct fake_peer *peer;
    unsigned submitted, results;
    unsigned char *seen; // 1 submitted, 2 and ended
    unsigned expected;   // number whose result comes next; counts down
    bool ordered;
};

static struct crowd crowd_new(void) {
    struct crowd crowd = {.session = script_session(), .peer = fake_peer_new(), .seen = calloc(COUNT, 1)};
    assert_non_null(crowd.seen);
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.want_result = true;
    for (unsigned i = 0; i < COUNT; i++) {
        char id[37], given[37];
        fake_peer_id(i, id);
        options.id = id;
        assert_int_equal(
            fq_session_submit(crowd.session, script_slice("t"), script_slice("{}"), &options, i, given), 0);
    }
    assert_int_equal(fq_session_connected(crowd.session, S), 0);
    return crowd;
}

static void crowd_free(struct crowd *crowd) {
    fq_session_free(crowd->session);
    fake_peer_free(crowd->peer);
    free(crowd->seen);
}

static void take_events(struct crowd *crowd) {
    struct fq_session_event event;
    while (fq_session_next_event(crowd->session, &event) == 1) {
        assert_int_equal(event.error, 0);
        if (event.type == FQ_SESSION_SUBMITTED) {
            assert_int_equal(crowd->seen[event.tag]++, 0);
            crowd->submitted++;
        } else if (event.type == FQ_SESSION_RESULT) {
            assert_int_equal(crowd->seen[event.tag]++, 1);
            crowd->results++;
            if (crowd->ordered)
                assert_int_equal(event.tag, --crowd->expected);
        }
    }
}

// Moves what there is, in pieces of up to 64 KiB, until nothing moves.
static void exchange(struct crowd *crowd) {
    for (bool moved = true; moved;) {
        fq_slice output = fq_session_output(crowd->session);
        fake_peer_feed(crowd->peer, output.ptr, output.len);
        fq_session_sent(crowd->session, output.len);
        moved = output.len > 0;
        while (fq_buf_len(&crowd->peer->out) > 0) {
            fq_str answers = fq_buf_str(&crowd->peer->out);
            size_t len = answers.len < 65536 ? answers.len : 65536;
            assert_int_equal(fq_session_feed(crowd->session, answers.ptr, len, S), 0);
            fq_buf_consume(&crowd->peer->out, len);
            take_events(crowd);
            moved = true;
        }
    }
}

static void ten_thousand_end_in_reverse_order(void **state) {
    (void)state;
    struct crowd crowd = crowd_new();
    exchange(&crowd);
    assert_int_equal(crowd.submitted, COUNT);
    assert_int_equal(crowd.results, 0);
    assert_true(crowd.peer->watch_count <= COUNT / 100); // watches travel together
    crowd.expected = COUNT;
    crowd.ordered = true;
    for (unsigned i = COUNT; i-- > 0;)
        fake_peer_finish(crowd.peer, i);
    exchange(&crowd);
    assert_int_equal(crowd.results, COUNT);
    assert_int_equal(crowd.peer->task_count, COUNT);
    crowd_free(&crowd);
}

static void a_lost_connection_loses_none_of_them(void **state) {
    (void)state;
    fq_random random;
    fq_random_seed(&random, 1);
    for (int round = 0; round < 20; round++) {
        struct crowd crowd = crowd_new();
        size_t until = (size_t)fq_random_below(&random, 2000000);
        crowd.peer->finish_at_watch = round % 2 == 0;
        for (size_t moved = 0; moved < until;) {
            fq_slice output = fq_session_output(crowd.session);
            size_t len = output.len < 5000 ? output.len : 5000;
            fake_peer_feed(crowd.peer, output.ptr, len);
            fq_session_sent(crowd.session, len);
            fq_str answers = fq_buf_str(&crowd.peer->out);
            size_t back = answers.len < 4000 ? answers.len : 4000;
            assert_int_equal(fq_session_feed(crowd.session, answers.ptr, back, S), 0);
            fq_buf_consume(&crowd.peer->out, back);
            take_events(&crowd);
            if (len + back == 0)
                break;
            moved += len + back;
        }
        fq_session_disconnected(crowd.session, S);
        take_events(&crowd);
        fake_peer_connection(crowd.peer);
        assert_int_equal(fq_session_connected(crowd.session, S), 0);
        crowd.peer->finish_at_watch = true;
        exchange(&crowd);
        for (unsigned i = 0; i < COUNT; i++)
            fake_peer_finish(crowd.peer, i);
        exchange(&crowd);
        assert_int_equal(crowd.submitted, COUNT);
        assert_int_equal(crowd.results, COUNT);
        assert_int_equal(crowd.peer->task_count, COUNT);
        crowd_free(&crowd);
    }
}

static void one_tag_may_serve_for_all(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice ping[] = {script_slice("ECHO"), script_slice("x")};
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(fq_session_command(session, ping, 2, true, 5), 0);
    assert_int_equal(fq_session_command(session, ping, 2, true, 6), 0);
    fq_session_forget(session, 5);
    script_expect_output(session, "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n");
    script_feed(session, "$1\r\nx\r\n");
    assert_int_equal(script_expect_event(session, FQ_SESSION_REPLY).tag, 6);
    fq_session_free(session);
}

// However much is asked at once, only so much is on its way: the rest waits for answers.
static void not_all_is_sent_at_once(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice ping[] = {script_slice("PING")};
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(fq_session_command(session, ping, 1, true, (uint64_t)i), 0);
    size_t each = strlen("*1\r\n$4\r\nPING\r\n");
    fq_slice output = fq_session_output(session);
    size_t sent = output.len / each;
    assert_in_range(sent, 1000, COUNT - 1);
    fq_session_sent(session, output.len);
    assert_int_equal(fq_session_output(session).len, 0);
    script_feed(session, "+PONG\r\n");
    assert_int_equal(script_expect_event(session, FQ_SESSION_REPLY).tag, 0);
    assert_int_equal(fq_session_output(session).len, each);
    fq_session_free(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_end_in_reverse_order),
        cmocka_unit_test(a_lost_connection_loses_none_of_them),
        cmocka_unit_test(one_tag_may_serve_for_all),
        cmocka_unit_test(not_all_is_sent_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
