// SPDX-License-Identifier: Apache-2.0
#include <fastqueue/task.h>

FQ_TASK(once) {
    (void)task;
    return 0;
}

FQ_TASK_NAMED(again, "once") {
    (void)task;
    return 0;
}
