// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/wait.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

int64_t otel_wait_left_ms(const struct otel_wait *wait) {
    if (wait->deadline_ns == INT64_MAX)
        return OTEL_NO_DEADLINE_MS;
    int64_t left_ns = wait->deadline_ns - otel_monotonic_ns(wait->runtime);
    return left_ns <= 0 ? 0 : left_ns / 1000000 + (left_ns % 1000000 != 0);
}

void otel_wake(int wake_fd) {
    uint64_t one = 1;
    if (wake_fd >= 0)
        while (write(wake_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
}

static void drain(int wake_fd) {
    uint64_t count;
    while (read(wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

enum otel_wait_end otel_wait_for(const struct otel_wait *wait, int fd, short events) {
    for (;;) {
        int64_t left = otel_wait_left_ms(wait);
        if (left == 0)
            return OTEL_WAIT_TIMEOUT;
        struct pollfd fds[] = {
            {.fd = fd,            .events = events},
            {.fd = wait->wake_fd, .events = POLLIN},
        };
        int count = poll(fds, 2, left > INT_MAX ? INT_MAX : (int)left);
        if (count <= 0)
            continue; // the deadline is judged above; EINTR is no reason to end
        if (fds[1].revents != 0) {
            drain(wait->wake_fd);
            if (wait->is_given_up != NULL && wait->is_given_up(wait->context))
                return OTEL_WAIT_GIVEN_UP;
            return OTEL_WAIT_WOKEN;
        }
        return OTEL_WAIT_READY;
    }
}

struct timespec otel_wait_until(int64_t left_ns) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(left_ns / 1000000000);
    until.tv_nsec += (long)(left_ns % 1000000000);
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    return until;
}
