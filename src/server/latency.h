// SPDX-License-Identifier: Apache-2.0
// How long things took lately: counts in buckets that are an eighth of an octave wide, over the last 30 to 60 seconds.
#ifndef FQ_SERVER_LATENCY_H
#define FQ_SERVER_LATENCY_H

#include <stdint.h>

enum {
    FQ_LATENCY_STEPS = 8,    // buckets an octave
    FQ_LATENCY_OCTAVES = 40, // up to 12 days, in microseconds
    FQ_LATENCY_BUCKETS = FQ_LATENCY_STEPS * FQ_LATENCY_OCTAVES,
};

// All-zero is a valid empty one.
struct fq_latency {
    uint32_t now[FQ_LATENCY_BUCKETS], before[FQ_LATENCY_BUCKETS];
    int64_t turned_us; // when `now` began
};

/** Counts one measurement; negative ones count as 0. `boot_us` is the moment of counting. */
void fq_latency_count(struct fq_latency *latency, int64_t us, int64_t boot_us);

/** Measurements of the window that ends at `boot_us`. */
uint64_t fq_latency_total(struct fq_latency *latency, int64_t boot_us);
/** The value below which `percent` of them lie, at most an eighth too large; 0 without measurements. */
int64_t fq_latency_percentile(struct fq_latency *latency, double percent, int64_t boot_us);

#endif
