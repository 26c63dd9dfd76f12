// SPDX-License-Identifier: Apache-2.0
// How long many things took: counts in buckets of at most 1/128 of their value, from a nanosecond to an hour, and exact extremes.
#ifndef FQ_CLI_BENCH_LATENCY_H
#define FQ_CLI_BENCH_LATENCY_H

#include <stdint.h>

enum {
    FQ_BENCH_LATENCY_STEP_BITS = 7, // 128 buckets an octave
    FQ_BENCH_LATENCY_STEPS = 1 << FQ_BENCH_LATENCY_STEP_BITS,
    FQ_BENCH_LATENCY_BITS = 42, // 73 minutes; longer ones count as the last bucket
    FQ_BENCH_LATENCY_BUCKETS =
        (FQ_BENCH_LATENCY_BITS - FQ_BENCH_LATENCY_STEP_BITS + 1) * FQ_BENCH_LATENCY_STEPS,
};

// All-zero is a valid empty one.
struct fq_bench_latency {
    uint64_t count, sum_ns, least_ns, most_ns;
    uint64_t buckets[FQ_BENCH_LATENCY_BUCKETS];
};

/** Counts one measurement. */
void fq_bench_latency_count(struct fq_bench_latency *latency, uint64_t ns);
/** The smallest value that `percent` (0 to 100) of the measurements do not exceed, at most 1/128 too large and never above the
 *  largest one; 0 without measurements. */
uint64_t fq_bench_latency_percentile(const struct fq_bench_latency *latency, double percent);
/** The mean, 0 without measurements. */
uint64_t fq_bench_latency_mean(const struct fq_bench_latency *latency);

#endif
