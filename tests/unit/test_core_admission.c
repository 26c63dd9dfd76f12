// SPDX-License-Identifier: Apache-2.0
// Who may come in, how many of them, and how guesses are slowed down.
#include "support/core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
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

static void add_user(const char *name, const char *token) {
    if (fixture.credentials == NULL)
        fixture.credentials = fq_credentials_new();
    assert_non_null(fixture.credentials);
    assert_int_equal(
        fq_credentials_add_token(fixture.credentials, fq_str_of(name), FQ_ROLE_ALL, fq_str_of(token)), 0);
}

static void expect_refused(const char *source, const char *pattern) {
    const char *refusal = NULL;
    assert_null(core_peer_connect_from(&fixture, source, &refusal));
    if (!core_text_matches(pattern, refusal))
        fail_msg("expected %s, got %s", pattern, refusal);
}

static struct core_peer *connect_from(const char *source) {
    struct core_peer *peer = core_peer_connect_from(&fixture, source, NULL);
    assert_non_null(peer);
    return peer;
}

static void one_source_gets_half_of_the_room_to_log_in(void **state) {
    (void)state;
    fixture.options.connection_unauth_max = 4;
    add_user("default", "secret");
    core_fixture_open(&fixture, false);
    struct core_peer *first = connect_from("198.51.100.1"), *second = connect_from("198.51.100.1");
    expect_refused("198.51.100.1", "-BUSY *your address*logged in*\r\n");
    struct core_peer *other = connect_from("198.51.100.2");
    core_peer_expect(first, "AUTH secret", "+OK"); // who is in no longer counts
    struct core_peer *third = connect_from("198.51.100.1");
    core_peer_expect(first, "RESET", "+RESET"); // and counts again
    expect_refused("198.51.100.1", "-BUSY *\r\n");
    struct core_peer *all[] = {first, second, other, third};
    for (size_t i = 0; i < 4; i++)
        core_peer_free(all[i]);
}

// Silence from many sources must not lock the next caller out.
static void the_longest_waiting_gives_way(void **state) {
    (void)state;
    fixture.options.connection_unauth_max = 3;
    add_user("default", "secret");
    core_fixture_open(&fixture, false);
    static const char *const sources[] = {"198.51.100.1", "198.51.100.2", "198.51.100.3"};
    struct core_peer *peers[3];
    for (size_t i = 0; i < 3; i++)
        peers[i] = connect_from(sources[i]);
    core_peer_expect(peers[0], "AUTH secret", "+OK");
    struct core_peer *fourth = connect_from("198.51.100.4");
    core_fixture_turn(&fixture);
    assert_false(peers[1]->was_cut); // there was room: the first one is in
    struct core_peer *fifth = connect_from("198.51.100.5");
    core_fixture_turn(&fixture);
    assert_true(peers[1]->was_cut);
    assert_false(peers[0]->was_cut || peers[2]->was_cut || fourth->was_cut || fifth->was_cut);
    core_peer_expect(fifth, "AUTH secret", "+OK");
    struct core_peer *all[] = {peers[0], peers[1], peers[2], fourth, fifth};
    for (size_t i = 0; i < 5; i++)
        core_peer_free(all[i]);
}

static void connections_of_a_source_are_limited(void **state) {
    (void)state;
    fixture.options.connection_source_max = 2;
    core_fixture_open(&fixture, false);
    struct core_peer *first = connect_from("198.51.100.1"), *second = connect_from("198.51.100.1");
    expect_refused("198.51.100.1", "-BUSY *--max-connections-per-source*\r\n");
    struct core_peer *other = connect_from("198.51.100.2");
    struct core_peer *local[4]; // a proxy on this machine stands for many
    for (size_t i = 0; i < 4; i++) {
        local[i] = core_peer_connect(&fixture, NULL);
        assert_non_null(local[i]);
    }
    core_peer_free(first);
    first = connect_from("198.51.100.1");
    struct core_peer *all[] = {first, second, other, local[0], local[1], local[2], local[3]};
    for (size_t i = 0; i < 7; i++)
        core_peer_free(all[i]);
}

static void connections_of_a_user_are_limited(void **state) {
    (void)state;
    fixture.options.connection_user_max = 2;
    add_user("mail", "m-secret");
    add_user("chat", "c-secret");
    core_fixture_open(&fixture, false);
    struct core_peer *peers[3];
    for (size_t i = 0; i < 3; i++)
        peers[i] = core_peer_connect(&fixture, NULL);
    core_peer_expect(peers[0], "AUTH mail m-secret", "+OK");
    core_peer_expect(peers[0], "AUTH mail m-secret", "+OK"); // again: still one
    core_peer_expect(peers[1], "AUTH mail m-secret", "+OK");
    core_peer_expect(peers[2], "AUTH mail m-secret", "-BUSY *--max-connections-per-user*");
    core_peer_expect(peers[2], "FQ.STATS", "-NOAUTH *");
    core_peer_expect(peers[2], "AUTH chat c-secret", "+OK");
    core_peer_expect(peers[1], "AUTH chat c-secret", "+OK"); // leaves a place as mail
    core_peer_expect(peers[2], "AUTH mail m-secret", "+OK");
    for (size_t i = 0; i < 3; i++)
        core_peer_free(peers[i]);
}

// Where nobody logs in there are no users to be counted.
static void without_credentials_no_user_is_limited(void **state) {
    (void)state;
    fixture.options.connection_user_max = 1;
    core_fixture_open(&fixture, false);
    struct core_peer *first = connect_from("198.51.100.1"), *second = connect_from("198.51.100.2");
    core_peer_expect(second, "FQ.STATS", "*");
    core_peer_free(first);
    core_peer_free(second);
}

// What the doors outside the core ask: the same guard, source by source.
static void guesses_of_a_source_are_slowed_down(void **state) {
    (void)state;
    add_user("default", "secret");
    core_fixture_open(&fixture, false);
    fq_str guesser = FQ_STR("198.51.100.1"), other = FQ_STR("198.51.100.2");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fq_core_login_delay_us(fixture.core, guesser, fixture.now), 0);
        fq_core_login_failed(fixture.core, guesser, 0, fixture.now);
    }
    assert_int_equal(fq_core_login_delay_us(fixture.core, guesser, fixture.now), 100 * FQ_US_PER_MS);
    assert_int_equal(fq_core_login_delay_us(fixture.core, other, fixture.now), 0);
    for (int i = 0; i < 20; i++)
        fq_core_login_failed(fixture.core, guesser, 0, fixture.now);
    assert_int_equal(fq_core_login_delay_us(fixture.core, guesser, fixture.now), 30 * FQ_US_PER_S);
    struct core_peer *peer = connect_from("198.51.100.1"); // the same guard stands at this door
    core_peer_line(peer, "AUTH secret");
    core_fixture_advance(&fixture, 29000);
    assert_null(core_peer_next(peer));
    core_fixture_advance(&fixture, 2000);
    char *answer = core_peer_next(peer);
    assert_string_equal(answer, "+OK");
    free(answer);
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.auth_failures_total, 25);
    core_peer_free(peer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_source_gets_half_of_the_room_to_log_in, prepare, close_core),
        cmocka_unit_test_setup_teardown(the_longest_waiting_gives_way, prepare, close_core),
        cmocka_unit_test_setup_teardown(connections_of_a_source_are_limited, prepare, close_core),
        cmocka_unit_test_setup_teardown(connections_of_a_user_are_limited, prepare, close_core),
        cmocka_unit_test_setup_teardown(without_credentials_no_user_is_limited, prepare, close_core),
        cmocka_unit_test_setup_teardown(guesses_of_a_source_are_slowed_down, prepare, close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
