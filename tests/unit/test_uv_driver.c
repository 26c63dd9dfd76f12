// SPDX-License-Identifier: Apache-2.0
// The libuv driver of a session against a scripted server: login, requests, lost connections, refusals, closing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "client/uv_driver.h"
#include "support/scripted_server.h"

#include <string.h>

struct seen {
    fq_uv_driver *driver;
    int ready, lost, replies, last_error;
    int64_t last_retry_us;
    int stop_after_replies;
};

static void on_event(void *context, const struct fq_session_event *event) {
    struct seen *seen = context;
    const fq_slice beat[] = {
        {"FQ.HEARTBEAT", 12}
    };
    if (event->type == FQ_SESSION_READY) {
        seen->ready++;
        assert_int_equal(fq_session_command(fq_uv_driver_session(seen->driver), beat, 1, true, 7), 0);
    } else if (event->type == FQ_SESSION_REPLY) {
        assert_int_equal(event->error, 0);
        assert_int_equal(event->tag, 7);
        seen->replies++;
        if (seen->replies == seen->stop_after_replies)
            seen->driver = fq_uv_driver_close(seen->driver);
    }
}

static void on_lost(void *context, int error, const char *reason, int64_t retry_us) {
    struct seen *seen = context;
    assert_non_null(reason);
    seen->lost++;
    seen->last_error = error;
    seen->last_retry_us = retry_us;
    if (retry_us == INT64_MAX)
        seen->driver = fq_uv_driver_close(seen->driver);
}

static const struct fq_uv_driver_handler HANDLER = {on_event, on_lost};

static void run(const char *address, struct seen *seen) {
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct fq_uv_driver_options options;
    fq_uv_driver_options_init(&options);
    options.loop = &loop;
    options.target.address = address;
    options.target.token = "secret";
    options.session.backoff_first_us = 1000;
    options.handler = &HANDLER;
    options.context = seen;
    char error[200];
    assert_int_equal(fq_uv_driver_open(&options, error, sizeof error, &seen->driver), 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void it_logs_in_and_asks(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"secret\r\n", HELLO_REPLY}, {"FQ.HEARTBEAT", "*0\r\n"}, {NULL, NULL});
    struct seen seen = {.stop_after_replies = 1};
    run(server.address, &seen);
    scripted_server_end(&server);
    assert_int_equal(seen.ready, 1);
    assert_int_equal(seen.lost, 0);
}

static void it_comes_back_and_repeats(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.HEARTBEAT", NULL}, {"HELLO", NULL}, {"HELLO", HELLO_REPLY},
           {"FQ.HEARTBEAT", "*0\r\n*0\r\n"}, {NULL, NULL});
    struct seen seen = {.stop_after_replies = 2};
    run(server.address, &seen);
    scripted_server_end(&server);
    assert_int_equal(seen.ready, 2);
    assert_int_equal(seen.lost, 2);
    assert_int_equal(seen.last_error, FQ_EDISCONNECTED);
    assert_int_equal(server.connections, 3);
}

static void a_refused_credential_is_the_end(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", "-WRONGPASS no\r\n"});
    struct seen seen = {0};
    run(server.address, &seen);
    scripted_server_end(&server);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.last_error, FQ_EWRONGPASS);
    assert_true(seen.last_retry_us == INT64_MAX);
    assert_int_equal(server.connections, 1);
}

static void the_next_address_is_tried(void **state) {
    (void)state;
    struct scripted_server server;
    SCRIPT(server, {"HELLO", HELLO_REPLY}, {"FQ.HEARTBEAT", "*0\r\n"}, {NULL, NULL});
    struct seen seen = {.stop_after_replies = 1};
    char list[200] = "tcp://127.0.0.1:1,unix:///nonexistent/socket,";
    strcat(list, server.address);
    run(list, &seen);
    scripted_server_end(&server);
    assert_int_equal(seen.lost, 2);
    assert_int_equal(seen.last_error, FQ_ECONNECT);
}

static void closed_while_connecting(void **state) {
    (void)state;
    const char *addresses[] = {"tcp://localhost:1", "unix:///nonexistent/socket"};
    for (int turns = 0; turns < 6; turns++) {
        uv_loop_t loop;
        assert_int_equal(uv_loop_init(&loop), 0);
        struct seen seen = {0};
        struct fq_uv_driver_options options;
        fq_uv_driver_options_init(&options);
        options.loop = &loop;
        options.target.address = addresses[turns % 2];
        options.handler = &HANDLER;
        options.context = &seen;
        char error[200];
        assert_int_equal(fq_uv_driver_open(&options, error, sizeof error, &seen.driver), 0);
        for (int i = 0; i < turns / 2; i++)
            uv_run(&loop, UV_RUN_NOWAIT);
        fq_uv_driver_close(seen.driver);
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&loop), 0);
    }
}

static void bad_options_are_told_at_once(void **state) {
    (void)state;
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    struct fq_uv_driver_options options;
    fq_uv_driver_options_init(&options);
    options.loop = &loop;
    options.handler = &HANDLER;
    options.target.address = "http://x";
    fq_uv_driver *driver = NULL;
    char error[200] = "";
    assert_int_equal(fq_uv_driver_open(&options, error, sizeof error, &driver), FQ_EINVALID);
    assert_true(error[0] != '\0');
    options.target.address = "tls://localhost";
    options.target.tls_ca = "/nonexistent/ca.pem";
    assert_int_equal(fq_uv_driver_open(&options, error, sizeof error, &driver), FQ_ETLS);
    assert_non_null(strstr(error, "ca.pem"));
    assert_null(driver);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_logs_in_and_asks),
        cmocka_unit_test(it_comes_back_and_repeats),
        cmocka_unit_test(a_refused_credential_is_the_end),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(closed_while_connecting),
        cmocka_unit_test(bad_options_are_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
