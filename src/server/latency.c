// SPDX-License-Identifier: Apache-2.0
#include "server/latency.h"

#include "base/time.h"

#include <stdbool.h>
#include <string.h>

enum { WINDOW_S = 30 };

// Values below FQ_LATENCY_STEPS have a bucket each; above, the three bits behind the first one choose within the octave.
static uint32_t bucket_of(int64_t us) {
    if (us < FQ_LATENCY_STEPS)
        return us > 0 ? (uint32_t)us : 0;
    uint32_t octave = 63u - (uint32_t)__builtin_clzll((uint64_t)us);
    uint32_t bucket =
        (octave - 2) * FQ_LATENCY_STEPS + (uint32_t)(us >> (octave - 3) & (FQ_LATENCY_STEPS - 1));
    return bucket < FQ_LATENCY_BUCKETS ? bucket : FQ_LATENCY_BUCKETS - 1;
}

// The largest value that falls into the bucket.
static int64_t top_of(uint32_t bucket) {
    if (bucket < FQ_LATENCY_STEPS)
        return bucket;
    uint32_t octave = bucket / FQ_LATENCY_STEPS + 2;
    int64_t step = bucket % FQ_LATENCY_STEPS + FQ_LATENCY_STEPS;
    return ((step + 1) << (octave - 3)) - 1;
}

static void turn(struct fq_latency *latency, int64_t boot_us) {
    int64_t age_us = boot_us - latency->turned_us;
    if (age_us < (int64_t)WINDOW_S * FQ_US_PER_S)
        return;
    bool is_stale = age_us >= 2 * (int64_t)WINDOW_S * FQ_US_PER_S;
    if (is_stale)
        memset(latency->before, 0, sizeof latency->before);
    else
        memcpy(latency->before, latency->now, sizeof latency->before);
    memset(latency->now, 0, sizeof latency->now);
    latency->turned_us = boot_us;
}

void fq_latency_count(struct fq_latency *latency, int64_t us, int64_t boot_us) {
    turn(latency, boot_us);
    latency->now[bucket_of(us)]++;
}

uint64_t fq_latency_total(struct fq_latency *latency, int64_t boot_us) {
    turn(latency, boot_us);
    uint64_t total = 0;
    for (uint32_t i = 0; i < FQ_LATENCY_BUCKETS; i++)
        total += (uint64_t)latency->now[i] + latency->before[i];
    return total;
}

int64_t fq_latency_percentile(struct fq_latency *latency, double percent, int64_t boot_us) {
    double wanted = (double)fq_latency_total(latency, boot_us) * percent / 100;
    uint64_t seen = 0;
    for (uint32_t i = 0; i < FQ_LATENCY_BUCKETS; i++) {
        seen += (uint64_t)latency->now[i] + latency->before[i];
        if (seen > 0 && (double)seen >= wanted)
            return top_of(i);
    }
    return 0;
}
