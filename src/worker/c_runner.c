// SPDX-License-Identifier: Apache-2.0
// The runner process for C modules: load, declare, then one task after another.
#include "worker/c_module.h"
#include "worker/supervisor.h"
#include "worker/task_state.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void do_nothing(int number) {
    (void)number;
}

static void handle(int number, int flags) {
    struct sigaction action = {.sa_handler = do_nothing, .sa_flags = flags};
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

// The soft signal only interrupts: the wish lies on the board, but a task that sleeps in the kernel wakes up and can look.
// When to end is the supervisor's decision also if a service manager signals the whole group. Handlers, not SIG_IGN: what a
// task executes starts with the defaults.
static void set_signals(void) {
    handle(FQ_RUNNER_SIGNAL, 0);
    handle(SIGTERM, SA_RESTART);
    handle(SIGINT, SA_RESTART);
}

static void run_one(fq_runner *runner, const struct fq_c_modules *modules, fq_task *task,
                    const struct fq_runner_task *given) {
    const struct fq_task_entry *entry = modules->tasks[given->name_index];
    fq_task_begin(task, runner, given);
    fq_task_enter(task);
    int returned = entry->run(task);
    // A child that the task forked came back from it: the task is its parent's to report.
    if (fq_runner_is_forked(runner))
        _exit(0);
    fq_task_leave(task);
    if (fq_runner_config(runner).logs)
        fflush(stdout);
    struct fq_runner_outcome outcome = fq_task_outcome(task, returned);
    fq_runner_finish(runner, given->slot, &outcome);
    fq_task_end(task);
}

static void run_all(fq_runner *runner, const struct fq_c_modules *modules, fq_task *task) {
    while (!fq_runner_should_exit(runner)) {
        if (fq_runner_wait(runner, 1, -1) < 0)
            return;
        struct fq_runner_task given;
        while (fq_runner_next(runner, &given) == 1) {
            if (fq_runner_begin(runner, given.slot) == 1)
                run_one(runner, modules, task, &given);
            if (fq_runner_poll(runner, 1) < 0)
                return;
        }
    }
}

int fq_runner_main(int argc, char **argv) {
    char error[1024];
    fq_runner *runner = NULL;
    if (fq_runner_open(&runner, error, sizeof error) < 0) {
        fprintf(stderr, "fastqueue runner: %s\n", error);
        return 1;
    }
    set_signals();
    struct fq_c_modules modules = {0};
    int failed =
        fq_c_modules_load((const char *const *)argv + 1, (size_t)(argc - 1), &modules, error, sizeof error);
    if (failed < 0)
        fq_runner_declare_failed(runner, error);
    else if ((failed = fq_runner_declare(runner, modules.names, modules.count)) < 0)
        fq_runner_declare_failed(runner, fq_runner_error(runner));
    fq_task *task = failed < 0 ? NULL : calloc(1, sizeof *task);
    // What a task prints is seen when it prints it, and as its own.
    if (fq_runner_config(runner).logs)
        setvbuf(stdout, NULL, _IOLBF, 0);
    if (task != NULL)
        run_all(runner, &modules, task);
    fq_runner_close(runner);
    fq_c_modules_done(&modules);
    free(task);
    return failed < 0 || task == NULL ? 1 : 0;
}
