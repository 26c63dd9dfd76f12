// SPDX-License-Identifier: Apache-2.0
// Hashes of bytes (XXH3). With a secret seed they are fit for tables whose keys a peer chooses.
#ifndef FQ_BASE_HASH_H
#define FQ_BASE_HASH_H

#include "base/str.h"
#include "base/uuid.h"

uint64_t fq_hash_bytes(const void *bytes, size_t len, uint64_t seed);
static inline uint64_t fq_hash_str(fq_str text, uint64_t seed) {
    return fq_hash_bytes(text.ptr, text.len, seed);
}
static inline uint64_t fq_hash_uuid(const fq_uuid *id, uint64_t seed) {
    return fq_hash_bytes(id->bytes, sizeof id->bytes, seed);
}
/** Spreads the bits of one number: a bijection. */
static inline uint64_t fq_hash_mix(uint64_t value) {
    value = (value ^ value >> 32) * UINT64_C(0xd6e8feb86659fd93);
    value = (value ^ value >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return value ^ value >> 32;
}

#endif
