// SPDX-License-Identifier: Apache-2.0
// Fields of a row in a reply. Absent keys read as empty or 0: older and newer servers differ in what they tell.
#ifndef FQ_CLI_ROW_H
#define FQ_CLI_ROW_H

#include "fastqueue/session.h"

#include <string.h>

static inline fq_slice fq_row_text(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    bool text = value != NULL && (value->type == FQ_VALUE_TEXT || value->type == FQ_VALUE_ERROR);
    return text ? value->text : (fq_slice){"", 0};
}
static inline bool fq_row_is(const struct fq_value *values, uint32_t at, const char *key, const char *word) {
    fq_slice text = fq_row_text(values, at, key);
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}
/** The number of a field; also of one that is sent as decimal text. */
int64_t fq_row_number(const struct fq_value *values, uint32_t at, const char *key);
/** The index of a field, 0 if it is absent. */
static inline uint32_t fq_row_index(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    return value != NULL ? (uint32_t)(value - values) : 0;
}

#endif
