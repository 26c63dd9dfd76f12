// SPDX-License-Identifier: Apache-2.0
#include "server/watchdog.h"

#include "base/str.h"
#include "net/notify.h"

#include <stdlib.h>
#include <unistd.h>

enum { LOOKS_PER_PERIOD = 4 };

// 0 if there is no such variable or it is no number above zero.
static int64_t number(const char *name) {
    const char *text = getenv(name);
    int64_t value;
    return text != NULL && fq_str_to_int64(fq_str_of(text), &value) == 0 && value > 0 ? value : 0;
}

void fq_watchdog_init(struct fq_watchdog *watchdog, struct fq_now now) {
    int64_t pid = number("WATCHDOG_PID");
    bool is_ours = pid == 0 || pid == getpid();
    *watchdog = (struct fq_watchdog){.every_us = is_ours ? number("WATCHDOG_USEC") / LOOKS_PER_PERIOD : 0,
                                     .next_us = now.boot_us};
}

int64_t fq_watchdog_step(struct fq_watchdog *watchdog, uint64_t last_seq, uint64_t durable_seq,
                         struct fq_now now) {
    if (watchdog->every_us == 0)
        return FQ_NEVER_US;
    if (now.boot_us < watchdog->next_us)
        return watchdog->next_us;
    if (durable_seq == last_seq || durable_seq != watchdog->durable_seq)
        fq_notify("WATCHDOG=1");
    watchdog->durable_seq = durable_seq;
    watchdog->next_us = fq_time_add(now.boot_us, watchdog->every_us);
    return watchdog->next_us;
}
