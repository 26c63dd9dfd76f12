// SPDX-License-Identifier: Apache-2.0
// Base64 with the standard alphabet.
#ifndef FQ_BASE_BASE64_H
#define FQ_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/** Characters that `len` bytes become, padding included. */
static inline size_t fq_base64_size(size_t len) {
    return (len + 2) / 3 * 4;
}
/** Writes fq_base64_size(len) characters, no NUL. */
void fq_base64_encode(const void *bytes, size_t len, char *text);
/** Decodes with or without padding, also the URL alphabet. `bytes` has room for len / 4 * 3 + 3. 0 and *ret_len, or
 *  FQ_EINVALID for any other character or a length that cannot be. */
int fq_base64_decode(const char *text, size_t len, uint8_t *bytes, size_t *ret_len);

#endif
