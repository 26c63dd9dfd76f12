// SPDX-License-Identifier: Apache-2.0
// Sessions against scripts: what goes out for each request, and the event that each answer or push becomes.
#include "support/session_script.h"

static void a_submit_with_its_result_goes_out_in_one_write(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    char id[37];
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID_A;
    options.priority = "high";
    options.retries = 2;
    options.result_ttl_ms = 0;
    options.want_result = true;
    assert_int_equal(fq_session_submit(session, script_slice("add"), script_slice("{}"), &options, 1, id), 0);
    assert_string_equal(id, ID_A);
    script_expect_output(session,
                         "*11\r\n$9\r\nFQ.SUBMIT\r\n$3\r\nadd\r\n$2\r\n{}\r\n$2\r\nID\r\n$36\r\n" ID_A
                         "\r\n$8\r\nPRIORITY\r\n$4\r\nhigh\r\n$7\r\nRETRIES\r\n$1\r\n2\r\n"
                         "$10\r\nRESULT-TTL\r\n$1\r\n0\r\n" WATCH_A);
    script_feed(session, "$36\r\n" ID_A "\r\n*1\r\n$8\r\nwatching\r\n");
    struct fq_session_event event = script_expect_event(session, FQ_SESSION_SUBMITTED);
    assert_int_equal(event.error, 0);
    assert_int_equal(event.tag, 1);
    assert_string_equal(event.id, ID_A);
    script_expect_no_event(session);
    script_feed(session, RESULT_PUSH(ID_A));
    event = script_expect_event(session, FQ_SESSION_RESULT);
    assert_int_equal(event.error, 0);
    assert_int_equal(event.tag, 1);
    assert_string_equal(event.id, ID_A);
    assert_true(event.result.has_result);
    assert_memory_equal(event.result.result.ptr, "3", 1);
    script_expect_no_event(session);
    fq_session_free(session);
}

static void ids_are_made_or_checked(void **state) {
    (void)state;
    struct fq_session_options session_options;
    fq_session_options_init(&session_options);
    session_options.wall_offset_us = INT64_C(0x018f00000000) * 1000;
    fq_session *ordered = fq_session_new(&session_options);
    fq_session *session = script_session();
    char a[37], b[37];
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice(""), NULL, 1, a), 0);
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice(""), NULL, 1, b), 0);
    assert_string_not_equal(a, b);
    assert_int_equal(a[14], '4');
    assert_int_equal(fq_session_submit(ordered, script_slice("t"), script_slice(""), NULL, 1, a), 0);
    assert_memory_equal(a, "018f0000-0000-7", 15);
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    const char *bad[] = {"", "x", "018f0000-0000-7000-8000-00000000000",
                         "018f0000-0000-7000-8000-00000000000g"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        options.id = bad[i];
        assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice(""), &options, 1, a),
                         FQ_EINVALID);
        assert_int_equal(fq_session_watch(session, bad[i], 1), FQ_EINVALID);
    }
    assert_int_equal(fq_session_submit(session, script_slice("a b"), script_slice(""), NULL, 1, a),
                     FQ_EINVALID);
    assert_int_equal(fq_session_command(session, NULL, 0, true, 1), FQ_EINVALID);
    fq_session_free(session);
    fq_session_free(ordered);
}

static void a_unique_submit_watches_the_id_it_is_told(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID_A;
    options.unique = "key";
    options.want_result = true;
    char id[37];
    assert_int_equal(fq_session_submit(session, script_slice("t"), script_slice("p"), &options, 9, id), 0);
    script_expect_output(session, "*7\r\n$9\r\nFQ.SUBMIT\r\n$1\r\nt\r\n$1\r\np\r\n$2\r\nID\r\n$36\r\n" ID_A
                                  "\r\n$6\r\nUNIQUE\r\n$3\r\nkey\r\n");
    script_feed(session, "$36\r\n" ID_B "\r\n");
    assert_string_equal(script_expect_event(session, FQ_SESSION_SUBMITTED).id, ID_B);
    script_expect_output(session, "*2\r\n$8\r\nFQ.WATCH\r\n$36\r\n" ID_B "\r\n");
    script_feed(session, "*1\r\n$4\r\ndone\r\n" RESULT_PUSH(ID_B));
    struct fq_session_event event = script_expect_event(session, FQ_SESSION_RESULT);
    assert_string_equal(event.id, ID_B);
    assert_int_equal(event.tag, 9);
    fq_session_free(session);
}

static void a_refused_submit_has_no_result(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    script_submit(session, ID_A, true, 3);
    script_feed(session, "-FULL the queue is full\r\n*1\r\n$7\r\nunknown\r\n");
    struct fq_session_event event = script_expect_event(session, FQ_SESSION_SUBMITTED);
    assert_int_equal(event.error, FQ_EFULL);
    assert_int_equal(event.message.len, strlen("the queue is full"));
    assert_memory_equal(event.message.ptr, "the queue is full", event.message.len);
    script_expect_no_event(session);
    fq_session_free(session);
}

static void a_result_may_overtake_the_submission(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    script_submit(session, ID_A, true, 3);
    script_feed(session, RESULT_PUSH(ID_A) "$36\r\n" ID_A "\r\n*1\r\n$8\r\nwatching\r\n+PONG\r\n");
    assert_int_equal(script_expect_event(session, FQ_SESSION_SUBMITTED).tag, 3);
    assert_int_equal(script_expect_event(session, FQ_SESSION_RESULT).tag, 3);
    script_expect_no_event(session);
    fq_session_free(session);
}

static void a_watch_that_overtakes_its_submit_is_asked_again(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    script_submit(session, ID_A, true, 3);
    script_feed(session, ">3\r\n$9\r\nfq.result\r\n$36\r\n" ID_A "\r\n_\r\n$36\r\n" ID_A
                         "\r\n*1\r\n$7\r\nunknown\r\n");
    assert_int_equal(script_expect_event(session, FQ_SESSION_SUBMITTED).error, 0);
    script_expect_no_event(session);
    script_expect_output(session, WATCH_A);
    script_feed(session, "*1\r\n$4\r\ndone\r\n" RESULT_PUSH(ID_A));
    assert_int_equal(script_expect_event(session, FQ_SESSION_RESULT).error, 0);
    fq_session_free(session);
}

static void all_watchers_of_a_task_are_told(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    for (uint64_t tag = 0; tag < 3; tag++)
        assert_int_equal(fq_session_watch(session, ID_A, tag), 0);
    fq_session_sent(session, fq_session_output(session).len);
    fq_session_forget(session, 1);
    script_feed(session, "*3\r\n$4\r\ndone\r\n$4\r\ndone\r\n$4\r\ndone\r\n" RESULT_PUSH(ID_A));
    uint64_t seen = 0;
    for (int i = 0; i < 2; i++) {
        struct fq_session_event event = script_expect_event(session, FQ_SESSION_RESULT);
        seen |= UINT64_C(1) << event.tag;
        assert_memory_equal(event.result.status.ptr, "success", 7);
        // More input, and much of it, moves what the event borrowed from; the next one must still be right.
        static char filler[300000];
        memset(filler, 'x', sizeof filler);
        assert_int_equal(fq_session_feed(session, ">2\r\n$1\r\nx\r\n$299000\r\n", 20, S), 0);
        assert_int_equal(fq_session_feed(session, filler, 299000, S), 0);
        script_feed(session, "\r\n");
    }
    assert_int_equal(seen, 5);
    script_expect_no_event(session);
    fq_session_free(session);
}

static void an_unknown_task_ends_the_watch(void **state) {
    (void)state;
    const char *answers[] = {"*1\r\n$7\r\nunknown\r\n", "-BUSY too many watches\r\n",
                             "*1\r\n$8\r\nwatching\r\n>3\r\n$9\r\nfq.result\r\n$36\r\n" ID_A "\r\n_\r\n"};
    int errors[] = {FQ_EUNKNOWNTASK, FQ_EBUSY, FQ_EUNKNOWNTASK};
    for (size_t i = 0; i < 3; i++) {
        fq_session *session = script_ready_session();
        assert_int_equal(fq_session_watch(session, ID_A, 4), 0);
        script_expect_output(session, WATCH_A);
        script_feed(session, answers[i]);
        struct fq_session_event event = script_expect_event(session, FQ_SESSION_RESULT);
        assert_int_equal(event.error, errors[i]);
        assert_int_equal(event.tag, 4);
        assert_true(event.message.len > 0);
        script_expect_no_event(session);
        fq_session_free(session);
    }
}

static void a_command_is_answered_with_values(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice args[] = {script_slice("FQ.STATS"), script_slice("")};
    assert_int_equal(fq_session_command(session, args, 2, true, 8), 0);
    script_expect_output(session, "*2\r\n$8\r\nFQ.STATS\r\n$0\r\n\r\n");
    script_feed(
        session,
        "%3\r\n$1\r\na\r\n*2\r\n:1\r\n,0.5\r\n$1\r\nb\r\n#t\r\n$1\r\nc\r\n_\r\n-NOPERM not for you\r\n");
    struct fq_session_event event = script_expect_event(session, FQ_SESSION_REPLY);
    assert_int_equal(event.error, 0);
    assert_int_equal(event.tag, 8);
    assert_int_equal(event.values[0].type, FQ_VALUE_MAP);
    const struct fq_value *list = fq_value_get(event.values, 0, "a");
    assert_int_equal(list->type, FQ_VALUE_ARRAY);
    assert_int_equal(list[1].integer, 1);
    assert_true(list[2].real == 0.5);
    assert_int_equal(fq_value_get(event.values, 0, "b")->integer, 1);
    assert_int_equal(fq_value_get(event.values, 0, "c")->type, FQ_VALUE_NIL);
    assert_null(fq_value_get(event.values, 0, "d"));
    assert_null(fq_value_get(event.values, 2, "a"));
    fq_session_free(session);
}

static void an_error_keeps_its_sentence(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice args[] = {script_slice("FQ.PAUSE")};
    for (uint64_t tag = 1; tag <= 3; tag++)
        assert_int_equal(fq_session_command(session, args, 1, true, tag), 0);
    fq_session_sent(session, fq_session_output(session).len);
    script_feed(session, "-NOPERM not for you\r\n-ERR unknown command 'FQ.PAUSE'\r\n-odd\r\n");
    const int errors[] = {FQ_ENOPERM, FQ_ESERVER, FQ_ESERVER};
    const char *sentences[] = {"not for you", "unknown command 'FQ.PAUSE'", "odd"};
    for (size_t i = 0; i < 3; i++) {
        struct fq_session_event event = script_expect_event(session, FQ_SESSION_REPLY);
        assert_int_equal(event.error, errors[i]);
        assert_int_equal(event.message.len, strlen(sentences[i]));
        assert_memory_equal(event.message.ptr, sentences[i], event.message.len);
    }
    fq_session_free(session);
}

static void a_worker_is_told_of_cancels_and_drains(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    script_feed(session,
                ">3\r\n$9\r\nfq.cancel\r\n$36\r\n" ID_A "\r\n$20\r\n18446744073709551615\r\n"
                ">1\r\n$8\r\nfq.drain\r\n>2\r\n$6\r\nfq.new\r\n:1\r\n>0\r\n>2\r\n$9\r\nfq.cancel\r\n:1\r\n");
    struct fq_session_event event = script_expect_event(session, FQ_SESSION_CANCEL);
    assert_string_equal(event.id, ID_A);
    assert_true(event.token == UINT64_MAX);
    script_expect_event(session, FQ_SESSION_DRAIN);
    script_expect_no_event(session);
    script_feed(session, ">1\r\n$7\r\nfq.ping\r\n");
    script_expect_no_event(session);
    script_expect_output(session, "*1\r\n$4\r\nPING\r\n");
    script_feed(session, "+PONG\r\n");
    script_expect_no_event(session);
    fq_session_free(session);
}

static void what_is_forgotten_makes_no_event(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice ping[] = {script_slice("ECHO"), script_slice("x")};
    script_submit(session, ID_A, true, 1);
    assert_int_equal(fq_session_command(session, ping, 2, true, 2), 0);
    assert_int_equal(fq_session_command(session, ping, 2, true, 3), 0);
    fq_session_forget(session, 1);
    fq_session_forget(session, 2); // never sent
    fq_session_forget(session, 77);
    script_expect_output(session, "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n");
    script_feed(session, "$36\r\n" ID_A "\r\n*1\r\n$4\r\ndone\r\n" RESULT_PUSH(ID_A) "$1\r\nx\r\n");
    assert_int_equal(script_expect_event(session, FQ_SESSION_REPLY).tag, 3);
    script_expect_no_event(session);
    // Nor is a forgotten request repeated.
    script_submit(session, ID_A, true, 4);
    fq_session_forget(session, 4);
    fq_session_disconnected(session, S);
    script_expect_no_event(session);
    assert_int_equal(fq_session_connected(session, S), 0);
    fq_session_sent(session, fq_session_output(session).len);
    script_feed(session, HELLO_REPLY);
    script_expect_output(session, "");
    fq_session_free(session);
}

static void a_task_map_is_read_whole(void **state) {
    (void)state;
    fq_session *session = script_ready_session();
    const fq_slice args[] = {script_slice("FQ.RESULT"), script_slice(ID_A)};
    assert_int_equal(fq_session_command(session, args, 2, true, 8), 0);
    fq_session_sent(session, fq_session_output(session).len);
    script_feed(session, "*24\r\n$2\r\nid\r\n$36\r\n" ID_A
                         "\r\n$6\r\nstatus\r\n$7\r\nfailure\r\n$4\r\nname\r\n$1\r\nt\r\n"
                         "$8\r\npriority\r\n$3\r\nlow\r\n$7\r\nattempt\r\n:2\r\n$7\r\nretries\r\n:3\r\n"
                         "$7\r\ncrashes\r\n:-1\r\n$6\r\nworker\r\n$1\r\nw\r\n$12\r\nsubmitted_at\r\n:17\r\n"
                         "$6\r\nrun_us\r\n$2\r\n18\r\n$5\r\nextra\r\n*1\r\n:5\r\n"
                         "$5\r\nerror\r\n*6\r\n$4\r\ntype\r\n$1\r\nE\r\n$7\r\nmessage\r\n$1\r\nm\r\n$"
                         "5\r\nstack\r\n$1\r\ns\r\n");
    struct fq_session_event event = script_expect_event(session, FQ_SESSION_REPLY);
    struct fq_task_result result;
    assert_int_equal(fq_task_result_read(event.values, &result), 0);
    assert_string_equal(result.id, ID_A);
    assert_memory_equal(result.status.ptr, "failure", 7);
    assert_memory_equal(result.name.ptr, "t", 1);
    assert_memory_equal(result.priority.ptr, "low", 3);
    assert_memory_equal(result.worker.ptr, "w", 1);
    assert_int_equal(result.attempt, 2);
    assert_int_equal(result.retries, 3);
    assert_int_equal(result.crashes, 0);
    assert_int_equal(result.submitted_at, 17);
    assert_int_equal(result.run_us, 18);
    assert_false(result.has_result);
    assert_memory_equal(result.error_type.ptr, "E", 1);
    assert_memory_equal(result.error_message.ptr, "m", 1);
    assert_memory_equal(result.error_stack.ptr, "s", 1);
    assert_int_equal(fq_task_result_read(&event.values[1], &result), FQ_EPROTOCOL);
    fq_session_free(session);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_submit_with_its_result_goes_out_in_one_write),
        cmocka_unit_test(ids_are_made_or_checked),
        cmocka_unit_test(a_unique_submit_watches_the_id_it_is_told),
        cmocka_unit_test(a_refused_submit_has_no_result),
        cmocka_unit_test(a_result_may_overtake_the_submission),
        cmocka_unit_test(a_watch_that_overtakes_its_submit_is_asked_again),
        cmocka_unit_test(all_watchers_of_a_task_are_told),
        cmocka_unit_test(an_unknown_task_ends_the_watch),
        cmocka_unit_test(a_command_is_answered_with_values),
        cmocka_unit_test(an_error_keeps_its_sentence),
        cmocka_unit_test(a_worker_is_told_of_cancels_and_drains),
        cmocka_unit_test(what_is_forgotten_makes_no_event),
        cmocka_unit_test(a_task_map_is_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
