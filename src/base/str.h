// SPDX-License-Identifier: Apache-2.0
// Slices: a pointer and a length that somebody else owns. Never NUL terminated, may hold any byte.
#ifndef FQ_BASE_STR_H
#define FQ_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct fq_str {
    const char *ptr;
    size_t len;
} fq_str;

/** Slice over a string literal. */
#define FQ_STR(literal) ((fq_str){(literal), sizeof(literal) - 1})
/** For printf("%.*s"). */
#define FQ_STR_ARGS(s)  (int)(s).len, (s).ptr

static inline fq_str fq_str_of(const char *text) {
    return (fq_str){text, text != NULL ? strlen(text) : 0};
}
static inline bool fq_str_equal(fq_str a, fq_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/** ASCII case folded equality, for command names and option words. */
bool fq_str_equal_nocase(fq_str a, fq_str b);
/** Order by bytes, then by length; for sorting. */
int fq_str_compare(fq_str a, fq_str b);

/** Decimal with optional '-', nothing around it. 0, or FQ_EINVALID for anything else and for overflow. */
int fq_str_to_int64(fq_str text, int64_t *ret_value);
/** As above without sign. */
int fq_str_to_uint64(fq_str text, uint64_t *ret_value);

/** Valid UTF-8 without surrogates and overlong forms. */
bool fq_str_is_utf8(fq_str text);
/** Only printable characters without space (0x21-0x7e) and UTF-8 above: names of tasks, workers, keys. */
bool fq_str_is_name(fq_str text);

#endif
