// SPDX-License-Identifier: Apache-2.0
#include <fastqueue/task.h>

FQ_TASK_NAMED(blank, "two words") {
    (void)task;
    return 0;
}
