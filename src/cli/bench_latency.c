// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_latency.h"

#include <math.h>

// Values below 2 * STEPS have a bucket each; above, an octave has STEPS of them.
static unsigned bucket_of(uint64_t ns) {
    if (ns < FQ_BENCH_LATENCY_STEPS)
        return (unsigned)ns;
    unsigned octave = 63u - (unsigned)__builtin_clzll(ns) - FQ_BENCH_LATENCY_STEP_BITS;
    uint64_t step = (ns >> octave) - FQ_BENCH_LATENCY_STEPS;
    uint64_t bucket = (uint64_t)(octave + 1) * FQ_BENCH_LATENCY_STEPS + step;
    return bucket < FQ_BENCH_LATENCY_BUCKETS ? (unsigned)bucket : FQ_BENCH_LATENCY_BUCKETS - 1;
}

// The largest value of a bucket.
static uint64_t top_of(unsigned bucket) {
    if (bucket < FQ_BENCH_LATENCY_STEPS)
        return bucket;
    unsigned octave = bucket / FQ_BENCH_LATENCY_STEPS - 1;
    uint64_t step = bucket % FQ_BENCH_LATENCY_STEPS + FQ_BENCH_LATENCY_STEPS;
    return ((step + 1) << octave) - 1;
}

void fq_bench_latency_count(struct fq_bench_latency *latency, uint64_t ns) {
    if (latency->count == 0 || ns < latency->least_ns)
        latency->least_ns = ns;
    if (ns > latency->most_ns)
        latency->most_ns = ns;
    latency->count++;
    latency->sum_ns += ns;
    latency->buckets[bucket_of(ns)]++;
}

uint64_t fq_bench_latency_percentile(const struct fq_bench_latency *latency, double percent) {
    if (latency->count == 0)
        return 0;
    double rank = ceil((double)latency->count * percent / 100);
    uint64_t seen = 0, wanted = rank < 1 ? 1 : (uint64_t)rank;
    for (unsigned bucket = 0; bucket < FQ_BENCH_LATENCY_BUCKETS - 1; bucket++) {
        seen += latency->buckets[bucket];
        if (seen >= wanted)
            return top_of(bucket) < latency->most_ns ? top_of(bucket) : latency->most_ns;
    }
    return latency->most_ns;
}

uint64_t fq_bench_latency_mean(const struct fq_bench_latency *latency) {
    return latency->count > 0 ? latency->sum_ns / latency->count : 0;
}
