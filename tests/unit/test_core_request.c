// SPDX-License-Identifier: Apache-2.0
// Requests from inside the process, the observer, waiting clients in number.
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
    if (fixture.core != NULL)
        core_fixture_close(&fixture);
    return 0;
}

struct answer {
    int count;
    char text[512];
};

static void on_reply(void *context, fq_str reply) {
    struct answer *answer = context;
    answer->count++;
    snprintf(answer->text, sizeof answer->text, "%.*s", FQ_STR_ARGS(reply));
}

static fq_request *request(unsigned roles, struct answer *answer, const char *const *words) {
    fq_str args[16];
    size_t count = 0;
    for (; words[count] != NULL; count++)
        args[count] = fq_str_of(words[count]);
    return fq_core_request(fixture.core, roles, args, count, fixture.now, on_reply, answer);
}

static void a_request_passes_the_same_gate(void **state) {
    (void)state;
    struct answer answer = {0};
    assert_non_null(
        request(FQ_ROLE_SUBMIT, &answer, (const char *const[]){"FQ.SUBMIT", "mail", "x", "ID", ID, NULL}));
    assert_int_equal(answer.count, 0);
    core_fixture_turn(&fixture);
    assert_int_equal(answer.count, 0);
    core_fixture_sync(&fixture);
    assert_int_equal(answer.count, 1);
    assert_string_equal(answer.text, "$36\r\n" ID "\r\n");
    struct answer refused = {0};
    assert_non_null(request(FQ_ROLE_SUBMIT, &refused, (const char *const[]){"FQ.PAUSE", NULL}));
    core_fixture_turn(&fixture);
    core_fixture_sync(&fixture);
    assert_true(core_text_matches("-NOPERM *", refused.text));
    struct answer nothing = {0};
    assert_non_null(request(FQ_ROLE_ALL, &nothing, (const char *const[]){NULL}));
    core_fixture_turn(&fixture);
    assert_true(core_text_matches("-ERR *", nothing.text));
    assert_int_equal(answer.count + refused.count + nothing.count, 3);
}

static void a_request_may_wait_and_be_given_up(void **state) {
    (void)state;
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "FQ.SUBMIT mail x ID " ID, "\"*\"");
    struct answer waits = {0}, given_up = {0}, at_the_end = {0};
    const char *const words[] = {"FQ.RESULT", ID, "WAIT", "60000", NULL};
    assert_non_null(request(FQ_ROLE_READ, &waits, words));
    fq_request *other = request(FQ_ROLE_READ, &given_up, words);
    assert_non_null(other);
    core_fixture_turn(&fixture);
    fq_core_request_cancel(fixture.core, other);
    core_peer_expect(peer, "FQ.CANCEL " ID, ":1");
    core_fixture_turn(&fixture);
    core_fixture_sync(&fixture);
    assert_int_equal(waits.count, 1);
    assert_true(core_text_matches("%*cancelled*", waits.text));
    assert_non_null(request(FQ_ROLE_WORK, &at_the_end,
                            (const char *const[]){"FQ.FETCH", "TASKS", "mail", "BLOCK", "60000", NULL}));
    core_fixture_turn(&fixture);
    assert_int_equal(at_the_end.count, 0);
    core_peer_free(peer);
    core_fixture_close(&fixture);
    assert_int_equal(at_the_end.count, 1);
    assert_int_equal(given_up.count, 0);
}

// Requests from inside are limited as well; room comes back.
static void requests_are_limited(void **state) {
    (void)state;
    static struct answer answers[1024];
    const char *const words[] = {"PING", NULL};
    for (int i = 0; i < 1024; i++)
        assert_non_null(request(FQ_ROLE_ALL, &answers[i], words));
    struct answer more = {0};
    assert_null(request(FQ_ROLE_ALL, &more, words));
    core_fixture_turn(&fixture);
    for (int i = 0; i < 1024; i++)
        assert_int_equal(answers[i].count, 1);
    assert_non_null(request(FQ_ROLE_ALL, &more, words));
    core_fixture_turn(&fixture);
    assert_int_equal(more.count, 1);
}

// A callback that asks again from within.
struct chain {
    int left;
};

static void ask_again(void *context, fq_str reply) {
    struct chain *chain = context;
    assert_true(fq_str_equal(reply, FQ_STR("+PONG\r\n")));
    if (--chain->left == 0)
        return;
    fq_str args[] = {FQ_STR("PING")};
    assert_non_null(fq_core_request(fixture.core, FQ_ROLE_ALL, args, 1, fixture.now, ask_again, chain));
}

static void a_callback_may_ask_again(void **state) {
    (void)state;
    struct chain chain = {.left = 5};
    fq_str args[] = {FQ_STR("PING")};
    assert_non_null(fq_core_request(fixture.core, FQ_ROLE_ALL, args, 1, fixture.now, ask_again, &chain));
    core_fixture_advance(&fixture, 1);
    assert_int_equal(chain.left, 0);
}

struct seen {
    int submitted, granted, completed, others;
};

static void on_event(void *context, const fq_engine *engine, const struct fq_event *event,
                     const struct fq_task_view *after) {
    struct seen *seen = context;
    assert_non_null(engine);
    switch (fq_event_type_of(event)) {
    case FQ_EVENT_SUBMITTED:
        assert_true(fq_str_equal(after->name, FQ_STR("mail")));
        seen->submitted++;
        break;
    case FQ_EVENT_GRANTED:
        assert_int_equal(after->state, FQ_TASK_STARTED);
        seen->granted++;
        break;
    case FQ_EVENT_COMPLETED:
        assert_true(after->run_us == 77);
        seen->completed++;
        break;
    default: seen->others++;
    }
}

// The observer sees every event once, with the task as the event left it.
static void the_observer_sees_what_happens(void **state) {
    (void)state;
    struct core_fixture other;
    struct seen seen = {0};
    core_fixture_init(&other);
    other.observer = (struct fq_core_observer){.on_event = on_event, .context = &seen};
    core_fixture_open(&other, true);
    struct core_peer *peer = core_peer_connect(&other, NULL);
    core_peer_expect(peer, "FQ.SUBMIT mail x ID " ID, "\"*\"");
    char *grant = core_peer_ask(peer, "FQ.FETCH TASKS mail");
    unsigned long long token;
    assert_int_equal(sscanf(strstr(grant, "\"token\", \"") + 10, "%llu", &token), 1);
    free(grant);
    char line[160];
    snprintf(line, sizeof line, "FQ.COMPLETE " ID " %llu done RUN 77", token);
    core_peer_expect(peer, line, "+OK");
    core_peer_expect(peer, line, "*");
    assert_int_equal(seen.submitted, 1);
    assert_int_equal(seen.granted, 1);
    assert_int_equal(seen.completed, 1);
    core_peer_free(peer);
    core_fixture_close(&other);
}

// Works one task of `mail`: the result has `len` bytes.
static void complete_one(struct core_peer *peer, size_t len) {
    char *grant = core_peer_ask(peer, "FQ.FETCH TASKS mail");
    char id[FQ_UUID_TEXT + 1], line[400], result[200];
    unsigned long long token;
    assert_non_null(grant);
    assert_int_equal(sscanf(grant, "[{id: \"%36[^\"]\", token: \"%llu\"", id, &token), 2);
    free(grant);
    memset(result, 'r', len);
    snprintf(line, sizeof line, "FQ.COMPLETE %s %llu %.*s", id, token, (int)len, result);
    core_peer_expect(peer, line, "+OK");
}

// The store of results is small: what is told to who waits does not depend on it, and afterwards it is said what became
// of the result.
static void results_beyond_the_cap(void **state) {
    (void)state;
    struct core_fixture small;
    core_fixture_init(&small);
    small.options.engine.result_bytes_max = 400;
    core_fixture_open(&small, true);
    struct core_peer *peer = core_peer_connect(&small, NULL);
    struct core_peer *watcher = core_peer_connect(&small, NULL);
    core_peer_expect(peer, "HELLO 3", "{*}");
    core_peer_expect(watcher, "HELLO 3", "{*}");
    for (int i = 0; i < 8; i++) {
        char line[128];
        snprintf(line, sizeof line, "FQ.SUBMIT mail x ID 00000000-0000-4000-8000-%012d", i);
        core_peer_expect(peer, line, "\"*\"");
        snprintf(line, sizeof line, "FQ.WATCH 00000000-0000-4000-8000-%012d", i);
        core_peer_expect(watcher, line, "[\"watching\"]");
        complete_one(peer, 150);
        core_fixture_advance(&small, 1);
        char *push = core_peer_next(watcher);
        assert_non_null(push);
        assert_true(core_text_matches(">[\"fq.result\", *result: \"rrrr*rrrr\"*", push));
        free(push);
        assert_null(core_peer_next(watcher));
    }
    core_peer_expect(peer, "FQ.RESULT 00000000-0000-4000-8000-000000000007",
                     "{*success*result_state: \"stored\", result: \"rrr*");
    core_peer_expect(peer, "FQ.RESULT 00000000-0000-4000-8000-000000000000",
                     "{id: *status: \"success\"*result_state: \"evicted\"}");
    core_peer_expect(peer, "FQ.RESULT 00000000-0000-4000-8000-000000000099", "nil");
    core_peer_expect(watcher, "FQ.WATCH 00000000-0000-4000-8000-000000000000", "[\"done\"]");
    char *push = core_peer_next(watcher);
    assert_non_null(push);
    assert_true(core_text_matches(">[\"fq.result\", *\"evicted\"}]", push));
    free(push);
    core_peer_free(peer);
    core_peer_free(watcher);
    core_fixture_close(&small);
}

// A thousand waiters on one name and others: each task goes to exactly one, in order of arrival.
static void many_waiters_are_served_in_order(void **state) {
    (void)state;
    enum { WAITERS = 1000 };
    static struct core_peer *waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = core_peer_connect(&fixture, NULL);
        core_peer_line(waiters[i], i % 2 == 0 ? "FQ.FETCH TASKS even both BLOCK 60000"
                                              : "FQ.FETCH TASKS odd both BLOCK 60000");
    }
    struct core_peer *client = core_peer_connect(&fixture, NULL);
    for (int i = 0; i < 10; i++)
        core_peer_line(client, "FQ.SUBMIT odd x");
    for (int i = 0; i < 10; i++)
        core_peer_line(client, "FQ.SUBMIT both x");
    core_fixture_advance(&fixture, 1);
    int served = 0;
    for (int i = 0; i < WAITERS; i++) {
        char *answer = core_peer_next(waiters[i]);
        // odd waiters 1…19 took `odd`; of the rest the oldest ten took `both`
        bool expected = i % 2 == 1 ? i <= 19 : i <= 18;
        assert_int_equal(answer != NULL, expected);
        served += answer != NULL;
        free(answer);
    }
    assert_int_equal(served, 20);
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.blocked_fetches, WAITERS - 20);
    for (int i = 0; i < WAITERS; i++)
        core_peer_free(waiters[i]);
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.blocked_fetches, 0);
    core_peer_free(client);
}

// Ten thousand ids watched on one connection are told in the order of their end.
static void many_watches_on_one_connection(void **state) {
    (void)state;
    enum { TASKS = 10000 };
    struct core_peer *peer = core_peer_connect(&fixture, NULL);
    core_peer_expect(peer, "HELLO 3", "{*}");
    for (int i = 0; i < TASKS; i++) {
        char line[128];
        snprintf(line, sizeof line, "FQ.SUBMIT mail x ID 00000000-0000-4000-8000-%012d", i);
        core_peer_line(peer, line);
        snprintf(line, sizeof line, "FQ.WATCH 00000000-0000-4000-8000-%012d", i);
        core_peer_line(peer, line);
        if (i % 1000 == 999)
            core_fixture_advance(&fixture, 1);
    }
    for (int i = 0; i < TASKS * 2; i++)
        free(core_peer_next(peer));
    struct fq_core_stats stats;
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.watched_ids, TASKS);
    struct core_peer *other = core_peer_connect(&fixture, NULL);
    for (int i = TASKS - 1; i >= 0; i--) {
        char line[128];
        snprintf(line, sizeof line, "FQ.CANCEL 00000000-0000-4000-8000-%012d", i);
        core_peer_line(other, line);
        if (i % 1000 == 0)
            core_fixture_advance(&fixture, 1);
    }
    for (int i = TASKS - 1; i >= 0; i--) {
        char pattern[128];
        snprintf(pattern, sizeof pattern, ">[\"fq.result\", \"00000000-0000-4000-8000-%012d\", {*cancelled*",
                 i);
        char *push = core_peer_next(peer);
        if (push == NULL || !core_text_matches(pattern, push))
            fail_msg("%d: %s", i, push != NULL ? push : "nothing");
        free(push);
    }
    fq_core_stats(fixture.core, &stats);
    assert_int_equal(stats.watched_ids, 0);
    core_peer_free(peer);
    core_peer_free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_passes_the_same_gate, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_request_may_wait_and_be_given_up, open_core, close_core),
        cmocka_unit_test_setup_teardown(requests_are_limited, open_core, close_core),
        cmocka_unit_test_setup_teardown(a_callback_may_ask_again, open_core, close_core),
        cmocka_unit_test(the_observer_sees_what_happens),
        cmocka_unit_test(results_beyond_the_cap),
        cmocka_unit_test_setup_teardown(many_waiters_are_served_in_order, open_core, close_core),
        cmocka_unit_test_setup_teardown(many_watches_on_one_connection, open_core, close_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
