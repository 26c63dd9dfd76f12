// SPDX-License-Identifier: Apache-2.0
// Just enough JSON to find partialSuccess in an answer: values are skipped unless they are what is looked for.
#include "base/str.h"
#include "otel/attribute.h"
#include "otel/exporters/answer.h"

#include <string.h>

enum { DEPTH_MAX = 32, STRING_MAX = 512 };

struct scan {
    const char *at, *end;
    int depth;
    struct otel_partial_success *partial;
};

static void skip_blanks(struct scan *scan) {
    while (scan->at < scan->end && strchr(" \t\r\n", *scan->at) != NULL && *scan->at != '\0')
        scan->at++;
}

static bool take(struct scan *scan, char c) {
    skip_blanks(scan);
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static int hex_of(const char *text) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

// An escape behind its backslash becomes one byte; characters beyond ASCII become '?': this is text for a log line.
static int take_escape(struct scan *scan) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (scan->at == scan->end)
        return -1;
    char c = *scan->at++;
    if (c == 'u') {
        int value = scan->end - scan->at >= 4 ? hex_of(scan->at) : -1;
        scan->at += value >= 0 ? 4 : 0;
        return value < 0 ? -1 : value < 0x80 ? value : '?';
    }
    const char *found = c != '\0' ? strchr(from, c) : NULL;
    return found != NULL ? to[found - from] : -1;
}

// A string, cut at the memory's size. False: malformed.
static bool take_string(struct scan *scan, char text[STRING_MAX], size_t *ret_len) {
    size_t len = 0;
    if (!take(scan, '"'))
        return false;
    while (scan->at < scan->end && *scan->at != '"') {
        int c = (unsigned char)*scan->at++;
        if (c < 0x20 || (c == '\\' && (c = take_escape(scan)) < 0))
            return false;
        if (len < STRING_MAX)
            text[len++] = (char)c;
    }
    *ret_len = len;
    return take(scan, '"');
}

static bool skip_value(struct scan *scan);

// Calls itself for what stands inside; `is_partial`: members are those of partialSuccess.
static bool take_object(struct scan *scan, bool is_partial);

static void keep_member(struct scan *scan, fq_str key, fq_str value) {
    uint64_t number;
    if (fq_str_equal(key, FQ_STR("errorMessage")))
        otel_answer_line(scan->partial->message, sizeof scan->partial->message, value.ptr, value.len);
    else if (key.len > 8 && memcmp(key.ptr, "rejected", 8) == 0 && fq_str_to_uint64(value, &number) == 0 &&
             number <= INT64_MAX)
        scan->partial->rejected = number;
}

static bool take_member(struct scan *scan, bool is_partial) {
    char key[STRING_MAX], value[STRING_MAX];
    size_t key_len, len;
    if (!take_string(scan, key, &key_len) || !take(scan, ':'))
        return false;
    skip_blanks(scan);
    fq_str name = {key, key_len};
    if (!is_partial && scan->depth == 1 && fq_str_equal(name, FQ_STR("partialSuccess")) &&
        scan->at < scan->end && *scan->at == '{')
        return take_object(scan, true);
    if (!is_partial)
        return skip_value(scan);
    if (scan->at < scan->end && *scan->at == '"') {
        if (!take_string(scan, value, &len))
            return false;
        keep_member(scan, name, (fq_str){value, len});
        return true;
    }
    const char *begin = scan->at;
    bool is_valid = skip_value(scan);
    keep_member(scan, name, (fq_str){begin, (size_t)(scan->at - begin)});
    return is_valid;
}

static bool take_object(struct scan *scan, bool is_partial) {
    if (!take(scan, '{') || ++scan->depth > DEPTH_MAX)
        return false;
    if (!take(scan, '}')) {
        do {
            if (!take_member(scan, is_partial))
                return false;
        } while (take(scan, ','));
        if (!take(scan, '}'))
            return false;
    }
    scan->depth--;
    return true;
}

static bool skip_array(struct scan *scan) {
    if (!take(scan, '[') || ++scan->depth > DEPTH_MAX)
        return false;
    if (!take(scan, ']')) {
        do {
            if (!skip_value(scan))
                return false;
        } while (take(scan, ','));
        if (!take(scan, ']'))
            return false;
    }
    scan->depth--;
    return true;
}

static bool skip_value(struct scan *scan) {
    char text[STRING_MAX];
    size_t len;
    skip_blanks(scan);
    if (scan->at == scan->end)
        return false;
    switch (*scan->at) {
    case '"': return take_string(scan, text, &len);
    case '{': return take_object(scan, false);
    case '[': return skip_array(scan);
    default: break;
    }
    const char *begin = scan->at;
    while (scan->at < scan->end && *scan->at != '\0' && strchr(",}] \t\r\n", *scan->at) == NULL)
        scan->at++;
    return scan->at > begin;
}

int otel_answer_partial_success_json(const char *text, size_t len, struct otel_partial_success *ret_partial) {
    struct otel_partial_success partial = {0};
    struct scan scan = {.at = text, .end = text + len, .partial = &partial};
    bool is_valid = take_object(&scan, false);
    skip_blanks(&scan);
    if (!is_valid || scan.at != scan.end)
        return OTEL_FAILED;
    *ret_partial = partial;
    return OTEL_OK;
}
