// SPDX-License-Identifier: Apache-2.0
// Waiting for a descriptor, not past a deadline, and not when somebody else wants it to end.
#ifndef OTEL_EXPORTERS_WAIT_H
#define OTEL_EXPORTERS_WAIT_H

#include "otel/runtime.h"

#include <time.h>

enum { OTEL_NO_DEADLINE_MS = -1 };

struct otel_wait {
    const struct otel_runtime *runtime;
    int64_t deadline_ns; // INT64_MAX = none
    int wake_fd;         // an eventfd, drained by the waiter; -1 = none
    // Asked after wake_fd was signalled; NULL = go on.
    bool (*is_given_up)(void *context);
    void *context;
};
enum otel_wait_end {
    OTEL_WAIT_READY,
    OTEL_WAIT_WOKEN, // through wake_fd; the descriptor may be ready too
    OTEL_WAIT_TIMEOUT,
    OTEL_WAIT_GIVEN_UP,
};
/** Waits until `fd` has one of `events` (POLLIN, POLLOUT) or an error; fd -1 waits only for the rest. */
enum otel_wait_end otel_wait_for(const struct otel_wait *wait, int fd, short events);
/** Signals an eventfd. Any thread. */
void otel_wake(int wake_fd);
/** Milliseconds until the deadline, rounded up, 0 when it is over, OTEL_NO_DEADLINE_MS when there is none. */
int64_t otel_wait_left_ms(const struct otel_wait *wait);
/** The point of CLOCK_MONOTONIC so far from now, for pthread_cond_timedwait. */
struct timespec otel_wait_until(int64_t left_ns);

#endif
