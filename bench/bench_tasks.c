// SPDX-License-Identifier: Apache-2.0
// The task that the benchmarks run: it does nothing.
#include "fastqueue/task.h"

FQ_TASK_NAMED(noop, "bench.noop") {
    return fq_task_result_null(task);
}
