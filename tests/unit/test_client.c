// SPDX-License-Identifier: Apache-2.0
// The blocking client against a scripted server on a Unix socket: a thread that answers each connection as told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/client.h"
#include "support/scripted_server.h"

#include <string.h>

#define ID "018f0000-0000-7000-8000-00000000000a"
#define DONE_PUSH                                                                                            \
    ">3\r\n$9\r\nfq.result\r\n$36\r\n" ID "\r\n%3\r\n$2\r\nid\r\n$36\r\n" ID                                 \
    "\r\n$6\r\nstatus\r\n$7\r\nsuccess\r\n$6\r\nresult\r\n$1\r\n3\r\n"

static fq_client *open_client(const struct scripted_server *server) {
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = server->address;
    options.token = "secret";
    options.timeout_ms = 5000;
    fq_client *client = NULL;
    char error[200] = "";
    int rc = fq_client_open(&options, &client, error, sizeof error);
    if (rc != 0)
        fail_msg("open: %d %s", rc, error);
    return client;
}

static int submit(fq_client *client, char id[37]) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID;
    return fq_client_submit(client, "add", "{}", 2, &options, id);
}

static void a_task_is_submitted_and_its_result_waited_for(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"secret\r\n", HELLO_REPLY}, {"FQ.SUBMIT", "$36\r\n" ID "\r\n"},
           {"FQ.WATCH\r\n$36\r\n" ID, "*1\r\n$8\r\nwatching\r\n"}, {"", DONE_PUSH}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37];
    assert_int_equal(submit(client, id), 0);
    assert_string_equal(id, ID);
    struct fq_task_result result;
    assert_int_equal(fq_client_wait(client, id, 5000, &result), 0);
    assert_memory_equal(result.status.ptr, "success", 7);
    assert_memory_equal(result.result.ptr, "3", 1);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_call_submits_and_watches_in_one_write(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {"FQ.WATCH\r\n$36\r\n" ID, "$36\r\n" ID "\r\n*1\r\n$4\r\ndone\r\n" DONE_PUSH}, {NULL, NULL});
    fq_client *client = open_client(&server);
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID;
    struct fq_task_result result;
    assert_int_equal(fq_client_call(client, "add", "{}", 2, &options, 1000, &result), 0);
    assert_true(result.has_result);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_lost_answer_is_asked_for_again_under_the_same_id(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID, NULL}, {"HELLO", HELLO_REPLY}, {ID, "$36\r\n" ID "\r\n"},
           {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37];
    assert_int_equal(submit(client, id), 0);
    fq_client_close(client);
    scripted_server_end(&server);
    assert_int_equal(server.connections, 2);
}

static void a_refusal_for_now_is_repeated(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID, "-FULL the queue is full\r\n"}, {ID, "-BUSY later\r\n"},
           {ID, "$36\r\n" ID "\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37];
    assert_int_equal(submit(client, id), 0);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_refusal_for_good_is_not(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID, "-IDCONFLICT another body\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37] = "untouched";
    assert_int_equal(submit(client, id), FQ_EIDCONFLICT);
    assert_string_equal(fq_client_error(client), "another body");
    assert_string_equal(id, "untouched");
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_refused_token_ends_at_once(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", "-WRONGPASS invalid user name or token\r\n"});
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = server.address;
    options.token = "wrong-secret";
    fq_client *client = NULL;
    char error[200];
    assert_int_equal(fq_client_open(&options, &client, error, sizeof error), FQ_EWRONGPASS);
    assert_non_null(strstr(error, "invalid user name or token"));
    assert_null(strstr(error, "wrong-secret"));
    assert_null(client);
    scripted_server_end(&server);
    assert_int_equal(server.connections, 1);
}

static void a_command_that_may_not_be_repeated_ends_with_the_connection(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.DEAD", NULL}, {"HELLO", HELLO_REPLY}, {"PING", "+PONG\r\n"},
           {NULL, NULL});
    fq_client *client = open_client(&server);
    const fq_slice purge[] = {
        {"FQ.DEAD", 7},
        {"PURGE",   5},
        {"ALL",     3}
    };
    const fq_slice ping[] = {
        {"PING", 4}
    };
    const struct fq_value *values;
    assert_int_equal(fq_client_command(client, purge, 3, &values), FQ_EDISCONNECTED);
    assert_int_equal(fq_client_command(client, ping, 1, &values), 0);
    assert_int_equal(values[0].type, FQ_VALUE_TEXT);
    assert_memory_equal(values[0].text.ptr, "PONG", 4);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_wait_ends_in_time(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.WATCH", "*1\r\n$8\r\nwatching\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    struct fq_task_result result;
    assert_int_equal(fq_client_wait(client, ID, 30, &result), FQ_ETIMEOUT);
    assert_int_equal(fq_client_wait(client, "no id", 30, &result), FQ_EINVALID);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void an_unknown_task_is_said_to_be_unknown(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.WATCH", "*1\r\n$7\r\nunknown\r\n"}, {"FQ.STATUS", "_\r\n"},
           {"FQ.CANCEL", "-UNKNOWNTASK no such task\r\n"}, {"FQ.CANCEL", ":1\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    struct fq_task_result result;
    assert_int_equal(fq_client_wait(client, ID, 5000, &result), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_client_status(client, ID, &result), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_client_cancel(client, ID), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_client_cancel(client, ID), 1);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void nobody_there_is_told_soon(void **state) {
    (void)state;
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = "unix:///nonexistent/fastqueue.sock,user:hush@127.0.0.1:1";
    options.retries = 1;
    fq_client *client = NULL;
    char error[400];
    assert_int_equal(fq_client_open(&options, &client, error, sizeof error), FQ_ECONNECT);
    assert_non_null(strstr(error, "127.0.0.1:1"));
    assert_null(strstr(error, "hush"));
    options.address = "ftp://x";
    assert_int_equal(fq_client_open(&options, &client, error, sizeof error), FQ_EINVALID);
    assert_null(client);
    assert_null(fq_client_close(NULL));
}

static void the_next_address_is_tried(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {ID, NULL}, {"HELLO", HELLO_REPLY}, {ID, "$36\r\n" ID "\r\n"},
           {NULL, NULL});
    struct fq_client_options options;
    fq_client_options_init(&options);
    char list[200] = "unix:///nonexistent/socket, tcp://127.0.0.1:1,";
    strcat(list, server.address);
    options.address = list;
    fq_client *client = NULL;
    assert_int_equal(fq_client_open(&options, &client, NULL, 0), 0);
    char id[37];
    assert_int_equal(submit(client, id), 0);
    fq_client_close(client);
    scripted_server_end(&server);
}

// --- batches ------------------------------------------------------------------------------------------------------------
#define BATCH_ID(digit) "018f0000-0000-7000-8000-00000000000" digit

static int submit_three(fq_client *client, char ids[3][37]) {
    static const char *const given[] = {BATCH_ID("0"), BATCH_ID("1"), BATCH_ID("2")};
    struct fq_submit_options options[3];
    struct fq_client_task tasks[3];
    for (int i = 0; i < 3; i++) {
        fq_submit_options_init(&options[i]);
        options[i].id = given[i];
        tasks[i] = (struct fq_client_task){"t", "{}", 2, &options[i]};
    }
    return fq_client_submit_many(client, tasks, 3, ids);
}

static void a_batch_repeats_only_what_was_refused_for_now(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {BATCH_ID("2"), "$36\r\n" BATCH_ID("0") "\r\n-FULL later\r\n$36\r\n" BATCH_ID("2") "\r\n"},
           {BATCH_ID("1"), "-BUSY later\r\n"}, {BATCH_ID("1"), "$36\r\n" BATCH_ID("1") "\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char ids[3][37];
    assert_int_equal(submit_three(client, ids), 0);
    assert_string_equal(ids[0], BATCH_ID("0"));
    assert_string_equal(ids[1], BATCH_ID("1"));
    assert_string_equal(ids[2], BATCH_ID("2"));
    assert_int_equal(fq_client_submit_many(client, NULL, 0, NULL), 0);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_batch_stops_at_the_first_refusal_for_good(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY},
           {BATCH_ID("2"), "$36\r\n" BATCH_ID("0") "\r\n-TOOBIG payload\r\n$36\r\n" BATCH_ID("2") "\r\n"},
           {"PING", "+PONG\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char ids[3][37];
    assert_int_equal(submit_three(client, ids), FQ_ETOOBIG);
    assert_string_equal(fq_client_error(client), "payload");
    assert_string_equal(ids[0], BATCH_ID("0"));
    assert_string_equal(ids[1], "");
    assert_string_equal(ids[2], "");
    const fq_slice ping[] = {
        {"PING", 4}
    }; // late answers of the batch do not disturb the next call
    const struct fq_value *values;
    assert_int_equal(fq_client_command(client, ping, 1, &values), 0);
    fq_client_close(client);
    scripted_server_end(&server);
}

static void a_full_server_is_what_a_timeout_says(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.SUBMIT", "-FULL the disk is full\r\n"}, {NULL, NULL});
    struct fq_client_options options;
    fq_client_options_init(&options);
    options.address = server.address;
    options.timeout_ms = 400; // the repeated submit is not answered any more
    fq_client *client = NULL;
    assert_int_equal(fq_client_open(&options, &client, NULL, 0), 0);
    char id[37];
    int rc = submit(client, id);
    assert_true(rc == FQ_EFULL);
    assert_string_equal(fq_client_error(client), "the disk is full");
    fq_client_close(client);
    scripted_server_end(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_submitted_and_its_result_waited_for),
        cmocka_unit_test(a_call_submits_and_watches_in_one_write),
        cmocka_unit_test(a_lost_answer_is_asked_for_again_under_the_same_id),
        cmocka_unit_test(a_refusal_for_now_is_repeated),
        cmocka_unit_test(a_refusal_for_good_is_not),
        cmocka_unit_test(a_refused_token_ends_at_once),
        cmocka_unit_test(a_command_that_may_not_be_repeated_ends_with_the_connection),
        cmocka_unit_test(a_wait_ends_in_time),
        cmocka_unit_test(an_unknown_task_is_said_to_be_unknown),
        cmocka_unit_test(nobody_there_is_told_soon),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(a_batch_repeats_only_what_was_refused_for_now),
        cmocka_unit_test(a_batch_stops_at_the_first_refusal_for_good),
        cmocka_unit_test(a_full_server_is_what_a_timeout_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
