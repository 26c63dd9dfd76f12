// SPDX-License-Identifier: Apache-2.0
// Sessions against peers that are no control plane, or a broken one: garbage, giant lengths, answers to nothing, random
// changes of good conversations. None may crash, hang or make an event out of nothing.
#include "base/random.h"
#include "support/session_script.h"

#include <stdlib.h>

// The error of feeding it and taking what it makes; 0 if it is taken.
static int taken(fq_session *session, const char *bytes, size_t len) {
    int rc = fq_session_feed(session, bytes, len, S);
    struct fq_session_event event;
    while (fq_session_next_event(session, &event) == 1)
        continue;
    return rc < 0 ? rc : fq_session_tick(session, S);
}

static void what_is_no_resp_ends_the_connection(void **state) {
    (void)state;
    const struct {
        const char *bytes;
        int error;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", FQ_EPROTOCOL},
        {"\x15\x03\x01\x00\x02\x02\x28",     FQ_EPROTOCOL},
        {"$-2\r\n",                          FQ_EPROTOCOL},
        {"*1x\r\n",                          FQ_EPROTOCOL},
        {"$3\r\nabcd\r\n",                   FQ_EPROTOCOL},
        {"$9223372036854775807\r\n",         FQ_EPROTOCOL},
        {"$99999999999\r\n",                 FQ_ETOOBIG  },
        {"*2147483647\r\n",                  FQ_ETOOBIG  },
        {"%1073741824\r\n",                  FQ_ETOOBIG  },
        {"+PONG\r\n",                        FQ_EPROTOCOL}, // nobody asked
        {"-ERR out of nowhere\r\n",          FQ_EPROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fq_session *session = script_ready_session();
        assert_int_equal(taken(session, cases[i].bytes, strlen(cases[i].bytes)), cases[i].error);
        assert_true(fq_session_error(session)[0] != '\0');
        assert_false(fq_session_is_ready(session));
        assert_int_equal(fq_session_output(session).len, 0);
        fq_session_free(session);
    }
}

static void a_peer_that_is_something_else_is_told_at_login(void **state) {
    (void)state;
    const struct {
        const char *bytes;
        int error;
    } cases[] = {
        {"HTTP/1.1 400 Bad Request\r\n\r\n", FQ_EPROTOCOL},
        {"+OK\r\n",                          FQ_EPROTOCOL},
        {"%1\r\n$5\r\nproto\r\n:2\r\n",      FQ_EPROTOCOL},
        {"*0\r\n",                           FQ_EPROTOCOL},
        {"-ERR unknown command 'HELLO'\r\n", FQ_ESERVER  },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fq_session *session = script_session();
        assert_int_equal(fq_session_connected(session, S), 0);
        fq_session_sent(session, fq_session_output(session).len);
        assert_int_equal(taken(session, cases[i].bytes, strlen(cases[i].bytes)), cases[i].error);
        fq_session_free(session);
    }
}

static void an_answer_that_is_no_id_is_refused(void **state) {
    (void)state;
    const char *answers[] = {"+OK\r\n", ":1\r\n", "_\r\n", "*0\r\n", "$3\r\nabc\r\n"};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        fq_session *session = script_ready_session();
        script_submit(session, ID_A, true, 1);
        assert_int_equal(taken(session, answers[i], strlen(answers[i])), FQ_EPROTOCOL);
        // It is not lost: the next connection asks again.
        fq_session_disconnected(session, S);
        script_expect_no_event(session);
        assert_int_equal(fq_session_connected(session, S), 0);
        fq_session_sent(session, fq_session_output(session).len);
        script_feed(session, HELLO_REPLY);
        script_expect_event(session, FQ_SESSION_READY);
        assert_true(fq_session_output(session).len > 0);
        fq_session_free(session);
    }
}

static void odd_results_are_skipped(void **state) {
    (void)state;
    const char *pushes[] = {
        ">1\r\n$9\r\nfq.result\r\n",
        ">2\r\n$9\r\nfq.result\r\n:1\r\n",
        ">3\r\n$9\r\nfq.result\r\n$1\r\nx\r\n%0\r\n",
        ">3\r\n$9\r\nfq.result\r\n$36\r\n" ID_A "\r\n%0\r\n",
        ">3\r\n$9\r\nfq.result\r\n$36\r\n" ID_A "\r\n:1\r\n",
        ">3\r\n:9\r\n$36\r\n" ID_A "\r\n%0\r\n",
        RESULT_PUSH(ID_B),
    };
    fq_session *session = script_ready_session();
    script_submit(session, ID_A, true, 1);
    script_feed(session, "$36\r\n" ID_A "\r\n*1\r\n$8\r\nwatching\r\n");
    script_expect_event(session, FQ_SESSION_SUBMITTED);
    for (size_t i = 0; i < sizeof pushes / sizeof pushes[0]; i++) {
        script_feed(session, pushes[i]);
        script_expect_no_event(session);
    }
    script_feed(session, RESULT_PUSH(ID_A) RESULT_PUSH(ID_A));
    script_expect_event(session, FQ_SESSION_RESULT);
    script_expect_no_event(session);
    fq_session_free(session);
}

static void a_reply_has_a_limit(void **state) {
    (void)state;
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.reply_bytes_max = 1000;
    fq_session *session = fq_session_new(&options);
    assert_int_equal(fq_session_connected(session, S), 0);
    script_feed(session, HELLO_REPLY);
    script_expect_event(session, FQ_SESSION_READY);
    assert_int_equal(taken(session, "$1001\r\n", 7), FQ_ETOOBIG);
    fq_session_free(session);
}

static void unread_input_has_a_limit(void **state) {
    (void)state;
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.reply_bytes_max = 1000;
    fq_session *session = fq_session_new(&options);
    assert_int_equal(fq_session_connected(session, S), 0);
    script_feed(session, HELLO_REPLY);
    script_expect_event(session, FQ_SESSION_READY);
    static char block[1 << 20];
    memset(block, '\n', sizeof block);
    int rc = 0;
    for (int i = 0; i < 20 && rc == 0; i++) // the driver takes no events meanwhile
        rc = fq_session_feed(session, block, sizeof block, S);
    assert_int_equal(rc, FQ_ETOOBIG);
    fq_session_free(session);
}

// --- random changes -----------------------------------------------------------------------------------------------------
static const char CONVERSATION[] = HELLO_REPLY
    "$36\r\n" ID_A
    "\r\n-FULL later\r\n*2\r\n+a\r\n%1\r\n$1\r\nk\r\n:5\r\n*2\r\n$8\r\nwatching\r\n$4\r\ndone\r\n" //
    RESULT_PUSH(ID_B) ">3\r\n$9\r\nfq.cancel\r\n$36\r\n" ID_A "\r\n$1\r\n7\r\n" RESULT_PUSH(ID_A) "+PONG\r\n";

static void ask(fq_session *session) {
    const fq_slice list[] = {script_slice("FQ.LIST")}, ping[] = {script_slice("PING")};
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    char id[37];
    options.id = ID_A;
    options.want_result = true;
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice("p"), &options, 1, id), 0);
    options.id = ID_B;
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice("p"), &options, 2, id), 0);
    assert_int_equal(fq_session_command(session, list, 1, false, 3), 0);
    assert_int_equal(fq_session_watch(session, ID_B, 4), 0);
    assert_int_equal(fq_session_command(session, ping, 1, true, 5), 0);
}

// At most one event ends each tag, whatever the peer says; everything read from events is readable memory.
static void converse(const char *bytes, size_t len, size_t chunk) {
    fq_session *session = script_session();
    int ended[6] = {0};
    unsigned sum = 0;
    ask(session);
    assert_int_equal(fq_session_connected(session, S), 0);
    for (size_t at = 0; at < len; at += chunk) {
        fq_session_sent(session, fq_session_output(session).len);
        int rc = fq_session_feed(session, bytes + at, chunk < len - at ? chunk : len - at, S);
        struct fq_session_event event;
        while (fq_session_next_event(session, &event) == 1) {
            for (size_t i = 0; i < event.message.len; i++)
                sum += (unsigned char)event.message.ptr[i];
            for (size_t i = 0; i < event.result.result.len; i++)
                sum += (unsigned char)event.result.result.ptr[i];
            if (event.type == FQ_SESSION_SUBMITTED)
                assert_int_equal(ended[event.tag]++, 0);
            else if (event.type == FQ_SESSION_REPLY)
                assert_int_equal(ended[event.tag]++, 0);
        }
        if (rc < 0)
            break;
    }
    assert_true(sum < UINT32_MAX);
    fq_session_disconnected(session, S);
    fq_session_free(session);
}

static void changed_conversations_do_no_harm(void **state) {
    (void)state;
    fq_random random;
    fq_random_seed(&random, 42);
    size_t len = sizeof CONVERSATION - 1;
    char *bytes = malloc(len);
    assert_non_null(bytes);
    converse(CONVERSATION, len, len);
    for (int round = 0; round < 20000; round++) {
        memcpy(bytes, CONVERSATION, len);
        uint64_t changes = 1 + fq_random_below(&random, 4);
        for (uint64_t i = 0; i < changes; i++)
            bytes[fq_random_below(&random, len)] =
                "0123456789$*%>-+:_#\r\nx\xff"[fq_random_below(&random, 23)];
        size_t kept = round % 3 == 0 ? (size_t)fq_random_below(&random, len) + 1 : len;
        converse(bytes, kept, 1 + (size_t)fq_random_below(&random, 40));
    }
    free(bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_resp_ends_the_connection),
        cmocka_unit_test(a_peer_that_is_something_else_is_told_at_login),
        cmocka_unit_test(an_answer_that_is_no_id_is_refused),
        cmocka_unit_test(odd_results_are_skipped),
        cmocka_unit_test(a_reply_has_a_limit),
        cmocka_unit_test(unread_input_has_a_limit),
        cmocka_unit_test(changed_conversations_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
