// SPDX-License-Identifier: Apache-2.0
// The blocking client against a scripted server on a Unix socket: a thread that answers each connection as told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HELLO_REPLY "%1\r\n$5\r\nproto\r\n:3\r\n"
#define ID          "018f0000-0000-7000-8000-00000000000a"
#define DONE_PUSH                                                                                            \
    ">3\r\n$9\r\nfq.result\r\n$36\r\n" ID "\r\n%3\r\n$2\r\nid\r\n$36\r\n" ID                                 \
    "\r\n$6\r\nstatus\r\n$7\r\nsuccess\r\n$6\r\nresult\r\n$1\r\n3\r\n"

// One exchange: wait until the request contains `expect`, then send `reply`. A NULL reply closes the connection; a NULL
// expect waits until the client closes. The script goes on over any number of connections.
struct step {
    const char *expect;
    const char *reply;
};

struct server {
    int listener;
    char path[64], address[80];
    const struct step *steps;
    size_t step_count, at; // `at` is read after the thread has ended
    int connections;
    pthread_t thread;
};

// Reads until the text holds `wanted`; false when the peer closes.
static bool read_until(int fd, char *text, size_t size, const char *wanted) {
    size_t len = strlen(text);
    while (wanted == NULL || strstr(text, wanted) == NULL) {
        ssize_t count = read(fd, text + len, size - 1 - len);
        if (count <= 0)
            return false;
        len += (size_t)count;
        text[len] = '\0';
    }
    text[0] = '\0';
    return true;
}

static void serve(struct server *server, int fd) {
    static char text[1 << 20];
    text[0] = '\0';
    while (server->at < server->step_count) {
        const struct step *step = &server->steps[server->at];
        if (!read_until(fd, text, sizeof text, step->expect)) {
            server->at += step->expect == NULL;
            return;
        }
        server->at++;
        if (step->reply == NULL)
            return;
        if (write(fd, step->reply, strlen(step->reply)) < 0)
            return;
    }
}

static void *server_main(void *argument) {
    struct server *server = argument;
    while (server->at < server->step_count) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            break;
        server->connections++;
        serve(server, fd);
        close(fd);
    }
    return NULL;
}

static void server_start(struct server *server, const struct step *steps, size_t step_count) {
    *server = (struct server){.steps = steps, .step_count = step_count};
    snprintf(server->path, sizeof server->path, P_tmpdir "/fq-client-%d.sock", (int)getpid());
    snprintf(server->address, sizeof server->address, "unix://%s", server->path);
    unlink(server->path);
    server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", server->path);
    assert_int_equal(bind(server->listener, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(server->listener, 8), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, server_main, server), 0);
}

// Every step of the script must have happened.
static void server_end(struct server *server) {
    pthread_join(server->thread, NULL);
    assert_int_equal(server->at, server->step_count);
    close(server->listener);
    unlink(server->path);
}

static fq_client *open_client(const struct server *server) {
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

#define START(server, ...)                                                                                   \
    static const struct step steps[] = {__VA_ARGS__};                                                        \
    server_start(&(server), steps, sizeof steps / sizeof steps[0])

static int submit(fq_client *client, char id[37]) {
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID;
    return fq_client_submit(client, "add", "{}", 2, &options, id);
}

static void a_task_is_submitted_and_its_result_waited_for(void **state) {
    (void)state;
    struct server server;
    START(server, {"secret\r\n", HELLO_REPLY}, {"FQ.SUBMIT", "$36\r\n" ID "\r\n"},
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
    server_end(&server);
}

static void a_call_submits_and_watches_in_one_write(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY},
          {"FQ.WATCH\r\n$36\r\n" ID, "$36\r\n" ID "\r\n*1\r\n$4\r\ndone\r\n" DONE_PUSH}, {NULL, NULL});
    fq_client *client = open_client(&server);
    struct fq_submit_options options;
    fq_submit_options_init(&options);
    options.id = ID;
    struct fq_task_result result;
    assert_int_equal(fq_client_call(client, "add", "{}", 2, &options, 1000, &result), 0);
    assert_true(result.has_result);
    fq_client_close(client);
    server_end(&server);
}

static void a_lost_answer_is_asked_for_again_under_the_same_id(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY}, {ID, NULL}, {"HELLO", HELLO_REPLY}, {ID, "$36\r\n" ID "\r\n"},
          {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37];
    assert_int_equal(submit(client, id), 0);
    fq_client_close(client);
    server_end(&server);
    assert_int_equal(server.connections, 2);
}

static void a_refusal_for_now_is_repeated(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY}, {ID, "-FULL the queue is full\r\n"}, {ID, "-BUSY later\r\n"},
          {ID, "$36\r\n" ID "\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37];
    assert_int_equal(submit(client, id), 0);
    fq_client_close(client);
    server_end(&server);
}

static void a_refusal_for_good_is_not(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY}, {ID, "-IDCONFLICT another body\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    char id[37] = "untouched";
    assert_int_equal(submit(client, id), FQ_EIDCONFLICT);
    assert_string_equal(fq_client_error(client), "another body");
    assert_string_equal(id, "untouched");
    fq_client_close(client);
    server_end(&server);
}

static void a_refused_token_ends_at_once(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", "-WRONGPASS invalid user name or token\r\n"});
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
    server_end(&server);
    assert_int_equal(server.connections, 1);
}

static void a_command_that_may_not_be_repeated_ends_with_the_connection(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY}, {"FQ.DEAD", NULL}, {"HELLO", HELLO_REPLY}, {"PING", "+PONG\r\n"},
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
    server_end(&server);
}

static void a_wait_ends_in_time(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY}, {"FQ.WATCH", "*1\r\n$8\r\nwatching\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    struct fq_task_result result;
    assert_int_equal(fq_client_wait(client, ID, 30, &result), FQ_ETIMEOUT);
    assert_int_equal(fq_client_wait(client, "no id", 30, &result), FQ_EINVALID);
    fq_client_close(client);
    server_end(&server);
}

static void an_unknown_task_is_said_to_be_unknown(void **state) {
    (void)state;
    struct server server;
    START(server, {"HELLO", HELLO_REPLY}, {"FQ.WATCH", "*1\r\n$7\r\nunknown\r\n"}, {"FQ.STATUS", "_\r\n"},
          {"FQ.CANCEL", "-UNKNOWNTASK no such task\r\n"}, {"FQ.CANCEL", ":1\r\n"}, {NULL, NULL});
    fq_client *client = open_client(&server);
    struct fq_task_result result;
    assert_int_equal(fq_client_wait(client, ID, 5000, &result), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_client_status(client, ID, &result), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_client_cancel(client, ID), FQ_EUNKNOWNTASK);
    assert_int_equal(fq_client_cancel(client, ID), 1);
    fq_client_close(client);
    server_end(&server);
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
