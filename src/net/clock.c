// SPDX-License-Identifier: Apache-2.0
#include "net/clock.h"

#include <time.h>

static int64_t read_us(clockid_t clock) {
    struct timespec ts;
    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * FQ_US_PER_S + ts.tv_nsec / 1000;
}

struct fq_now fq_clock_now(void) {
    return (struct fq_now){.boot_us = read_us(CLOCK_BOOTTIME), .wall_us = read_us(CLOCK_REALTIME)};
}
