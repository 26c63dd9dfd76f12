// SPDX-License-Identifier: Apache-2.0
// A seeded generator (xoshiro256**): the same seed gives the same numbers. Its owner seeds it; nothing here reads entropy.
#ifndef FQ_BASE_RANDOM_H
#define FQ_BASE_RANDOM_H

#include <stdint.h>

typedef struct fq_random {
    uint64_t state[4];
} fq_random;

void fq_random_seed(fq_random *random, uint64_t seed);
uint64_t fq_random_next(fq_random *random);
/** Uniform in [0, bound); bound > 0. */
uint64_t fq_random_below(fq_random *random, uint64_t bound);

#endif
