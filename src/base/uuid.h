// SPDX-License-Identifier: Apache-2.0
// Task ids: 16 bytes in memory and on disk, 36 characters (8-4-4-4-12, lower case) on the wire.
#ifndef FQ_BASE_UUID_H
#define FQ_BASE_UUID_H

#include "base/str.h"

#include <stdint.h>

enum { FQ_UUID_TEXT = 36 };

typedef struct fq_uuid {
    unsigned char bytes[16];
} fq_uuid;

/** Accepts the 36-character form in either case. 0 or FQ_EINVALID. */
int fq_uuid_parse(fq_str text, fq_uuid *ret_id);
/** Writes 36 characters, no NUL. */
void fq_uuid_format(const fq_uuid *id, char text[FQ_UUID_TEXT]);
/** A version 7 id: unix milliseconds in front, 74 bits from the two random numbers. */
fq_uuid fq_uuid_v7(int64_t unix_ms, uint64_t random_high, uint64_t random_low);
static inline bool fq_uuid_equal(const fq_uuid *a, const fq_uuid *b) {
    return memcmp(a, b, sizeof *a) == 0;
}

#endif
