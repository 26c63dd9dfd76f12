// SPDX-License-Identifier: Apache-2.0
#include "server/timers.h"

#include <stdint.h>
#include <stdlib.h>

enum { FIRST_ROOM = 64 };

void fq_timers_done(struct fq_timers *timers) {
    free(timers->heap);
    *timers = (struct fq_timers){0};
}

static void put(struct fq_timers *timers, size_t at, struct fq_timer *timer) {
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static void sift_up(struct fq_timers *timers, size_t at, struct fq_timer *timer) {
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (timers->heap[parent]->at_us <= timer->at_us)
            break;
        put(timers, at, timers->heap[parent]);
        at = parent;
    }
    put(timers, at, timer);
}

static void sift_down(struct fq_timers *timers, size_t at, struct fq_timer *timer) {
    for (;;) {
        size_t child = at * 2 + 1;
        if (child >= timers->count)
            break;
        if (child + 1 < timers->count && timers->heap[child + 1]->at_us < timers->heap[child]->at_us)
            child++;
        if (timers->heap[child]->at_us >= timer->at_us)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

int fq_timer_set(struct fq_timers *timers, struct fq_timer *timer, int64_t at_us) {
    fq_timer_clear(timers, timer);
    if (timers->count == timers->room) {
        size_t room = timers->room != 0 ? timers->room * 2 : FIRST_ROOM;
        struct fq_timer **heap = realloc(timers->heap, room * sizeof *heap);
        if (heap == NULL)
            return FQ_ENOMEM;
        timers->heap = heap;
        timers->room = room;
    }
    timer->at_us = at_us;
    sift_up(timers, timers->count++, timer);
    return 0;
}

void fq_timer_clear(struct fq_timers *timers, struct fq_timer *timer) {
    if (timer->place == 0)
        return;
    size_t at = timer->place - 1;
    timer->place = 0;
    struct fq_timer *last = timers->heap[--timers->count];
    if (last == timer)
        return;
    if (at > 0 && last->at_us < timers->heap[(at - 1) / 2]->at_us)
        sift_up(timers, at, last);
    else
        sift_down(timers, at, last);
}

int64_t fq_timers_deadline(const struct fq_timers *timers) {
    return timers->count > 0 ? timers->heap[0]->at_us : FQ_NEVER_US;
}

void fq_timers_run(struct fq_timers *timers, struct fq_now now) {
    for (size_t budget = timers->count; budget > 0 && fq_timers_deadline(timers) <= now.boot_us; budget--) {
        struct fq_timer *timer = timers->heap[0];
        fq_timer_clear(timers, timer);
        timer->fire(timer, now);
    }
}
