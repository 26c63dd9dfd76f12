// SPDX-License-Identifier: Apache-2.0
#include "server/own_worker.h"

#include "net/child.h"
#include "server/access.h"
#include "server/exit_code.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PAUSE_FIRST_MS = 500,
    PAUSE_LONGEST_MS = 30000,
    STEADY_S = 60, // one that lived so long is restarted as if it were the first time
};

struct fq_own_worker {
    struct fq_own_worker_config config;
    fq_child *process;
    const char **args;
    char token_variable[32 + FQ_OWN_TOKEN_TEXT];
    int64_t started_us, restart_us; // boot; restart_us FQ_NEVER_US = none planned
    int64_t pause_ms;
    bool is_draining;
};

static void plan_restart(fq_own_worker *worker) {
    struct fq_now now = fq_loop_now(worker->config.loop);
    bool was_steady = now.boot_us - worker->started_us > (int64_t)STEADY_S * FQ_US_PER_S;
    worker->pause_ms = was_steady || worker->pause_ms == 0 ? PAUSE_FIRST_MS : worker->pause_ms * 2;
    if (worker->pause_ms > PAUSE_LONGEST_MS)
        worker->pause_ms = PAUSE_LONGEST_MS;
    worker->restart_us = fq_time_add(now.boot_us, worker->pause_ms * FQ_US_PER_MS);
}

static void on_exit_of_worker(void *context, int code, int signal_number) {
    fq_own_worker *worker = context;
    const fq_log *log = worker->config.options->log;
    worker->process = fq_child_close(worker->process);
    fq_loop_wake(worker->config.loop);
    if (worker->is_draining)
        return;
    if (code == FQ_SERVER_MODULE_FAILED) {
        worker->config.on_module_failed(worker->config.context);
        return;
    }
    plan_restart(worker);
    fq_log_write(log, FQ_LOG_ERROR, "worker own worker ended code=%d signal=%d; restarted in %lld ms", code,
                 signal_number, (long long)worker->pause_ms);
}

static void start(fq_own_worker *worker) {
    const char *variables[] = {worker->token_variable,
                               "FASTQUEUE_TOKEN_FILE=", "FASTQUEUE_USER=" FQ_OWN_WORKER_USER, NULL};
    struct fq_child_options options = {
        .program = worker->config.options->program,
        .args = worker->args,
        .variables = worker->config.token[0] != 0 ? variables : NULL,
        .on_exit = on_exit_of_worker,
        .context = worker,
    };
    worker->restart_us = FQ_NEVER_US;
    worker->started_us = fq_loop_now(worker->config.loop).boot_us;
    if (fq_child_spawn(&worker->config.loop->uv, &options, &worker->process) == 0)
        return;
    fq_log_write(worker->config.options->log, FQ_LOG_ERROR, "worker %s cannot be started", options.program);
    plan_restart(worker);
}

fq_own_worker *fq_own_worker_start(const struct fq_own_worker_config *config) {
    fq_own_worker *worker = calloc(1, sizeof *worker);
    size_t count = config->options->subworker_arg_count;
    const char **args = calloc(count + 3, sizeof *args);
    if (worker == NULL || args == NULL) {
        free(worker);
        free(args);
        return NULL;
    }
    args[0] = config->options->program;
    args[1] = "subworker";
    for (size_t i = 0; i < count; i++)
        args[i + 2] = config->options->subworker_args[i];
    worker->config = *config;
    worker->args = args;
    snprintf(worker->token_variable, sizeof worker->token_variable, "FASTQUEUE_TOKEN=%s", config->token);
    start(worker);
    return worker;
}

int64_t fq_own_worker_step(fq_own_worker *worker, struct fq_now now) {
    if (now.boot_us >= worker->restart_us)
        start(worker);
    return worker->restart_us;
}

void fq_own_worker_drain(fq_own_worker *worker) {
    worker->is_draining = true;
    worker->restart_us = FQ_NEVER_US;
    if (worker->process != NULL)
        fq_child_signal(worker->process, SIGTERM);
}

bool fq_own_worker_is_running(const fq_own_worker *worker) {
    return worker != NULL && worker->process != NULL;
}

fq_own_worker *fq_own_worker_free(fq_own_worker *worker) {
    if (worker == NULL)
        return NULL;
    if (worker->process != NULL)
        fq_child_signal(worker->process, SIGKILL);
    fq_child_close(worker->process);
    free(worker->args);
    free(worker);
    return NULL;
}
