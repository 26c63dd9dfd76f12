// SPDX-License-Identifier: Apache-2.0
// A runner's turns: what the socket brought, what the supervisor ordered, what is to be reported and fetched.
#include "worker/runner_state.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { POLL_EVERY_US = 500 };

static void take_events(fq_runner *runner, int64_t now_us) {
    struct fq_session_event event;
    while (fq_session_next_event(runner->link.session, &event) == 1) {
        if (event.type != FQ_SESSION_REPLY)
            continue;
        switch ((enum fq_runner_tag)(event.tag & 0xff)) {
        case FQ_TAG_FETCH: fq_runner_on_tasks(runner, &event, now_us); break;
        case FQ_TAG_REPORT:
        case FQ_TAG_RELEASE: fq_runner_on_answer(runner, &event); break;
        case FQ_TAG_DECLINE: break;
        }
    }
}

static void read_control(fq_runner *runner) {
    char packet[FQ_CONTROL_MAX + 1], type;
    size_t len;
    int got;
    while ((got = fq_control_receive(runner->control_fd, &type, packet, &len)) == 1)
        continue;
    if (got < 0)
        runner->orphaned = runner->leaving = true;
}

static void arm_timer(fq_runner *runner, int64_t now_us) {
    int64_t wanted = fq_link_deadline(&runner->link);
    if (runner->fetch_after_us > now_us && runner->fetch_after_us < wanted)
        wanted = runner->fetch_after_us;
    // A timer that fires early does no harm, one system call a turn would.
    if (runner->timer_us > now_us && runner->timer_us <= wanted)
        return;
    if (wanted == FQ_NEVER_US)
        return;
    runner->timer_us = wanted > now_us ? wanted : now_us + 1;
    struct itimerspec when = {
        .it_value = {.tv_sec = runner->timer_us / FQ_US_PER_S,
                     .tv_nsec = (long)(runner->timer_us % FQ_US_PER_S) * 1000}
    };
    (void)timerfd_settime(runner->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void read_timer(fq_runner *runner) {
    uint64_t times;
    if (read(runner->timer_fd, &times, sizeof times) > 0)
        runner->timer_us = FQ_NEVER_US;
}

// One turn with the descriptors in `ready`.
static void turn(fq_runner *runner, const struct epoll_event *ready, int count, uint32_t want) {
    int64_t now_us = fq_runner_now_us();
    bool is_due = now_us >= fq_link_deadline(&runner->link);
    for (int i = 0; i < count; i++) {
        if (ready[i].data.fd == runner->control_fd)
            read_control(runner);
        else if (ready[i].data.fd == runner->timer_fd)
            read_timer(runner);
        else
            is_due = true;
    }
    fq_board_set(&runner->board, FQ_BOARD_TURNS, fq_board_get(&runner->board, FQ_BOARD_TURNS) + 1);
    if ((fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_LEAVE) != 0)
        runner->leaving = true;
    if (is_due)
        fq_link_step(&runner->link, now_us);
    take_events(runner, now_us);
    if (runner->leaving)
        fq_runner_release_held(runner);
    if (runner->done.len > 0)
        fq_runner_report_done(runner, now_us);
    fq_runner_fetch(runner, want, now_us);
    fq_link_write(&runner->link, now_us);
    arm_timer(runner, now_us);
}

int fq_runner_poll(fq_runner *runner, uint32_t want) {
    if (fq_runner_is_forked(runner))
        return FQ_ECLOSED;
    // Out of work: what was done and the next fetch leave at once. What the socket brought is found by the wait to come.
    if (runner->held.len == 0 && runner->done.len > 0 && !runner->fetching) {
        turn(runner, NULL, 0, want);
        if (runner->done.len == 0)
            return 0;
    }
    int64_t now_us = fq_runner_now_us();
    bool must_leave =
        !runner->leaving && (fq_board_get(&runner->board, FQ_BOARD_ORDERS) & FQ_ORDER_LEAVE) != 0;
    if (runner->held.len > 0 && !must_leave && now_us - runner->polled_us < POLL_EVERY_US)
        return 0;
    runner->polled_us = now_us;
    struct epoll_event ready[4];
    int count = epoll_wait(runner->epoll_fd, ready, 4, 0);
    turn(runner, ready, count > 0 ? count : 0, want);
    return 0;
}

int fq_runner_wait(fq_runner *runner, uint32_t want, int64_t wait_ms) {
    if (fq_runner_is_forked(runner))
        return FQ_ECLOSED;
    if (runner->held.len > 0)
        return fq_runner_poll(runner, want);
    if (!runner->fetching || runner->done.len > 0)
        turn(runner, NULL, 0, want);
    int64_t until = wait_ms < 0 ? FQ_NEVER_US : fq_time_add(fq_runner_now_us(), wait_ms * FQ_US_PER_MS);
    while (runner->held.len == 0 && !fq_runner_should_exit(runner)) {
        int64_t left = until == FQ_NEVER_US ? -1 : (until - fq_runner_now_us() + 999) / FQ_US_PER_MS;
        if (until != FQ_NEVER_US && left <= 0)
            return 0;
        struct epoll_event ready[4];
        int count = epoll_wait(runner->epoll_fd, ready, 4, left > 60000 ? 60000 : (int)left);
        if (count < 0 && errno == EINTR)
            return 0;
        turn(runner, ready, count > 0 ? count : 0, want);
    }
    return 0;
}

void fq_runner_settle(fq_runner *runner, int64_t wait_ms) {
    if (!runner->fetching || fq_runner_is_forked(runner))
        return;
    // Any command behind it ends a blocked fetch.
    fq_slice ping = {"PING", 4};
    if (fq_session_command(runner->link.session, &ping, 1, false, fq_runner_tag(FQ_TAG_DECLINE, 0, 0)) < 0)
        return;
    int64_t now_us = fq_runner_now_us(), until = fq_time_add(now_us, wait_ms * FQ_US_PER_MS);
    fq_link_write(&runner->link, now_us);
    while (runner->fetching && now_us < until && !runner->orphaned) {
        struct epoll_event ready[4];
        int count = epoll_wait(runner->epoll_fd, ready, 4, (int)((until - now_us) / FQ_US_PER_MS) + 1);
        turn(runner, ready, count > 0 ? count : 0, 0);
        now_us = fq_runner_now_us();
    }
}

int fq_runner_next(fq_runner *runner, struct fq_runner_task *ret_task) {
    while (runner->held.len > 0) {
        uint32_t index = fq_runner_queue_pop(&runner->held);
        if (fq_slot_state(&runner->board, index) == FQ_SLOT_HELD) {
            *ret_task = runner->slots[index].task;
            return 1;
        }
        fq_runner_slot_lost(runner, index);
    }
    return 0;
}

void fq_runner_flush(fq_runner *runner, int64_t wait_ms) {
    if (fq_runner_is_forked(runner))
        return;
    int64_t now_us = fq_runner_now_us();
    int64_t until = fq_time_add(now_us, wait_ms * FQ_US_PER_MS);
    fq_runner_report_done(runner, now_us);
    fq_link_write(&runner->link, now_us);
    while ((runner->sent_count > 0 || !fq_link_is_flushed(&runner->link)) && now_us < until &&
           !runner->orphaned) {
        struct epoll_event ready[4];
        int count = epoll_wait(runner->epoll_fd, ready, 4, (int)((until - now_us) / FQ_US_PER_MS) + 1);
        turn(runner, ready, count > 0 ? count : 0, 0);
        now_us = fq_runner_now_us();
    }
}
