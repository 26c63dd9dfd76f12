// SPDX-License-Identifier: Apache-2.0
// A runner died. Each task that it held gets what it deserves: the one that was on the processor is charged and its error
// names the cause; what it had finished is reported; the rest goes back uncharged.
#include "worker/supervisor_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
    // How long a dead runner's last words may still be on their way to the control plane.
    LAST_WORDS_US = 500 * FQ_US_PER_MS,
};

static const char DRAINED[] = "the worker drained before the task had finished; it was given back";

struct autopsy {
    struct fq_child *child;
    const struct fq_process_end *end;
    int64_t now_us, wall_us;
    uint32_t running;
    uint64_t on_cpu; // slot + 1 of a running task, 0 = unknown
};

static void add_leftover(struct fq_supervisor *supervisor, const struct fq_slot_view *view, int64_t due_us) {
    if (supervisor->leftover_count == supervisor->leftover_capacity) {
        size_t capacity = supervisor->leftover_capacity * 2 + 64;
        void *grown = realloc(supervisor->leftovers, capacity * sizeof *supervisor->leftovers);
        if (grown == NULL)
            return; // the lease runs out instead
        supervisor->leftovers = grown;
        supervisor->leftover_capacity = capacity;
    }
    supervisor->leftovers[supervisor->leftover_count++] =
        (struct fq_leftover){view->task.id, view->task.token, due_us};
}

// The attempt failed with its process. `state` is what its span says of that.
static void fail(const struct autopsy *autopsy, uint32_t slot, const struct fq_slot_view *view,
                 const char *type, const char *state, const char *message) {
    bool crash = strcmp(type, "WorkerLost") == 0, no_retry = strcmp(type, "TaskCancelled") == 0;
    int64_t run_us =
        view->started_us > 0 && autopsy->now_us > view->started_us ? autopsy->now_us - view->started_us : 0;
    struct fq_report report = {
        .outcome = {.error_type = fq_str_of(type), .message = fq_str_of(message), .no_retry = no_retry},
        .started_ms = (autopsy->wall_us - run_us) / FQ_US_PER_MS,
        .run_us = run_us,
        .crash = crash
    };
    char traceparent[OTEL_TRACEPARENT_TEXT];
    fq_supervisor_end_span(autopsy->child, slot, view, state, &report, traceparent);
    fq_supervisor_report(autopsy->child->supervisor, &view->task, &report);
}

// The attempt ends without having failed: somebody else runs the task.
static void abandon(const struct autopsy *autopsy, uint32_t slot, const struct fq_slot_view *view,
                    const char *message) {
    struct fq_report report = {
        .outcome = {.error_type = FQ_STR("WorkerLost"), .message = fq_str_of(message)}
    };
    char traceparent[OTEL_TRACEPARENT_TEXT];
    fq_supervisor_end_span(autopsy->child, slot, view, "lost", &report, traceparent);
}

static void give_back(const struct autopsy *autopsy, uint32_t slot, const struct fq_slot_view *view,
                      const char *message) {
    abandon(autopsy, slot, view, message);
    fq_supervisor_release(autopsy->child->supervisor, &view->task.id, view->task.token);
}

// The task that we killed the process for.
static void bury_doomed(const struct autopsy *autopsy, uint32_t slot, const struct fq_slot_view *view) {
    const struct fq_supervisor_options *options = autopsy->child->supervisor->options;
    char message[320];
    double grace_s = (double)options->kill_grace_ms / 1000;
    switch (autopsy->child->cause) {
    case FQ_KILL_TIME_LIMIT: {
        int64_t limit = view->task.timeout_ms > 0 ? view->task.timeout_ms : options->task_timeout_ms;
        snprintf(message, sizeof message,
                 "ran longer than its limit of %.3g s and did not stop within %.3g s; its process was killed",
                 (double)limit / 1000, grace_s);
        fail(autopsy, slot, view, "TimeLimitExceeded", "timeout", message);
        return;
    }
    case FQ_KILL_CANCELLED:
        snprintf(message, sizeof message, "cancelled; did not stop within %.3g s, its process was killed",
                 grace_s);
        fail(autopsy, slot, view, "TaskCancelled", "cancelled", message);
        return;
    case FQ_KILL_MEMORY:
        snprintf(message, sizeof message,
                 "took its process to %.1f MiB resident, the limit is %.1f MiB; it was killed",
                 (double)autopsy->child->resident / 1048576, (double)options->max_memory_per_child / 1048576);
        fail(autopsy, slot, view, "MemoryLimitExceeded", "lost", message);
        return;
    case FQ_KILL_BLOCKED_LOOP:
        snprintf(message, sizeof message,
                 "blocked the event loop that it shared with %u other tasks; its process was killed",
                 autopsy->running - 1);
        fail(autopsy, slot, view, "WorkerLost", "lost", message);
        return;
    case FQ_KILL_DRAIN: give_back(autopsy, slot, view, DRAINED); return;
    case FQ_KILL_STALE: abandon(autopsy, slot, view, "its lease was over and its process was killed"); return;
    case FQ_KILL_NONE: return;
    }
}

static void bury_running(const struct autopsy *autopsy, uint32_t slot, const struct fq_slot_view *view) {
    bool is_charged = !autopsy->child->killed && (autopsy->running == 1 || autopsy->on_cpu == 0 ||
                                                  autopsy->on_cpu == (uint64_t)slot + 1);
    if (!is_charged) {
        give_back(autopsy, slot, view,
                  autopsy->child->cause == FQ_KILL_DRAIN
                      ? DRAINED
                      : "its process died, not because of it; it was given back");
        return;
    }
    char message[400];
    fq_process_describe(autopsy->end, message, sizeof message);
    fail(autopsy, slot, view, "WorkerLost", "lost", message);
}

static void bury(const struct autopsy *autopsy, uint32_t slot, const struct fq_slot_view *view) {
    struct fq_child *child = autopsy->child;
    struct fq_supervisor *supervisor = child->supervisor;
    switch (view->state) {
    case FQ_SLOT_HELD: fq_supervisor_release(supervisor, &view->task.id, view->task.token); break;
    case FQ_SLOT_RUNNING: bury_running(autopsy, slot, view); break;
    case FQ_SLOT_DONE: fq_watch_take_outcome(child, slot, view); break;
    // Its report may have reached the socket in time. If not, the task comes back a little later.
    case FQ_SLOT_SENT:
        abandon(autopsy, slot, view, "its process died while its result was on the way");
        add_leftover(supervisor, view, autopsy->now_us + LAST_WORDS_US);
        break;
    case FQ_SLOT_DOOMED:
        if (child->killed)
            bury_doomed(autopsy, slot, view);
        break;
    // Reported by us before. A span that it left behind ended with the task.
    case FQ_SLOT_TAKEN:
        if (view->finished_us > 0)
            fq_supervisor_end_span(child, slot, view, NULL, NULL, NULL);
        break;
    case FQ_SLOT_FREE:
    case FQ_SLOT_TAKING:
    case FQ_SLOT_STATE_COUNT: break;
    }
}

// What the board says now; and if it is damaged, what it said when it was last seen whole. Too much is said then rather
// than too little: the control plane refuses what is no longer true by its token.
static void bury_all(const struct autopsy *autopsy) {
    struct fq_child *child = autopsy->child;
    for (uint32_t slot = 0; slot < FQ_BOARD_SLOTS; slot++) {
        struct fq_slot_view view;
        const struct fq_slot_view *seen = &child->watches[slot].seen;
        int looked = fq_slot_look(&child->board, slot, &view);
        bool is_whole = looked == 1 && (seen->state == FQ_SLOT_FREE || view.sequence != seen->sequence ||
                                        view.task.token == seen->task.token);
        if (is_whole)
            bury(autopsy, slot, &view);
        if (child->garbage > 0 && (!is_whole || view.sequence != seen->sequence))
            bury(autopsy, slot, seen);
    }
}

// How many ran, and whose code was on the processor. Unreadable slots are counted as damage.
static void survey(struct autopsy *autopsy) {
    struct fq_child *child = autopsy->child;
    uint64_t on_cpu = fq_board_get(&child->board, FQ_BOARD_ON_CPU);
    for (uint32_t slot = 0; slot < FQ_BOARD_SLOTS; slot++) {
        struct fq_slot_view view;
        int looked = fq_slot_look(&child->board, slot, &view);
        child->garbage += looked < 0;
        if (looked != 1 || (view.state != FQ_SLOT_RUNNING && view.state != FQ_SLOT_DOOMED))
            continue;
        autopsy->running++;
        if (on_cpu == (uint64_t)slot + 1)
            autopsy->on_cpu = on_cpu;
    }
    // On a damaged board nobody can say who was alone.
    if (child->garbage > 0)
        autopsy->running = 1;
}

void fq_autopsy(struct fq_child *child, const struct fq_process_end *end) {
    struct fq_now now = fq_supervisor_now();
    struct autopsy autopsy = {.child = child, .end = end, .now_us = now.boot_us, .wall_us = now.wall_us};
    child->buried = true;
    fq_supervisor_finish_feed(child);
    survey(&autopsy);
    bury_all(&autopsy);
    if (child->garbage > 0)
        fq_log_write(child->supervisor->log, FQ_LOG_WARNING,
                     "runner %d left a damaged memory board: %llu slots could not be read", (int)child->pid,
                     (unsigned long long)child->garbage);
    fq_supervisor_plan(child->supervisor);
}
