// SPDX-License-Identifier: Apache-2.0
// Names of states and priorities: the one place where they become text and back.
#include "engine/task_view.h"

#include "fastqueue/error.h"

static const char *const state_names[FQ_TASK_STATE_COUNT] = {
    [FQ_TASK_SCHEDULED] = "scheduled", [FQ_TASK_PENDING] = "pending", [FQ_TASK_STARTED] = "started",
    [FQ_TASK_SUCCESS] = "success",     [FQ_TASK_FAILURE] = "failure", [FQ_TASK_CANCELLED] = "cancelled",
    [FQ_TASK_EXPIRED] = "expired",
};
static const char *const priority_names[FQ_PRIORITY_COUNT] = {
    [FQ_PRIORITY_CRITICAL] = "critical",
    [FQ_PRIORITY_HIGH] = "high",
    [FQ_PRIORITY_NORMAL] = "normal",
    [FQ_PRIORITY_LOW] = "low",
};

static int find(const char *const *names, int count, fq_str text) {
    for (int i = 0; i < count; i++) {
        if (fq_str_equal_nocase(text, fq_str_of(names[i])))
            return i;
    }
    return FQ_EINVALID;
}

const char *fq_task_state_name(enum fq_task_state state) {
    return state_names[state];
}
const char *fq_priority_name(enum fq_priority priority) {
    return priority_names[priority];
}

int fq_task_state_parse(fq_str text, enum fq_task_state *ret_state) {
    int index = find(state_names, FQ_TASK_STATE_COUNT, text);
    if (index < 0)
        return index;
    *ret_state = (enum fq_task_state)index;
    return 0;
}

int fq_priority_parse(fq_str text, enum fq_priority *ret_priority) {
    int index = find(priority_names, FQ_PRIORITY_COUNT, text);
    if (index < 0)
        return index;
    *ret_priority = (enum fq_priority)index;
    return 0;
}
