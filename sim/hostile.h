// SPDX-License-Identifier: Apache-2.0
// Peers that mean harm, or do not know better: malformed and oversized requests, requests without the right to them, bytes
// one by one, requests that never end, answers that nobody reads, crowds. They tell the model what must be refused.
#ifndef FQ_SIM_HOSTILE_H
#define FQ_SIM_HOSTILE_H

#include "sim/cast_state.h"

sim_hostile *sim_hostile_new(sim_cast *cast, unsigned number);
sim_hostile *sim_hostile_free(sim_hostile *hostile);
void sim_hostile_leave(sim_hostile *hostile);

#endif
