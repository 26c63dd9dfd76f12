// SPDX-License-Identifier: Apache-2.0
// Workers that register, fetch, run for a while, beat and report; and that die, stand still and lie as often as the options say.
#ifndef FQ_SIM_WORKER_H
#define FQ_SIM_WORKER_H

#include "sim/cast_state.h"

/** The first one works on every name, so that no task is left behind. */
sim_worker *sim_worker_new(sim_cast *cast, unsigned number);
sim_worker *sim_worker_free(sim_worker *worker);
/** Nothing is left to do: leaves. */
void sim_worker_leave(sim_worker *worker);

#endif
