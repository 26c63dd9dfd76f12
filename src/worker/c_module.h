// SPDX-License-Identifier: Apache-2.0
// Task modules in C: shared objects whose tasks were declared with FQ_TASK (fastqueue/task.h).
#ifndef FQ_WORKER_C_MODULE_H
#define FQ_WORKER_C_MODULE_H

#define FQ_TASK_HOST
#include "base/str.h"
#include "fastqueue/task.h"

struct fq_c_modules {
    const struct fq_task_entry **tasks;
    fq_str *names; // names[i] is that of tasks[i]
    size_t count;
};

/** Loads every module and collects its tasks. Modules stay loaded for the life of the process. 0, or FQ_EINVALID
 *  (FQ_EVERSION for another ABI) with a sentence in `errstr` that names the module and the remedy. */
FQ_MUST_USE int fq_c_modules_load(const char *const *paths, size_t path_count,
                                  struct fq_c_modules *ret_modules, char *errstr, size_t errstr_size);
void fq_c_modules_done(struct fq_c_modules *modules);

#endif
