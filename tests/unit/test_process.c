// SPDX-License-Identifier: Apache-2.0
// How runner processes are started and how their ends are told.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Runs a shell script as a runner would be run; its descriptor 4 comes back as text.
static pid_t run_script(const char *script, char *output, size_t size) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    int board = dup(1);
    const char *argv[] = {"sh", "-c", script, NULL};
    struct fq_process_spec spec = {.argv = argv, .board_fd = board, .control_fd = ends[1]};
    pid_t pid = 0;
    char error[256] = "";
    if (fq_process_start(&spec, &pid, error, sizeof error) < 0)
        fail_msg("%s", error);
    close(board);
    close(ends[1]);
    size_t len = 0;
    ssize_t got;
    while (len + 1 < size && (got = read(ends[0], output + len, size - 1 - len)) > 0)
        len += (size_t)got;
    output[len] = '\0';
    close(ends[0]);
    return pid;
}

static struct fq_process_end wait_for(pid_t pid) {
    struct fq_process_end end = {.status = -1};
    assert_int_equal(wait4(pid, &end.status, 0, &end.usage), pid);
    return end;
}

static void a_runner_starts_in_a_world_of_its_own(void **state) {
    (void)state;
    char output[4096], expected[64];
    int stray = dup(1); // must not be inherited
    setenv("FASTQUEUE_TOKEN", "secret-token", 1);
    setenv("FASTQUEUE_USER", "somebody", 1);
    setenv("FASTWORKER_TOKEN", "secret-token-of-old", 1); // read as well, so kept back as well
    setenv("FASTWORKER_CONTROL_PLANE_ADDRESS", "tcp://user:secret-token-of-old@host", 1);
    setenv("FASTQUEUE_CONTROL_PLANE_ADDRESS", "tcp://user:secret-token@host", 1);
    setenv("FASTQUEUE_SOMETHING", "kept", 1);
    signal(SIGPIPE, SIG_IGN);
    pid_t pid = run_script(
        "exec >&4; env; "
        // by the shell's own words: a pipe or a child of its would show up in what is looked at
        "for fd in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$fd ] && printf '%s ' $fd; done; echo; "
        "cut -d' ' -f5,6 /proc/$$/stat; ulimit -c; readlink /proc/$$/fd/0; "
        "while read -r line; do case $line in SigIgn*) echo \"$line\";; esac; done </proc/$$/status",
        output, sizeof output);
    wait_for(pid);
    close(stray);
    assert_null(strstr(output, "secret-token"));
    assert_null(strstr(output, "somebody"));
    assert_non_null(strstr(output, "FASTQUEUE_SOMETHING=kept"));
    snprintf(expected, sizeof expected, "FASTQUEUE_RUNNER_FDS=3,4,%d\n", (int)getpid());
    assert_non_null(strstr(output, expected));
    assert_non_null(strstr(output, "\n0 1 2 3 4 "));
    assert_null(strstr(output, " 5 "));
    snprintf(expected, sizeof expected, "\n%d %d\n0\n/dev/null\n", (int)pid,
             (int)pid); // group, session; no core
    assert_non_null(strstr(output, expected));
    // Signals 32 and 33 are the C library's own: programs that make starts inherit them ignored and cannot change that.
    const char *ignored = strstr(output, "SigIgn:\t");
    assert_non_null(ignored);
    assert_int_equal(strtoull(ignored + strlen("SigIgn:\t"), NULL, 16) & ~(3ull << 31), 0);
}

static void a_program_that_is_not_there_is_named(void **state) {
    (void)state;
    const char *argv[] = {"/no/such/program", NULL};
    struct fq_process_spec spec = {.argv = argv, .board_fd = 1, .control_fd = 1};
    pid_t pid = 77;
    char error[256] = "";
    assert_int_equal(fq_process_start(&spec, &pid, error, sizeof error), FQ_EIO);
    assert_int_equal(pid, 77);
    assert_non_null(strstr(error, "/no/such/program"));
    assert_non_null(strstr(error, "No such file"));
}

static void ends_are_told_with_their_cause(void **state) {
    (void)state;
    char text[400], output[16];
    struct fq_process_end end = wait_for(run_script("exit 7", output, sizeof output));
    fq_process_describe(&end, text, sizeof text);
    assert_non_null(strstr(text, "exited with code 7"));
    assert_non_null(strstr(text, "max resident"));
    end = wait_for(run_script("kill -SEGV $$", output, sizeof output));
    fq_process_describe(&end, text, sizeof text);
    assert_non_null(strstr(text, "signal 11 (Segmentation fault)"));
    end = wait_for(run_script("kill -KILL $$", output, sizeof output));
    fq_process_describe(&end, text, sizeof text);
    assert_non_null(strstr(text, "somebody else"));
    end.killed_here = true;
    fq_process_describe(&end, text, sizeof text);
    assert_null(strstr(text, "somebody else"));
    end.out_of_memory = true;
    fq_process_describe(&end, text, sizeof text);
    assert_non_null(strstr(text, "out of memory"));
}

static void a_group_dies_together(void **state) {
    (void)state;
    char output[64];
    pid_t pid =
        run_script("sleep 600 >/dev/null 2>&1 4>&- & echo $! >&4; exec 4>&-; wait", output, sizeof output);
    pid_t grandchild = (pid_t)atoi(output);
    assert_true(grandchild > 0 && fq_process_resident(pid) > 0);
    assert_int_equal(kill(grandchild, 0), 0);
    fq_process_kill_group(pid);
    struct fq_process_end end = wait_for(pid);
    assert_true(WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL);
    // Its new parent reaps it in its own time: gone, or dead and waiting to be reaped.
    char path[64], stat[256] = "";
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/proc/%d/stat", (int)grandchild);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            return;
        bool dead = fgets(stat, sizeof stat, file) != NULL && strstr(stat, ") Z") != NULL;
        fclose(file);
        if (dead)
            return;
        usleep(10000);
    }
    fail_msg("the child of a killed group lives on: %s", stat);
}

// What a task writes is for whom its starter says, but never for everybody.
static void files_of_tasks_are_not_everybodys(void **state) {
    (void)state;
    static const struct {
        mode_t ours;
        const char *theirs;
    } rows[] = {
        {0,    "0002\n"},
        {022,  "0022\n"},
        {0077, "0077\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char output[64];
        mode_t before = umask(rows[i].ours);
        wait_for(run_script("umask >&4", output, sizeof output));
        umask(before);
        assert_string_equal(output, rows[i].theirs);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runner_starts_in_a_world_of_its_own),
        cmocka_unit_test(files_of_tasks_are_not_everybodys),
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(ends_are_told_with_their_cause),
        cmocka_unit_test(a_group_dies_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
