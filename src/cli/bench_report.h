// SPDX-License-Identifier: Apache-2.0
// What a benchmark prints: a table for people, one JSON object for programs.
#ifndef FQ_CLI_BENCH_REPORT_H
#define FQ_CLI_BENCH_REPORT_H

#include "cli/bench_server.h"

// One run, as it ended.
struct fq_bench_row {
    enum fq_bench_workload workload;
    uint64_t tasks, left; // done; still queued behind it, before they were worked off
    bool has_server_cpu;
    double server_cpu_s;
    const struct fq_bench_figures *figures;
};

struct fq_bench_report {
    const struct fq_bench_target *target;
    const struct fq_bench_facts *facts;
    bool as_json;
    void *json_runs; // json_t
    bool has_heading;
};

/** Says who is measured; for people. */
void fq_bench_report_begin(struct fq_bench_report *report);
/** A line of the table at once, or an object for the end. */
void fq_bench_report_add(struct fq_bench_report *report, const struct fq_bench_row *row);
/** The JSON object. */
void fq_bench_report_end(struct fq_bench_report *report);

#endif
