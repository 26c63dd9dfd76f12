// SPDX-License-Identifier: Apache-2.0
#include <fastqueue/task.h>

FQ_TASK(three) {
    (void)task;
    return 0;
}
