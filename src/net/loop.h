// SPDX-License-Identifier: Apache-2.0
// Turns of a libuv loop: everything that one poll brings is handled by its callbacks first, then the owner's turn runs once
// over all of it. One reading of the clock a turn.
#ifndef FQ_NET_LOOP_H
#define FQ_NET_LOOP_H

#include "base/time.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <uv.h>

typedef struct fq_loop fq_loop;

struct fq_loop {
    uv_loop_t uv;
    uv_prepare_t before_poll;
    uv_check_t after_poll;
    uv_timer_t timer;
    int wake_fd;
    uv_poll_t woken;
    /** Called after each poll and when the deadline has come; returns the boot time at which it wants to be called again
     *  without traffic, FQ_NEVER_US for never. */
    int64_t (*on_turn)(void *context, struct fq_now now);
    void *context;
    struct fq_now now;
    bool has_now;
    bool timer_fired;
};

/** FQ_EIO when the kernel gives no loop. */
FQ_MUST_USE int fq_loop_init(fq_loop *loop, int64_t (*on_turn)(void *context, struct fq_now now),
                             void *context);
/** Runs until fq_loop_stop. */
void fq_loop_run(fq_loop *loop);
void fq_loop_stop(fq_loop *loop);
/** Closes the loop's own handles and waits for whatever else is closing; all other handles must be closing by now. */
void fq_loop_done(fq_loop *loop);
/** The turn's time: the same from the first callback of a poll to the end of the turn. */
struct fq_now fq_loop_now(fq_loop *loop);
/** Makes a turn happen soon. Any thread. */
void fq_loop_wake(fq_loop *loop);

#endif
