// SPDX-License-Identifier: Apache-2.0
// FETCH where there is much to step over.
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct core_fixture fixture;

static int open_core(void **state) {
    (void)state;
    core_fixture_init(&fixture);
    core_fixture_open(&fixture, false);
    return 0;
}

static int close_core(void **state) {
    (void)state;
    core_fixture_close(&fixture);
    return 0;
}

static void submit_expiring(struct core_peer *client, int count) {
    for (int i = 0; i < count; i++) {
        core_peer_line(client, "FQ.SUBMIT mail x PRIORITY critical EXPIRES 1000");
        if (i % 1000 == 999)
            core_fixture_turn(&fixture);
    }
    core_fixture_turn(&fixture);
    for (int i = 0; i < count; i++)
        free(core_peer_next(client));
}

// More tasks have expired at one moment than a fetch steps over: the good one behind them is still handed out.
static void a_blocked_fetch_reaches_what_is_behind_expired_tasks(void **state) {
    (void)state;
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    submit_expiring(client, 9000);
    free(core_peer_ask(client, "FQ.SUBMIT mail good PRIORITY low"));
    fixture.now.boot_us += 2 * FQ_US_PER_S;
    fixture.now.wall_us += 2 * FQ_US_PER_S;
    core_peer_line(worker, "FQ.FETCH TASKS mail BLOCK 60000");
    char *answer = NULL;
    for (int turns = 0; turns < 10 && answer == NULL; turns++) {
        core_fixture_turn(&fixture);
        answer = core_peer_next(worker);
    }
    assert_non_null(answer);
    assert_true(core_text_matches("*\"good\"*", answer));
    free(answer);
    core_peer_free(worker);
    core_peer_free(client);
}

// One request of TASKS with many names.
static void wait_for_names(struct core_peer *peer, const char *worker, const char *prefix, int count) {
    enum { MOST = 60000 };
    static char texts[MOST][24];
    static fq_str args[MOST + 8];
    size_t used = 0;
    args[used++] = FQ_STR("FQ.FETCH");
    if (worker != NULL) {
        args[used++] = FQ_STR("WORKER");
        args[used++] = fq_str_of(worker);
    }
    args[used++] = FQ_STR("BLOCK");
    args[used++] = FQ_STR("60000");
    args[used++] = FQ_STR("TASKS");
    for (int i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%s%d", prefix, i);
        args[used++] = fq_str_of(texts[i]);
    }
    core_peer_request(peer, args, used);
    core_fixture_turn(&fixture);
}

static uint64_t blocked(void) {
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    return stats.blocked_fetches;
}

// What all waits hold together has a limit; it is free again when they end.
static void names_waited_for_are_limited(void **state) {
    (void)state;
    enum { PEERS = 18, NAMES = 60000 };
    struct core_peer *peers[PEERS];
    for (int i = 0; i < PEERS; i++) {
        peers[i] = core_peer_connect(&fixture, NULL);
        wait_for_names(peers[i], NULL, "n", NAMES);
    }
    assert_int_equal(blocked(), PEERS - 1);
    char *answer = core_peer_next(peers[PEERS - 1]);
    assert_non_null(answer);
    assert_true(core_text_matches("-BUSY fetches that wait name * tasks together*", answer));
    free(answer);
    core_peer_expect(peers[0], "PING", "[]"); // ends the wait
    wait_for_names(peers[PEERS - 1], NULL, "n", NAMES);
    assert_int_equal(blocked(), PEERS - 1);
    for (int i = 0; i < PEERS; i++)
        core_peer_free(peers[i]);
}

// A registered worker that names more than it registered waits for what it registered.
static void a_registered_worker_waits_for_its_own_names(void **state) {
    (void)state;
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    core_peer_expect(worker, "FQ.REGISTER w TASKS n7 n70", "[*]");
    wait_for_names(worker, "w", "n", 100);
    free(core_peer_ask(client, "FQ.SUBMIT n8 other"));
    core_fixture_turn(&fixture);
    assert_null(core_peer_next(worker));
    free(core_peer_ask(client, "FQ.SUBMIT n70 mine"));
    core_fixture_turn(&fixture);
    char *answer = core_peer_next(worker);
    assert_non_null(answer);
    assert_true(core_text_matches("*\"mine\"*", answer));
    free(answer);
    core_peer_free(worker);
    core_peer_free(client);
}

static void expect_task(struct core_peer *peer, const char *pattern) {
    char *answer = core_peer_next(peer);
    assert_non_null(answer);
    if (!core_text_matches(pattern, answer))
        fail_msg("%s is not %s", answer, pattern);
    free(answer);
}

// Who takes a task gives up the place in other lines, and who is next there has waited shorter.
static void places_in_several_lines_are_given_up(void **state) {
    (void)state;
    struct core_peer *peers[4];
    static const char *const waits[] = {"FQ.FETCH TASKS a b BLOCK 60000", "FQ.FETCH TASKS b c BLOCK 60000",
                                        "FQ.FETCH TASKS b BLOCK 60000", "FQ.FETCH TASKS a c BLOCK 60000"};
    for (int i = 0; i < 4; i++) {
        peers[i] = core_peer_connect(&fixture, NULL);
        core_peer_line(peers[i], waits[i]);
        core_fixture_turn(&fixture);
    }
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    static const char *const names[] = {"c", "b", "a", "b"};
    for (int i = 0; i < 4; i++) {
        char line[64];
        snprintf(line, sizeof line, "FQ.SUBMIT %s %d", names[i], i);
        core_peer_line(client, line);
    }
    core_fixture_turn(&fixture);
    expect_task(peers[0], "*\"payload\", \"1\"*"); // the older of its two names
    expect_task(peers[1], "*\"payload\", \"0\"*");
    expect_task(peers[2], "*\"payload\", \"3\"*");
    expect_task(peers[3], "*\"payload\", \"2\"*");
    for (int i = 0; i < 4; i++)
        core_peer_free(peers[i]);
    core_peer_free(client);
}

// As many lines as waiters, all with something in them at once.
static void many_lines_are_served_in_one_turn(void **state) {
    (void)state;
    enum { LINES = 3000 };
    static struct core_peer *peers[LINES];
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    char line[64];
    for (int i = 0; i < LINES; i++) {
        peers[i] = core_peer_connect(&fixture, NULL);
        snprintf(line, sizeof line, "FQ.FETCH TASKS n%d BLOCK 60000", i);
        core_peer_line(peers[i], line);
    }
    core_fixture_turn(&fixture);
    for (int i = LINES - 1; i >= 0; i--) {
        snprintf(line, sizeof line, "FQ.SUBMIT n%d x", i);
        core_peer_line(client, line);
    }
    core_fixture_turn(&fixture);
    for (int i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "*\"name\", \"n%d\"*", i);
        expect_task(peers[i], line);
        core_peer_free(peers[i]);
    }
    assert_int_equal(blocked(), 0);
    core_peer_free(client);
}

static void workers_of_one_connection_are_limited(void **state) {
    (void)state;
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    char line[64];
    for (int i = 0; i < 1024; i++) {
        snprintf(line, sizeof line, "FQ.REGISTER w%d TASKS mail", i);
        core_peer_expect(peer, line, "[*]");
    }
    core_peer_expect(peer, "FQ.REGISTER more TASKS mail", "-BUSY this connection registered 1024 workers*");
    core_peer_expect(peer, "FQ.REGISTER w0 TASKS mail sms", "[*]");
    core_peer_expect(peer, "FQ.UNREGISTER w0", "+OK");
    core_peer_expect(peer, "FQ.REGISTER more TASKS mail", "[*]");
    core_peer_free(peer);
}

// What is said in front of a wait may be kept for its end; nothing else may, and the end of a wait leaves first.
static void only_what_is_in_front_of_a_wait_awaits_more(void **state) {
    (void)state;
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    core_peer_line(worker, "PING");
    fq_core_turn(fixture.core, fixture.now);
    assert_false(fq_connection_awaits_more(worker->connection));
    core_peer_line(worker, "FQ.FETCH TASKS mail BLOCK 60000");
    assert_true(fq_connection_awaits_more(worker->connection));
    core_peer_take(worker);
    assert_false(fq_connection_awaits_more(worker->connection)); // there is nothing that could be kept
    while (fq_core_next_ready(fixture.core) != NULL)
        continue;
    core_peer_line(client, "FQ.SUBMIT mail x");
    fq_core_turn(fixture.core, fixture.now);
    assert_ptr_equal(fq_core_next_ready(fixture.core), worker->connection);
    assert_ptr_equal(fq_core_next_ready(fixture.core), client->connection);
    assert_false(fq_connection_awaits_more(worker->connection));
    core_peer_free(worker);
    core_peer_free(client);
}

// A wait behind more replies than a write is worth keeps none of them.
static void many_replies_are_not_kept(void **state) {
    (void)state;
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    for (int i = 0; i < 74; i++)
        core_peer_line(worker, "PING"); // +PONG\r\n: 518 bytes
    core_peer_line(worker, "FQ.FETCH TASKS mail BLOCK 60000");
    fq_core_turn(fixture.core, fixture.now);
    assert_false(fq_connection_awaits_more(worker->connection));
    core_peer_free(worker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_waited_for_are_limited, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_registered_worker_waits_for_its_own_names, open_core, close_core),
        cmocka_unit_test_setup_teardown(places_in_several_lines_are_given_up, open_core, close_core),
        cmocka_unit_test_setup_teardown(many_lines_are_served_in_one_turn, open_core, close_core),
        cmocka_unit_test_setup_teardown(workers_of_one_connection_are_limited, open_core, close_core),
        cmocka_unit_test_setup_teardown(only_what_is_in_front_of_a_wait_awaits_more, open_core, close_core),
        cmocka_unit_test_setup_teardown(many_replies_are_not_kept, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_blocked_fetch_reaches_what_is_behind_expired_tasks, open_core,
                                        close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
