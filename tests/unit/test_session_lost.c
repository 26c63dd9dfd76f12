// SPDX-License-Identifier: Apache-2.0
// A session whose connection is cut after every single byte of a script, in either direction: no task is lost or doubled,
// no event is missing or comes twice, nothing that must not be repeated is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/session.h"
#include "support/fake_peer.h"

#include <string.h>

enum { TASKS = 4, TAG_COUNT = 50, TAG_STATUS = 51, TAG_WATCH = 60, ENDLESS = 1 << 30 };

struct world {
    fq_session *session;
    struct fake_peer *peer;
    int64_t now_us;
    int up_left, down_left; // bytes until the connection is cut
    int submitted[TASKS], results[TASKS], watched;
    int counted, count_error, status_replies;
};

static fq_session *session_new(void) {
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.seed = 5;
    return fq_session_new(&options);
}

static fq_slice slice(const char *text) {
    return (fq_slice){text, strlen(text)};
}

static void ask(struct world *world) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.want_result = true;
    for (unsigned i = 0; i < TASKS; i++) {
        char id[37], given[37];
        fake_peer_id(i, id);
        options.id = id;
        assert_int_equal(fq_session_submit(world->session, slice("t"), slice("{}"), &options, i, given), 0);
    }
    const fq_slice count[] = {slice("COUNT")};
    assert_int_equal(fq_session_command(world->session, count, 1, false, TAG_COUNT), 0);
    char id[37];
    fake_peer_id(0, id);
    const fq_slice status[] = {slice("FQ.STATUS"), slice(id)};
    assert_int_equal(fq_session_command(world->session, status, 2, true, TAG_STATUS), 0);
    assert_int_equal(fq_session_watch(world->session, id, TAG_WATCH), 0);
}

static void note_submitted(struct world *world, const struct fq_session_event *event) {
    assert_int_equal(event->error, 0);
    assert_true(event->tag < TASKS);
    assert_int_equal(world->submitted[event->tag]++, 0);
    char id[37];
    fake_peer_id((unsigned)event->tag, id);
    assert_string_equal(event->id, id);
}

static void note_result(struct world *world, const struct fq_session_event *event) {
    assert_int_equal(event->error, 0);
    assert_memory_equal(event->result.result.ptr, "r", 1);
    if (event->tag == TAG_WATCH) {
        assert_int_equal(world->watched++, 0);
        return;
    }
    assert_true(event->tag < TASKS);
    assert_int_equal(world->submitted[event->tag], 1); // its submission is told first
    assert_int_equal(world->results[event->tag]++, 0);
}

static void note_reply(struct world *world, const struct fq_session_event *event) {
    if (event->tag == TAG_COUNT) {
        world->counted++;
        world->count_error = event->error;
        assert_true(event->error == 0 || event->error == FQ_EDISCONNECTED);
    } else {
        assert_int_equal(event->tag, TAG_STATUS);
        assert_int_equal(event->error, 0);
        world->status_replies++;
    }
}

static void take_events(struct world *world) {
    struct fq_session_event event;
    while (fq_session_next_event(world->session, &event) == 1) {
        switch (event.type) {
        case FQ_SESSION_SUBMITTED: note_submitted(world, &event); break;
        case FQ_SESSION_RESULT: note_result(world, &event); break;
        case FQ_SESSION_REPLY: note_reply(world, &event); break;
        default: break;
        }
    }
}

// Moves one byte in each direction. False when the connection is to be cut, or nothing moved.
static bool move(struct world *world, bool *ret_cut) {
    bool moved = false;
    *ret_cut = false;
    fq_slice output = fq_session_output(world->session);
    if (output.len > 0) {
        if (world->up_left-- == 0)
            return *ret_cut = true, false;
        fake_peer_feed(world->peer, output.ptr, 1);
        fq_session_sent(world->session, 1);
        moved = true;
    }
    if (fq_buf_len(&world->peer->out) > 0) {
        if (world->down_left-- == 0)
            return *ret_cut = true, false;
        char byte = fq_buf_str(&world->peer->out).ptr[0];
        fq_buf_consume(&world->peer->out, 1);
        assert_int_equal(fq_session_feed(world->session, &byte, 1, world->now_us), 0);
        moved = true;
    }
    return moved;
}

// Runs until nothing moves any more; how many times the connection was cut.
static int run(struct world *world) {
    int cuts = 0;
    for (;;) {
        bool cut;
        fake_peer_connection(world->peer);
        assert_int_equal(fq_session_connected(world->session, world->now_us), 0);
        while (move(world, &cut))
            take_events(world);
        if (!cut)
            return cuts;
        cuts++;
        world->now_us += 1000000;
        fq_session_disconnected(world->session, world->now_us);
        take_events(world);
        world->up_left = ENDLESS;
        world->down_left = ENDLESS;
    }
}

static void expect_all_done(const struct world *world) {
    for (int i = 0; i < TASKS; i++) {
        assert_int_equal(world->submitted[i], 1);
        assert_int_equal(world->results[i], 1);
    }
    assert_int_equal(world->peer->task_count, TASKS);
    assert_int_equal(world->watched, 1);
    assert_int_equal(world->counted, 1);
    assert_int_equal(world->status_replies, 1);
    assert_true(world->peer->count_commands <= 1);
    if (world->count_error == 0)
        assert_int_equal(world->peer->count_commands, 1);
}

// True when the cut came before the script was over.
static bool scenario(int up, int down, bool push_first) {
    struct world world = {
        .session = session_new(), .peer = fake_peer_new(), .now_us = 1, .up_left = up, .down_left = down};
    world.peer->finish_at_watch = true;
    world.peer->push_first = push_first;
    ask(&world);
    int cuts = run(&world);
    expect_all_done(&world);
    if (cuts == 0)
        assert_int_equal(world.count_error, 0);
    fq_session_free(world.session);
    fake_peer_free(world.peer);
    return cuts > 0;
}

static void cut_at_every_byte_up(void **state) {
    (void)state;
    int at = 0;
    while (scenario(at, ENDLESS, false))
        at++;
    assert_true(at > 500);
}

static void cut_at_every_byte_down(void **state) {
    (void)state;
    int at = 0;
    while (scenario(ENDLESS, at, false))
        at++;
    assert_true(at > 500);
}

static void cut_at_every_byte_with_results_that_overtake(void **state) {
    (void)state;
    int at = 0;
    while (scenario(ENDLESS, at, true))
        at++;
    assert_true(at > 500);
}

// Replies that were fed before the cut count, even if their events are taken behind it.
static void events_survive_the_disconnect(void **state) {
    (void)state;
    struct world world = {.session = session_new(), .peer = fake_peer_new(), .now_us = 1};
    ask(&world);
    assert_int_equal(fq_session_connected(world.session, 1), 0);
    for (int i = 0; i < 3; i++) {
        fq_slice output = fq_session_output(world.session);
        fake_peer_feed(world.peer, output.ptr, output.len);
        fq_session_sent(world.session, output.len);
        fq_str answers = fq_buf_str(&world.peer->out);
        assert_int_equal(fq_session_feed(world.session, answers.ptr, answers.len, 1), 0);
        fq_buf_clear(&world.peer->out);
    }
    fq_session_disconnected(world.session, 2);
    take_events(&world);
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(world.submitted[i], 1);
    assert_int_equal(world.counted, 1);
    assert_int_equal(world.count_error, 0);
    world.up_left = world.down_left = ENDLESS;
    world.peer->finish_at_watch = true;
    assert_int_equal(run(&world), 0);
    expect_all_done(&world);
    assert_int_equal(world.peer->submit_count, TASKS);
    fq_session_free(world.session);
    fake_peer_free(world.peer);
}

// A command of which the transport did not take the last byte cannot have been executed.
static void what_was_not_sent_waits(void **state) {
    (void)state;
    struct world world = {.session = session_new(),
                          .peer = fake_peer_new(),
                          .now_us = 1,
                          .up_left = ENDLESS,
                          .down_left = ENDLESS};
    assert_int_equal(run(&world), 0);
    const fq_slice count[] = {slice("COUNT")};
    assert_int_equal(fq_session_command(world.session, count, 1, false, TAG_COUNT), 0);
    fq_slice output = fq_session_output(world.session);
    fq_session_sent(world.session, output.len - 1);
    fq_session_disconnected(world.session, 2);
    take_events(&world);
    assert_int_equal(world.counted, 0);
    assert_int_equal(run(&world), 0);
    assert_int_equal(world.counted, 1);
    assert_int_equal(world.count_error, 0);
    assert_int_equal(world.peer->count_commands, 1);
    fq_session_free(world.session);
    fake_peer_free(world.peer);
}

// What cannot be repeated ends with the connection, not with the next one.
static void what_was_sent_ends_at_once(void **state) {
    (void)state;
    struct world world = {.session = session_new(),
                          .peer = fake_peer_new(),
                          .now_us = 1,
                          .up_left = ENDLESS,
                          .down_left = ENDLESS};
    assert_int_equal(run(&world), 0);
    const fq_slice count[] = {slice("COUNT")};
    assert_int_equal(fq_session_command(world.session, count, 1, false, TAG_COUNT), 0);
    fq_session_sent(world.session, fq_session_output(world.session).len);
    fq_session_disconnected(world.session, 2);
    take_events(&world);
    assert_int_equal(world.counted, 1);
    assert_int_equal(world.count_error, FQ_EDISCONNECTED);
    fq_session_free(world.session);
    fake_peer_free(world.peer);
}

// A driver that connects again before it took all events gets what it missed once more.
static void results_not_taken_come_again(void **state) {
    (void)state;
    struct world world = {.session = session_new(),
                          .peer = fake_peer_new(),
                          .now_us = 1,
                          .up_left = ENDLESS,
                          .down_left = ENDLESS};
    assert_int_equal(run(&world), 0);
    world.peer->known[0] = true;
    char id[37];
    fake_peer_id(0, id);
    assert_int_equal(fq_session_watch(world.session, id, 1), 0);
    assert_int_equal(fq_session_watch(world.session, id, 2), 0);
    world.peer->finish_at_watch = true;
    fq_slice output = fq_session_output(world.session);
    fake_peer_feed(world.peer, output.ptr, output.len);
    fq_session_sent(world.session, output.len);
    fq_str answers = fq_buf_str(&world.peer->out);
    assert_int_equal(fq_session_feed(world.session, answers.ptr, answers.len, 1), 0);
    struct fq_session_event event;
    assert_int_equal(fq_session_next_event(world.session, &event), 1);
    assert_int_equal(event.type, FQ_SESSION_RESULT);
    uint64_t first = event.tag;
    fq_session_disconnected(world.session, 2);
    fake_peer_connection(world.peer);
    assert_int_equal(fq_session_connected(world.session, 2), 0);
    bool cut;
    while (move(&world, &cut))
        continue;
    int results = 0;
    while (fq_session_next_event(world.session, &event) == 1) {
        results += event.type == FQ_SESSION_RESULT;
        assert_true(event.type != FQ_SESSION_RESULT || event.tag == 3 - first);
    }
    assert_int_equal(results, 1);
    fq_session_free(world.session);
    fake_peer_free(world.peer);
}

// A driver that says "connected" without having said that the connection before is gone.
static void connected_again_is_a_new_connection(void **state) {
    (void)state;
    fq_session *session = session_new();
    struct fake_peer *peer = fake_peer_new();
    struct fq_session_event event;
    assert_int_equal(fq_session_connected(session, 1), 0);
    fq_slice output = fq_session_output(session);
    fake_peer_feed(peer, output.ptr, output.len);
    fq_session_sent(session, output.len);
    fq_str answers = fq_buf_str(&peer->out);
    assert_int_equal(fq_session_feed(session, answers.ptr, answers.len, 1), 0);
    assert_true(fq_session_is_ready(session));
    assert_int_equal(fq_session_connected(session, 2), 0);
    assert_false(fq_session_is_ready(session));
    while (fq_session_next_event(session, &event) == 1)
        continue;
    assert_true(fq_session_output(session).len > 0); // logs in anew
    fq_session_free(session);
    fake_peer_free(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connected_again_is_a_new_connection),
        cmocka_unit_test(cut_at_every_byte_up),
        cmocka_unit_test(cut_at_every_byte_down),
        cmocka_unit_test(cut_at_every_byte_with_results_that_overtake),
        cmocka_unit_test(events_survive_the_disconnect),
        cmocka_unit_test(what_was_not_sent_waits),
        cmocka_unit_test(what_was_sent_ends_at_once),
        cmocka_unit_test(results_not_taken_come_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
