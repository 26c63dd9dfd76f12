// SPDX-License-Identifier: Apache-2.0
// How a task is shown.
#ifndef FQ_CLI_TASK_PRINT_H
#define FQ_CLI_TASK_PRINT_H

#include "cli/output.h"

/** Lines "Task ID:", "Status:", "Result:" or "Error:", "Started at:", "Completed at:". */
void fq_task_print(const struct fq_task_result *task);
/** "Result: …" or "Error: …" only. */
void fq_task_print_outcome(const struct fq_task_result *task);
/** One JSON document; `with_result` false leaves the result out. */
void fq_task_print_json(const struct fq_task_result *task, bool with_result);
/** The result's bytes and nothing else. */
void fq_task_print_raw(const struct fq_task_result *task);

/** True when the task has ended, with success. */
bool fq_task_succeeded(const struct fq_task_result *task);
bool fq_task_ended(const struct fq_task_result *task);

#endif
