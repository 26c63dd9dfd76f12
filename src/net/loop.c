// SPDX-License-Identifier: Apache-2.0
#include "net/loop.h"

#include "net/clock.h"

#include <sys/eventfd.h>
#include <unistd.h>

struct fq_now fq_loop_now(fq_loop *loop) {
    if (!loop->has_now) {
        loop->now = fq_clock_now();
        loop->has_now = true;
    }
    return loop->now;
}

static void on_timer(uv_timer_t *timer) {
    ((fq_loop *)timer->data)->timer_fired = true;
}

// The turn behind the poll does the work.
static void on_woken(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    uint64_t wakes;
    (void)!read(((fq_loop *)poll->data)->wake_fd, &wakes, sizeof wakes);
}

// Not uv_async_t: the loop would spin until the thread that wakes it is back from its system call.
static int open_wake(fq_loop *loop) {
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0)
        return FQ_EIO;
    if (uv_poll_init(&loop->uv, &loop->woken, loop->wake_fd) == 0) {
        if (uv_poll_start(&loop->woken, UV_READABLE, on_woken) == 0)
            return 0;
        uv_close((uv_handle_t *)&loop->woken, NULL);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    }
    close(loop->wake_fd);
    return FQ_EIO;
}

static void turn(fq_loop *loop) {
    struct fq_now now = fq_loop_now(loop);
    int64_t deadline_us = loop->on_turn(loop->context, now);
    loop->timer_fired = false;
    if (deadline_us == FQ_NEVER_US) {
        uv_timer_stop(&loop->timer);
        return;
    }
    int64_t wait_us = deadline_us > now.boot_us ? deadline_us - now.boot_us : 0;
    // Rounded up: a timer that fires early would only turn the loop for nothing.
    uint64_t wait_ms = ((uint64_t)wait_us + FQ_US_PER_MS - 1) / FQ_US_PER_MS;
    uv_timer_start(&loop->timer, on_timer, wait_ms, 0);
}

static void on_before_poll(uv_prepare_t *prepare) {
    fq_loop *loop = prepare->data;
    if (loop->timer_fired)
        turn(loop);
    loop->has_now = false;
}

static void on_after_poll(uv_check_t *check) {
    fq_loop *loop = check->data;
    uv_update_time(&loop->uv);
    turn(loop);
    loop->has_now = false;
}

int fq_loop_init(fq_loop *loop, int64_t (*on_turn)(void *context, struct fq_now now), void *context) {
    *loop = (fq_loop){.on_turn = on_turn, .context = context};
    if (uv_loop_init(&loop->uv) < 0)
        return FQ_EIO;
    if (open_wake(loop) < 0) {
        uv_loop_close(&loop->uv);
        return FQ_EIO;
    }
    uv_prepare_init(&loop->uv, &loop->before_poll);
    uv_check_init(&loop->uv, &loop->after_poll);
    uv_timer_init(&loop->uv, &loop->timer);
    loop->before_poll.data = loop->after_poll.data = loop->timer.data = loop->woken.data = loop;
    uv_prepare_start(&loop->before_poll, on_before_poll);
    uv_check_start(&loop->after_poll, on_after_poll);
    loop->timer_fired = true; // the first turn asks for the first deadline
    return 0;
}

void fq_loop_run(fq_loop *loop) {
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void fq_loop_stop(fq_loop *loop) {
    uv_stop(&loop->uv);
}

void fq_loop_done(fq_loop *loop) {
    uv_close((uv_handle_t *)&loop->before_poll, NULL);
    uv_close((uv_handle_t *)&loop->after_poll, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_close((uv_handle_t *)&loop->woken, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    close(loop->wake_fd);
}

void fq_loop_wake(fq_loop *loop) {
    static const uint64_t one = 1;
    (void)!write(loop->wake_fd, &one, sizeof one);
}
