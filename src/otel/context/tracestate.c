// SPDX-License-Identifier: Apache-2.0
// Source: W3C trace-context level 2, section 3.3; OpenTelemetry's "tracestate handling" for the member `ot`.
#include "otel/context/tracestate.h"

#include "base/str.h"

enum { KEY_MAX = 256, VALUE_MAX = 256, LONG_MEMBER = 128 };

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static fq_str trim(fq_str text) {
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = (fq_str){text.ptr + 1, text.len - 1};
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

// Cuts the piece before the next `separator` off *rest. False when nothing was left.
static bool next_piece(fq_str *rest, char separator, fq_str *ret_piece) {
    if (rest->ptr == NULL)
        return false;
    const char *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (end == NULL) {
        *ret_piece = *rest;
        *rest = (fq_str){NULL, 0};
        return true;
    }
    *ret_piece = (fq_str){rest->ptr, (size_t)(end - rest->ptr)};
    *rest = (fq_str){end + 1, rest->len - ret_piece->len - 1};
    return true;
}

static bool is_lower_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_key(fq_str key) {
    if (key.len == 0 || key.len > KEY_MAX || !is_lower_or_digit(key.ptr[0]))
        return false;
    for (size_t i = 1; i < key.len; i++) {
        if (!is_lower_or_digit(key.ptr[i]) && memchr("_-*/@", key.ptr[i], 5) == NULL)
            return false;
    }
    return true;
}

static bool is_value(fq_str value) {
    if (value.len == 0 || value.len > VALUE_MAX || value.ptr[value.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c < 0x20 || c > 0x7e || c == ',' || c == '=')
            return false;
    }
    return true;
}

struct member {
    fq_str key, value;
    bool left_out, is_new;
};
struct members {
    size_t count;
    struct member at[OTEL_TRACESTATE_MEMBERS_MAX + 1];
};

static size_t member_size(const struct member *member) {
    return member->key.len + 1 + member->value.len;
}

static bool split(fq_str text, struct members *members) {
    fq_str piece;
    members->count = 0;
    while (next_piece(&text, ',', &piece)) {
        piece = trim(piece);
        if (piece.len == 0)
            continue;
        const char *equals = memchr(piece.ptr, '=', piece.len);
        if (equals == NULL || members->count == OTEL_TRACESTATE_MEMBERS_MAX)
            return false;
        fq_str key = {piece.ptr, (size_t)(equals - piece.ptr)};
        fq_str value = {equals + 1, piece.len - key.len - 1};
        if (!is_key(key) || !is_value(value))
            return false;
        members->at[members->count++] = (struct member){.key = key, .value = value};
    }
    return true;
}

static size_t size_of(const struct members *members) {
    size_t size = 0;
    for (size_t i = 0; i < members->count; i++) {
        if (!members->at[i].left_out)
            size += member_size(&members->at[i]) + (size > 0);
    }
    return size;
}

// Leaves members out until all fit; the specification's order: the long ones first, then from the right. What was just set
// goes last of all.
static void cut(struct members *members) {
    for (size_t pass = 0; pass < 3; pass++) {
        for (size_t i = members->count; i-- > 0 && size_of(members) > OTEL_TRACESTATE_KEPT_MAX;) {
            struct member *member = &members->at[i];
            if (pass == 2 || (!member->is_new && (pass == 1 || member_size(member) > LONG_MEMBER)))
                member->left_out = true;
        }
    }
}

static size_t write_out(struct members *members, char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]) {
    cut(members);
    char *end = ret_text;
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->at[i];
        if (member->left_out)
            continue;
        if (end > ret_text)
            *end++ = ',';
        memcpy(end, member->key.ptr, member->key.len);
        end += member->key.len;
        *end++ = '=';
        memcpy(end, member->value.ptr, member->value.len);
        end += member->value.len;
    }
    *end = '\0';
    return (size_t)(end - ret_text);
}

size_t otel_tracestate_normalize(const char *text, size_t len, char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]) {
    struct members members;
    ret_text[0] = '\0';
    return split((fq_str){text, len}, &members) ? write_out(&members, ret_text) : 0;
}

bool otel_tracestate_find(const char *text, size_t len, const char *key, const char **ret_value,
                          size_t *ret_value_len) {
    fq_str rest = {text, len}, piece, name = fq_str_of(key);
    while (len > 0 && next_piece(&rest, ',', &piece)) {
        piece = trim(piece);
        if (piece.len > name.len && memcmp(piece.ptr, name.ptr, name.len) == 0 &&
            piece.ptr[name.len] == '=') {
            *ret_value = piece.ptr + name.len + 1;
            *ret_value_len = piece.len - name.len - 1;
            return true;
        }
    }
    return false;
}

size_t otel_tracestate_set(const char *text, size_t len, const char *key, const char *value, size_t value_len,
                           char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]) {
    struct members members, edited = {0};
    fq_str name = fq_str_of(key);
    ret_text[0] = '\0';
    if (len > 0 && !split((fq_str){text, len}, &members))
        return 0;
    if (len == 0)
        members.count = 0;
    bool is_sound = is_key(name) && (value == NULL || is_value((fq_str){value, value_len}));
    if (!is_sound)
        return write_out(&members, ret_text);
    fq_str text_set = {value, value_len};
    if (value != NULL)
        edited.at[edited.count++] = (struct member){.key = name, .value = text_set, .is_new = true};
    for (size_t i = 0; i < members.count && edited.count < OTEL_TRACESTATE_MEMBERS_MAX; i++) {
        if (!fq_str_equal(members.at[i].key, name))
            edited.at[edited.count++] = members.at[i];
    }
    return write_out(&edited, ret_text);
}

static bool is_field_key(fq_str key) {
    for (size_t i = 0; i < key.len; i++) {
        if (!is_lower_or_digit(key.ptr[i]))
            return false;
    }
    return key.len > 0 && key.ptr[0] >= 'a';
}

static bool is_field_value(fq_str value) {
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (!is_lower_or_digit(c) && !(c >= 'A' && c <= 'Z') && memchr("._-", c, 3) == NULL)
            return false;
    }
    return true;
}

// Splits one field of `ot`; false if it is none by the grammar of these fields, which is stricter than a member's.
static bool split_field(fq_str piece, fq_str *ret_key, fq_str *ret_value) {
    const char *colon = piece.len > 0 ? memchr(piece.ptr, ':', piece.len) : NULL;
    if (colon == NULL)
        return false;
    *ret_key = (fq_str){piece.ptr, (size_t)(colon - piece.ptr)};
    *ret_value = (fq_str){colon + 1, piece.len - ret_key->len - 1};
    return is_field_key(*ret_key) && is_field_value(*ret_value);
}

bool otel_tracestate_find_ot(const char *text, size_t len, const char *key, const char **ret_value,
                             size_t *ret_value_len) {
    fq_str rest, piece, name, value;
    if (!otel_tracestate_find(text, len, "ot", &rest.ptr, &rest.len))
        return false;
    while (next_piece(&rest, ';', &piece)) {
        if (split_field(piece, &name, &value) && fq_str_equal(name, fq_str_of(key))) {
            *ret_value = value.ptr;
            *ret_value_len = value.len;
            return true;
        }
    }
    return false;
}

// Appends `key:value` if it fits.
static void add_field(char *member, size_t *len, fq_str key, fq_str value) {
    size_t need = key.len + 1 + value.len + (*len > 0);
    if (*len + need > VALUE_MAX)
        return;
    if (*len > 0)
        member[(*len)++] = ';';
    memcpy(member + *len, key.ptr, key.len);
    *len += key.len;
    member[(*len)++] = ':';
    memcpy(member + *len, value.ptr, value.len);
    *len += value.len;
}

size_t otel_tracestate_set_ot(const char *text, size_t len, const char *key, const char *value,
                              size_t value_len, char ret_text[OTEL_TRACESTATE_KEPT_MAX + 1]) {
    char member[VALUE_MAX];
    size_t member_len = 0;
    fq_str rest = {NULL, 0}, piece, name, field;
    if (value != NULL)
        add_field(member, &member_len, fq_str_of(key), (fq_str){value, value_len});
    (void)otel_tracestate_find(text, len, "ot", &rest.ptr, &rest.len);
    while (next_piece(&rest, ';', &piece)) {
        if (split_field(piece, &name, &field) && !fq_str_equal(name, fq_str_of(key)))
            add_field(member, &member_len, name, field);
    }
    return otel_tracestate_set(text, len, "ot", member_len > 0 ? member : NULL, member_len, ret_text);
}
