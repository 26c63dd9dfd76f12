// SPDX-License-Identifier: Apache-2.0
#include "cli/submit_words.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

// JSON numbers of any length; the parser at hand stops at 64 bits, Python does not.
static bool is_integer(const char *word) {
    if (*word == '-')
        word++;
    size_t digits = strspn(word, "0123456789");
    return digits > 0 && word[digits] == '\0' && (word[0] != '0' || digits == 1);
}

static bool is_json(const char *word) {
    json_t *value = json_loads(word, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool is = value != NULL;
    json_decref(value);
    return is;
}

static int add_string(fq_buf *payload, const char *text, size_t len) {
    json_t *string = json_stringn(text, len);
    char *quoted = string != NULL ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    int result = string == NULL   ? FQ_EENCODING
                 : quoted == NULL ? FQ_ENOMEM
                                  : fq_buf_append(payload, quoted, strlen(quoted));
    free(quoted);
    json_decref(string);
    return result;
}

int fq_submit_words_add(fq_buf *payload, const char *word) {
    if (strcasecmp(word, "true") == 0)
        return fq_buf_append(payload, "true", 4);
    if (strcasecmp(word, "false") == 0)
        return fq_buf_append(payload, "false", 5);
    if (is_integer(word) || is_json(word))
        return fq_buf_append(payload, word, strlen(word));
    return add_string(payload, word, strlen(word));
}

static int complain(int error, const char *word) {
    fprintf(stderr, "fastqueue submit: argument '%s': %s\n", word,
            error == FQ_EENCODING ? "is no UTF-8; use --payload with --encoding raw" : fq_strerror(error));
    return error == FQ_EENCODING ? FQ_EXIT_USAGE : FQ_EXIT_INTERNAL;
}

static int add_list(fq_buf *payload, const char *const *words, size_t count, bool *first) {
    for (size_t i = 0; i < count; i++) {
        int result = *first ? 0 : fq_buf_append_byte(payload, ',');
        if (result == 0)
            result = fq_submit_words_add(payload, words[i]);
        if (result < 0)
            return complain(result, words[i]);
        *first = false;
    }
    return 0;
}

static int add_pair(fq_buf *payload, const char *pair, bool first) {
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        fprintf(stderr, "fastqueue submit: --kwargs: '%s' is not KEY=VALUE\n", pair);
        return FQ_EXIT_USAGE;
    }
    int result = first ? 0 : fq_buf_append_byte(payload, ',');
    if (result == 0)
        result = add_string(payload, pair, (size_t)(equals - pair));
    if (result == 0)
        result = fq_buf_append_byte(payload, ':');
    if (result == 0)
        result = fq_submit_words_add(payload, equals + 1);
    return result < 0 ? complain(result, pair) : 0;
}

static int make_arguments(const struct fq_options *options, fq_buf *payload) {
    const struct fq_option_value *args = &options->values[FQ_OPTION_ARGS];
    const struct fq_option_value *kwargs = &options->values[FQ_OPTION_KWARGS];
    // The name is an option or the first operand; what follows are arguments.
    size_t skip = fq_option_given(options, FQ_OPTION_TASK_NAME) ? 0 : 1;
    bool first = true;
    int code = fq_buf_append_str(payload, FQ_STR("{\"args\":[")) < 0 ? FQ_EXIT_INTERNAL : 0;
    if (code == 0 && options->operand_count > skip)
        code = add_list(payload, options->operands + skip, options->operand_count - skip, &first);
    if (code == 0)
        code = add_list(payload, args->items, args->item_count, &first);
    if (code == 0 && fq_buf_append_str(payload, FQ_STR("],\"kwargs\":{")) < 0)
        code = FQ_EXIT_INTERNAL;
    for (size_t i = 0; i < kwargs->item_count && code == 0; i++)
        code = add_pair(payload, kwargs->items[i], i == 0);
    if (code == 0 && fq_buf_append_str(payload, FQ_STR("}}")) < 0)
        code = FQ_EXIT_INTERNAL;
    return code;
}

static int read_descriptor(int fd, const char *path, fq_buf *payload) {
    for (;;) {
        if (fq_buf_reserve(payload, 65536) < 0) {
            fprintf(stderr, "fastqueue submit: the payload in %s is too large\n", path);
            return FQ_EXIT_USAGE;
        }
        ssize_t got = read(fd, fq_buf_tail(payload), 65536);
        if (got < 0) {
            fprintf(stderr, "fastqueue submit: cannot read %s: %m\n", path);
            return FQ_EXIT_IO;
        }
        if (got == 0)
            return 0;
        fq_buf_commit(payload, (size_t)got);
    }
}

static int read_bytes(const char *source, fq_buf *payload) {
    if (strcmp(source, "-") == 0)
        return read_descriptor(STDIN_FILENO, "standard input", payload);
    if (source[0] != '@')
        return fq_buf_append(payload, source, strlen(source)) < 0 ? FQ_EXIT_INTERNAL : 0;
    int fd = open(source + 1, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "fastqueue submit: cannot open %s: %m\n", source + 1);
        return FQ_EXIT_USAGE;
    }
    int code = read_descriptor(fd, source + 1, payload);
    close(fd);
    return code;
}

// A JSON payload is checked here: a worker would find out much later.
static int check_json(const struct fq_options *options, const fq_buf *payload) {
    fq_str text = fq_buf_str(payload);
    json_error_t error;
    if (strcmp(fq_option_text(options, FQ_OPTION_ENCODING), "json") != 0)
        return 0;
    json_t *value =
        json_loadb(text.ptr, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    json_decref(value);
    if (value != NULL)
        return 0;
    fprintf(stderr,
            "fastqueue submit: the payload is not JSON (%s at line %d); --encoding raw sends any bytes\n",
            error.text, error.line);
    return FQ_EXIT_USAGE;
}

int fq_submit_words_read(const struct fq_options *options, fq_buf *payload) {
    const char *source = fq_option_text(options, FQ_OPTION_PAYLOAD);
    size_t named = fq_option_given(options, FQ_OPTION_TASK_NAME) ? 0 : 1;
    bool arguments = fq_option_given(options, FQ_OPTION_ARGS) || fq_option_given(options, FQ_OPTION_KWARGS) ||
                     options->operand_count > named;
    if (source == NULL)
        return make_arguments(options, payload);
    if (arguments) {
        fputs("fastqueue submit: --payload is the whole payload: give it or arguments, not both\n", stderr);
        return FQ_EXIT_USAGE;
    }
    int code = read_bytes(source, payload);
    return code != 0 ? code : check_json(options, payload);
}
