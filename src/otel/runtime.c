// SPDX-License-Identifier: Apache-2.0
#include "otel/runtime.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_BYTES_MAX = 1000, BURST = 3 };
static const int64_t WINDOW_NS = INT64_C(60) * 1000 * 1000 * 1000;

void otel_report(const struct otel_runtime *runtime, enum otel_log_level level, const char *format, ...) {
    if (runtime->diagnostics.report == NULL)
        return;
    char text[TEXT_BYTES_MAX + 1];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?'; // what a peer or a variable says must not forge a second line
    }
    runtime->diagnostics.report(runtime->diagnostics.context, level, text);
}

bool otel_report_allowed(struct otel_report_limit *limit, int64_t now_ns, uint32_t *ret_suppressed) {
    int64_t start = __atomic_load_n(&limit->window_start_ns, __ATOMIC_RELAXED);
    if (start == 0 || now_ns - start >= WINDOW_NS) {
        __atomic_store_n(&limit->window_start_ns, now_ns != 0 ? now_ns : 1, __ATOMIC_RELAXED);
        __atomic_store_n(&limit->in_window, 0, __ATOMIC_RELAXED);
    }
    if (__atomic_fetch_add(&limit->in_window, 1, __ATOMIC_RELAXED) >= BURST) {
        __atomic_fetch_add(&limit->suppressed, 1, __ATOMIC_RELAXED);
        return false;
    }
    *ret_suppressed = __atomic_exchange_n(&limit->suppressed, 0, __ATOMIC_RELAXED);
    return true;
}
