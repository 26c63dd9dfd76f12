// SPDX-License-Identifier: Apache-2.0
#ifndef FQ_ENGINE_SHOW_H
#define FQ_ENGINE_SHOW_H

#include "engine/state.h"

/** The view of a task that the engine holds. */
void fq_task_show(const fq_engine *engine, const struct fq_task *task, struct fq_task_view *ret_view);

#endif
