// SPDX-License-Identifier: Apache-2.0
// `key=value,key=value` with percent-encoding: headers and resource attributes.
#include "base/str.h"
#include "otel/config/variables.h"

static int digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// NULL: a percent sign that no two digits follow (`strict`), or what is decoded is no text.
static char *decode(struct otel_pool *pool, fq_str text, bool strict) {
    char *copy = otel_pool_text(pool, text.ptr, text.len);
    size_t len = 0;
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < text.len; i++) {
        bool coded = text.ptr[i] == '%' && text.len - i > 2 && digit(text.ptr[i + 1]) >= 0 &&
                     digit(text.ptr[i + 2]) >= 0;
        if (text.ptr[i] == '%' && !coded && strict)
            return NULL;
        copy[len++] = coded ? (char)(digit(text.ptr[i + 1]) << 4 | digit(text.ptr[i + 2])) : text.ptr[i];
        i += coded ? 2 : 0;
    }
    copy[len] = '\0';
    return memchr(copy, '\0', len) == NULL && fq_str_is_utf8((fq_str){copy, len}) ? copy : NULL;
}

static fq_str trim(const char *start, const char *end) {
    while (start < end && (*start == ' ' || *start == '\t'))
        start++;
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (fq_str){start, (size_t)(end - start)};
}

static bool is_token(fq_str key) {
    for (size_t i = 0; i < key.len; i++) {
        unsigned char c = (unsigned char)key.ptr[i];
        if (c <= 0x20 || c >= 0x7f || memchr("\"(),/:;<=>?@[\\]{}", c, 17) != NULL)
            return false;
    }
    return key.len > 0;
}

static bool is_header_value(const char *value) {
    for (; *value != '\0'; value++) {
        if ((unsigned char)*value < 0x20 || *value == 0x7f)
            return false; // a line break would begin another header
    }
    return true;
}

// One part between commas. False if it makes no pair.
static bool read_pair(struct otel_pool *pool, fq_str part, enum otel_pair_rule rule, struct otel_pair *ret) {
    const char *sign = memchr(part.ptr, '=', part.len);
    bool strict = rule == OTEL_PAIRS_ATTRIBUTES;
    if (sign == NULL)
        return false;
    fq_str key = trim(part.ptr, sign), value = trim(sign + 1, part.ptr + part.len);
    if (key.len == 0 || (!strict && !is_token(key)) || (strict && memchr(value.ptr, '=', value.len) != NULL))
        return false;
    ret->key = strict ? decode(pool, key, true) : otel_pool_text(pool, key.ptr, key.len);
    ret->value = decode(pool, value, strict);
    return ret->key != NULL && ret->key[0] != '\0' && ret->value != NULL &&
           (strict || is_header_value(ret->value));
}

static void report_bad(const struct otel_variables *variables, const char *name, enum otel_pair_rule rule,
                       size_t number, fq_str part) {
    if (rule == OTEL_PAIRS_ATTRIBUTES)
        otel_report(variables->runtime, OTEL_LEVEL_WARN,
                    "%s: part %zu (%.*s) is no percent-encoded key=value; the whole variable is left out",
                    name, number, part.len > 60 ? 60 : (int)part.len, part.ptr);
    else // the value may be a key, even where '=' was forgotten
        otel_report(variables->runtime, OTEL_LEVEL_WARN,
                    "%s: part %zu is no header (write key=value,key=value); it is left out", name, number);
}

size_t otel_variables_pairs(const struct otel_variables *variables, const char *name, const char *text,
                            enum otel_pair_rule rule, struct otel_pool *pool, struct otel_pair **ret_pairs) {
    size_t parts = 1, count = 0, number = 0;
    for (const char *p = text; *p != '\0'; p++)
        parts += *p == ',';
    struct otel_pair *pairs = otel_pool_take(pool, parts * sizeof *pairs);
    *ret_pairs = NULL;
    for (const char *at = text; at != NULL && pairs != NULL;) {
        size_t len = strcspn(at, ",");
        fq_str part = trim(at, at + len);
        number++;
        if (part.len > 0 && read_pair(pool, part, rule, &pairs[count])) {
            count++;
        } else if (part.len > 0) {
            report_bad(variables, name, rule, number, part);
            if (rule == OTEL_PAIRS_ATTRIBUTES)
                return 0;
        }
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    if (pairs != NULL && count > 0)
        *ret_pairs = pairs;
    return pairs != NULL ? count : 0;
}
