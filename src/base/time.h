// SPDX-License-Identifier: Apache-2.0
// Time as an argument. Only net/clock.h reads a clock; everything below it is handed one `fq_now` per loop turn.
#ifndef FQ_BASE_TIME_H
#define FQ_BASE_TIME_H

#include <stdint.h>

typedef struct fq_now {
    int64_t boot_us; // CLOCK_BOOTTIME: leases, heartbeats, relative delays, time limits
    int64_t wall_us; // unix time: AT, expiry, retention, what people read
} fq_now;

enum { FQ_US_PER_MS = 1000, FQ_US_PER_S = 1000000 };
static const int64_t FQ_NEVER_US = INT64_MAX;
// The latest time, and the longest span, that a record may hold: the sum of two is still not FQ_NEVER_US.
static const int64_t FQ_LATEST_US = INT64_MAX / 4;

static inline int64_t fq_time_add(int64_t a_us, int64_t b_us) {
    int64_t sum;
    return __builtin_add_overflow(a_us, b_us, &sum) ? (b_us > 0 ? INT64_MAX : INT64_MIN) : sum;
}

#endif
