// SPDX-License-Identifier: Apache-2.0
// The tasks that the benchmarks run: one does nothing, one is busy for a millisecond.
#include "fastqueue/task.h"

#include <time.h>

FQ_TASK_NAMED(noop, "bench.noop") {
    return fq_task_result_null(task);
}

static int64_t cpu_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

FQ_TASK_NAMED(busy, "bench.busy") {
    for (int64_t end = cpu_ns() + 1000000; cpu_ns() < end;)
        ;
    return fq_task_result_null(task);
}
