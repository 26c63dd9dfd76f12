// SPDX-License-Identifier: Apache-2.0
// What a peer may not do: too much, too large, too early, without reading, without end.
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct core_fixture fixture;

static int prepare(void **state) {
    (void)state;
    core_fixture_init(&fixture);
    return 0;
}

static int close_core(void **state) {
    (void)state;
    core_fixture_close(&fixture);
    return 0;
}

static void with_a_token(void) {
    fixture.credentials = fq_credentials_new();
    assert_non_null(fixture.credentials);
    assert_int_equal(
        fq_credentials_add_token(fixture.credentials, FQ_STR("default"), FQ_ROLE_ALL, FQ_STR("secret")), 0);
}

// All that the peer has got, as one text of raw RESP.
static void expect_raw(struct core_peer *peer, const char *pattern) {
    assert_int_equal(fq_buf_append_byte(&peer->received, '\0'), 0);
    const char *text = peer->received.data + peer->received.begin;
    if (!core_text_matches(pattern, text))
        fail_msg("expected %s, got %s", pattern, text);
}

static void nothing_behind_an_error_is_executed(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *reply;
    } cases[] = {
        {"*1\r\n$x\r\n",                                         "-PROTOCOL *\r\n"       },
        {"PING\r\n",                                             "-PROTOCOL *inline*\r\n"},
        {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",                    "-PROTOCOL *HTTP*\r\n"  },
        {"*3\r\n$9\r\nFQ.SUBMIT\r\n$4\r\nmail\r\n$67108864\r\n", "-TOOBIG *\r\n"         },
        {"*1000000\r\n",                                         "-TOOBIG *\r\n"         },
    };
    core_fixture_open(&fixture, true);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct core_peer *peer = core_peer_connect(&fixture, NULL);
        fq_buf bytes = {0};
        assert_int_equal(fq_buf_append_str(&bytes, fq_str_of(cases[i].bytes)), 0);
        for (int k = 0; k < 100; k++)
            assert_int_equal(fq_buf_append_str(&bytes, FQ_STR("*1\r\n$4\r\nPING\r\n")), 0);
        core_peer_feed(peer, fq_buf_str(&bytes));
        fq_buf_done(&bytes);
        assert_true(peer->feed_result < 0);
        core_fixture_turn(&fixture);
        core_fixture_sync(&fixture);
        expect_raw(peer, cases[i].reply);
        assert_true(peer->was_cut);
        core_peer_free(peer);
    }
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.protocol_errors_total, sizeof cases / sizeof cases[0]);
    assert_int_equal(stats.commands_total, 0);
}

static void unusable_trace_contexts_cost_no_task_and_are_counted(void **state) {
    (void)state;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "FQ.SUBMIT mail x TRACESTATE \"a=\\x01\" TRACEPARENT \"\\x7f\"", "\"*\"");
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.headers_ignored_total, 2);
    assert_int_equal(stats.command_errors_total, 0);
    core_peer_free(peer);
}

// A reply that was given before the broken request still arrives.
static void what_came_before_the_error_is_answered(void **state) {
    (void)state;
    core_fixture_open(&fixture, true);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_feed(peer, FQ_STR("*3\r\n$9\r\nFQ.SUBMIT\r\n$1\r\nx\r\n$1\r\ny\r\n*1\r\n:1\r\n"));
    core_fixture_turn(&fixture);
    assert_false(peer->was_cut);
    core_fixture_sync(&fixture);
    expect_raw(peer, "$36\r\n*-*\r\n-PROTOCOL *\r\n");
    assert_true(peer->was_cut);
    core_peer_free(peer);
}

static void a_payload_has_its_own_limit(void **state) {
    (void)state;
    fixture.options.payload_bytes_max = 10;
    fixture.options.result_bytes_max = 20;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "FQ.SUBMIT mail 0123456789", "\"*\"");
    core_peer_expect(peer, "FQ.SUBMIT mail 0123456789a",
                     "-TOOBIG the payload has 11 bytes; at most 10 are taken");
    core_peer_expect(peer, "PING", "+PONG");
    core_peer_free(peer);
}

static void before_login_little_is_taken(void **state) {
    (void)state;
    with_a_token();
    core_fixture_open(&fixture, false);
    static const char *const too_much[] = {"*10\r\n", "*2\r\n$4\r\nAUTH\r\n$513\r\n"};
    for (size_t i = 0; i < 2; i++) {
        struct core_peer *peer = core_peer_connect(&fixture, NULL);
        core_peer_feed(peer, fq_str_of(too_much[i]));
        core_fixture_turn(&fixture);
        expect_raw(peer, "-TOOBIG *\r\n");
        assert_true(peer->was_cut);
        core_peer_free(peer);
    }
    // one command at a time: the second waits until the first one's reply was taken
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    peer->is_deaf = true;
    for (int i = 0; i < 1000; i++)
        core_peer_feed(peer, FQ_STR("*1\r\n$4\r\nPING\r\n"));
    core_fixture_turn(&fixture);
    assert_in_range(fq_connection_output(peer->connection).len, 1, 100);
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.command_errors_total, 1);
    core_peer_free(peer);
}

static void connections_are_limited(void **state) {
    (void)state;
    fixture.options.connection_max = 3;
    core_fixture_open(&fixture, false);
    struct core_peer *peers[3];
    const char *refusal = NULL;
    for (int i = 0; i < 3; i++) {
        peers[i] = core_peer_connect(&fixture, &refusal);
        assert_non_null(peers[i]);
    }
    assert_null(core_peer_connect(&fixture, &refusal));
    assert_true(core_text_matches("-BUSY *connections*\r\n", refusal));
    core_peer_free(peers[0]);
    peers[0] = core_peer_connect(&fixture, &refusal);
    assert_non_null(peers[0]);
    for (int i = 0; i < 3; i++)
        core_peer_free(peers[i]);
}

// Replies that are not taken hold the next commands back; nothing is lost when the peer reads again.
static void a_full_pipeline_waits(void **state) {
    (void)state;
    fixture.options.pipeline_max = 10;
    core_fixture_open(&fixture, true);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    peer->is_deaf = true;
    for (int i = 0; i < 25; i++)
        core_peer_line(peer, "PING");
    core_fixture_turn(&fixture);
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.commands_total, 10);
    peer->is_deaf = false;
    core_peer_take(peer);
    core_fixture_advance(&fixture, 1);
    int answers = 0;
    for (char *answer; (answer = core_peer_next(peer)) != NULL; answers++) {
        assert_string_equal(answer, "+PONG");
        free(answer);
    }
    assert_int_equal(answers, 25);
    core_peer_free(peer);
}

// A peer that never reads: held at the soft limit, its reading stops, and after ten seconds it is cut.
static void a_deaf_peer_is_held_then_cut(void **state) {
    (void)state;
    fixture.options.output_bytes_max = 400000;
    core_fixture_open(&fixture, true);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    peer->is_deaf = true;
    char text[1000];
    memset(text, 'x', sizeof text);
    int fed = 0;
    for (; fed < 2000 && fq_connection_wants_read(peer->connection); fed++) {
        fq_str args[] = {
            FQ_STR("ECHO"), {text, sizeof text}
        };
        core_peer_request(peer, args, 2);
        core_fixture_turn(&fixture);
    }
    assert_in_range(fed, 100, 200); // the soft limit, and what a held connection may still send
    assert_in_range(fq_connection_output(peer->connection).len, 100000, 110000);
    core_fixture_advance(&fixture, 9000);
    assert_false(peer->was_cut);
    // a byte taken is progress
    fq_connection_sent(peer->connection, 1);
    core_fixture_advance(&fixture, 9000);
    assert_false(peer->was_cut);
    core_fixture_advance(&fixture, 2000);
    assert_true(peer->was_cut);
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.connections_cut_total, 1);
    core_peer_free(peer);
}

// Unfinished requests of many peers: above the bound that all share, the one that holds most makes room.
static void memory_of_all_is_bounded(void **state) {
    (void)state;
    enum { PEERS = 5, KIB = 1024 };
    fixture.options.client_bytes_max = 1500 * KIB;
    core_fixture_open(&fixture, false);
    struct core_peer *peers[PEERS];
    char *text = calloc(1, 600 * KIB);
    assert_non_null(text);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = core_peer_connect(&fixture, NULL);
        core_peer_feed(peers[i], FQ_STR("*3\r\n$9\r\nFQ.SUBMIT\r\n$4\r\nmail\r\n$1000000\r\n"));
        core_peer_feed(peers[i], (fq_str){text, (size_t)(i == 1 ? 600 : 200) * KIB});
    }
    core_fixture_turn(&fixture);
    for (int i = 0; i < PEERS; i++)
        assert_int_equal(peers[i]->was_cut, i == 1);
    for (int i = 0; i < PEERS; i++)
        core_peer_free(peers[i]);
    free(text);
}

// What idle connections keep for later is given back before anybody is closed.
static void kept_buffers_go_first(void **state) {
    (void)state;
    enum { PEERS = 10 };
    fixture.options.client_bytes_max = 100000;
    core_fixture_open(&fixture, false);
    struct core_peer *peers[PEERS];
    char text[20000];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < PEERS; i++) {
        peers[i] = core_peer_connect(&fixture, NULL);
        fq_str args[] = {
            FQ_STR("ECHO"), {text, sizeof text}
        };
        core_peer_request(peers[i], args, 2);
        core_fixture_turn(&fixture);
        free(core_peer_next(peers[i]));
    }
    core_fixture_turn(&fixture);
    for (int i = 0; i < PEERS; i++) {
        assert_false(peers[i]->was_cut);
        core_peer_free(peers[i]);
    }
}

// A request that came while the replies before it were not taken ends the blocked fetch all the same.
static void a_held_request_ends_the_block(void **state) {
    (void)state;
    fixture.options.pipeline_max = 2;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    peer->is_deaf = true;
    core_peer_line(peer, "ECHO 1");
    core_peer_line(peer, "ECHO 2");
    core_fixture_turn(&fixture);
    core_peer_line(peer, "FQ.FETCH TASKS mail BLOCK 60000");
    core_peer_line(peer, "PING");
    peer->is_deaf = false;
    core_peer_take(peer);
    core_fixture_advance(&fixture, 1);
    const char *const expected[] = {"\"1\"", "\"2\"", "[]", "+PONG"};
    for (int i = 0; i < 4; i++) {
        char *answer = core_peer_next(peer);
        assert_non_null(answer);
        assert_string_equal(answer, expected[i]);
        free(answer);
    }
    core_peer_free(peer);
}

static void a_reply_above_the_hard_limit_cuts(void **state) {
    (void)state;
    fixture.options.output_bytes_max = 5000;
    fixture.options.payload_bytes_max = 100000;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    char text[9000];
    memset(text, 'x', sizeof text);
    fq_str args[] = {
        FQ_STR("ECHO"), {text, sizeof text}
    };
    core_peer_request(peer, args, 2);
    core_fixture_turn(&fixture);
    assert_true(peer->was_cut);
    assert_int_equal(fq_buf_len(&peer->received), 0);
    core_peer_free(peer);
}

// … and one just within it passes: what lies in the buffer counts once.
static void a_reply_within_the_hard_limit_passes(void **state) {
    (void)state;
    fixture.options.output_bytes_max = 5000;
    fixture.options.payload_bytes_max = 100000;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    char text[4900];
    memset(text, 'x', sizeof text);
    fq_str args[] = {
        FQ_STR("ECHO"), {text, sizeof text}
    };
    core_peer_request(peer, args, 2);
    core_fixture_turn(&fixture);
    assert_false(peer->was_cut);
    assert_true(fq_buf_len(&peer->received) > sizeof text);
    core_peer_free(peer);
}

// A fetch takes no more than the output has room for: nothing is leased that could not be told.
static void a_fetch_fits_the_output(void **state) {
    (void)state;
    fixture.options.output_bytes_max = 1 << 20;
    fixture.options.payload_bytes_max = 100000;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    char *payload = malloc(100000);
    assert_non_null(payload);
    memset(payload, 'x', 100000);
    for (int i = 0; i < 20; i++) {
        fq_str args[] = {
            FQ_STR("FQ.SUBMIT"), FQ_STR("big"), {payload, 100000}
        };
        core_peer_request(peer, args, 3);
        core_fixture_turn(&fixture);
        free(core_peer_next(peer));
    }
    free(payload);
    int told = 0, rounds = 0;
    for (; told < 20 && rounds < 20; rounds++) {
        char *answer = core_peer_ask(peer, "FQ.FETCH TASKS big COUNT 1000");
        assert_non_null(answer);
        int tasks = 0;
        for (const char *at = answer; (at = strstr(at, "\"lease_ms\"")) != NULL; at++)
            tasks++;
        assert_in_range(tasks, 1, 10);
        told += tasks;
        free(answer);
    }
    assert_int_equal(told, 20);
    core_peer_free(peer);
}

// Payloads may be larger than the output: small tasks are still handed out, one at a time.
static void a_fetch_tries_one_where_the_largest_would_not_fit(void **state) {
    (void)state;
    fixture.options.output_bytes_max = 20000;
    core_fixture_open(&fixture, false);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "FQ.FETCH TASKS mail COUNT 5", "[]");
    for (int i = 0; i < 3; i++)
        core_peer_expect(peer, "FQ.SUBMIT mail x", "\"*\"");
    for (int i = 0; i < 3; i++)
        core_peer_expect(peer, "FQ.FETCH TASKS mail COUNT 5", "[[\"id\", *]]");
    core_peer_expect(peer, "FQ.FETCH TASKS mail COUNT 5", "[]");
    core_peer_free(peer);
}

// Who comes back for more results than its output takes gets them as it reads, each once.
static void many_results_are_pushed_as_there_is_room(void **state) {
    (void)state;
    enum { TASKS = 40, BYTES = 100000 };
    fixture.options.output_bytes_max = 1 << 20;
    core_fixture_open(&fixture, true);
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    char line[TASKS * 40 + 16] = "FQ.WATCH";
    char *result = malloc(BYTES);
    assert_non_null(result);
    memset(result, 'r', BYTES);
    for (int i = 0; i < TASKS; i++) {
        char submit[96];
        snprintf(submit, sizeof submit, "FQ.SUBMIT mail x ID 00000000-0000-4000-8000-%012d", i + 1);
        free(core_peer_ask(worker, submit));
        char *grant = core_peer_ask(worker, "FQ.FETCH TASKS mail");
        unsigned long long number;
        assert_int_equal(sscanf(strstr(grant, "\"token\", \"") + 10, "%llu", &number), 1);
        free(grant);
        char token[24];
        snprintf(token, sizeof token, "%llu", number);
        fq_str args[] = {
            FQ_STR("FQ.COMPLETE"), {submit + 20, 36   },
             fq_str_of(token), {result,      BYTES}
        };
        snprintf(line + strlen(line), sizeof line - strlen(line), " %.36s", submit + 20);
        core_peer_request(worker, args, 4);
        core_fixture_turn(&fixture);
        core_fixture_sync(&fixture);
        free(core_peer_next(worker));
    }
    free(result);
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    core_peer_expect(client, "HELLO 3", "{*}");
    core_peer_expect(client, line, "[\"done\"*");
    for (int i = 0; i < TASKS; i++) {
        char pattern[96], *push = core_peer_next(client);
        for (int turns = 0; turns < 5 && push == NULL; turns++) {
            core_fixture_turn(&fixture);
            core_fixture_sync(&fixture);
            push = core_peer_next(client);
        }
        snprintf(pattern, sizeof pattern, ">[\"fq.result\", \"00000000-0000-4000-8000-%012d\", {*rrr*",
                 i + 1);
        assert_non_null(push);
        assert_true(core_text_matches(pattern, push));
        free(push);
    }
    assert_false(client->was_cut);
    core_peer_expect(client, "PING", "+PONG");
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.watched_ids, 0);
    core_peer_free(client);
    core_peer_free(worker);
}

// Requests in every cut are the same requests.
static void byte_by_byte_is_the_same(void **state) {
    (void)state;
    core_fixture_open(&fixture, true);
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    static const char text[] =
        "*3\r\n$9\r\nFQ.SUBMIT\r\n$4\r\nmail\r\n$5\r\nhello\r\n*2\r\n$4\r\nPING\r\n$2\r\nyo\r\n";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        core_peer_feed(peer, (fq_str){text + i, 1});
        core_fixture_turn(&fixture);
    }
    core_fixture_sync(&fixture);
    expect_raw(peer, "$36\r\n*\r\n$2\r\nyo\r\n");
    core_peer_free(peer);
}

static void draining_says_so(void **state) {
    (void)state;
    core_fixture_open(&fixture, true);
    struct core_peer *worker = core_peer_connect(&fixture, NULL);
    struct core_peer *waiter = core_peer_connect(&fixture, NULL);
    core_peer_expect(worker, "HELLO 3", "{*}");
    core_peer_expect(worker, "FQ.REGISTER w INSTANCE i TASKS mail", "{*}");
    core_peer_expect(worker, "FQ.SUBMIT mail x ID 00000000-0000-4000-8000-000000000001", "\"*\"");
    char *grant = core_peer_ask(worker, "FQ.FETCH");
    unsigned long long token;
    assert_int_equal(sscanf(strstr(grant, "token: \"") + 8, "%llu", &token), 1);
    free(grant);
    core_peer_line(waiter, "FQ.FETCH TASKS mail BLOCK 60000");
    core_fixture_turn(&fixture);
    fq_core_drain(fixture.core, fixture.now);
    core_fixture_turn(&fixture);
    core_fixture_sync(&fixture);
    char *push = core_peer_next(worker);
    assert_non_null(push);
    assert_string_equal(push, ">[\"fq.drain\"]");
    free(push);
    char *empty = core_peer_next(waiter);
    assert_non_null(empty);
    assert_string_equal(empty, "[]");
    free(empty);
    core_peer_expect(waiter, "FQ.FETCH TASKS mail BLOCK 60000", "[]");
    core_peer_expect(waiter, "FQ.SUBMIT mail y", "-DRAINING *");
    assert_false(fq_core_is_drained(fixture.core, fixture.now));
    char line[160];
    snprintf(line, sizeof line, "FQ.HEARTBEAT 00000000-0000-4000-8000-000000000001 %llu running", token);
    core_peer_expect(worker, line, "[\"drain\"]");
    snprintf(line, sizeof line, "FQ.COMPLETE 00000000-0000-4000-8000-000000000001 %llu done", token);
    core_peer_expect(worker, line, "+OK");
    assert_true(fq_core_is_drained(fixture.core, fixture.now));
    core_peer_free(worker);
    core_peer_free(waiter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_behind_an_error_is_executed, prepare, close_core),
        cmocka_unit_test_setup_teardown(unusable_trace_contexts_cost_no_task_and_are_counted, prepare,
                                        close_core),
        cmocka_unit_test_setup_teardown(what_came_before_the_error_is_answered, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_payload_has_its_own_limit, prepare, close_core),
        cmocka_unit_test_setup_teardown(before_login_little_is_taken, prepare, close_core),
        cmocka_unit_test_setup_teardown(connections_are_limited, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_full_pipeline_waits, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_deaf_peer_is_held_then_cut, prepare, close_core),
        cmocka_unit_test_setup_teardown(memory_of_all_is_bounded, prepare, close_core),
        cmocka_unit_test_setup_teardown(kept_buffers_go_first, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_held_request_ends_the_block, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_reply_above_the_hard_limit_cuts, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_reply_within_the_hard_limit_passes, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_fetch_fits_the_output, prepare, close_core),
        cmocka_unit_test_setup_teardown(a_fetch_tries_one_where_the_largest_would_not_fit, prepare,
                                        close_core),
        cmocka_unit_test_setup_teardown(many_results_are_pushed_as_there_is_room, prepare, close_core),
        cmocka_unit_test_setup_teardown(byte_by_byte_is_the_same, prepare, close_core),
        cmocka_unit_test_setup_teardown(draining_says_so, prepare, close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
