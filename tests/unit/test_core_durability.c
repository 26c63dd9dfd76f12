// SPDX-License-Identifier: Apache-2.0
// Nothing that a peer can see leaves before the records it rests on are durable.
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "00000000-0000-4000-8000-000000000001"

static struct core_fixture fixture;

static int open_core(void **state) {
    (void)state;
    core_fixture_init(&fixture);
    core_fixture_open(&fixture, true);
    return 0;
}

static int close_core(void **state) {
    (void)state;
    core_fixture_close(&fixture);
    return 0;
}

static void expect_next(struct core_peer *peer, const char *pattern) {
    char *answer = core_peer_next(peer);
    if (answer == NULL || !core_text_matches(pattern, answer))
        fail_msg("expected %s, got %s", pattern, answer != NULL ? answer : "nothing");
    free(answer);
}

static void expect_nothing(struct core_peer *peer) {
    char *answer = core_peer_next(peer);
    if (answer != NULL)
        fail_msg("%s was shown too early", answer);
}

static void a_writer_waits_for_its_sync(void **state) {
    (void)state;
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_line(peer, "FQ.SUBMIT mail x ID " ID);
    expect_nothing(peer);
    core_fixture_turn(&fixture);
    assert_true(fq_journal_last_seq(fixture.journal) > fq_journal_durable_seq(fixture.journal));
    expect_nothing(peer);
    for (int i = 0; i < 3; i++)
        core_fixture_turn(&fixture);
    expect_nothing(peer);
    core_fixture_sync(&fixture);
    expect_next(peer, "\"" ID "\"");
    core_peer_free(peer);
}

// Whoever reads a state that is not durable waits too; who asks for nothing of the engine does not.
static void a_reader_waits_for_what_it_saw(void **state) {
    (void)state;
    struct core_peer *writer = core_peer_connect(&fixture, NULL);
    struct core_peer *reader = core_peer_connect(&fixture, NULL);
    struct core_peer *pinger = core_peer_connect(&fixture, NULL);
    core_peer_line(writer, "FQ.SUBMIT mail x ID " ID);
    core_peer_line(reader, "FQ.STATUS " ID);
    core_peer_line(pinger, "PING");
    core_fixture_turn(&fixture);
    expect_nothing(writer);
    expect_nothing(reader);
    expect_next(pinger, "+PONG");
    core_fixture_sync(&fixture);
    expect_next(writer, "\"" ID "\"");
    expect_next(reader, "[*\"pending\"*");
    core_peer_line(reader, "FQ.STATUS " ID); // all is durable now: no wait
    core_fixture_turn(&fixture);
    expect_next(reader, "[*\"pending\"*");
    core_peer_free(writer);
    core_peer_free(reader);
    core_peer_free(pinger);
}

// While batch N is in flight, what is in N+1 waits for the next one.
static void each_reply_waits_for_its_own_batch(void **state) {
    (void)state;
    struct core_peer *first = core_peer_connect(&fixture, NULL);
    struct core_peer *second = core_peer_connect(&fixture, NULL);
    core_peer_line(first, "FQ.SUBMIT mail x");
    core_fixture_turn(&fixture);
    core_peer_line(second, "FQ.SUBMIT mail y");
    core_peer_line(first, "FQ.SUBMIT mail z");
    core_fixture_turn(&fixture);
    core_fixture_sync(&fixture);
    expect_next(first, "\"*\"");
    expect_nothing(first);
    expect_nothing(second);
    core_fixture_sync(&fixture);
    expect_next(second, "\"*\"");
    expect_next(first, "\"*\"");
    core_peer_free(first);
    core_peer_free(second);
}

static void a_hand_out_and_a_push_wait(void **state) {
    (void)state;
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    struct core_peer *watcher = core_peer_connect(&fixture, NULL);
    core_peer_expect(watcher, "HELLO 3", "{*}");
    core_peer_expect(watcher, "FQ.SUBMIT mail x ID " ID, "\"" ID "\"");
    core_peer_expect(watcher, "FQ.WATCH " ID, "[\"watching\"]");
    core_peer_line(worker, "FQ.FETCH TASKS mail");
    core_fixture_turn(&fixture);
    expect_nothing(worker);
    core_fixture_sync(&fixture);
    char *grant = core_peer_next(worker);
    assert_non_null(grant);
    char line[200];
    unsigned long long token;
    assert_int_equal(sscanf(strstr(grant, "\"token\", \"") + 10, "%llu", &token), 1);
    free(grant);
    snprintf(line, sizeof line, "FQ.COMPLETE " ID " %llu done", token);
    core_peer_line(worker, line);
    core_fixture_turn(&fixture);
    expect_nothing(worker);
    expect_nothing(watcher);
    core_fixture_sync(&fixture);
    expect_next(worker, "+OK");
    expect_next(watcher, ">[\"fq.result\", \"" ID "\", {*\"success\"*result: \"done\"*}]");
    core_peer_free(worker);
    core_peer_free(watcher);
}

// More turns in one sync than a connection has marks for: they merge, order and completeness stay.
static void many_turns_in_one_sync(void **state) {
    (void)state;
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    for (int i = 0; i < 50; i++) {
        char line[64];
        snprintf(line, sizeof line, "FQ.SUBMIT mail %d", i);
        core_peer_line(peer, line);
        snprintf(line, sizeof line, "ECHO %d", i);
        core_peer_line(peer, line);
        core_fixture_turn(&fixture);
    }
    for (int i = 0; i < 4; i++) {
        core_fixture_sync(&fixture);
        core_fixture_turn(&fixture);
    }
    for (int i = 0; i < 50; i++) {
        char echo[32];
        snprintf(echo, sizeof echo, "\"%d\"", i);
        expect_next(peer, "\"*-*-*\"");
        expect_next(peer, echo);
    }
    expect_nothing(peer);
    core_peer_free(peer);
}

static int fail_append(fq_storage *storage, const struct fq_storage_batch *batch, bool sync,
                       void (*on_durable)(void *context, int result), void *context) {
    (void)storage, (void)batch, (void)sync, (void)on_durable, (void)context;
    return FQ_EIO;
}

// A journal that fails takes every unreleased reply with it, and nothing more is accepted.
static void a_failed_journal_releases_nothing(void **state) {
    (void)state;
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    fixture.storage_ops.append = fail_append;
    core_peer_line(peer, "FQ.SUBMIT mail x");
    core_fixture_turn(&fixture);
    core_fixture_sync(&fixture);
    core_fixture_turn(&fixture);
    assert_true(fq_core_failed(fixture.core));
    expect_nothing(peer);
    core_peer_line(peer, "FQ.SUBMIT mail y");
    core_fixture_turn(&fixture);
    core_fixture_sync(&fixture);
    expect_nothing(peer);
    assert_int_equal(fq_connection_output(peer->connection).len, 0);
    core_peer_free(peer);
}

static void low_space_refuses_submits_only(void **state) {
    (void)state;
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "HELLO 3", "{*}");
    core_peer_expect(peer, "FQ.SUBMIT mail x ID " ID, "\"" ID "\"");
    fixture.submits_blocked = true;
    core_fixture_turn(&fixture);
    core_peer_expect(peer, "FQ.SUBMIT mail y", "-FULL journal space is low*completions are still accepted*");
    fixture.has_space = true; // then it is something else: nobody is sent to free some
    core_fixture_turn(&fixture);
    core_peer_expect(peer, "FQ.SUBMIT mail y", "-FULL the journal's next file cannot be made*try again");
    char *grant = core_peer_ask(peer, "FQ.FETCH TASKS mail");
    assert_non_null(grant);
    char line[200];
    unsigned long long token;
    assert_int_equal(sscanf(strstr(grant, "token: \"") + 8, "%llu", &token), 1);
    free(grant);
    snprintf(line, sizeof line, "FQ.COMPLETE " ID " %llu done", token);
    core_peer_expect(peer, line, "+OK");
    core_peer_expect(peer, "PING", "+PONG");
    core_peer_expect(peer, "INFO durability", "*submits_blocked:1*");
    fixture.submits_blocked = false;
    core_fixture_turn(&fixture);
    core_peer_expect(peer, "FQ.SUBMIT mail y", "\"*\"");
    core_peer_free(peer);
}

// Each live task keeps 512 bytes for its outcome. Submits end where those are used up, and go on once a fifth more is free.
static void submits_leave_room_for_outcomes(void **state) {
    (void)state;
    const char *full = "-FULL the journal's room is needed to finish the tasks already accepted*";
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "HELLO 3", "{*}");
    fixture.has_space = true;
    fixture.room_bytes = 3 * 512;
    core_fixture_turn(&fixture);
    core_peer_expect(peer, "FQ.SUBMIT mail x ID " ID, "\"" ID "\"");
    char *others[3];
    for (int i = 0; i < 3; i++)
        others[i] = core_peer_ask(peer, "FQ.SUBMIT mail x");
    core_peer_expect(peer, "FQ.SUBMIT mail y", full);
    core_peer_expect(peer, "FQ.CANCEL " ID, ":1"); // what ends a task goes on
    core_peer_expect(peer, "FQ.SUBMIT mail y", full);
    char line[100];
    assert_true(snprintf(line, sizeof line, "FQ.CANCEL %.36s", others[0] + 1) > 40);
    core_peer_expect(peer, line, ":1");
    core_peer_expect(peer, "FQ.SUBMIT mail y", "\"*\"");
    for (int i = 0; i < 3; i++)
        free(others[i]);
    core_peer_free(peer);
}

// Too much waits for the disk: commands wait in their connections, and go on when it has caught up.
static void a_slow_disk_holds_commands_back(void **state) {
    (void)state;
    enum { PAYLOAD = 1 << 20, TASKS = 30 };
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    char *payload = calloc(1, PAYLOAD);
    assert_non_null(payload);
    int fed = 0;
    for (; fed < TASKS && fq_connection_wants_read(peer->connection); fed++) {
        fq_str args[] = {
            FQ_STR("FQ.SUBMIT"), FQ_STR("mail"), {payload, PAYLOAD}
        };
        core_peer_request(peer, args, 3);
        core_fixture_turn(&fixture); // the first batch stays in flight
    }
    assert_in_range(fed, 16, TASKS - 1);
    assert_true(fq_journal_backlog_bytes(fixture.journal) > 16 << 20);
    for (int i = 0; i < 40; i++) {
        core_fixture_sync(&fixture);
        core_fixture_turn(&fixture);
    }
    assert_true(fq_connection_wants_read(peer->connection));
    int answers = 0;
    for (char *answer; (answer = core_peer_next(peer)) != NULL; answers++)
        free(answer);
    assert_int_equal(answers, fed);
    free(payload);
    core_peer_free(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_writer_waits_for_its_sync, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_reader_waits_for_what_it_saw, open_core, close_core),
        cmocka_unit_test_setup_teardown(each_reply_waits_for_its_own_batch, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_hand_out_and_a_push_wait, open_core, close_core),
        cmocka_unit_test_setup_teardown(many_turns_in_one_sync, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_failed_journal_releases_nothing, open_core, close_core),
        cmocka_unit_test_setup_teardown(low_space_refuses_submits_only, open_core, close_core),
        cmocka_unit_test_setup_teardown(submits_leave_room_for_outcomes, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_slow_disk_holds_commands_back, open_core, close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
