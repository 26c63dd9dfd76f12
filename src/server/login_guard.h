// SPDX-License-Identifier: Apache-2.0
// Slows down who guesses tokens: from the fifth failure of a source within a minute on, each attempt from it waits,
// 0.1 s doubling to 30 s. Nothing blocks but the connection that tries.
#ifndef FQ_SERVER_LOGIN_GUARD_H
#define FQ_SERVER_LOGIN_GUARD_H

#include "base/time.h"

#include <stdbool.h>
#include <stdint.h>

enum { FQ_LOGIN_SOURCES = 1024, FQ_LOGIN_FREE_FAILURES = 5 };

struct fq_login_source {
    uint64_t hash; // of the source's text; 0 = free
    int64_t last_us, logged_us;
    uint32_t failures;
};
struct fq_login_guard {
    struct fq_login_source sources[FQ_LOGIN_SOURCES]; // a cache: the oldest of four neighbours gives way
    int64_t line_us;                                  // boot; the last line in the log
};

/** How long an attempt from `source` waits before it is looked at, in microseconds. */
int64_t fq_login_guard_delay(const struct fq_login_guard *guard, uint64_t source, struct fq_now now);
/** Counts a failure. True when it is worth a line in the log: once a minute and source, and once a second in all. */
bool fq_login_guard_failed(struct fq_login_guard *guard, uint64_t source, struct fq_now now);

#endif
