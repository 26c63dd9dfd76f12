// SPDX-License-Identifier: Apache-2.0
// `fastqueue bench`: workloads one after the other; each is carried out and reported, and what it left is cleared away.
#include "cli/bench_report.h"
#include "cli/connection.h"
#include "net/process_use.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLEAN_BATCH = 1000, PREPARE_IN_FLIGHT = 4096, SIGNALLED = 128, ASK_MS_MAX = 5000 };

// One call of the verb.
struct bench {
    const struct fq_cli *cli;
    const struct fq_options *options;
    struct fq_bench_target target;
    struct fq_bench_server server; // of our own; all zero = none
    struct fq_bench_facts facts;
    struct fq_bench_report report;
    fq_client *client;
    enum fq_bench_workload series[FQ_BENCH_WORKLOADS];
    size_t series_count;
    struct fq_bench_figures *figures; // of the last run
    int64_t owed;                     // tasks that were submitted and not worked
};

static bool is_on(const struct bench *bench, enum fq_option option) {
    return fq_option_number(bench->options, option) != 0;
}

// Whoever named no task works with names that are the benchmark's own: whatever is queued under them is left of one.
static bool owns_its_names(const struct bench *bench) {
    return bench->options->values[FQ_OPTION_BENCH_TASK].origin == FQ_ORIGIN_DEFAULT;
}

// --- runs ---------------------------------------------------------------------------------------------------------------
static int run_plan(struct bench *bench, const struct fq_bench_plan *plan) {
    int code = fq_bench_run(&bench->target, plan, bench->figures);
    bench->owed += (int64_t)bench->figures->sent;
    if (!is_on(bench, FQ_OPTION_BENCH_EXTERNAL))
        bench->owed -= (int64_t)bench->figures->completed;
    else if (plan->until == FQ_BENCH_RESULT_KNOWN)
        bench->owed -= (int64_t)bench->figures->sent;
    return code;
}

// What waits goes through a worker, which is faster than cancelling it; what is not due yet is cancelled.
static int clear_away(struct bench *bench) {
    uint64_t pending, scheduled;
    int code = fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled);
    struct fq_bench_plan plan = {.workload = FQ_BENCH_WORK,
                                 .until = FQ_BENCH_EMPTY,
                                 .workers = 1,
                                 .batch = CLEAN_BATCH,
                                 .is_silent = true};
    for (int sweep = 0; sweep < 2 && code == 0; sweep++) {
        plan.is_sweep = sweep != 0;
        plan.goal = owns_its_names(bench) ? UINT64_MAX : bench->owed > 0 ? (uint64_t)bench->owed : 0;
        if (plan.goal > 0 && (plan.is_sweep ? scheduled : pending) > 0)
            code = run_plan(bench, &plan);
    }
    return code;
}

// `work` needs something to work: what is queued, or what is submitted for it.
static int prepare_work(struct bench *bench, struct fq_bench_plan *plan, uint64_t queued) {
    bool has_goal = fq_option_given(bench->options, FQ_OPTION_BENCH_COUNT);
    if (!has_goal && queued > 0)
        plan->goal = queued;
    else if (!has_goal)
        plan->goal = fq_bench_plan_make(bench->options, FQ_BENCH_SUBMIT).goal;
    if (plan->goal == UINT64_MAX || queued >= plan->goal)
        return 0;
    const struct fq_bench_plan submit = {.workload = FQ_BENCH_SUBMIT,
                                         .until = FQ_BENCH_ACKNOWLEDGED,
                                         .goal = plan->goal - queued,
                                         .submitters = 1,
                                         .in_flight = PREPARE_IN_FLIGHT,
                                         .is_silent = true};
    return run_plan(bench, &submit);
}

static int prepare(struct bench *bench, struct fq_bench_plan *plan) {
    uint64_t pending, scheduled;
    struct fq_bench_plan warm_up = *plan;
    int code = fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled);
    if (code != 0)
        return code;
    if (plan->workload == FQ_BENCH_WORK)
        return prepare_work(bench, plan, pending + scheduled);
    if (plan->workers > 0 && pending + scheduled > 0 && owns_its_names(bench))
        code = clear_away(bench);
    else if (plan->workers > 0 && pending + scheduled > 0)
        fprintf(stderr,
                "fastqueue bench: %llu tasks named %s are queued already; they are worked and counted too\n",
                (unsigned long long)(pending + scheduled), bench->target.task);
    warm_up.goal = (uint64_t)fq_option_number(bench->options, FQ_OPTION_BENCH_WARM_UP);
    warm_up.duration_ms = 0;
    return code == 0 && warm_up.goal > 0 ? run_plan(bench, &warm_up) : code;
}

static int measure(struct bench *bench, enum fq_bench_workload workload) {
    struct fq_bench_plan plan = fq_bench_plan_make(bench->options, workload);
    struct fq_bench_facts before = {0}, after; // a signal may come before they were asked for
    uint64_t pending = 0, scheduled = 0;
    int code = prepare(bench, &plan);
    if (code == 0)
        code = fq_bench_facts_ask(bench->client, &before);
    if (code == 0)
        code = run_plan(bench, &plan);
    if (code != 0 && code < SIGNALLED)
        return code;
    int asked = fq_bench_facts_ask(bench->client, &after);
    if (asked == 0)
        asked = fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled);
    if (asked != 0)
        return asked;
    const struct fq_bench_row row = {.workload = workload,
                                     .tasks = fq_bench_figures_done(&plan, bench->figures),
                                     .left = pending + scheduled,
                                     .has_server_cpu = before.has_cpu && after.has_cpu,
                                     .server_cpu_s = after.cpu_s - before.cpu_s,
                                     .figures = bench->figures};
    fq_bench_report_add(&bench->report, &row);
    return code;
}

// --- the series ---------------------------------------------------------------------------------------------------------
static int read_series(struct bench *bench) {
    static const enum fq_bench_workload all[] = {FQ_BENCH_ACK,    FQ_BENCH_LATENCY, FQ_BENCH_PACE,
                                                 FQ_BENCH_SUBMIT, FQ_BENCH_WORK,    FQ_BENCH_CYCLE};
    const struct fq_options *options = bench->options;
    for (size_t i = 0; i < options->operand_count; i++) {
        int workload = fq_bench_workload_find(options->operands[i]);
        if (workload < 0) {
            fprintf(stderr,
                    "fastqueue bench: there is no workload '%s'; submit, work, cycle, latency, ack and pace "
                    "are\n",
                    options->operands[i]);
            return FQ_EXIT_USAGE;
        }
        bench->series[bench->series_count++] = (enum fq_bench_workload)workload;
    }
    if (bench->series_count == 0) {
        memcpy(bench->series, all, sizeof all);
        bench->series_count = sizeof all / sizeof all[0];
    }
    return 0;
}

static void tell_what_is_left(struct bench *bench) {
    uint64_t pending, scheduled;
    if (bench->server.pid != 0 ||
        fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled) != 0 ||
        pending + scheduled == 0)
        return;
    fprintf(stderr, "fastqueue bench: left behind: %llu queued tasks", (unsigned long long)pending);
    if (scheduled > 0)
        fprintf(stderr, ", and %llu that are not due yet", (unsigned long long)scheduled);
    fprintf(stderr, "; 'fastqueue bench work%s%s' works them off\n", owns_its_names(bench) ? "" : " --task ",
            owns_its_names(bench) ? "" : bench->target.task);
}

// Behind the last run, one of our own is removed with all that it holds, and one that is gone cannot be asked.
static int run_series(struct bench *bench) {
    bool is_own = bench->server.pid != 0;
    int code = 0;
    for (size_t i = 0; i < bench->series_count && code == 0; i++) {
        int number = fq_bench_target_signal(&bench->target);
        code = number != 0 ? SIGNALLED + number : measure(bench, bench->series[i]);
        bool is_last = i + 1 == bench->series_count || code != 0;
        bool is_needed = is_last ? is_on(bench, FQ_OPTION_BENCH_KEEP) || is_own || code == FQ_EXIT_UNAVAILABLE
                                 : bench->series[i + 1] == FQ_BENCH_WORK;
        int cleared = is_needed ? 0 : clear_away(bench);
        code = code != 0 ? code : cleared;
    }
    if (!is_own && code != FQ_EXIT_UNAVAILABLE)
        tell_what_is_left(bench);
    return code;
}

static void warn_of_others(struct bench *bench) {
    uint64_t pending, scheduled;
    if (fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled) == 0 &&
        bench->facts.pending > pending)
        fprintf(stderr,
                "fastqueue bench: %llu tasks of others are queued here: they and the benchmark slow each "
                "other down\n",
                (unsigned long long)(bench->facts.pending - pending));
}

static int run_against(struct bench *bench) {
    int code = fq_connection_open_at(bench->options, bench->target.address, ASK_MS_MAX, &bench->client);
    if (code == 0)
        code = fq_bench_facts_ask(bench->client, &bench->facts);
    if (code != 0)
        return code;
    warn_of_others(bench);
    bench->report = (struct fq_bench_report){
        .target = &bench->target, .facts = &bench->facts, .as_json = is_on(bench, FQ_OPTION_JSON)};
    fq_bench_report_begin(&bench->report);
    code = run_series(bench);
    fq_bench_report_end(&bench->report);
    return code;
}

static int run(struct bench *bench) {
    int code = read_series(bench);
    if (code == 0)
        code = fq_bench_target_read(bench->options, &bench->target);
    if (code == 0 && fq_option_given(bench->options, FQ_OPTION_BENCH_START)) {
        const char *durability = fq_option_text(bench->options, FQ_OPTION_BENCH_START);
        code = fq_bench_server_start(bench->cli->program, durability, &bench->server);
        bench->target.address = bench->server.address;
    }
    return code != 0 ? code : run_against(bench);
}

int fq_verb_bench(struct fq_cli *cli) {
    struct bench bench = {.cli = cli, .options = cli->options};
    (void)fq_process_raise_open_files(); // for --connections
    bench.figures = malloc(sizeof *bench.figures);
    int code = FQ_EXIT_INTERNAL;
    if (bench.figures != NULL)
        code = run(&bench);
    else
        fputs("fastqueue bench: out of memory\n", stderr);
    fq_client_close(bench.client);
    fq_bench_server_stop(&bench.server);
    fq_bench_target_done(&bench.target);
    free(bench.figures);
    return code;
}
