// SPDX-License-Identifier: Apache-2.0
#include "otel/system/system.h"

#include <stdio.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 1100 };

static void report(void *context, enum otel_log_level level, const char *text) {
    (void)context;
    static const char *const names[] = {"", "error", "warning", "info", "debug"};
    char line[LINE_BYTES_MAX];
    int len = snprintf(line, sizeof line, "otel: %s: %s\n", names[level], text);
    if (len <= 0)
        return;
    if ((size_t)len >= sizeof line) {
        len = sizeof line;
        line[len - 1] = '\n';
    }
    ssize_t written =
        write(STDERR_FILENO, line, (size_t)len); // one call: lines of several threads stay whole
    (void)written;                               // there is nobody left to tell
}

struct otel_diagnostics otel_system_diagnostics(void) {
    return (struct otel_diagnostics){.report = report};
}
