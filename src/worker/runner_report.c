// SPDX-License-Identifier: Apache-2.0
// From "the task has ended" to "the control plane knows". Outcomes gather in the board's outbox and leave together, just
// in front of the next fetch. Meanwhile they are the supervisor's as much as ours: should the next task be long or
// deadly, he reports them (board.h, TAKING).
#include "net/clock.h"
#include "worker/runner_state.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    // What is bigger goes out at once.
    GATHER_BYTES_MAX = FQ_BOARD_OUTBOX_BYTES / 8,
    GATHER_US = FQ_US_PER_MS,
    SHORT_US = FQ_US_PER_MS,
    REJECTION_TEXT_MAX = 400,
    EXIT_DESCRIPTORS_GONE = 71,
};

// User code can close or replace our descriptors. What would be sent then goes nowhere, or into somebody's file; so this
// process ends instead while the board still says what is finished, and the supervisor reports that.
static void die_without_descriptors(const fq_runner *runner) {
    struct stat now;
    if (runner->control_inode == 0 ||
        (fstat(runner->control_fd, &now) == 0 && S_ISSOCK(now.st_mode) &&
         now.st_ino == runner->control_inode && fcntl(runner->epoll_fd, F_GETFD) >= 0))
        return;
    static const char text[] = "a task closed the descriptors of its runner, which ends now\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(EXIT_DESCRIPTORS_GONE);
}

static void count_sent(fq_runner *runner, uint32_t index, int error) {
    if (error < 0) {
        // No memory for a request: the lease runs out and the task comes back.
        fq_runner_slot_free(runner, index);
        return;
    }
    runner->sent_count++;
}

static void send_report(fq_runner *runner, uint32_t index, const struct fq_report *report) {
    struct fq_runner_slot *slot = &runner->slots[index];
    count_sent(runner, index,
               fq_report_send(runner->link.session, &slot->id, slot->task.token, report,
                              fq_runner_tag(FQ_TAG_REPORT, index, slot->sequence)));
}

void fq_runner_report_done(fq_runner *runner, int64_t now_us) {
    if (runner->done.len > 0)
        die_without_descriptors(runner);
    const unsigned char *outbox = fq_board_outbox(&runner->board);
    bool is_copied = true;
    for (uint32_t left = runner->done.len; left > 0; left--) {
        uint32_t index = fq_runner_queue_pop(&runner->done);
        struct fq_slot_view view;
        enum fq_slot_state state = fq_slot_state(&runner->board, index);
        if (state == FQ_SLOT_TAKING) {
            // The supervisor reads these bytes just now: they stay, and so does the slot.
            is_copied = false;
            fq_runner_queue_push(&runner->done, index);
            continue;
        }
        struct fq_report report;
        int looked = fq_slot_look(&runner->board, index, &view);
        if (state != FQ_SLOT_DONE || looked != 1 ||
            !fq_slot_move(&runner->board, index, FQ_SLOT_DONE, FQ_SLOT_SENT)) {
            is_copied = is_copied && fq_slot_state(&runner->board, index) != FQ_SLOT_TAKING;
            if (fq_slot_state(&runner->board, index) == FQ_SLOT_TAKEN)
                fq_runner_slot_free(runner, index);
            else
                fq_runner_queue_push(&runner->done, index);
            continue;
        }
        if (fq_report_decode(outbox + view.outcome_offset, view.outcome_len, &report) == 0)
            send_report(runner, index, &report);
        else
            fq_runner_slot_free(runner, index);
    }
    if (is_copied)
        runner->outbox_used = 0;
    runner->flushed_us = now_us;
}

static void fill_report(const fq_runner *runner, const struct fq_runner_slot *slot,
                        const struct fq_runner_outcome *outcome, int64_t now_us,
                        struct fq_report *ret_report) {
    *ret_report = (struct fq_report){.outcome = *outcome,
                                     .started_ms = slot->begun_wall_us / FQ_US_PER_MS,
                                     .run_us = now_us > slot->begun_us ? now_us - slot->begun_us : 0};
    const struct fq_runner_defaults *defaults = &runner->names[slot->name].defaults;
    ret_report->outcome.declared_retries = outcome->ok ? 0 : defaults->retries;
    ret_report->outcome.declared_backoff_ms = outcome->ok ? 0 : defaults->backoff_ms;
}

// Puts the outcome on the board: true if there was room.
static bool gather(fq_runner *runner, uint32_t index, const struct fq_report *report, int64_t now_us) {
    size_t size = fq_report_size(report);
    if (size > GATHER_BYTES_MAX)
        return false;
    if (size > FQ_BOARD_OUTBOX_BYTES - runner->outbox_used)
        fq_runner_report_done(runner, now_us);
    if (size > FQ_BOARD_OUTBOX_BYTES - runner->outbox_used)
        return false;
    fq_report_encode(report, fq_board_outbox(&runner->board) + runner->outbox_used);
    fq_slot_set_outcome(&runner->board, index, runner->outbox_used, (uint32_t)size, now_us);
    runner->outbox_used += (uint32_t)size;
    return true;
}

void fq_runner_finish(fq_runner *runner, uint32_t slot_index, const struct fq_runner_outcome *outcome) {
    if (fq_runner_is_forked(runner))
        return;
    struct fq_runner_slot *slot = &runner->slots[slot_index];
    int64_t now_us = fq_runner_now_us();
    struct fq_report report;
    char traceparent[OTEL_TRACEPARENT_TEXT];
    fill_report(runner, slot, outcome, now_us, &report);
    if (runner->telemetry != NULL)
        fq_execute_identify(runner->telemetry, slot_index, &report.outcome, traceparent);
    fq_runner_learn(runner, slot->name, report.run_us);
    bool gathered = gather(runner, slot_index, &report, now_us);
    if (!gathered)
        die_without_descriptors(runner);
    if (!fq_slot_move(&runner->board, slot_index, FQ_SLOT_RUNNING, gathered ? FQ_SLOT_DONE : FQ_SLOT_SENT)) {
        // Doomed: the supervisor has answered for this task and a signal to die is on its way.
        for (;;)
            (void)poll(NULL, 0, -1);
    }
    if (runner->telemetry != NULL)
        fq_output_mark_task(runner->telemetry, slot_index);
    // Behind the move: a task that was killed has no second span, and one whose span is lost with this process is ended
    // by the supervisor.
    if (runner->telemetry != NULL)
        fq_execute_end(runner->telemetry, slot_index, outcome, report.run_us);
    runner->running_count--;
    fq_board_set(&runner->board, FQ_BOARD_FINISHED, fq_board_get(&runner->board, FQ_BOARD_FINISHED) + 1);
    if (fq_board_get(&runner->board, FQ_BOARD_ON_CPU) == (uint64_t)slot_index + 1)
        fq_board_set(&runner->board, FQ_BOARD_ON_CPU, 0);
    if (gathered) {
        fq_runner_queue_push(&runner->done, slot_index);
        return;
    }
    send_report(runner, slot_index, &report);
    fq_link_write(&runner->link, now_us);
}

int fq_runner_begin(fq_runner *runner, uint32_t slot_index) {
    if (fq_runner_is_forked(runner))
        return 0;
    struct fq_runner_slot *slot = &runner->slots[slot_index];
    struct fq_now now = fq_clock_now();
    const struct fq_runner_name *name = &runner->names[slot->name];
    bool is_short = name->average_us >= 0 && name->average_us < SHORT_US;
    if (runner->done.len > 0 && (!is_short || now.boot_us - runner->flushed_us >= GATHER_US)) {
        fq_runner_report_done(runner, now.boot_us);
        fq_link_write(&runner->link, now.boot_us);
    }
    fq_slot_set_started(&runner->board, slot_index, now.boot_us);
    if (runner->telemetry != NULL)
        fq_execute_begin(runner->telemetry, slot_index, now);
    if (!fq_slot_move(&runner->board, slot_index, FQ_SLOT_HELD, FQ_SLOT_RUNNING)) {
        if (runner->telemetry != NULL)
            fq_execute_discard(runner->telemetry, slot_index);
        fq_runner_slot_lost(runner, slot_index);
        return 0;
    }
    if (runner->telemetry != NULL)
        fq_execute_begun(runner->telemetry, slot_index);
    slot->begun_us = now.boot_us;
    slot->begun_wall_us = now.wall_us;
    runner->running_count++;
    fq_board_set(&runner->board, FQ_BOARD_STARTED, fq_board_get(&runner->board, FQ_BOARD_STARTED) + 1);
    fq_runner_on_cpu(runner, slot_index);
    return 1;
}

// The control plane does not take what the task made: its own words become the task's error.
static bool report_rejection(fq_runner *runner, uint32_t index, const struct fq_session_event *event) {
    if (event->error != FQ_ETOOBIG && event->error != FQ_ESERVER && event->error != FQ_EENCODING)
        return false;
    char text[REJECTION_TEXT_MAX];
    int len = snprintf(text, sizeof text, "the control plane refused the outcome: %.*s",
                       (int)(event->message.len < 300 ? event->message.len : 300),
                       event->message.ptr != NULL ? event->message.ptr : "");
    struct fq_report report = {
        .outcome = {.error_type = FQ_STR("ResultRejected"), .message = {text, (size_t)len}, .no_retry = true},
        .run_us = -1
    };
    struct fq_runner_slot *slot = &runner->slots[index];
    return fq_report_send(runner->link.session, &slot->id, slot->task.token, &report,
                          fq_runner_tag(FQ_TAG_RELEASE, index, slot->sequence)) == 0;
}

void fq_runner_on_answer(fq_runner *runner, const struct fq_session_event *event) {
    uint32_t index = (uint32_t)(event->tag >> 8) & 0xffff;
    uint32_t sequence = (uint32_t)(event->tag >> 32);
    if (index >= FQ_BOARD_SLOTS || runner->slots[index].sequence != sequence ||
        fq_slot_state(&runner->board, index) != FQ_SLOT_SENT)
        return;
    if ((event->tag & 0xff) == FQ_TAG_REPORT && event->error < 0 && report_rejection(runner, index, event))
        return;
    runner->sent_count--;
    fq_runner_slot_free(runner, index);
}
