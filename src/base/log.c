// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 1000 };

void fq_log_write(const fq_log *log, enum fq_log_level level, const char *format, ...) {
    if (log == NULL || log->sink == NULL || level < log->level)
        return;
    char line[LINE_MAX_BYTES + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?'; // a peer's bytes must not forge a second line or a terminal command
    }
    log->sink(log->context, level, line);
}

const char *fq_log_level_name(enum fq_log_level level) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    return names[level];
}
