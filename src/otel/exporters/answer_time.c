// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include "otel/exporters/answer.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_AFTER_MAX_S = 3600 };

// Days from 1970-01-01 in the Gregorian calendar; March begins the year, so that the leap day ends it.
static int64_t days_since_1970(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

// "Sun, 06 Nov 1994 08:49:37 GMT"
static bool parse_date(const char *text, int64_t *ret_unix_s) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4];
    int day, year, hour, minute, second, end = 0;
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &day, month, &year, &hour, &minute,
               &second, &end) != 6 ||
        end == 0)
        return false;
    const char *found = strstr(months, month);
    if (found == NULL || strlen(month) != 3 || (found - months) % 3 != 0 || day < 1 || day > 31 ||
        year < 1970 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
        return false;
    *ret_unix_s = days_since_1970(year, (int)(found - months) / 3 + 1, day) * 86400 + hour * 3600 +
                  minute * 60 + second;
    return true;
}

bool otel_answer_retry_after(const char *text, int64_t now_unix_ns, int64_t *ret_ms) {
    uint64_t seconds;
    int64_t unix_s;
    if (fq_str_to_uint64(fq_str_of(text), &seconds) == 0) {
        *ret_ms = (int64_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S) * 1000;
        return true;
    }
    if (!parse_date(text, &unix_s))
        return false;
    int64_t left_ms = unix_s * 1000 - now_unix_ns / 1000000;
    *ret_ms = left_ms < 0 ? 0 : left_ms < RETRY_AFTER_MAX_S * 1000 ? left_ms : RETRY_AFTER_MAX_S * 1000;
    return true;
}
