// SPDX-License-Identifier: Apache-2.0
// Lookups over the one error table, include/fastqueue/error.def.
#include "fastqueue/error.h"

#include <string.h>

static const struct fq_error_info rows[] = {
#define FQ_ERROR(name, number, code, retryable, text) {-(number), #name, code, text, (retryable) != 0},
#include "fastqueue/error.def"
#undef FQ_ERROR
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const struct fq_error_info *fq_error_row(unsigned index) {
    return index < ROW_COUNT ? &rows[index] : NULL;
}

const struct fq_error_info *fq_error_info(int error) {
    const struct fq_error_info *fallback = &rows[0];
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if (rows[i].error == error)
            return &rows[i];
        if (rows[i].error == FQ_EINVALID)
            fallback = &rows[i];
    }
    return fallback;
}

const char *fq_strerror(int error) {
    return error >= 0 ? "ok" : fq_error_info(error)->text;
}

int fq_error_from_wire(const char *line, unsigned long len) {
    const char *space = memchr(line, ' ', len);
    size_t word = space != NULL ? (size_t)(space - line) : len;
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        const struct fq_error_info *row = &rows[i];
        bool shared = strcmp(row->code, "ERR") == 0; // "ERR" names no single row
        if (!shared && strlen(row->code) == word && memcmp(row->code, line, word) == 0)
            return row->error;
    }
    return FQ_ESERVER;
}
