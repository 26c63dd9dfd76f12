// SPDX-License-Identifier: Apache-2.0
#include "server/login_guard.h"

#include <stddef.h>

enum { NEIGHBOURS = 4 };
static const int64_t WINDOW_US = 60 * (int64_t)FQ_US_PER_S;
static const int64_t FIRST_DELAY_US = 100 * FQ_US_PER_MS;
static const int64_t LAST_DELAY_US = 30 * (int64_t)FQ_US_PER_S;

static const struct fq_login_source *find(const struct fq_login_guard *guard, uint64_t source) {
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        const struct fq_login_source *entry = &guard->sources[(source + i) % FQ_LOGIN_SOURCES];
        if (entry->hash == source && entry->failures > 0)
            return entry;
    }
    return NULL;
}

// The entry of `source`, a free one, or the one that was quiet for longest.
static struct fq_login_source *claim(struct fq_login_guard *guard, uint64_t source, struct fq_now now) {
    struct fq_login_source *best = NULL;
    for (unsigned i = 0; i < NEIGHBOURS; i++) {
        struct fq_login_source *entry = &guard->sources[(source + i) % FQ_LOGIN_SOURCES];
        if (entry->hash == source && entry->failures > 0)
            return entry;
        if (best == NULL || entry->failures == 0 || (best->failures > 0 && entry->last_us < best->last_us))
            best = entry;
    }
    *best = (struct fq_login_source){
        .hash = source, .last_us = now.boot_us, .logged_us = now.boot_us - WINDOW_US};
    return best;
}

int64_t fq_login_guard_delay(const struct fq_login_guard *guard, uint64_t source, struct fq_now now) {
    const struct fq_login_source *entry = find(guard, source);
    if (entry == NULL || entry->failures < FQ_LOGIN_FREE_FAILURES || now.boot_us - entry->last_us > WINDOW_US)
        return 0;
    uint32_t doublings = entry->failures - FQ_LOGIN_FREE_FAILURES;
    if (doublings > 16)
        return LAST_DELAY_US;
    int64_t delay_us = FIRST_DELAY_US << doublings;
    return delay_us < LAST_DELAY_US ? delay_us : LAST_DELAY_US;
}

bool fq_login_guard_failed(struct fq_login_guard *guard, uint64_t source, struct fq_now now) {
    struct fq_login_source *entry = claim(guard, source, now);
    if (now.boot_us - entry->last_us > WINDOW_US)
        entry->failures = 0;
    entry->failures++;
    entry->last_us = now.boot_us;
    bool is_flood = guard->line_us != 0 && now.boot_us - guard->line_us < FQ_US_PER_S;
    if (now.boot_us - entry->logged_us < WINDOW_US || is_flood)
        return false;
    entry->logged_us = guard->line_us = now.boot_us;
    return true;
}
