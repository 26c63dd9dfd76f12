// SPDX-License-Identifier: Apache-2.0
#include <fastqueue/task.h>
#undef FQ_TASK_ABI
#define FQ_TASK_ABI 9999

FQ_TASK(newer) {
    (void)task;
    return 0;
}
