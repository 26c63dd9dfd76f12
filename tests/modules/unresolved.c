// SPDX-License-Identifier: Apache-2.0
#include <fastqueue/task.h>

int defined_nowhere(void);

FQ_TASK(calls) {
    return fq_task_result_int(task, defined_nowhere());
}
