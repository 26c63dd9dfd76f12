// SPDX-License-Identifier: Apache-2.0
// Deadlines of connections and workers: a binary heap of timers that their owners embed. Boot time.
#ifndef FQ_SERVER_TIMERS_H
#define FQ_SERVER_TIMERS_H

#include "base/time.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>

struct fq_timer {
    int64_t at_us;
    size_t place; // in the heap, plus 1; 0 = not set
    void (*fire)(struct fq_timer *timer, struct fq_now now);
};
// All zero is an empty heap.
struct fq_timers {
    struct fq_timer **heap;
    size_t count, room;
};

void fq_timers_done(struct fq_timers *timers);
/** Sets or moves `timer`. 0 or FQ_ENOMEM (then it is not set). */
FQ_MUST_USE int fq_timer_set(struct fq_timers *timers, struct fq_timer *timer, int64_t at_us);
/** A timer that is not set is fine. */
void fq_timer_clear(struct fq_timers *timers, struct fq_timer *timer);
static inline bool fq_timer_is_set(const struct fq_timer *timer) {
    return timer->place != 0;
}
int64_t fq_timers_deadline(const struct fq_timers *timers); // FQ_NEVER_US if none is set
/** Clears and fires those that are due, earliest first; one that a firing sets anew for the past waits for the next call. */
void fq_timers_run(struct fq_timers *timers, struct fq_now now);

#endif
