// SPDX-License-Identifier: Apache-2.0
// Little-endian fields in byte buffers: the only way a number reaches the disk or shared memory formats.
#ifndef FQ_BASE_LE_H
#define FQ_BASE_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void fq_put_u16(void *p, uint16_t v) {
    v = htole16(v);
    memcpy(p, &v, sizeof v);
}
static inline void fq_put_u32(void *p, uint32_t v) {
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}
static inline void fq_put_u64(void *p, uint64_t v) {
    v = htole64(v);
    memcpy(p, &v, sizeof v);
}
static inline uint16_t fq_get_u16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return le16toh(v);
}
static inline uint32_t fq_get_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}
static inline uint64_t fq_get_u64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

#endif
