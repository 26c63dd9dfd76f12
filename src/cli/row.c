// SPDX-License-Identifier: Apache-2.0
#include "cli/row.h"

#include "base/str.h"

int64_t fq_row_number(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    int64_t number = 0;
    if (value == NULL)
        return 0;
    switch (value->type) {
    case FQ_VALUE_INTEGER:
    case FQ_VALUE_BOOLEAN: return value->integer;
    case FQ_VALUE_DOUBLE: return (int64_t)value->real;
    case FQ_VALUE_TEXT:
        return fq_str_to_int64((fq_str){value->text.ptr, value->text.len}, &number) == 0 ? number : 0;
    default: return 0;
    }
}
