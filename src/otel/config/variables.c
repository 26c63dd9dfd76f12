// SPDX-License-Identifier: Apache-2.0
#include "otel/config/variables.h"

#include "base/str.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { WORD_BYTES_MAX = 64, WORDS_MAX = 32 };

const char *otel_variables_text(const struct otel_variables *variables, const char *name) {
    const char *text = variables->read(variables->context, name);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

bool otel_variables_bool(const struct otel_variables *variables, const char *name, bool fallback) {
    const char *text = otel_variables_text(variables, name);
    if (text == NULL)
        return fallback;
    if (strcasecmp(text, "true") == 0)
        return true;
    if (strcasecmp(text, "false") != 0)
        otel_report(variables->runtime, OTEL_LEVEL_WARN,
                    "%s=%.100s is neither true nor false and counts as false", name, text);
    return false;
}

int64_t otel_variables_number(const struct otel_variables *variables, const char *name, int64_t fallback,
                              int64_t min, int64_t max) {
    const char *text = otel_variables_text(variables, name);
    int64_t value;
    if (text == NULL)
        return fallback;
    fq_str trimmed = fq_str_of(text);
    while (trimmed.len > 0 && (trimmed.ptr[0] == ' ' || trimmed.ptr[0] == '\t'))
        trimmed = (fq_str){trimmed.ptr + 1, trimmed.len - 1};
    while (trimmed.len > 0 && (trimmed.ptr[trimmed.len - 1] == ' ' || trimmed.ptr[trimmed.len - 1] == '\t'))
        trimmed.len--;
    if (fq_str_to_int64(trimmed, &value) == 0 && value >= min && value <= max)
        return value;
    otel_report(variables->runtime, OTEL_LEVEL_WARN,
                "%s=%.100s is no whole number from %" PRId64 " to %" PRId64 "; the default stays", name, text,
                min, max);
    return fallback;
}

static void report_words(const struct otel_variables *variables, const char *name, const char *text,
                         const char *const *words) {
    char known[300] = "";
    size_t used = 0;
    for (size_t i = 0; words[i] != NULL && used + strlen(words[i]) + 3 < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", words[i]);
    otel_report(variables->runtime, OTEL_LEVEL_WARN,
                "%s=%.100s is not known (there are %s); the default stays", name, text, known);
}

int otel_variables_word(const struct otel_variables *variables, const char *name, const char *const *words,
                        int fallback) {
    const char *text = otel_variables_text(variables, name);
    if (text == NULL)
        return fallback;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return i;
    }
    report_words(variables, name, text, words);
    return fallback;
}

static fq_str trimmed(const char *start, size_t len) {
    while (len > 0 && (*start == ' ' || *start == '\t')) {
        start++;
        len--;
    }
    while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t'))
        len--;
    return (fq_str){start, len};
}

bool otel_variables_words(const struct otel_variables *variables, const char *name,
                          void (*each)(void *context, const char *word), void *context) {
    const char *text = otel_variables_text(variables, name);
    fq_str seen[WORDS_MAX];
    size_t seen_count = 0;
    for (const char *at = text; at != NULL;) {
        size_t len = strcspn(at, ",");
        fq_str word = trimmed(at, len);
        char copy[WORD_BYTES_MAX + 1];
        bool again = word.len == 0;
        for (size_t i = 0; i < seen_count && !again; i++)
            again = fq_str_equal_nocase(seen[i], word);
        if (word.len > WORD_BYTES_MAX || seen_count == WORDS_MAX) {
            otel_report(variables->runtime, OTEL_LEVEL_WARN, "%s has a word too long, or too many", name);
        } else if (!again) {
            memcpy(copy, word.ptr, word.len);
            copy[word.len] = '\0';
            seen[seen_count++] = word;
            each(context, copy);
        }
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return text != NULL;
}

double otel_variables_ratio(const struct otel_variables *variables, const char *name, double fallback) {
    const char *text = otel_variables_text(variables, name);
    char *end;
    if (text == NULL)
        return fallback;
    // A program's locale may write numbers with a comma; variables do not.
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    errno = 0;
    double value = plain != (locale_t)0 ? strtod_l(text, &end, plain) : strtod(text, &end);
    if (plain != (locale_t)0)
        freelocale(plain);
    while (*end == ' ' || *end == '\t')
        end++;
    if (end != text && *end == '\0' && isfinite(value) && value >= 0 && value <= 1)
        return value;
    otel_report(variables->runtime, OTEL_LEVEL_WARN, "%s=%.100s is no ratio from 0 to 1; %g is used", name,
                text, fallback);
    return fallback;
}
