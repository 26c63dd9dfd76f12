// SPDX-License-Identifier: Apache-2.0
// The life of a run: connections, the loop, what ends it, and what is said meanwhile.
#include "cli/bench.h"
#include "cli/connection.h"
#include "net/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { TICK_MS = 100 };
static const uint64_t NS_PER_MS = 1000000, NS_PER_S = 1000000000;
static const uint64_t SETTLE_NS = 10 * 1000000000ull; // answers that take longer are not waited for
static const uint64_t PROGRESS_NS = 500 * 1000000ull;

static double own_cpu_s(void) {
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

uint64_t fq_bench_now(const struct fq_bench_run *run) {
    return uv_hrtime() - run->begun_ns;
}

// --- its end ------------------------------------------------------------------------------------------------------------
void fq_bench_stop(struct fq_bench_run *run) {
    if (run->is_stopping)
        return;
    run->is_stopping = true;
    run->stopping_ns = uv_hrtime();
    if (run->has_begun) {
        run->figures->elapsed_ns = run->stopping_ns - run->begun_ns;
        run->figures->own_cpu_s = own_cpu_s() - run->cpu_at_begin_s;
    }
    for (size_t i = 0; i < run->connection_count; i++) {
        if (run->connections[i].is_worker && run->connections[i].is_ready && !run->plan->is_sweep)
            fq_bench_worker_leave(&run->connections[i]);
    }
    fq_bench_check_idle(run);
}

void fq_bench_check_idle(struct fq_bench_run *run) {
    bool settled = true, all_left = true;
    for (size_t i = 0; i < run->connection_count; i++) {
        const struct fq_bench_connection *connection = &run->connections[i];
        settled &= (connection->is_worker ? connection->under_way : connection->unacknowledged) == 0;
        all_left &= connection->is_worker && connection->has_left;
    }
    if (!settled)
        return;
    if (run->is_stopping)
        uv_stop(&run->loop);
    else if (all_left)
        fq_bench_stop(run);
}

void fq_bench_fail(struct fq_bench_run *run, int error, fq_slice message) {
    if (run->exit_code == 0) {
        run->exit_code = fq_connection_exit_code(error);
        fprintf(stderr, "%sfastqueue bench: %.*s\n", run->shows_progress ? "\r\033[K" : "",
                (int)(message.len < FQ_BENCH_REASON_SIZE ? message.len : FQ_BENCH_REASON_SIZE), message.ptr);
    }
    fq_bench_stop(run);
    uv_stop(&run->loop);
}

// A refusal for now is part of what is measured; one for good would only repeat itself.
void fq_bench_count_error(struct fq_bench_run *run, int error, fq_slice message) {
    struct fq_bench_figures *figures = run->figures;
    if (figures->errors++ == 0)
        snprintf(figures->first_error, sizeof figures->first_error, "%.*s",
                 (int)(message.len < FQ_BENCH_REASON_SIZE ? message.len : FQ_BENCH_REASON_SIZE), message.ptr);
    bool is_for_now = error == FQ_EBUSY || error == FQ_EBADSTATE || error == FQ_ESTALELEASE;
    if (!run->is_stopping && !(run->plan->rate > 0 && error == FQ_EFULL) && !is_for_now)
        fq_bench_fail(run, error, message);
}

void fq_bench_advance(struct fq_bench_run *run) {
    run->answers++;
    uint64_t errors = run->plan->until == FQ_BENCH_EMPTY ? 0 : run->figures->errors;
    if (!run->is_stopping && fq_bench_figures_done(run->plan, run->figures) + errors >= run->plan->goal)
        fq_bench_stop(run);
    else if (run->is_stopping)
        fq_bench_check_idle(run);
}

// --- its beginning ------------------------------------------------------------------------------------------------------
static void arm_pacer(struct fq_bench_run *run) {
    uint64_t at = run->begun_ns + fq_bench_schedule_at(run->plan->rate, run->figures->sent);
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at / NS_PER_S), .tv_nsec = (long)(at % NS_PER_S)}
    };
    if (run->figures->sent < run->plan->goal)
        timerfd_settime(run->pacer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_due(uv_poll_t *poll, int status, int events) {
    struct fq_bench_run *run = poll->data;
    uint64_t expirations;
    (void)status, (void)events;
    if (read(run->pacer_fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN)
        fq_bench_fail(run, FQ_EIO, (fq_slice){strerror(errno), strlen(strerror(errno))});
    if (run->is_stopping)
        return;
    fq_bench_pace(run);
    arm_pacer(run);
}

static void begin(struct fq_bench_run *run) {
    run->has_begun = true;
    run->cpu_at_begin_s = own_cpu_s();
    run->begun_ns = run->answered_ns = run->shown_ns = uv_hrtime();
    for (size_t i = 0; i < run->connection_count; i++) {
        if (run->plan->is_sweep)
            fq_bench_sweep_next(&run->connections[i]);
        else if (run->connections[i].is_worker)
            fq_bench_worker_begin(&run->connections[i]);
        else
            fq_bench_submitter_fill(&run->connections[i]);
    }
    if (run->plan->rate > 0)
        arm_pacer(run);
}

void fq_bench_ready(struct fq_bench_connection *connection) {
    struct fq_bench_run *run = connection->run;
    run->answers++;
    if (!connection->is_ready) {
        connection->is_ready = true;
        run->ready_count++;
    }
    if (run->is_stopping)
        return;
    if (!run->has_begun && run->ready_count == run->connection_count)
        begin(run);
    else if (run->has_begun && connection->is_worker && !run->plan->is_sweep)
        fq_bench_worker_begin(connection);
}

// --- the loop's callbacks -----------------------------------------------------------------------------------------------
static void on_event(void *context, const struct fq_session_event *event) {
    struct fq_bench_connection *connection = context;
    if (connection->run->plan->is_sweep)
        fq_bench_sweep_event(connection, event);
    else if (connection->is_worker)
        fq_bench_worker_event(connection, event);
    else if (event->type == FQ_SESSION_READY)
        fq_bench_ready(connection);
    else
        fq_bench_submitter_event(connection, event);
}

static void on_lost(void *context, int error, const char *reason, int64_t retry_us) {
    struct fq_bench_connection *connection = context;
    struct fq_bench_run *run = connection->run;
    run->figures->reconnects++;
    snprintf(run->lost, sizeof run->lost, "%s", reason);
    if (!run->has_begun || retry_us == INT64_MAX)
        fq_bench_fail(run, error, (fq_slice){reason, strlen(reason)});
}

static void show_progress(struct fq_bench_run *run, uint64_t now_ns) {
    uint64_t done = fq_bench_figures_done(run->plan, run->figures);
    double seconds = (double)(now_ns - run->shown_ns) / 1e9;
    fprintf(stderr, "\r\033[K%s: %llu", fq_bench_workload_name(run->plan->workload),
            (unsigned long long)done);
    if (run->plan->goal != UINT64_MAX)
        fprintf(stderr, " of %llu", (unsigned long long)run->plan->goal);
    fprintf(stderr, ", %.0f a second", (double)(done - run->shown_done) / seconds);
    run->shown_done = done;
    run->shown_ns = now_ns;
}

static void give_up(struct fq_bench_run *run) {
    char sentence[FQ_BENCH_REASON_SIZE * 2];
    long long seconds = (run->target->silence_ms + 999) / 1000;
    int error = FQ_ECONNECT;
    if (run->lost[0] != '\0') {
        snprintf(sentence, sizeof sentence, "the control plane is gone and did not come back in %lld s: %s",
                 seconds, run->lost);
    } else if (run->plan->workers == 0 && run->plan->until == FQ_BENCH_RESULT_KNOWN) {
        snprintf(sentence, sizeof sentence,
                 "no result in %lld s: does a subworker serve the task %s? 'fastqueue queues' tells", seconds,
                 run->target->names[0]);
        error = FQ_ETIMEOUT;
    } else {
        snprintf(sentence, sizeof sentence,
                 "no answer from the control plane in %lld s; 'fastqueue doctor' looks closer", seconds);
    }
    fq_bench_fail(run, error, (fq_slice){sentence, strlen(sentence)});
}

// Waiting is right while nothing is asked: a schedule may be slower than the watch, and tasks may be delayed.
static bool is_waiting_rightly(const struct fq_bench_run *run) {
    const struct fq_bench_plan *plan = run->plan;
    uint64_t patience_ns = 2 * NS_PER_S;
    if (plan->rate > 0)
        patience_ns += (uint64_t)(1e9 / plan->rate);
    if (plan->until != FQ_BENCH_ACKNOWLEDGED)
        patience_ns += (uint64_t)run->target->delay_ms * NS_PER_MS;
    return uv_hrtime() - run->answered_ns < patience_ns + (uint64_t)run->target->silence_ms * NS_PER_MS;
}

static void on_tick(uv_timer_t *timer) {
    struct fq_bench_run *run = timer->data;
    uint64_t now_ns = uv_hrtime();
    if (run->answers != run->answers_seen) {
        run->answers_seen = run->answers;
        run->answered_ns = now_ns;
    }
    if (run->is_stopping) {
        if (now_ns - run->stopping_ns > SETTLE_NS)
            uv_stop(&run->loop);
        return;
    }
    if (!is_waiting_rightly(run)) {
        give_up(run);
        return;
    }
    if (!run->has_begun)
        return;
    if (run->plan->duration_ms > 0 && now_ns - run->begun_ns >= (uint64_t)run->plan->duration_ms * NS_PER_MS)
        fq_bench_stop(run);
    else if (run->shows_progress && now_ns - run->shown_ns >= PROGRESS_NS)
        show_progress(run, now_ns);
}

// The second one leaves at once.
static void on_signal(uv_poll_t *poll, int status, int events) {
    struct fq_bench_run *run = poll->data;
    (void)status, (void)events;
    int number = fq_bench_target_signal(run->target);
    if (number == 0)
        return;
    if (run->exit_code == 0)
        run->exit_code = 128 + number;
    if (run->is_stopping)
        uv_stop(&run->loop);
    fq_bench_stop(run);
}

// --- carrying out a plan ------------------------------------------------------------------------------------------------
static int open_connection(struct fq_bench_run *run, struct fq_bench_connection *connection, size_t index) {
    static const struct fq_uv_driver_handler handler = {.on_event = on_event, .on_lost = on_lost};
    const struct fq_options *given = run->target->options;
    struct fq_now now = fq_clock_now();
    struct fq_uv_driver_options options;
    fq_uv_driver_options_init(&options);
    options.loop = &run->loop;
    options.handler = &handler;
    options.context = connection;
    options.target = (struct fq_target_options){
        .address = run->target->address,
        .user = fq_option_text(given, FQ_OPTION_USER),
        .token = run->target->token[0] != '\0' ? run->target->token : NULL,
        .tls_ca = fq_option_text(given, FQ_OPTION_TLS_CA),
        .tls_cert = fq_option_text(given, FQ_OPTION_TLS_CERT),
        .tls_key = fq_option_text(given, FQ_OPTION_TLS_KEY),
    };
    options.session.client_name = "fastqueue-bench";
    options.session.wall_offset_us = now.wall_us - now.boot_us;
    connection->run = run;
    connection->is_worker = index >= run->plan->submitters;
    snprintf(connection->worker_id, sizeof connection->worker_id, "fastqueue-bench-%ld-%zu", (long)getpid(),
             index);
    char error[FQ_BENCH_REASON_SIZE];
    int rc = fq_uv_driver_open(&options, error, sizeof error, &connection->driver);
    if (rc < 0)
        fprintf(stderr, "fastqueue bench: %s\n", error);
    return rc < 0 ? fq_connection_exit_code(rc) : 0;
}

static void start_handles(struct fq_bench_run *run) {
    uv_timer_init(&run->loop, &run->ticker);
    uv_poll_init(&run->loop, &run->signals, run->target->signal_fd);
    run->ticker.data = run->signals.data = run;
    uv_timer_start(&run->ticker, on_tick, TICK_MS, TICK_MS);
    uv_poll_start(&run->signals, UV_READABLE, on_signal);
    if (run->pacer_fd >= 0) {
        uv_poll_init(&run->loop, &run->pacer, run->pacer_fd);
        run->pacer.data = run;
        uv_poll_start(&run->pacer, UV_READABLE, on_due);
    }
}

static void finish(struct fq_bench_run *run) {
    for (size_t i = 0; i < run->connection_count; i++)
        run->connections[i].driver = fq_uv_driver_close(run->connections[i].driver);
    uv_close((uv_handle_t *)&run->ticker, NULL);
    uv_close((uv_handle_t *)&run->signals, NULL);
    if (run->pacer_fd >= 0)
        uv_close((uv_handle_t *)&run->pacer, NULL);
    while (uv_run(&run->loop, UV_RUN_DEFAULT) != 0)
        continue;
    uv_loop_close(&run->loop);
    if (run->pacer_fd >= 0)
        close(run->pacer_fd);
    free(run->connections);
    if (run->shows_progress)
        fputs("\r\033[K", stderr);
}

int fq_bench_run(const struct fq_bench_target *target, const struct fq_bench_plan *plan,
                 struct fq_bench_figures *ret_figures) {
    struct fq_bench_run run = {
        .target = target,
        .plan = plan,
        .figures = ret_figures,
        .pacer_fd = -1,
        .random = target->seed | 1,
        .answered_ns = uv_hrtime(),
        .shows_progress = !plan->is_silent && isatty(STDERR_FILENO) == 1,
    };
    memset(ret_figures, 0, sizeof *ret_figures);
    size_t count = plan->submitters + plan->workers;
    run.connections = calloc(count, sizeof *run.connections);
    if (run.connections == NULL || uv_loop_init(&run.loop) < 0) {
        free(run.connections);
        fputs("fastqueue bench: out of memory\n", stderr);
        return FQ_EXIT_INTERNAL;
    }
    if (plan->rate > 0 && (run.pacer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) < 0)
        run.exit_code = FQ_EXIT_INTERNAL;
    start_handles(&run);
    while (run.connection_count < count && run.exit_code == 0) {
        size_t index = run.connection_count;
        run.exit_code = open_connection(&run, &run.connections[index], index);
        run.connection_count += run.exit_code == 0;
    }
    if (run.exit_code == 0)
        uv_run(&run.loop, UV_RUN_DEFAULT);
    finish(&run);
    return run.exit_code;
}
