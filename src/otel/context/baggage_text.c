// SPDX-License-Identifier: Apache-2.0
// Source: W3C baggage, section 3.3: keys are tokens, values octets without control characters, blanks, `"`, `,`, `;` and `\`,
// all else percent-encoded.
#include "otel/context/baggage_text.h"

static bool is_token_byte(char c) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

// May stand in a header's value as it is; of these '%' begins an escape.
static bool is_value_byte(char c) {
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

bool otel_baggage_is_key(fq_str key) {
    for (size_t i = 0; i < key.len; i++) {
        if (!is_token_byte(key.ptr[i]))
            return false;
    }
    return key.len > 0;
}

bool otel_baggage_is_metadata(fq_str metadata) {
    for (size_t i = 0; i < metadata.len; i++) {
        char c = metadata.ptr[i];
        bool is_sound = is_value_byte(c) || c == ' ' || c == '\t' || c == ';';
        if (!is_sound)
            return false;
    }
    return true;
}

size_t otel_baggage_member_size(const struct otel_baggage_member *member) {
    size_t size = member->key.len + 1 + member->value.len;
    for (size_t i = 0; i < member->value.len; i++) {
        if (!is_value_byte(member->value.ptr[i]) || member->value.ptr[i] == '%')
            size += 2;
    }
    return size + (member->metadata.len > 0 ? 1 + member->metadata.len : 0);
}

static char *append(char *end, fq_str text) {
    if (text.len > 0)
        memcpy(end, text.ptr, text.len);
    return end + text.len;
}

size_t otel_baggage_write(const struct otel_baggage_member *member, char *text) {
    static const char digits[] = "0123456789ABCDEF";
    char *end = append(text, member->key);
    *end++ = '=';
    for (size_t i = 0; i < member->value.len; i++) {
        char c = member->value.ptr[i];
        if (is_value_byte(c) && c != '%') {
            *end++ = c;
            continue;
        }
        *end++ = '%';
        *end++ = digits[(unsigned char)c >> 4];
        *end++ = digits[c & 15];
    }
    if (member->metadata.len > 0)
        *end++ = ';';
    end = append(end, member->metadata);
    return (size_t)(end - text);
}

// Length of the valid UTF-8 sequence at the start, 0 if there is none.
static size_t sequence(fq_str text) {
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (fq_str_is_utf8((fq_str){text.ptr, len}))
            return len;
    }
    return 0;
}

size_t otel_baggage_repair(fq_str text, char *ret_text) {
    char *end = ret_text;
    for (size_t i = 0; i < text.len;) {
        size_t len = text.ptr[i] != '\0' ? sequence((fq_str){text.ptr + i, text.len - i}) : 0;
        end = append(end, len > 0 ? (fq_str){text.ptr + i, len} : FQ_STR("\xef\xbf\xbd"));
        i += len > 0 ? len : 1;
    }
    return (size_t)(end - ret_text);
}

static fq_str trim(fq_str text) {
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = (fq_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

// Cuts what stands before `separator` off *text; *text keeps the rest behind it.
static fq_str cut_at(fq_str *text, char separator) {
    const char *end = text->len > 0 ? memchr(text->ptr, separator, text->len) : NULL;
    if (end == NULL) {
        fq_str whole = *text;
        *text = (fq_str){"", 0};
        return whole;
    }
    fq_str before = {text->ptr, (size_t)(end - text->ptr)};
    *text = (fq_str){end + 1, text->len - before.len - 1};
    return before;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// Percent escapes become bytes; what is no escape stays as it is.
static size_t unescape(fq_str text, char *out) {
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool has_two = text.ptr[i] == '%' && text.len - i > 2;
        int high = has_two ? hex(text.ptr[i + 1]) : -1, low = has_two ? hex(text.ptr[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            out[len++] = (char)(high << 4 | low);
            i += 2;
        } else {
            out[len++] = text.ptr[i];
        }
    }
    return len;
}

// A value is unescaped to the end of its room, then repaired from there to the front: three bytes for each of its.
size_t otel_baggage_decoded_max(size_t header_len) {
    return 4 * header_len + 1;
}

int otel_baggage_next(fq_str *rest, struct otel_baggage_member *ret_member, char **at) {
    if (rest->len == 0)
        return 0;
    fq_str metadata = cut_at(rest, ',');
    fq_str value = cut_at(&metadata, ';');
    bool has_value = value.len > 0 && memchr(value.ptr, '=', value.len) != NULL;
    fq_str key = trim(cut_at(&value, '='));
    value = trim(value);
    metadata = trim(metadata);
    if (!has_value || !otel_baggage_is_key(key) || !otel_baggage_is_metadata(metadata))
        return -1;
    for (size_t i = 0; i < value.len; i++) {
        if (!is_value_byte(value.ptr[i]))
            return -1;
    }
    char *raw = *at + 3 * value.len;
    size_t raw_len = unescape(value, raw);
    ret_member->key = key;
    ret_member->metadata = metadata;
    ret_member->value = (fq_str){*at, otel_baggage_repair((fq_str){raw, raw_len}, *at)};
    *at += ret_member->value.len;
    return 1;
}
