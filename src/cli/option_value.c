// SPDX-License-Identifier: Apache-2.0
// Option values: from what a user types to a number with a unit.
#include "base/str.h"
#include "cli/option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct unit {
    const char *name;
    double factor;
};

static const struct unit size_units[] = {
    {"",    1     },
    {"b",   1     },
    {"k",   0x1p10},
    {"kib", 0x1p10},
    {"m",   0x1p20},
    {"mib", 0x1p20},
    {"g",   0x1p30},
    {"gib", 0x1p30},
    {"t",   0x1p40},
    {"tib", 0x1p40},
    {"kb",  1e3   },
    {"mb",  1e6   },
    {"gb",  1e9   },
    {"tb",  1e12  },
};
static const struct unit duration_units[] = {
    {"",    1000   },
    {"ms",  1      },
    {"s",   1000   },
    {"m",   60e3   },
    {"min", 60e3   },
    {"h",   3600e3 },
    {"d",   86400e3},
};

// A decimal number followed by one of the units, in any case.
static int convert_with_unit(const char *text, const struct unit *units, size_t unit_count,
                             int64_t *ret_number) {
    if (*text < '0' || *text > '9')
        return FQ_EINVALID;
    size_t digits = strspn(text, "0123456789.");
    char number[32];
    if (digits >= sizeof number)
        return FQ_EINVALID;
    memcpy(number, text, digits);
    number[digits] = '\0';
    char *end;
    double value = strtod(number, &end);
    if (*end != '\0')
        return FQ_EINVALID;
    const char *unit = text + digits;
    while (*unit == ' ')
        unit++;
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(unit, units[i].name) == 0) {
            double scaled = nearbyint(value * units[i].factor);
            if (scaled >= 0x1p63)
                return FQ_EINVALID;
            *ret_number = (int64_t)scaled;
            return 0;
        }
    }
    return FQ_EINVALID;
}

// Unix seconds, or RFC 3339 with 'Z', an offset, or neither (then UTC).
static int convert_time(const char *text, int64_t *ret_ms) {
    char *end;
    double seconds = strtod(text, &end);
    if (end != text && *end == '\0' && isfinite(seconds) && fabs(seconds) < 1e11) {
        *ret_ms = (int64_t)nearbyint(seconds * 1000);
        return 0;
    }
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (rest == NULL || (*rest != 'T' && *rest != ' ' && *rest != '\0'))
        return FQ_EINVALID;
    double fraction = 0;
    if (*rest != '\0') {
        rest = strptime(rest + 1, "%H:%M:%S", &parts);
        if (rest == NULL)
            return FQ_EINVALID;
        if (*rest == '.') {
            fraction = strtod(rest, &end);
            rest = end;
        }
    }
    int64_t offset = 0;
    if (*rest == '+' || *rest == '-') {
        int hours, minutes, used = 0;
        if (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 || hours < 0 ||
            minutes < 0)
            return FQ_EINVALID;
        offset = (hours * 60 + minutes) * (*rest == '-' ? -60 : 60);
        rest += 6;
    } else if (strcasecmp(rest, "Z") == 0) {
        rest++;
    }
    if (*rest != '\0')
        return FQ_EINVALID;
    *ret_ms = ((int64_t)timegm(&parts) - offset) * 1000 + (int64_t)(fraction * 1000);
    return 0;
}

static int convert_boolean(const char *text, int64_t *ret_number) {
    static const char *const yes = "true|1|yes|on";
    static const char *const no = "false|0|no|off|";
    char lower[8];
    size_t len = strlen(text);
    if (len >= sizeof lower)
        return FQ_EINVALID;
    for (size_t i = 0; i <= len; i++)
        lower[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    bool is_yes = fq_option_word_is(yes, '|', lower, len);
    if (!is_yes && !fq_option_word_is(no, '|', lower, len))
        return FQ_EINVALID;
    *ret_number = is_yes;
    return 0;
}

static int convert_choice(const char *choices, const char *text, int64_t *ret_number) {
    int64_t index = 0;
    for (const char *at = choices; at != NULL; index++) {
        const char *bar = strchr(at, '|');
        size_t len = bar != NULL ? (size_t)(bar - at) : strlen(at);
        if (strlen(text) == len && strncasecmp(at, text, len) == 0) {
            *ret_number = index;
            return 0;
        }
        at = bar != NULL ? bar + 1 : NULL;
    }
    return FQ_EINVALID;
}

static void format_bound(const struct fq_option_row *row, int64_t bound, char *text, size_t size) {
    bool duration = row->type == FQ_OPTION_TYPE_DURATION;
    if (duration && bound % 1000 == 0)
        snprintf(text, size, "%llds", (long long)(bound / 1000));
    else
        snprintf(text, size, "%lld%s", (long long)bound, duration ? "ms" : "");
}

static int check_range(const struct fq_option_row *row, int64_t number, char *why, size_t why_size) {
    bool ranged = row->type == FQ_OPTION_TYPE_INTEGER || row->type == FQ_OPTION_TYPE_SIZE ||
                  row->type == FQ_OPTION_TYPE_DURATION;
    if (!ranged || (number >= row->least && number <= row->most))
        return 0;
    char least[32], most[32];
    format_bound(row, row->least, least, sizeof least);
    format_bound(row, row->most, most, sizeof most);
    snprintf(why, why_size, "is not between %s and %s", least, most);
    return FQ_EINVALID;
}

int fq_option_convert(const struct fq_option_row *row, const char *text, int64_t *ret_number, char *why,
                      size_t why_size) {
    int64_t number = 0;
    int result = 0;
    const char *expected = "";
    switch (row->type) {
    case FQ_OPTION_TYPE_INTEGER:
        result = fq_str_to_int64(fq_str_of(text), &number);
        expected = "is not a whole number";
        break;
    case FQ_OPTION_TYPE_SIZE:
        result = convert_with_unit(text, size_units, sizeof size_units / sizeof size_units[0], &number);
        expected = "is not a size such as 65536, 64KiB or 2GiB";
        break;
    case FQ_OPTION_TYPE_DURATION:
        result = convert_with_unit(text, duration_units, sizeof duration_units / sizeof duration_units[0],
                                   &number);
        expected = "is not a time such as 1.5 (seconds), 500ms, 30s, 10m or 1h";
        break;
    case FQ_OPTION_TYPE_TIME:
        result = convert_time(text, &number);
        expected = "is not a moment such as 2030-01-31T08:00:00Z or unix seconds";
        break;
    case FQ_OPTION_TYPE_BOOLEAN:
        result = convert_boolean(text, &number);
        expected = "is neither true nor false";
        break;
    case FQ_OPTION_TYPE_CHOICE:
        result = convert_choice(row->detail, text, &number);
        expected = NULL;
        break;
    case FQ_OPTION_TYPE_TEXT:
    case FQ_OPTION_TYPE_SECRET:
    case FQ_OPTION_TYPE_LIST:
    case FQ_OPTION_TYPE_OBSOLETE: break;
    }
    if (result < 0 && expected == NULL)
        snprintf(why, why_size, "is none of %s", row->detail);
    else if (result < 0)
        snprintf(why, why_size, "%s", expected);
    else
        result = check_range(row, number, why, why_size);
    if (result == 0)
        *ret_number = number;
    return result;
}
