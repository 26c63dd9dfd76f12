// SPDX-License-Identifier: Apache-2.0
#include "base/random.h"

#include "base/assert.h"

static uint64_t rotate_left(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

// splitmix64: spreads one seed over the whole state, so that seed 0 is as good as any.
static uint64_t split(uint64_t *seed) {
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void fq_random_seed(fq_random *random, uint64_t seed) {
    for (int i = 0; i < 4; i++)
        random->state[i] = split(&seed);
}

uint64_t fq_random_next(fq_random *random) {
    uint64_t *s = random->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t fq_random_below(fq_random *random, uint64_t bound) {
    FQ_ASSERT(bound > 0);
    return (uint64_t)((unsigned __int128)fq_random_next(random) * bound >> 64);
}
