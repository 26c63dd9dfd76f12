// SPDX-License-Identifier: Apache-2.0
// Allocations that fail, in a program linked with --wrap for malloc, calloc and realloc.
#ifndef FQ_SIM_ALLOCATION_H
#define FQ_SIM_ALLOCATION_H

#include "sim/world.h"

/** From now on one in `one_in` allocations fails, as the world's chance has it; none for 0. */
void sim_allocation_fail(sim_world *world, uint64_t one_in);

#endif
