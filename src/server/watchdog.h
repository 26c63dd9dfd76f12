// SPDX-License-Identifier: Apache-2.0
// systemd's watchdog: told that the server lives only while its loop turns and what it wrote becomes durable, so that a disk
// that hangs is noticed as well.
#ifndef FQ_SERVER_WATCHDOG_H
#define FQ_SERVER_WATCHDOG_H

#include "base/time.h"

#include <stdint.h>

struct fq_watchdog {
    int64_t every_us;     // 0 = nobody watches
    int64_t next_us;      // boot
    uint64_t durable_seq; // at the last look
};

/** As $WATCHDOG_USEC and $WATCHDOG_PID ask for. */
void fq_watchdog_init(struct fq_watchdog *watchdog, struct fq_now now);
/** To be called every turn; returns the boot time at which it wants to be called again. */
int64_t fq_watchdog_step(struct fq_watchdog *watchdog, uint64_t last_seq, uint64_t durable_seq,
                         struct fq_now now);

#endif
