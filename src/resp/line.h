// SPDX-License-Identifier: Apache-2.0
// The shortest piece of RESP: a type byte, a number, CR LF.
#ifndef FQ_RESP_LINE_H
#define FQ_RESP_LINE_H

#include "base/str.h"
#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

enum { FQ_RESP_NUMBER_LINE_MAX = 24 }; // type byte, sign, 19 digits, CR LF and one to spare

/**
 * Reads "<digits>\r\n" at text.ptr[at], an optional '-' in front. Bytes taken with *ret_value set, 0 if the line is not
 * complete, FQ_EPROTOCOL if it cannot become a number.
 */
static inline int fq_resp_number_line(fq_str text, size_t at, int64_t *ret_value) {
    const char *p = text.ptr + at;
    size_t room = text.len - at;
    if (room >= 4 && p[0] >= '0' && p[0] <= '9') { // nearly all lines have one digit or two
        if (p[1] == '\r' && p[2] == '\n') {
            *ret_value = p[0] - '0';
            return 3;
        }
        if (p[1] >= '0' && p[1] <= '9' && p[2] == '\r' && p[3] == '\n') {
            *ret_value = (p[0] - '0') * 10 + (p[1] - '0');
            return 4;
        }
    }
    size_t i = 0;
    bool negative = room > 0 && p[0] == '-';
    if (negative)
        i = 1;
    uint64_t value = 0;
    size_t digits = i;
    while (i < room && p[i] >= '0' && p[i] <= '9') {
        if (i - digits >= 18)
            return FQ_EPROTOCOL;
        value = value * 10 + (uint64_t)(p[i] - '0');
        i++;
    }
    if (i == room)
        return 0;
    if (i == digits || p[i] != '\r')
        return FQ_EPROTOCOL;
    if (i + 1 == room)
        return 0;
    if (p[i + 1] != '\n')
        return FQ_EPROTOCOL;
    *ret_value = negative ? -(int64_t)value : (int64_t)value;
    return (int)i + 2;
}

#endif
