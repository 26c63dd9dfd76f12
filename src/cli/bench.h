// SPDX-License-Identifier: Apache-2.0
// What the files of `fastqueue bench` share: the plan of a run, the run with its connections, and what it measured.
//
// A run is one libuv loop in one thread with some connections that submit and some that work. It ends when `goal` tasks
// have come as far as `until` says, when its time is over, on a signal, or on an error; then what is under way settles, so
// that nothing reaches the control plane behind the run's back.
#ifndef FQ_CLI_BENCH_H
#define FQ_CLI_BENCH_H

#include "cli/bench_latency.h"
#include "cli/option.h"
#include "cli/secret_file.h"
#include "client/uv_driver.h"
#include "fastqueue/client.h"

enum fq_bench_workload {
    FQ_BENCH_SUBMIT,
    FQ_BENCH_WORK,
    FQ_BENCH_CYCLE,
    FQ_BENCH_LATENCY,
    FQ_BENCH_ACK,
    FQ_BENCH_PACE,
    FQ_BENCH_WORKLOADS,
};
/** "submit", "work", … Static storage. */
const char *fq_bench_workload_name(enum fq_bench_workload workload);
/** The one that is called so, negative if there is none. */
int fq_bench_workload_find(const char *name);

// What counts as done.
enum fq_bench_until {
    FQ_BENCH_ACKNOWLEDGED, // the submission is durable
    FQ_BENCH_COMPLETED,    // its completion is, as its worker was told
    FQ_BENCH_RESULT_KNOWN, // its submitter was told the result
    FQ_BENCH_EMPTY,        // nothing is left to fetch
};

enum { FQ_BENCH_PRIORITY_MIXED = 4, FQ_BENCH_REASON_SIZE = 400, FQ_BENCH_WORKER_ID_SIZE = 64 };

// What the tasks are like and who is asked; the same for all runs of one call.
struct fq_bench_target {
    const struct fq_options *options; // borrowed
    const char *address;              // of the control plane; borrowed
    const char *task;                 // their name; borrowed
    const char **names; // that name, or where there are many, each with ".1", ".2", … behind it
    size_t name_count;
    int64_t silence_ms; // a control plane that says nothing for so long is given up
    fq_slice payload;
    int64_t delay_ms;
    int priority; // index, or FQ_BENCH_PRIORITY_MIXED
    uint64_t seed;
    char token[FQ_TOKEN_SIZE]; // "" = none
    char *payload_text, *name_text;
    int signal_fd; // SIGINT, SIGTERM and SIGHUP, which are blocked
};
/** Reads the options, which are borrowed. 0 or an exit code with the sentence printed; fq_bench_target_done in every case. */
FQ_MUST_USE int fq_bench_target_read(const struct fq_options *options, struct fq_bench_target *target);
void fq_bench_target_done(struct fq_bench_target *target);
/** The signal that has come, 0 if none has; each is told once. */
int fq_bench_target_signal(const struct fq_bench_target *target);
/** True if `name` is one of its names. */
bool fq_bench_target_has(const struct fq_bench_target *target, fq_slice name);

struct fq_bench_plan {
    enum fq_bench_workload workload;
    enum fq_bench_until until;
    uint64_t goal;       // UINT64_MAX: until time is over
    int64_t duration_ms; // 0: until the goal is reached
    size_t submitters, workers;
    bool is_sweep;      // the one worker cancels what is not due yet instead
    bool waits;         // workers wait for tasks to come
    uint32_t in_flight; // unanswered at once, of one submitter
    uint32_t batch;     // of one fetch
    double rate;        // tasks a second at even distances, whatever the answers do; 0 = as the answers allow
    bool is_silent;     // no progress line
};

struct fq_bench_figures {
    uint64_t sent, acknowledged, completed, results; // tasks
    uint64_t errors, reconnects;
    uint64_t elapsed_ns;
    double own_cpu_s;
    struct fq_bench_latency ack, result; // from the (intended) submission
    char first_error[FQ_BENCH_REASON_SIZE];
};

/** The plan that options make of a workload. */
struct fq_bench_plan fq_bench_plan_make(const struct fq_options *options, enum fq_bench_workload workload);
/** How many tasks came as far as the plan wants them. */
uint64_t fq_bench_figures_done(const struct fq_bench_plan *plan, const struct fq_bench_figures *figures);

struct fq_bench_run;

struct fq_bench_connection {
    struct fq_bench_run *run;
    fq_uv_driver *driver;
    bool is_worker, is_ready;
    uint32_t under_way; // submitter: tasks whose end is not known; worker: commands that are not answered
    uint32_t unacknowledged; // submitter: of these, not yet known to be durable
    uint32_t fetches;        // worker: of these, FETCH
    bool has_left;           // worker: UNREGISTER was sent
    char worker_id[FQ_BENCH_WORKER_ID_SIZE];
    char cursor[64]; // sweep: of the next page
};

struct fq_bench_run {
    const struct fq_bench_target *target;
    const struct fq_bench_plan *plan;
    struct fq_bench_figures *figures;
    uv_loop_t loop;
    uv_timer_t ticker; // progress and silence
    uv_poll_t pacer;   // readable when the next task is due
    int pacer_fd;
    uv_poll_t signals;
    struct fq_bench_connection *connections;
    size_t connection_count, ready_count;
    bool has_begun, is_stopping;    // the measuring began; it is over
    int exit_code;                  // FQ_EXIT_…; of a signal 128 + its number
    uint64_t random;                // of the mix
    uint64_t granted;               // tasks that were fetched
    uint64_t begun_ns, stopping_ns; // moments of uv_hrtime
    uint64_t answers;               // so far
    uint64_t answers_seen,
        answered_ns;               // by the watch over silence: how many there were when the last one came
    uint64_t shown_done, shown_ns; // by the progress line
    double cpu_at_begin_s;
    bool shows_progress;
    char lost[FQ_BENCH_REASON_SIZE]; // why a connection was lost last; "" = none was
};

// bench_run.c
/** Carries out a plan. 0, or an FQ_EXIT_… with the sentence printed; the figures are set in either case. */
FQ_MUST_USE int fq_bench_run(const struct fq_bench_target *target, const struct fq_bench_plan *plan,
                             struct fq_bench_figures *ret_figures);
/** An answer has come: counts it, and ends the run if that was the last. */
void fq_bench_advance(struct fq_bench_run *run);
/** Measuring ends here; what is under way settles. */
void fq_bench_stop(struct fq_bench_run *run);
/** Ends the run with an error. */
void fq_bench_fail(struct fq_bench_run *run, int error, fq_slice message);
/** An answer was an error: counted, and the first one kept. */
void fq_bench_count_error(struct fq_bench_run *run, int error, fq_slice message);
/** A connection is logged in, a worker registered: the measuring begins with the last one. */
void fq_bench_ready(struct fq_bench_connection *connection);
/** Ends the run when it is stopping and nothing is under way, and stops it when every worker has left. */
void fq_bench_check_idle(struct fq_bench_run *run);
/** Nanoseconds since measuring began. */
uint64_t fq_bench_now(const struct fq_bench_run *run);

// bench_load.c
void fq_bench_submitter_event(struct fq_bench_connection *connection, const struct fq_session_event *event);
/** Submits what the window, or the schedule at the moment `now_ns`, allows. */
void fq_bench_submitter_fill(struct fq_bench_connection *connection);
void fq_bench_pace(struct fq_bench_run *run);
/** How many tasks of a schedule are due after `elapsed_ns`: the first at 0. */
uint64_t fq_bench_schedule_due(double rate, uint64_t elapsed_ns);
/** When task number `index` (from 0) is due. */
uint64_t fq_bench_schedule_at(double rate, uint64_t index);

// bench_worker.c
void fq_bench_worker_event(struct fq_bench_connection *connection, const struct fq_session_event *event);
/** Fetches, if the run needs it to. */
void fq_bench_worker_begin(struct fq_bench_connection *connection);
/** Gives back what it holds; its last answer settles it. */
void fq_bench_worker_leave(struct fq_bench_connection *connection);

// bench_sweep.c
void fq_bench_sweep_event(struct fq_bench_connection *connection, const struct fq_session_event *event);
/** Asks for the next page. */
void fq_bench_sweep_next(struct fq_bench_connection *connection);

#endif
