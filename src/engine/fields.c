// SPDX-License-Identifier: Apache-2.0
#include "engine/fields.h"

#include "base/assert.h"
#include "base/le.h"
#include "base/time.h"
#include "fastqueue/error.h"

enum { HEAD = 5, NUMBER = 8 };

static bool is_number(int tag) {
    return (tag >= FQ_FIELD_EXPIRES_US && tag <= FQ_FIELD_RESULT_TTL_MS) || tag == FQ_FIELD_LAST_ENDED_US ||
           tag == FQ_FIELD_RUN_US;
}

static bool is_known(int tag) {
    return (tag >= FQ_FIELD_ENCODING && tag <= FQ_FIELD_LAST_ENDED_US) ||
           (tag >= FQ_FIELD_RESULT && tag < FQ_FIELD_END);
}

size_t fq_field_size(size_t len) {
    return HEAD + len;
}

char *fq_field_write(char *out, enum fq_field tag, fq_str value) {
    out[0] = (char)tag;
    fq_put_u32(out + 1, (uint32_t)value.len);
    memcpy(out + HEAD, value.ptr, value.len);
    return out + HEAD + value.len;
}

char *fq_field_write_number(char *out, enum fq_field tag, int64_t value) {
    char bytes[NUMBER];
    fq_put_u64(bytes, (uint64_t)value);
    return fq_field_write(out, tag, (fq_str){bytes, sizeof bytes});
}

size_t fq_field_number_size(void) {
    return HEAD + NUMBER;
}

int fq_field_put(fq_buf *out, enum fq_field tag, fq_str value) {
    if (value.len == 0)
        return 0;
    if (value.len > UINT32_MAX)
        return FQ_ETOOBIG;
    int rc = fq_buf_reserve(out, HEAD + value.len);
    if (rc < 0)
        return rc;
    (void)fq_field_write(fq_buf_tail(out), tag, value);
    fq_buf_commit(out, HEAD + value.len);
    return 0;
}

int fq_field_put_number(fq_buf *out, enum fq_field tag, int64_t value) {
    char bytes[NUMBER];
    fq_put_u64(bytes, (uint64_t)value);
    return fq_field_put(out, tag, (fq_str){bytes, sizeof bytes});
}

bool fq_fields_are_valid(fq_str fields, int from, int to) {
    int last = from - 1;
    for (size_t at = 0; at < fields.len;) {
        if (fields.len - at < HEAD)
            return false;
        int tag = (unsigned char)fields.ptr[at];
        size_t len = fq_get_u32(fields.ptr + at + 1);
        if (tag <= last || tag >= to || !is_known(tag) || len == 0 || len > fields.len - at - HEAD)
            return false;
        if (is_number(tag) && (len != NUMBER || fq_get_u64(fields.ptr + at + HEAD) > (uint64_t)FQ_LATEST_US))
            return false;
        last = tag;
        at += HEAD + len;
    }
    return true;
}

fq_str fq_field_get(fq_str fields, enum fq_field tag) {
    for (size_t at = 0; at < fields.len;) {
        int found = (unsigned char)fields.ptr[at];
        size_t len = fq_get_u32(fields.ptr + at + 1);
        if (found == (int)tag)
            return (fq_str){fields.ptr + at + HEAD, len};
        if (found > (int)tag)
            break;
        at += HEAD + len;
    }
    return (fq_str){"", 0};
}

enum fq_field fq_field_first(fq_str fields, fq_str *ret_value) {
    *ret_value = (fq_str){fields.ptr + HEAD, fq_get_u32(fields.ptr + 1)};
    return (enum fq_field)(unsigned char)fields.ptr[0];
}

int64_t fq_field_as_number(fq_str value) {
    FQ_ASSERT(value.len == NUMBER);
    return (int64_t)fq_get_u64(value.ptr);
}

int64_t fq_field_number(fq_str fields, enum fq_field tag, int64_t absent) {
    fq_str value = fq_field_get(fields, tag);
    return value.len == NUMBER ? (int64_t)fq_get_u64(value.ptr) : absent;
}

void fq_field_set_number(char *fields, size_t len, enum fq_field tag, int64_t value) {
    fq_str found = fq_field_get((fq_str){fields, len}, tag);
    if (found.len == NUMBER)
        fq_put_u64(fields + (found.ptr - fields), (uint64_t)value);
}

size_t fq_fields_len_before(fq_str fields, enum fq_field tag) {
    size_t at = 0;
    while (at < fields.len && (unsigned char)fields.ptr[at] < tag)
        at += HEAD + fq_get_u32(fields.ptr + at + 1);
    return at;
}
