// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"

#include "fastqueue/error.h"

static char fold(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool fq_str_equal_nocase(fq_str a, fq_str b) {
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (fold(a.ptr[i]) != fold(b.ptr[i]))
            return false;
    }
    return true;
}

int fq_str_compare(fq_str a, fq_str b) {
    size_t shared = a.len < b.len ? a.len : b.len;
    int order = shared != 0 ? memcmp(a.ptr, b.ptr, shared) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

int fq_str_to_uint64(fq_str text, uint64_t *ret_value) {
    if (text.len == 0 || text.len > 20)
        return FQ_EINVALID;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return FQ_EINVALID;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value))
            return FQ_EINVALID;
    }
    *ret_value = value;
    return 0;
}

int fq_str_to_int64(fq_str text, int64_t *ret_value) {
    bool negative = text.len > 0 && text.ptr[0] == '-';
    uint64_t magnitude;
    fq_str digits = negative ? (fq_str){text.ptr + 1, text.len - 1} : text;
    if (fq_str_to_uint64(digits, &magnitude) < 0)
        return FQ_EINVALID;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1u : 0u))
        return FQ_EINVALID;
    *ret_value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return 0;
}

// Length of the UTF-8 sequence at `p` (1-4), 0 if it is not one.
static size_t utf8_sequence(const unsigned char *p, size_t left) {
    if (p[0] < 0x80)
        return 1;
    size_t need = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < need)
        return 0;
    for (size_t i = 1; i < need; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    bool surrogate = p[0] == 0xed && p[1] > 0x9f;
    bool above = p[0] == 0xf4 && p[1] > 0x8f;
    return overlong || surrogate || above ? 0 : need;
}

bool fq_str_is_utf8(fq_str text) {
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    for (size_t i = 0; i < text.len;) {
        size_t step = utf8_sequence(bytes + i, text.len - i);
        if (step == 0)
            return false;
        i += step;
    }
    return true;
}

bool fq_str_is_name(fq_str text) {
    unsigned char all = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= 0x20 || c == 0x7f)
            return false;
        all |= c;
    }
    return text.len > 0 && (all < 0x80 || fq_str_is_utf8(text));
}
