// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli), with the processor's instruction where it has one.
#ifndef FQ_BASE_CRC32C_H
#define FQ_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** Continues `crc` (0 to start) over `len` bytes. crc32c("123456789") is 0xe3069283. */
uint32_t fq_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
