// SPDX-License-Identifier: Apache-2.0
// From a workload's name to the plan of a run.
#include "cli/bench.h"

#include <string.h>

// How many tasks: of a workload that is asked for, and of one in the series of all. Some seconds on a machine of today.
static const struct {
    const char *name;
    uint64_t count, count_in_series;
} rows[FQ_BENCH_WORKLOADS] = {
    [FQ_BENCH_SUBMIT] = {"submit",  500000, 100000},
      [FQ_BENCH_WORK] = {"work",    500000, 100000},
    [FQ_BENCH_CYCLE] = {"cycle",   500000, 100000},
      [FQ_BENCH_LATENCY] = {"latency", 10000,  1000  },
    [FQ_BENCH_ACK] = {"ack",     10000,  1000  },
      [FQ_BENCH_PACE] = {"pace",    5,      2     }, // seconds of --rate
};

const char *fq_bench_workload_name(enum fq_bench_workload workload) {
    return rows[workload].name;
}

int fq_bench_workload_find(const char *name) {
    for (int i = 0; i < FQ_BENCH_WORKLOADS; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return i;
    }
    return -1;
}

// What each workload makes of the connections, and when a task of it is done.
static void shape(const struct fq_options *options, struct fq_bench_plan *plan) {
    switch (plan->workload) {
    case FQ_BENCH_SUBMIT:
        plan->until = FQ_BENCH_ACKNOWLEDGED;
        plan->workers = 0;
        break;
    case FQ_BENCH_WORK: plan->submitters = 0; break;
    case FQ_BENCH_LATENCY:
        plan->until = FQ_BENCH_RESULT_KNOWN;
        plan->submitters = 1;
        plan->in_flight = 1;
        break;
    case FQ_BENCH_ACK:
        plan->until = FQ_BENCH_ACKNOWLEDGED;
        plan->in_flight = 1;
        plan->workers = 0;
        break;
    case FQ_BENCH_PACE:
        plan->until = FQ_BENCH_RESULT_KNOWN;
        plan->rate = (double)fq_option_number(options, FQ_OPTION_BENCH_RATE);
        plan->goal *= (uint64_t)plan->rate;
        break;
    default: break;
    }
    if (plan->until == FQ_BENCH_RESULT_KNOWN && fq_option_number(options, FQ_OPTION_BENCH_EXTERNAL))
        plan->workers = 0;
}

struct fq_bench_plan fq_bench_plan_make(const struct fq_options *options, enum fq_bench_workload workload) {
    bool in_series = options->operand_count == 0;
    struct fq_bench_plan plan = {
        .workload = workload,
        .until = FQ_BENCH_COMPLETED,
        .goal = in_series ? rows[workload].count_in_series : rows[workload].count,
        .duration_ms = fq_option_number(options, FQ_OPTION_BENCH_DURATION),
        .submitters = (size_t)fq_option_number(options, FQ_OPTION_BENCH_CONNECTIONS),
        .workers = (size_t)fq_option_number(options, FQ_OPTION_BENCH_WORKERS),
        .in_flight = (uint32_t)fq_option_number(options, FQ_OPTION_BENCH_IN_FLIGHT),
        .batch = (uint32_t)fq_option_number(options, FQ_OPTION_BENCH_BATCH),
    };
    shape(options, &plan);
    plan.waits = plan.submitters > 0 || fq_option_number(options, FQ_OPTION_BENCH_DELAY) > 0;
    if (fq_option_given(options, FQ_OPTION_BENCH_COUNT))
        plan.goal = (uint64_t)fq_option_number(options, FQ_OPTION_BENCH_COUNT);
    else if (plan.duration_ms > 0)
        plan.goal = UINT64_MAX;
    return plan;
}

uint64_t fq_bench_figures_done(const struct fq_bench_plan *plan, const struct fq_bench_figures *figures) {
    switch (plan->until) {
    case FQ_BENCH_ACKNOWLEDGED: return figures->acknowledged;
    case FQ_BENCH_RESULT_KNOWN: return figures->results;
    default: return figures->completed;
    }
}
