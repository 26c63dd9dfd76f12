// SPDX-License-Identifier: Apache-2.0
// Allocations of the whole program (linked with --wrap), of which the n-th fails, or all from the n-th on. What is not given
// back is counted.
#ifndef FQ_SWEEP_FAULTY_MEMORY_H
#define FQ_SWEEP_FAULTY_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/** From now on the n-th allocation fails (1 = the next one; 0 = none does), and with `sticky` all behind it. */
void faulty_memory_arm(uint64_t n, bool sticky);
void faulty_memory_disarm(void);
/** How many were refused since it was armed. */
uint64_t faulty_memory_hits(void);
/** The caller's own allocations between these two always succeed. They nest. */
void faulty_memory_pause(void);
void faulty_memory_resume(void);
/** Blocks that were taken and not given back. */
int64_t faulty_memory_live(void);

#endif
