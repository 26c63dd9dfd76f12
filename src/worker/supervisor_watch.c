// SPDX-License-Identifier: Apache-2.0
// The watch over running tasks, every few milliseconds while anything is on a board: time limits, starts, outcomes and
// unstarted tasks that are stuck behind something long, memory. A board is believed in nothing that could hurt.
#include "worker/supervisor_state.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TICK_MS = 5,
    // What waits behind a task that runs longer than this goes elsewhere …
    LONG_TASK_US = 20 * FQ_US_PER_MS,
    // … unless it came only just now, to a runner that runs several tasks at once and may begin it yet.
    JUST_CAME_US = 5 * FQ_US_PER_MS,
    HELD_MOST_US = 40 * FQ_US_PER_MS,
    DONE_MOST_US = 20 * FQ_US_PER_MS,
    START_REPORT_US = 100 * FQ_US_PER_MS,
    SAMPLE_US = 50 * FQ_US_PER_MS,
    // A task that grows its runner to so many times the limit is not waited for.
    MEMORY_KILL_FACTOR = 2,
};

// What one look at a board showed.
struct sight {
    int64_t now_us;
    uint32_t held, running, in_use;
    int64_t oldest_held_us, longest_run_us;
    struct fq_beat starts[64];
    size_t start_count;
};

struct fq_watch *fq_watch_of(struct fq_child *child, uint32_t slot, uint32_t sequence) {
    struct fq_watch *watch = &child->watches[slot];
    if (watch->sequence != sequence)
        *watch = (struct fq_watch){.sequence = sequence};
    return watch;
}

// --- ending a task ---------------------------------------------------------------------------------------------------

bool fq_watch_doom(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                   enum fq_kill_cause cause) {
    if (child->killed || !fq_slot_claim(&child->board, slot, view, FQ_SLOT_DOOMED))
        return false;
    fq_watch_kill(child, cause);
    return true;
}

void fq_watch_kill(struct fq_child *child, enum fq_kill_cause cause) {
    if (child->killed)
        return;
    child->cause = cause;
    child->killed = true;
    fq_process_kill_group(child->pid);
}

void fq_watch_stop_task(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                        enum fq_kill_cause cause) {
    struct fq_watch *watch = fq_watch_of(child, slot, view->sequence);
    if (watch->cause != FQ_KILL_NONE)
        return;
    uint8_t wish = cause == FQ_KILL_TIME_LIMIT ? FQ_WISH_TIMEOUT : FQ_WISH_CANCEL;
    if (!fq_slot_set_wish(&child->board, slot, view, wish))
        return;
    watch->cause = cause;
    watch->soft_us = fq_supervisor_now_us();
    watch->soft_turns = fq_board_get(&child->board, FQ_BOARD_TURNS);
    (void)kill(child->pid, FQ_RUNNER_SIGNAL);
    fq_child_nudge(child);
    fq_watch_begin(child->supervisor);
}

// Grace is over. When a loop of several tasks has not come around since the soft signal, the one that holds the processor
// is to blame, not the one whose time was up.
static void end_task(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                     const struct sight *sight) {
    const struct fq_watch *watch = &child->watches[slot];
    uint64_t on_cpu = fq_board_get(&child->board, FQ_BOARD_ON_CPU);
    bool is_blocked = sight->running > 1 && watch->soft_turns == fq_board_get(&child->board, FQ_BOARD_TURNS);
    struct fq_slot_view culprit;
    if (is_blocked && on_cpu >= 1 && on_cpu <= FQ_BOARD_SLOTS && on_cpu - 1 != slot &&
        fq_slot_look(&child->board, (uint32_t)on_cpu - 1, &culprit) == 1 &&
        culprit.state == FQ_SLOT_RUNNING) {
        fq_watch_doom(child, (uint32_t)on_cpu - 1, &culprit, FQ_KILL_BLOCKED_LOOP);
        return;
    }
    fq_watch_doom(child, slot, view, watch->cause);
}

static void check_limits(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                         const struct sight *sight) {
    const struct fq_supervisor_options *options = child->supervisor->options;
    const struct fq_watch *watch = fq_watch_of(child, slot, view->sequence);
    if (watch->cause != FQ_KILL_NONE) {
        if (sight->now_us - watch->soft_us > options->kill_grace_ms * FQ_US_PER_MS)
            end_task(child, slot, view, sight);
        return;
    }
    int64_t limit_ms = view->task.timeout_ms > 0 ? view->task.timeout_ms : options->task_timeout_ms;
    if (limit_ms > 0 && sight->now_us - view->started_us > limit_ms * FQ_US_PER_MS)
        fq_watch_stop_task(child, slot, view, FQ_KILL_TIME_LIMIT);
}

// --- taking over -----------------------------------------------------------------------------------------------------

void fq_watch_take_outcome(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view) {
    unsigned char *bytes = malloc(view->outcome_len + 1);
    if (bytes == NULL || !fq_slot_claim(&child->board, slot, view, FQ_SLOT_TAKING)) {
        free(bytes);
        return;
    }
    struct fq_report report;
    if (fq_board_copy_outcome(&child->board, view->outcome_offset, view->outcome_len, bytes) &&
        fq_report_decode(bytes, view->outcome_len, &report) == 0) {
        char traceparent[OTEL_TRACEPARENT_TEXT];
        if (child->buried)
            fq_supervisor_end_span(child, slot, view, NULL, &report, traceparent);
        fq_supervisor_report(child->supervisor, &view->task, &report);
    } else {
        child->garbage++;
    }
    struct fq_slot_view taking = *view;
    taking.state = FQ_SLOT_TAKING;
    (void)fq_slot_claim(&child->board, slot, &taking, FQ_SLOT_TAKEN);
    free(bytes);
}

void fq_watch_take_back(struct fq_child *child, int64_t received_before_us) {
    uint32_t used = fq_board_slots_used(&child->board);
    for (uint32_t slot = 0; slot < used; slot++) {
        struct fq_slot_view view;
        if (fq_slot_look(&child->board, slot, &view) == 1 && view.state == FQ_SLOT_HELD &&
            view.task.received_us <= received_before_us &&
            fq_slot_claim(&child->board, slot, &view, FQ_SLOT_TAKEN))
            fq_supervisor_release(child->supervisor, &view.task.id, view.task.token);
    }
}

// --- looking ---------------------------------------------------------------------------------------------------------

static void see_running(struct fq_child *child, uint32_t slot, const struct fq_slot_view *view,
                        struct sight *sight) {
    int64_t run_us = sight->now_us - view->started_us;
    sight->running++;
    if (run_us > sight->longest_run_us)
        sight->longest_run_us = run_us;
    struct fq_watch *watch = fq_watch_of(child, slot, view->sequence);
    if (run_us > START_REPORT_US && !watch->start_reported && child->supervisor->registered &&
        sight->start_count < sizeof sight->starts / sizeof sight->starts[0]) {
        watch->start_reported = true;
        sight->starts[sight->start_count++] = (struct fq_beat){child, slot, view->sequence};
    }
}

static void see_slot(struct fq_child *child, uint32_t slot, struct sight *sight) {
    struct fq_slot_view view;
    int looked = fq_slot_look(&child->board, slot, &view);
    if (looked <= 0) {
        child->garbage += looked < 0;
        return;
    }
    sight->in_use++;
    fq_watch_of(child, slot, view.sequence)->seen = view;
    int64_t held_us = sight->now_us - view.task.received_us;
    if (view.state == FQ_SLOT_RUNNING) {
        see_running(child, slot, &view, sight);
    } else if (view.state == FQ_SLOT_HELD) {
        sight->held++;
        if (held_us > sight->oldest_held_us)
            sight->oldest_held_us = held_us;
    } else if (view.state == FQ_SLOT_DONE && sight->now_us - view.finished_us > DONE_MOST_US) {
        fq_watch_take_outcome(child, slot, &view);
    }
}

static void check_all_limits(struct fq_child *child, const struct sight *sight) {
    uint32_t used = fq_board_slots_used(&child->board);
    for (uint32_t slot = 0; slot < used && !child->killed; slot++) {
        struct fq_slot_view view;
        if (fq_slot_look(&child->board, slot, &view) == 1 && view.state == FQ_SLOT_RUNNING)
            check_limits(child, slot, &view, sight);
    }
}

static void check_memory(struct fq_child *child, const struct sight *sight) {
    uint64_t limit = child->supervisor->options->max_memory_per_child;
    // The last look before the watch goes to sleep is always a full one.
    if (sight->in_use > 0 && sight->now_us - child->sampled_us < SAMPLE_US)
        return;
    child->sampled_us = sight->now_us;
    child->resident = fq_process_resident(child->pid);
    if (limit == 0 || child->resident <= limit)
        return;
    // One that is above the limit before its first task would only be replaced by its like.
    if (child->state == FQ_CHILD_ACTIVE && fq_board_get(&child->board, FQ_BOARD_STARTED) > 0)
        fq_child_replace(child);
    if (child->resident / MEMORY_KILL_FACTOR < limit || sight->running == 0)
        return;
    uint32_t used = fq_board_slots_used(&child->board);
    uint64_t on_cpu = fq_board_get(&child->board, FQ_BOARD_ON_CPU);
    for (uint32_t slot = 0; slot < used; slot++) {
        struct fq_slot_view view;
        if (fq_slot_look(&child->board, slot, &view) == 1 && view.state == FQ_SLOT_RUNNING &&
            (sight->running == 1 || on_cpu == (uint64_t)slot + 1 || on_cpu == 0))
            fq_watch_doom(child, slot, &view, FQ_KILL_MEMORY);
    }
}

static void look_at(struct fq_child *child, struct sight *sight) {
    uint32_t used = fq_board_slots_used(&child->board);
    for (uint32_t slot = 0; slot < used; slot++)
        see_slot(child, slot, sight);
    if (sight->start_count > 0)
        fq_supervisor_beat(child->supervisor, sight->starts, sight->start_count);
    if (sight->held > 0 && sight->longest_run_us > LONG_TASK_US)
        fq_watch_take_back(child, sight->now_us - JUST_CAME_US);
    if (sight->held > 0 && sight->oldest_held_us > HELD_MOST_US)
        fq_watch_take_back(child, sight->now_us - HELD_MOST_US / 2);
    if (sight->running > 0)
        check_all_limits(child, sight);
    check_memory(child, sight);
    fq_child_check_tasks(child);
}

static bool look_at_all(struct fq_supervisor *supervisor) {
    bool is_busy = false;
    int64_t now_us = fq_supervisor_now_us();
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next) {
        if (child->state == FQ_CHILD_DEAD || child->state == FQ_CHILD_STARTING)
            continue;
        struct sight sight = {.now_us = now_us};
        look_at(child, &sight);
        is_busy = is_busy || sight.in_use > 0;
    }
    return is_busy;
}

static void set_asleep(struct fq_supervisor *supervisor, uint64_t asleep) {
    for (struct fq_child *child = supervisor->children; child != NULL; child = child->next)
        if (child->state != FQ_CHILD_DEAD)
            fq_board_swap(&child->board, FQ_BOARD_ASLEEP, asleep);
}

static void on_tick(uv_timer_t *timer) {
    fq_watch_tick(timer->data);
}

void fq_watch_begin(struct fq_supervisor *supervisor) {
    if (supervisor->ticking)
        return;
    supervisor->ticking = true;
    set_asleep(supervisor, 0);
    uv_timer_start(&supervisor->tick, on_tick, TICK_MS, TICK_MS);
}

void fq_watch_tick(struct fq_supervisor *supervisor) {
    bool is_busy = look_at_all(supervisor);
    (void)fq_supervisor_read_feeds(supervisor);
    if (!is_busy) {
        // Who fills a board after this wakes us; who filled it just before is seen by the second look.
        set_asleep(supervisor, 1);
        is_busy = look_at_all(supervisor);
        is_busy = fq_supervisor_read_feeds(supervisor) || is_busy;
        if (is_busy)
            set_asleep(supervisor, 0);
    }
    if (!is_busy) {
        supervisor->ticking = false;
        uv_timer_stop(&supervisor->tick);
    }
}
