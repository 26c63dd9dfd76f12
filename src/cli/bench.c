// SPDX-License-Identifier: Apache-2.0
// `fastqueue bench`: what is asked for becomes plans; each is carried out, reported, and what it left is worked off.
#include "cli/bench_report.h"
#include "cli/connection.h"
#include "cli/secret_file.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLEAN_BATCH = 1000, PREPARE_IN_FLIGHT = 4096, SERIES_MAX = FQ_BENCH_WORKLOADS };

// Of a workload that is asked for by name, and of one in the series of all; some seconds on a machine of today.
static const struct {
    const char *name;
    uint64_t count, count_in_series;
} workloads[FQ_BENCH_WORKLOADS] = {
    [FQ_BENCH_SUBMIT] = {"submit",  500000, 100000},
    [FQ_BENCH_WORK] = {"work",    500000, 100000},
    [FQ_BENCH_CYCLE] = {"cycle",   500000, 100000},
    [FQ_BENCH_LATENCY] = {"latency", 10000,  1000  },
    [FQ_BENCH_ACK] = {"ack",     10000,  1000  },
    [FQ_BENCH_PACE] = {"pace",    0,      0     }, // as --rate says: for 5 s, for 2 s
};

const char *fq_bench_workload_name(enum fq_bench_workload workload) {
    return workloads[workload].name;
}

// One call of the verb.
struct bench {
    struct fq_cli *cli;
    const struct fq_options *options;
    struct fq_bench_target target;
    struct fq_bench_server server; // of our own, else zero
    struct fq_bench_facts facts;
    struct fq_bench_report report;
    fq_client *client;
    enum fq_bench_workload series[SERIES_MAX];
    size_t series_count;
    struct fq_bench_figures *figures;
    char token[FQ_TOKEN_SIZE];
    char *payload, *name_text;
    const char **names;
};

static int64_t number(const struct bench *bench, enum fq_option option) {
    return fq_option_number(bench->options, option);
}

// --- what is asked for --------------------------------------------------------------------------------------------------
static int read_series(struct bench *bench) {
    static const enum fq_bench_workload all[] = {FQ_BENCH_ACK,    FQ_BENCH_LATENCY, FQ_BENCH_PACE,
                                                 FQ_BENCH_SUBMIT, FQ_BENCH_WORK,    FQ_BENCH_CYCLE};
    const struct fq_options *options = bench->options;
    for (size_t i = 0; i < options->operand_count && i < SERIES_MAX; i++) {
        size_t workload = 0;
        while (workload < FQ_BENCH_WORKLOADS && strcmp(workloads[workload].name, options->operands[i]) != 0)
            workload++;
        if (workload == FQ_BENCH_WORKLOADS) {
            fprintf(
                stderr,
                "fastqueue bench: there is no workload '%s'; submit, work, cycle, latency, ack, pace are\n",
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

static int out_of_memory(void) {
    fputs("fastqueue bench: out of memory\n", stderr);
    return FQ_EXIT_INTERNAL;
}

// JSON arguments, as most users' payloads are, as far as they fit.
static int make_payload(struct bench *bench) {
    static const char HEAD[] = "{\"args\":[\"", TAIL[] = "\"],\"kwargs\":{}}";
    size_t frame = sizeof HEAD + sizeof TAIL - 2, len = (size_t)number(bench, FQ_OPTION_BENCH_PAYLOAD_BYTES);
    bench->payload = malloc(len + 1);
    if (bench->payload == NULL)
        return out_of_memory();
    memset(bench->payload, len < frame ? '1' : 'x', len + 1);
    if (len >= frame) {
        memcpy(bench->payload, HEAD, sizeof HEAD - 1);
        memcpy(bench->payload + len - (sizeof TAIL - 1), TAIL, sizeof TAIL - 1);
    }
    bench->target.payload = (fq_slice){bench->payload, len};
    return 0;
}

static int make_names(struct bench *bench) {
    const char *task = fq_option_text(bench->options, FQ_OPTION_BENCH_TASK);
    size_t count = (size_t)number(bench, FQ_OPTION_BENCH_NAMES), size = strlen(task) + sizeof ".100000";
    bench->names = calloc(count, sizeof *bench->names);
    bench->name_text = calloc(count, size);
    if (bench->names == NULL || bench->name_text == NULL)
        return out_of_memory();
    for (size_t i = 0; i < count; i++) {
        char *name = bench->name_text + i * size;
        if (count > 1)
            snprintf(name, size, "%s.%zu", task, i + 1);
        else
            snprintf(name, size, "%s", task);
        bench->names[i] = name;
    }
    bench->target.task = task;
    bench->target.names = bench->names;
    bench->target.name_count = count;
    return 0;
}

static int read_target(struct bench *bench) {
    struct fq_bench_target *target = &bench->target;
    target->options = bench->options;
    target->address = fq_option_text(bench->options, FQ_OPTION_CONTROL_PLANE_ADDRESS);
    target->silence_ms = number(bench, FQ_OPTION_REQUEST_TIMEOUT);
    target->delay_ms = number(bench, FQ_OPTION_BENCH_DELAY);
    target->priority = (int)number(bench, FQ_OPTION_BENCH_PRIORITY);
    target->seed = (uint64_t)number(bench, FQ_OPTION_BENCH_SEED) * 0x9e3779b97f4a7c15u;
    int found = fq_token_read(bench->options, bench->token);
    if (found < 0)
        return FQ_EXIT_CONFIG;
    target->token = found > 0 ? bench->token : NULL;
    int code = make_payload(bench);
    return code != 0 ? code : make_names(bench);
}

// --- plans --------------------------------------------------------------------------------------------------------------
static struct fq_bench_plan plan_of(const struct bench *bench, enum fq_bench_workload workload) {
    bool is_series = bench->options->operand_count == 0,
         is_external = number(bench, FQ_OPTION_BENCH_EXTERNAL) != 0;
    struct fq_bench_plan plan = {
        .workload = workload,
        .until = FQ_BENCH_COMPLETED,
        .goal = is_series ? workloads[workload].count_in_series : workloads[workload].count,
        .duration_ms = number(bench, FQ_OPTION_BENCH_DURATION),
        .submitters = (size_t)number(bench, FQ_OPTION_BENCH_CONNECTIONS),
        .workers = (size_t)number(bench, FQ_OPTION_BENCH_WORKERS),
        .in_flight = (uint32_t)number(bench, FQ_OPTION_BENCH_IN_FLIGHT),
        .batch = (uint32_t)number(bench, FQ_OPTION_BENCH_BATCH),
    };
    switch (workload) {
    case FQ_BENCH_SUBMIT:
        plan.until = FQ_BENCH_ACKNOWLEDGED;
        plan.workers = 0;
        break;
    case FQ_BENCH_WORK: plan.submitters = 0; break;
    case FQ_BENCH_LATENCY:
        plan.submitters = 1;
        plan.in_flight = 1;
        plan.until = FQ_BENCH_RESULT_KNOWN;
        break;
    case FQ_BENCH_ACK:
        plan.until = FQ_BENCH_ACKNOWLEDGED;
        plan.in_flight = 1;
        plan.workers = 0;
        plan.goal *= plan.submitters;
        break;
    case FQ_BENCH_PACE:
        plan.until = FQ_BENCH_RESULT_KNOWN;
        plan.rate = (double)number(bench, FQ_OPTION_BENCH_RATE);
        plan.goal = (uint64_t)(plan.rate * (is_series ? 2 : 5));
        break;
    default: break;
    }
    if (plan.until == FQ_BENCH_RESULT_KNOWN && is_external)
        plan.workers = 0;
    if (fq_option_given(bench->options, FQ_OPTION_BENCH_COUNT))
        plan.goal = (uint64_t)number(bench, FQ_OPTION_BENCH_COUNT);
    else if (plan.duration_ms > 0 && workload != FQ_BENCH_WORK)
        plan.goal = UINT64_MAX;
    return plan;
}

static int run_silently(struct bench *bench, struct fq_bench_plan plan) {
    plan.is_silent = true;
    return fq_bench_run(&bench->target, &plan, bench->figures);
}

// `work` needs something to work.
static int prepare_work(struct bench *bench, struct fq_bench_plan *plan) {
    uint64_t pending, scheduled;
    int code = fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled);
    if (code != 0)
        return code;
    bool has_count = fq_option_given(bench->options, FQ_OPTION_BENCH_COUNT);
    if (pending + scheduled > 0 && !has_count)
        plan->goal = pending + scheduled;
    if (pending + scheduled >= plan->goal)
        return 0;
    return run_silently(bench, (struct fq_bench_plan){.workload = FQ_BENCH_SUBMIT,
                                                      .until = FQ_BENCH_ACKNOWLEDGED,
                                                      .goal = plan->goal - pending - scheduled,
                                                      .submitters = 1,
                                                      .in_flight = PREPARE_IN_FLIGHT});
}

// Works off what is queued under our names.
static int clean(struct bench *bench) {
    return run_silently(bench, (struct fq_bench_plan){.workload = FQ_BENCH_WORK,
                                                      .until = FQ_BENCH_EMPTY,
                                                      .goal = UINT64_MAX,
                                                      .workers = 1,
                                                      .batch = CLEAN_BATCH});
}

static int warm_up(struct bench *bench, struct fq_bench_plan plan) {
    plan.goal = (uint64_t)number(bench, FQ_OPTION_BENCH_WARM_UP);
    plan.duration_ms = 0;
    return plan.goal > 0 ? run_silently(bench, plan) : 0;
}

static uint64_t tasks_done(const struct fq_bench_plan *plan, const struct fq_bench_figures *figures) {
    return plan->until == FQ_BENCH_ACKNOWLEDGED   ? figures->acknowledged
           : plan->until == FQ_BENCH_RESULT_KNOWN ? figures->results
                                                  : figures->completed;
}

// --- one after the other ------------------------------------------------------------------------------------------------
static int measure(struct bench *bench, enum fq_bench_workload workload, uint64_t *ret_left) {
    struct fq_bench_plan plan = plan_of(bench, workload);
    struct fq_bench_facts before, after;
    uint64_t pending = 0, scheduled = 0;
    int code = workload == FQ_BENCH_WORK ? 0 : warm_up(bench, plan);
    if (code == 0 && workload == FQ_BENCH_WORK)
        code = prepare_work(bench, &plan);
    if (code == 0)
        code = fq_bench_facts_ask(bench->client, &before);
    if (code != 0)
        return code;
    code = fq_bench_run(&bench->target, &plan, bench->figures);
    if (code != 0 && code < 128)
        return code;
    int asked = fq_bench_facts_ask(bench->client, &after);
    if (asked == 0)
        asked = fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled);
    if (asked != 0)
        return asked;
    *ret_left = pending + scheduled;
    const struct fq_bench_row row = {.workload = workload,
                                     .tasks = tasks_done(&plan, bench->figures),
                                     .left = *ret_left,
                                     .has_server_cpu = before.has_cpu && after.has_cpu,
                                     .server_cpu_s = after.cpu_s - before.cpu_s,
                                     .figures = bench->figures};
    fq_bench_report_add(&bench->report, &row);
    return code;
}

static bool may_clean(const struct bench *bench) {
    return !number(bench, FQ_OPTION_BENCH_KEEP) && !number(bench, FQ_OPTION_BENCH_EXTERNAL) &&
           bench->server.pid == 0;
}

static int run_series(struct bench *bench) {
    int code = 0;
    uint64_t left = 0;
    for (size_t i = 0; i < bench->series_count && code == 0; i++) {
        code = measure(bench, bench->series[i], &left);
        bool is_worked = i + 1 < bench->series_count && bench->series[i + 1] == FQ_BENCH_WORK;
        if (code == 0 && left > 0 && !is_worked && i + 1 < bench->series_count)
            code = clean(bench);
    }
    int cleaned = left > 0 && may_clean(bench) ? clean(bench) : 0;
    uint64_t pending = 0, scheduled = 0;
    if (bench->server.pid == 0 &&
        fq_bench_left_ask(bench->client, &bench->target, &pending, &scheduled) == 0 &&
        pending + scheduled > 0)
        fprintf(stderr, "fastqueue bench: %llu tasks are left queued, and %llu that are not due yet\n",
                (unsigned long long)pending, (unsigned long long)scheduled);
    return code != 0 ? code : cleaned;
}

static int run_against(struct bench *bench) {
    int code = fq_connection_open_at(bench->options, bench->target.address, &bench->client);
    if (code == 0)
        code = fq_bench_facts_ask(bench->client, &bench->facts);
    if (code != 0)
        return code;
    bench->report = (struct fq_bench_report){
        .target = &bench->target, .facts = &bench->facts, .as_json = number(bench, FQ_OPTION_JSON) != 0};
    fq_bench_report_begin(&bench->report);
    code = run_series(bench);
    fq_bench_report_end(&bench->report);
    return code;
}

static int run(struct bench *bench) {
    int code = read_series(bench);
    if (code == 0)
        code = read_target(bench);
    if (code == 0 && fq_option_given(bench->options, FQ_OPTION_BENCH_START)) {
        const char *durability = fq_option_text(bench->options, FQ_OPTION_BENCH_START);
        code = fq_bench_server_start(bench->cli->program, durability, &bench->server);
        bench->target.address = bench->server.address;
    }
    return code != 0 ? code : run_against(bench);
}

int fq_verb_bench(struct fq_cli *cli) {
    struct bench bench = {.cli = cli, .options = cli->options};
    bench.figures = malloc(sizeof *bench.figures);
    int code = bench.figures != NULL ? run(&bench) : out_of_memory();
    fq_client_close(bench.client);
    fq_bench_server_stop(&bench.server);
    explicit_bzero(bench.token, sizeof bench.token);
    free(bench.figures);
    free(bench.payload);
    free(bench.name_text);
    free(bench.names);
    return code;
}
