// SPDX-License-Identifier: Apache-2.0
// A task in the hands of its C function. Made by the C runner for each task, reused from one to the next.
#ifndef FQ_WORKER_TASK_STATE_H
#define FQ_WORKER_TASK_STATE_H

#include "fastqueue/task.h"
#include "worker/runner.h"

#include <jansson.h>

enum { FQ_TASK_MESSAGE_MAX = 4096 };

struct fq_task {
    const fq_runner *runner; // NULL = nobody can wish for an end
    struct fq_runner_task given;
    json_t *payload;             // parsed when first asked for
    bool parsed;                 // even if it was no JSON
    const json_t *args, *kwargs; // of the payload; NULL = none
    bool has_outcome, failed, for_good;
    char *result; // owned; result_len bytes
    size_t result_len;
    char encoding[64];
    char error_type[128];
    char message[FQ_TASK_MESSAGE_MAX];
    size_t message_len;
};

/** Prepares for the next task. */
void fq_task_begin(fq_task *task, const fq_runner *runner, const struct fq_runner_task *given);
/** What came of it, once the function has returned `returned`; borrows from the task. */
struct fq_runner_outcome fq_task_outcome(fq_task *task, int returned);
/** Frees what the task holds; it can begin again. */
void fq_task_end(fq_task *task);

#endif
