// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#define XXH_INLINE_ALL
#include <xxhash.h>
#pragma GCC diagnostic pop

uint64_t fq_hash_bytes(const void *bytes, size_t len, uint64_t seed) {
    return XXH3_64bits_withSeed(len != 0 ? bytes : "", len, seed);
}
