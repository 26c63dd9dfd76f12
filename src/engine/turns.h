// SPDX-License-Identifier: Apache-2.0
// Whether the tasks of a snapshot can share their queues: a task's turn belongs to it alone among those of its name and
// priority that wait, or may come back to wait.
#ifndef FQ_ENGINE_TURNS_H
#define FQ_ENGINE_TURNS_H

#include "engine/state.h"

/** Looks at all tasks that wait behind their turn or are held by a worker, once, when the snapshot's last image is in. 0,
 *  FQ_ECORRUPT (two have one turn), FQ_ENOMEM. */
FQ_MUST_USE int fq_turns_check(const fq_engine *engine);

#endif
