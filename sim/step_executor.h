// SPDX-License-Identifier: Apache-2.0
// An executor whose work runs when its owner says so, on the owner's thread.
#ifndef FQ_SIM_STEP_EXECUTOR_H
#define FQ_SIM_STEP_EXECUTOR_H

#include "journal/executor.h"

#include <stdbool.h>
#include <stddef.h>

fq_executor *step_executor_new(void);
/** Runs the oldest piece of work; false if there was none. */
bool step_executor_run_one(fq_executor *executor);
size_t step_executor_waiting(const fq_executor *executor);

#endif
