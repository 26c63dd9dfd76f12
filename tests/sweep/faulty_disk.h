// SPDX-License-Identifier: Apache-2.0
// A simulated disk of which the n-th call of some kind fails, or all from the n-th on. Its own allocations never do.
#ifndef FQ_SWEEP_FAULTY_DISK_H
#define FQ_SWEEP_FAULTY_DISK_H

#include "sim/disk.h"

/** A view of `sim`; NULL never. Closed by its close_disk. */
fq_disk *faulty_disk_attach(sim_disk *sim);
/** The n-th call of a kind in `mask` (enum sim_call) fails with -error; n 0 = none. */
void faulty_disk_arm(sim_disk *sim, unsigned mask, uint64_t n, bool sticky, int error);
void faulty_disk_disarm(sim_disk *sim);
uint64_t faulty_disk_hits(void);

#endif
