// SPDX-License-Identifier: Apache-2.0
#include "otel/system/system.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int64_t read_clock(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t unix_ns(void *context) {
    (void)context;
    return read_clock(CLOCK_REALTIME);
}

static int64_t monotonic_ns(void *context) {
    (void)context;
    return read_clock(CLOCK_MONOTONIC);
}

struct otel_clock otel_system_clock(void) {
    return (struct otel_clock){.unix_ns = unix_ns, .monotonic_ns = monotonic_ns};
}

const char *otel_system_variable(void *context, const char *name) {
    (void)context;
    return getenv(name);
}

int64_t otel_system_pid(void) {
    return getpid();
}
