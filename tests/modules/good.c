// SPDX-License-Identifier: Apache-2.0
#include <fastqueue/task.h>

FQ_TASK(one) {
    return fq_task_result_int(task, 1);
}

FQ_TASK_NAMED(two, "number.two") {
    return fq_task_fail(task, "Two", "%d", 2);
}
