// SPDX-License-Identifier: Apache-2.0
// What every part of the SDK is handed by its owner: time, randomness, and whom to tell. Nothing in the core asks the
// system for these itself; system/ has the defaults.
#ifndef OTEL_RUNTIME_H
#define OTEL_RUNTIME_H

#include "otel/sdk.h"

struct otel_runtime {
    struct otel_clock clock;      // always set
    struct otel_id_generator ids; // always set
    struct otel_diagnostics diagnostics;
};

static inline int64_t otel_unix_ns(const struct otel_runtime *runtime) {
    return runtime->clock.unix_ns(runtime->clock.context);
}
static inline int64_t otel_monotonic_ns(const struct otel_runtime *runtime) {
    return runtime->clock.monotonic_ns(runtime->clock.context);
}
/** printf to diagnostics; NULL report drops it. */
void otel_report(const struct otel_runtime *runtime, enum otel_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A message that would come often: at most `burst` of one kind a minute, then silence with a count.
struct otel_report_limit {
    int64_t window_start_ns;
    uint32_t in_window, suppressed;
};
/** True if this one may be said now; *ret_suppressed is how many were not since the last one. Any thread (relaxed). */
bool otel_report_allowed(struct otel_report_limit *limit, int64_t now_ns, uint32_t *ret_suppressed);

#endif
