// SPDX-License-Identifier: Apache-2.0
#include "otel/pipeline/gate.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND_NS = 1000 * 1000 * 1000;

void otel_gate_open(struct otel_gate *gate) {
    atomic_fetch_add_explicit(&gate->number, 1, memory_order_acq_rel);
    syscall(SYS_futex, &gate->number, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool otel_gate_wait(struct otel_gate *gate, uint32_t seen, int64_t timeout_ns) {
    struct timespec timeout = {timeout_ns / SECOND_NS, timeout_ns % SECOND_NS};
    while (otel_gate_number(gate) == seen) {
        long result = syscall(SYS_futex, &gate->number, FUTEX_WAIT_PRIVATE, seen,
                              timeout_ns < 0 ? NULL : &timeout, NULL, 0);
        if (result != 0 && errno == ETIMEDOUT)
            return otel_gate_number(gate) != seen;
        // EINTR waits anew, a little longer than asked: signals are blocked in the SDK's own threads.
    }
    return true;
}
