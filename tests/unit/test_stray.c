// SPDX-License-Identifier: Apache-2.0
// Processes that outlive the runner that they come from: ended with it, by their mark, and buried.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/stray.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

// Starts a process that leaves another one behind, in a session of its own, and waits for the first; `mark` is in the
// environment of both. A pipe that the one left behind holds open: its end is the end of that process.
static int leave_behind(const char *mark, const char *seconds) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t middle = fork();
    assert_true(middle >= 0);
    if (middle == 0) {
        char *environment[] = {(char *)(uintptr_t)mark, NULL};
        close(ends[0]);
        execle("/bin/sh", "sh", "-c", "/usr/bin/setsid /bin/sleep $0 >/dev/null 2>&1 & exit 0", seconds,
               (char *)NULL, environment);
        _exit(127);
    }
    close(ends[1]);
    int status;
    assert_int_equal(waitpid(middle, &status, 0), middle);
    assert_int_equal(status, 0);
    return ends[0];
}

static bool has_ended(int pipe_end, int wait_ms) {
    struct pollfd look = {.fd = pipe_end, .events = POLLIN};
    return poll(&look, 1, wait_ms) == 1;
}

static bool is_nobody(const void *context, pid_t pid) {
    (void)context;
    (void)pid;
    return false;
}

static bool is_anybody(const void *context, pid_t pid) {
    (void)context;
    (void)pid;
    return true;
}

static void bury_all(void) {
    siginfo_t info;
    while (waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0)
        fq_stray_reap(is_nobody, NULL);
    assert_int_equal(errno, ECHILD);
}

static void goes_with_its_runner(void **state) {
    (void)state;
    int left = leave_behind(FQ_STRAY_MARK "4242", "60"), other = leave_behind(FQ_STRAY_MARK "42424", "60");
    fq_stray_kill(42);
    assert_false(has_ended(left, 50));
    fq_stray_kill(4242);
    assert_true(has_ended(left, 10000));
    assert_false(has_ended(other, 50));
    fq_stray_kill(0);
    assert_true(has_ended(other, 10000));
    bury_all();
    close(left);
    close(other);
}

static void who_bears_no_mark_stays(void **state) {
    (void)state;
    int left = leave_behind("SOMETHING=4242", "0.5");
    fq_stray_kill(4242);
    fq_stray_kill(0);
    assert_false(has_ended(left, 50));
    assert_true(has_ended(left, 10000)); // by itself
    bury_all();
    close(left);
}

static void runners_are_left_to_their_owner(void **state) {
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(7);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    fq_stray_reap(is_anybody, NULL);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 7);
}

int main(void) {
    fq_stray_adopt();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_with_its_runner),
        cmocka_unit_test(runners_are_left_to_their_owner),
        cmocka_unit_test(who_bears_no_mark_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
