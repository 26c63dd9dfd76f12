// SPDX-License-Identifier: Apache-2.0
// When systemd's watchdog is answered: while the journal keeps up, and only when it was asked for.
#include "server/watchdog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener;

static int open_socket(void **state) {
    (void)state;
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    int len = snprintf(where.sun_path + 1, sizeof where.sun_path - 1, "fq-watchdog-%d", (int)getpid());
    char name[sizeof where.sun_path + 2];
    snprintf(name, sizeof name, "@%s", where.sun_path + 1);
    listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    return bind(listener, (const struct sockaddr *)&where, size) == 0 ? setenv("NOTIFY_SOCKET", name, 1) : -1;
}

static int close_socket(void **state) {
    (void)state;
    close(listener);
    return unsetenv("NOTIFY_SOCKET");
}

static bool was_told(void) {
    char text[32];
    ssize_t len = recv(listener, text, sizeof text, 0);
    if (len < 0)
        return false;
    assert_int_equal(len, 10);
    assert_memory_equal(text, "WATCHDOG=1", 10);
    return true;
}

static struct fq_now at(int64_t ms) {
    return (struct fq_now){ms * 1000, ms * 1000};
}

static void answers_while_the_journal_keeps_up(void **state) {
    (void)state;
    struct fq_watchdog watchdog;
    setenv("WATCHDOG_USEC", "4000000", 1);
    unsetenv("WATCHDOG_PID");
    fq_watchdog_init(&watchdog, at(0));
    assert_int_equal(fq_watchdog_step(&watchdog, 5, 5, at(0)), at(1000).boot_us); // idle
    assert_true(was_told());
    assert_int_equal(fq_watchdog_step(&watchdog, 6, 5, at(500)), at(1000).boot_us); // not yet again
    assert_false(was_told());
    fq_watchdog_step(&watchdog, 9, 7, at(1000)); // behind, but it moves
    assert_true(was_told());
    for (int64_t ms = 2000; ms <= 6000; ms += 1000) { // it hangs
        fq_watchdog_step(&watchdog, 12, 7, at(ms));
        assert_false(was_told());
    }
    fq_watchdog_step(&watchdog, 12, 12, at(7000));
    assert_true(was_told());
}

static void is_silent_where_nobody_watches(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"0",       NULL},
        {"-5",      NULL},
        {"junk",    NULL},
        {"4000000", "1" }  // meant for another process
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fq_watchdog watchdog;
        setenv("WATCHDOG_USEC", rows[i][0], 1);
        if (rows[i][1] != NULL)
            setenv("WATCHDOG_PID", rows[i][1], 1);
        fq_watchdog_init(&watchdog, at(0));
        assert_int_equal(fq_watchdog_step(&watchdog, 0, 0, at(0)), FQ_NEVER_US);
        assert_false(was_told());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_while_the_journal_keeps_up, open_socket, close_socket),
        cmocka_unit_test_setup_teardown(is_silent_where_nobody_watches, open_socket, close_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
