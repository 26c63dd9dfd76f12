// SPDX-License-Identifier: Apache-2.0
#include "server/arguments.h"

#include "server/core_state.h"

enum { NAME_MAX_BYTES = 255, ENCODING_MAX_BYTES = 64 };

// What a person may be shown of an argument: a short, printable piece.
struct shown {
    char text[44];
};
static struct shown show(fq_str text) {
    struct shown shown;
    size_t len = text.len < 40 ? text.len : 40;
    for (size_t i = 0; i < len; i++)
        shown.text[i] = text.ptr[i] >= ' ' && text.ptr[i] < 127 ? text.ptr[i] : '?';
    memcpy(shown.text + len, text.len > 40 ? "..." : "", text.len > 40 ? 4 : 1);
    return shown;
}

int fq_take_uuid(struct fq_call *call, fq_str text, fq_uuid *ret_id) {
    if (fq_uuid_parse(text, ret_id) == 0)
        return 0;
    return fq_call_refuse(call, FQ_EINVALID, "id '%s' is no UUID; the form is 8-4-4-4-12 hexadecimal digits",
                          show(text).text);
}

int fq_take_token(struct fq_call *call, fq_str text, uint64_t *ret_token) {
    if (fq_str_to_uint64(text, ret_token) == 0)
        return 0;
    return fq_call_refuse(call, FQ_EINVALID, "token '%s' is no decimal number; it is the one FQ.FETCH gave",
                          show(text).text);
}

int fq_take_integer(struct fq_call *call, const char *what, fq_str text, int64_t min, int64_t max,
                    int64_t *ret_value) {
    int64_t value;
    if (fq_str_to_int64(text, &value) < 0 || value < min || value > max)
        return fq_call_refuse(call, FQ_EINVALID, "%s '%s': a whole number from %lld to %lld", what,
                              show(text).text, (long long)min, (long long)max);
    *ret_value = value;
    return 0;
}

int fq_take_priority(struct fq_call *call, fq_str text, enum fq_priority *ret_priority) {
    if (fq_priority_parse(text, ret_priority) == 0)
        return 0;
    return fq_call_refuse(call, FQ_EINVALID, "PRIORITY '%s': critical, high, normal or low", show(text).text);
}

int fq_take_state(struct fq_call *call, fq_str text, enum fq_task_state *ret_state) {
    if (fq_task_state_parse(text, ret_state) == 0)
        return 0;
    return fq_call_refuse(call, FQ_EINVALID,
                          "STATUS '%s': scheduled, pending, started, success, failure, cancelled or expired",
                          show(text).text);
}

int fq_take_name(struct fq_call *call, const char *what, fq_str text) {
    if (text.len >= 1 && text.len <= NAME_MAX_BYTES && fq_str_is_name(text))
        return 0;
    return fq_call_refuse(call, FQ_EINVALID,
                          "%s '%s': 1 to %d bytes of printable UTF-8 without spaces and control characters",
                          what, show(text).text, NAME_MAX_BYTES);
}

int fq_take_encoding(struct fq_call *call, fq_str text) {
    bool is_good = text.len >= 1 && text.len <= ENCODING_MAX_BYTES;
    for (size_t i = 0; i < text.len && is_good; i++) {
        char byte = text.ptr[i];
        is_good =
            (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || strchr("._+-/", byte) != NULL;
        is_good = is_good && byte != '\0';
    }
    if (!is_good)
        return fq_call_refuse(
            call, FQ_EINVALID,
            "ENCODING '%s': a name such as json or raw, of 1 to %d characters a-z 0-9 . _ + - /",
            show(text).text, ENCODING_MAX_BYTES);
    bool is_pickle = text.len >= 6 && (memcmp(text.ptr, "pickle", 6) == 0 ||
                                       memcmp(text.ptr + text.len - 6, "pickle", 6) == 0);
    if (is_pickle && !call->core->options->allow_pickle)
        return fq_call_refuse(
            call, FQ_EINVALID,
            "ENCODING pickle runs code of the sender and is refused; send json, or start the "
            "server with --allow-pickle");
    return 0;
}

static bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

fq_str fq_take_header(struct fq_call *call, fq_str text, size_t max) {
    for (; text.len > 0 && is_blank(text.ptr[0]); text.len--)
        text.ptr++;
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    bool is_good = text.len <= max;
    for (size_t i = 0; i < text.len && is_good; i++)
        is_good = (text.ptr[i] >= ' ' && text.ptr[i] != 127) || text.ptr[i] == '\t';
    call->core->stats.headers_ignored_total += is_good ? 0 : 1;
    return is_good ? text : FQ_STR("");
}

static int refuse_word(struct fq_call *call, const struct fq_option_word *words, size_t count, fq_str word) {
    char known[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used + words[i].word.len + 2 < sizeof known; i++) {
        if (i > 0)
            known[used++] = ' ';
        memcpy(known + used, words[i].word.ptr, words[i].word.len);
        used += words[i].word.len;
    }
    known[used] = '\0';
    return fq_call_refuse(call, FQ_ESYNTAX, "option '%s' is not one of %s", show(word).text, known);
}

int fq_take_option(struct fq_call *call, const struct fq_option_word *words, size_t word_count, size_t *at,
                   fq_str *ret_value) {
    fq_str word = call->args[*at];
    for (size_t i = 0; i < word_count; i++) {
        if (word.len != words[i].word.len || !fq_str_equal_nocase(word, words[i].word))
            continue;
        *at += 1;
        *ret_value = FQ_STR("");
        if (!words[i].has_value)
            return (int)i;
        if (*at >= call->arg_count)
            return fq_call_refuse(call, FQ_ESYNTAX, "option %.*s needs a value", FQ_STR_ARGS(words[i].word));
        *ret_value = call->args[(*at)++];
        return (int)i;
    }
    return refuse_word(call, words, word_count, word);
}

size_t fq_list_length(const struct fq_call *call, const struct fq_option_word *words, size_t word_count,
                      size_t at) {
    for (size_t i = at; i < call->arg_count; i++) {
        for (size_t w = 0; w < word_count; w++) {
            if (fq_str_equal(call->args[i], words[w].word))
                return i - at;
        }
    }
    return call->arg_count - at;
}
