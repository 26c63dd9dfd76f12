// SPDX-License-Identifier: Apache-2.0
// An input as lines NAME=VALUE, read like an environment.
#ifndef FQ_FUZZ_LINES_H
#define FQ_FUZZ_LINES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { FUZZ_LINES_MAX = 64 };

struct lines {
    char *text; // the input, with NULs for newlines
    char *at[FUZZ_LINES_MAX];
    size_t count;
};

static inline void lines_init(struct lines *lines, const uint8_t *data, size_t size) {
    lines->count = 0;
    lines->text = malloc(size + 1);
    if (lines->text == NULL)
        abort();
    for (size_t i = 0; i < size; i++)
        lines->text[i] = (char)data[i];
    lines->text[size] = '\0';
    char *end = lines->text + size;
    for (char *at = lines->text; at < end && lines->count < FUZZ_LINES_MAX;) {
        char *newline = memchr(at, '\n', (size_t)(end - at));
        lines->at[lines->count++] = at;
        if (newline == NULL)
            break;
        *newline = '\0';
        at = newline + 1;
    }
}

static inline void lines_done(struct lines *lines) {
    free(lines->text);
}

/** The value behind `name`=; NULL if no line has it. */
static inline const char *lines_variable(void *context, const char *name) {
    const struct lines *lines = context;
    size_t len = strlen(name);
    for (size_t i = 0; i < lines->count; i++)
        if (strncmp(lines->at[i], name, len) == 0 && lines->at[i][len] == '=')
            return lines->at[i] + len + 1;
    return NULL;
}

#endif
