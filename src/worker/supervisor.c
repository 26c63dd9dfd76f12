// SPDX-License-Identifier: Apache-2.0
#include "worker/supervisor.h"

#include "base/random.h"
#include "net/clock.h"
#include "worker/stray.h"
#include "worker/supervisor_state.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { LAST_REPORTS_US = 2 * FQ_US_PER_S };

void fq_supervisor_options_init(struct fq_supervisor_options *options) {
    *options = (struct fq_supervisor_options){
        .address = "tcp://127.0.0.1:5555",
        .async_concurrency = 100,
        .kill_grace_ms = 10000,
        .drain_timeout_ms = 25000,
    };
}

struct fq_now fq_supervisor_now(void) {
    return fq_clock_now();
}

// --- what has to happen when -----------------------------------------------------------------------------------------

static void on_plan(uv_timer_t *timer) {
    fq_supervisor_plan(timer->data);
}

static void start_due(struct fq_supervisor *supervisor, int64_t now_us, int64_t *next_us) {
    for (size_t i = 0; i < supervisor->position_count && !supervisor->draining; i++) {
        struct fq_position *position = &supervisor->positions[i];
        if (position->active == NULL && position->start_at_us <= now_us)
            fq_child_start(position, false);
        if (position->active == NULL && position->start_at_us < *next_us)
            *next_us = position->start_at_us;
    }
}

static void release_due(struct fq_supervisor *supervisor, int64_t now_us, int64_t *next_us) {
    size_t kept = 0;
    for (size_t i = 0; i < supervisor->leftover_count; i++) {
        struct fq_leftover *leftover = &supervisor->leftovers[i];
        if (leftover->due_us <= now_us) {
            fq_supervisor_release(supervisor, &leftover->id, leftover->token);
            continue;
        }
        if (leftover->due_us < *next_us)
            *next_us = leftover->due_us;
        supervisor->leftovers[kept++] = *leftover;
    }
    supervisor->leftover_count = kept;
}

// Dooms what still runs, so that its autopsy gives it back.
static void end_by_force(struct fq_supervisor *supervisor) {
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next)
        fq_watch_kill(child, FQ_KILL_DRAIN);
}

static void plan_drain(struct fq_supervisor *supervisor, int64_t now_us, int64_t *next_us) {
    if (supervisor->children != NULL) {
        if (now_us >= supervisor->drain_until_us)
            end_by_force(supervisor);
        else if (supervisor->drain_until_us < *next_us)
            *next_us = supervisor->drain_until_us;
        return;
    }
    if (supervisor->exit_by_us == 0)
        supervisor->exit_by_us = now_us + LAST_REPORTS_US;
    bool is_ready = fq_session_is_ready(fq_supervisor_session(supervisor));
    bool is_done = supervisor->pending == 0 && supervisor->leftover_count == 0;
    if (now_us >= supervisor->exit_by_us || (is_done && !is_ready))
        fq_supervisor_stop(supervisor, supervisor->exit_code);
    else if (is_done && !supervisor->unregistering)
        fq_supervisor_unregister(supervisor);
    if (supervisor->exit_by_us < *next_us)
        *next_us = supervisor->exit_by_us;
}

void fq_supervisor_plan(struct fq_supervisor *supervisor) {
    if (supervisor->stopping)
        return;
    int64_t now_us = fq_supervisor_now_us(), next_us = FQ_NEVER_US;
    release_due(supervisor, now_us, &next_us);
    start_due(supervisor, now_us, &next_us);
    if (supervisor->draining && !supervisor->stopping)
        plan_drain(supervisor, now_us, &next_us);
    if (next_us == FQ_NEVER_US || supervisor->stopping) {
        uv_timer_stop(&supervisor->plan_timer);
        return;
    }
    int64_t wait_ms = (next_us - now_us) / FQ_US_PER_MS + 1;
    uv_timer_start(&supervisor->plan_timer, on_plan, wait_ms > 0 ? (uint64_t)wait_ms : 1, 0);
}

void fq_supervisor_stop(struct fq_supervisor *supervisor, int exit_code) {
    if (supervisor->stopping)
        return;
    supervisor->stopping = true;
    supervisor->exit_code = exit_code;
    uv_stop(&supervisor->loop);
}

// --- signals ---------------------------------------------------------------------------------------------------------

static void on_stop_signal(uv_signal_t *handle, int number) {
    struct fq_supervisor *supervisor = handle->data;
    int64_t now_us = fq_supervisor_now_us();
    if (supervisor->draining) {
        fq_log_write(supervisor->log, FQ_LOG_WARNING, "signal %d again: running tasks are given back now",
                     number);
        supervisor->drain_until_us = now_us;
    } else {
        supervisor->draining = true;
        supervisor->drain_until_us = now_us + supervisor->options->drain_timeout_ms * FQ_US_PER_MS;
        fq_log_write(supervisor->log, FQ_LOG_INFO, "draining: running tasks have %lld ms to finish",
                     (long long)supervisor->options->drain_timeout_ms);
        for (struct fq_child *child = supervisor->children; child != NULL; child = child->next)
            fq_child_leave(child);
    }
    fq_supervisor_plan(supervisor);
}

static void on_child_signal(uv_signal_t *handle, int number) {
    (void)number;
    fq_child_reap_all(handle->data);
}

// --- setting up ------------------------------------------------------------------------------------------------------

static bool is_c_module(const char *module) {
    size_t len = strlen(module);
    return len > 3 && strcmp(module + len - 3, ".so") == 0;
}

static int sort_modules(struct fq_supervisor *supervisor) {
    const struct fq_supervisor_options *options = supervisor->options;
    for (int kind = 0; kind < FQ_KIND_COUNT; kind++) {
        supervisor->modules[kind] = calloc(options->task_module_count + 1, sizeof(char *));
        if (supervisor->modules[kind] == NULL)
            return FQ_ENOMEM;
    }
    for (size_t i = 0; i < options->task_module_count; i++) {
        enum fq_runner_kind kind = is_c_module(options->task_modules[i]) ? FQ_KIND_C : FQ_KIND_PYTHON;
        supervisor->modules[kind][supervisor->module_count[kind]++] = options->task_modules[i];
    }
    return 0;
}

// Both kinds share the concurrency evenly, each has at least one runner, an odd one is Python's.
static int make_positions(struct fq_supervisor *supervisor) {
    size_t total = supervisor->options->concurrency;
    if (total == 0) {
        long cpus = sysconf(_SC_NPROCESSORS_ONLN);
        total = cpus > 0 ? (size_t)cpus : 1;
    }
    bool has_c = supervisor->module_count[FQ_KIND_C] > 0,
         has_python = supervisor->module_count[FQ_KIND_PYTHON] > 0;
    size_t half = total / 2 > 0 ? total / 2 : 1;
    supervisor->kind_count[FQ_KIND_C] = !has_c ? 0 : has_python ? half : total;
    supervisor->kind_count[FQ_KIND_PYTHON] = !has_python ? 0
                                             : has_c     ? (total > half ? total - half : 1)
                                                         : total;
    supervisor->position_count = supervisor->kind_count[FQ_KIND_C] + supervisor->kind_count[FQ_KIND_PYTHON];
    supervisor->positions = calloc(supervisor->position_count, sizeof *supervisor->positions);
    if (supervisor->positions == NULL)
        return FQ_ENOMEM;
    for (size_t i = 0; i < supervisor->position_count; i++) {
        struct fq_position *position = &supervisor->positions[i];
        position->supervisor = supervisor;
        position->kind = i < supervisor->kind_count[FQ_KIND_C] ? FQ_KIND_C : FQ_KIND_PYTHON;
    }
    return 0;
}

static int find_python(struct fq_supervisor *supervisor) {
    const char *given = supervisor->options->python, *venv = getenv("VIRTUAL_ENV");
    char path[4096];
    snprintf(path, sizeof path, "%s/bin/python", venv != NULL ? venv : "");
    if (given == NULL || given[0] == '\0')
        given = venv != NULL && venv[0] != '\0' && access(path, X_OK) == 0 ? path : "python3";
    supervisor->python = strdup(given);
    return supervisor->python != NULL ? 0 : FQ_ENOMEM;
}

static void make_instance(struct fq_supervisor *supervisor) {
    uint64_t dice[2];
    if (getrandom(dice, sizeof dice, 0) != (ssize_t)sizeof dice)
        dice[0] = dice[1] = uv_hrtime() ^ (uint64_t)getpid() << 40;
    fq_uuid id = fq_uuid_v7(fq_supervisor_now().wall_us / FQ_US_PER_MS, dice[0], dice[1]);
    fq_uuid_format(&id, supervisor->instance);
    supervisor->instance[FQ_UUID_TEXT] = '\0';
}

static int start_signal(struct fq_supervisor *supervisor, uv_signal_t *handle, uv_signal_cb callback,
                        int number) {
    if (uv_signal_init(&supervisor->loop, handle) < 0)
        return FQ_EIO;
    handle->data = supervisor;
    return uv_signal_start(handle, callback, number) < 0 ? FQ_EIO : 0;
}

static void start_timer(struct fq_supervisor *supervisor, uv_timer_t *timer) {
    uv_timer_init(&supervisor->loop, timer);
    timer->data = supervisor;
}

static void do_nothing(uv_work_t *work) {
    (void)work;
}

// Threads of libuv's pool start with the first work, and with the signals of who gives it: these are to stay deaf, or one of
// them would die of a SIGTERM that comes when our handlers are gone and telemetry is being flushed.
static void start_deaf_pool(struct fq_supervisor *supervisor) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)uv_queue_work(&supervisor->loop, &supervisor->first_work, do_nothing, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static int set_up(struct fq_supervisor *supervisor) {
    if (supervisor->options->task_module_count == 0) {
        fq_log_write(supervisor->log, FQ_LOG_ERROR,
                     "no task modules: name a .so or a Python module with --task-modules");
        return FQ_EINVALID;
    }
    int error = sort_modules(supervisor);
    if (error == 0)
        error = make_positions(supervisor);
    if (error == 0)
        error = find_python(supervisor);
    if (error < 0)
        return error;
    fq_stray_adopt();
    start_deaf_pool(supervisor);
    make_instance(supervisor);
    const struct fq_worker_telemetry_options telemetry = {.log = supervisor->log,
                                                          .worker_id = supervisor->options->worker_id,
                                                          .address = supervisor->options->address};
    supervisor->telemetry = fq_worker_telemetry_open(&telemetry);
    start_timer(supervisor, &supervisor->tick);
    start_timer(supervisor, &supervisor->register_timer);
    start_timer(supervisor, &supervisor->beat_timer);
    start_timer(supervisor, &supervisor->plan_timer);
    start_timer(supervisor, &supervisor->feed_timer);
    if (start_signal(supervisor, &supervisor->on_term, on_stop_signal, SIGTERM) < 0 ||
        start_signal(supervisor, &supervisor->on_int, on_stop_signal, SIGINT) < 0 ||
        start_signal(supervisor, &supervisor->on_child, on_child_signal, SIGCHLD) < 0) {
        fq_log_write(supervisor->log, FQ_LOG_ERROR, "signals cannot be received");
        return FQ_EIO;
    }
    return fq_supervisor_connect(supervisor);
}

// --- the end ---------------------------------------------------------------------------------------------------------

static void close_handle(uv_handle_t *handle, void *context) {
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

// A further signal must not change the exit code of a stop that is done: its handler is about to go.
static void hold_signals(void) {
    sigset_t late;
    sigemptyset(&late);
    sigaddset(&late, SIGTERM);
    sigaddset(&late, SIGINT);
    pthread_sigmask(SIG_BLOCK, &late, NULL);
}

static void tear_down(struct fq_supervisor *supervisor) {
    hold_signals();
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next)
        fq_watch_kill(child, FQ_KILL_DRAIN);
    while (supervisor->children != NULL)
        fq_child_end(supervisor->children);
    fq_stray_kill(0);
    supervisor->driver = fq_uv_driver_close(supervisor->driver);
    uv_walk(&supervisor->loop, close_handle, NULL);
    while (uv_run(&supervisor->loop, UV_RUN_DEFAULT) != 0) {
        // the first run ends at once where the loop was stopped before it ran
    }
    uv_loop_close(&supervisor->loop);
    supervisor->telemetry = fq_worker_telemetry_close(supervisor->telemetry);
    while (supervisor->beats != NULL) {
        struct fq_beat_batch *batch = supervisor->beats;
        supervisor->beats = batch->next;
        free(batch);
    }
    for (int kind = 0; kind < FQ_KIND_COUNT; kind++) {
        fq_board_names_done(&supervisor->names[kind]);
        free(supervisor->modules[kind]);
    }
    free(supervisor->leftovers);
    free(supervisor->positions);
    free(supervisor->python);
}

int fq_supervisor_run(const struct fq_supervisor_options *options) {
    struct fq_supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return 70;
    supervisor->options = options;
    supervisor->log = options->log;
    if (uv_loop_init(&supervisor->loop) != 0) {
        free(supervisor);
        return 70;
    }
    int exit_code = 70;
    int error = set_up(supervisor);
    if (error == FQ_EINVALID || error == FQ_ETLS)
        exit_code = 78;
    if (error == 0) {
        fq_supervisor_plan(supervisor);
        if (!supervisor->stopping)
            uv_run(&supervisor->loop, UV_RUN_DEFAULT);
        exit_code = supervisor->exit_code;
    }
    tear_down(supervisor);
    free(supervisor);
    return exit_code;
}
