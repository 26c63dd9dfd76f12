// SPDX-License-Identifier: Apache-2.0
// What is inside a runner; shared by the runner_*.c files only.
#ifndef FQ_WORKER_RUNNER_STATE_H
#define FQ_WORKER_RUNNER_STATE_H

#include "base/time.h"
#include "worker/board.h"
#include "worker/control.h"
#include "worker/link.h"
#include "worker/outcome.h"
#include "worker/runner.h"
#include "worker/telemetry_runner.h"

#include <sys/types.h>

// A name that this process runs, and how long it takes.
struct fq_runner_name {
    fq_str text;
    int64_t average_us; // -1 = never run
    struct fq_runner_defaults defaults;
};

// A task that is held, beside what the board says of it.
struct fq_runner_slot {
    struct fq_runner_task task;
    fq_uuid id;
    uint32_t name;
    uint32_t sequence;
    int64_t received_us, begun_us, begun_wall_us;
    char *text; // all strings of the task, each with a NUL behind; reused from task to task
    size_t text_capacity;
};

// Slot indexes in order, at most one entry a slot.
struct fq_runner_queue {
    uint32_t begin, len;
    uint16_t slots[FQ_BOARD_SLOTS];
};

struct fq_runner {
    struct fq_board board;
    int control_fd, epoll_fd, timer_fd;
    ino_t control_inode; // tells whether control_fd is still what it was
    int64_t timer_us;    // when timer_fd fires; FQ_NEVER_US = not armed
    int parent;
    struct fq_runner_setup setup;
    struct fq_link link;
    char error[400];

    struct fq_runner_name *names;
    size_t name_count;
    char *name_text;
    uint32_t *name_table; // open addressing over the names' hashes: index + 1; 0 = empty
    size_t name_table_size;

    struct fq_runner_slot slots[FQ_BOARD_SLOTS];
    uint32_t free_count;
    uint16_t free_slots[FQ_BOARD_SLOTS]; // a stack, lowest index on top
    struct fq_runner_queue held;         // HELD, in the order received
    struct fq_runner_queue done;         // DONE, their outcomes in the outbox
    uint32_t outbox_used;
    uint32_t running_count, sent_count;

    int64_t average_us; // run time over all names; -1 = nothing ran yet
    int64_t flushed_us, polled_us;
    uint64_t taken;         // tasks received so far, counted against max_tasks
    uint32_t ramp;          // most to prefetch for now: doubles with each full answer
    bool fetching, is_dry;  // an answer is due; the queue had less than was asked for
    uint32_t asked;         // tasks asked for in the fetch that is out
    uint32_t refused;       // fetches refused in a row
    uint32_t requests;      // numbers the tags of fetches
    int64_t fetch_after_us; // the server refused: not before
    uint64_t *fork_mark;    // 0 in a forked child
    bool leaving, orphaned, forked;
    struct fq_runner_telemetry *telemetry; // NULL = off
};

// Tags of requests: kind in the low byte, slot above, sequence of the slot above that.
enum fq_runner_tag { FQ_TAG_FETCH = 1, FQ_TAG_REPORT = 2, FQ_TAG_RELEASE = 3, FQ_TAG_DECLINE = 4 };
static inline uint64_t fq_runner_tag(enum fq_runner_tag kind, uint32_t slot, uint32_t sequence) {
    return (uint64_t)sequence << 32 | (uint64_t)slot << 8 | (uint64_t)kind;
}

void fq_runner_queue_push(struct fq_runner_queue *queue, uint32_t slot);
uint32_t fq_runner_queue_pop(struct fq_runner_queue *queue);

// runner.c
int64_t fq_runner_now_us(void);
/** Forgets a slot's task: FREE on the board, the index back on the stack. */
void fq_runner_slot_free(fq_runner *runner, uint32_t slot);
/** As above, for a task that the supervisor took back before it began. */
void fq_runner_slot_lost(fq_runner *runner, uint32_t slot);
/** Index of a declared name, or FQ_EUNKNOWNTASK. */
int64_t fq_runner_name_index(const fq_runner *runner, fq_str name);
int fq_runner_index_names(fq_runner *runner, const fq_str *names, size_t count);

// runner_fetch.c
/** Asks for more tasks if that is right now. */
void fq_runner_fetch(fq_runner *runner, uint32_t want, int64_t now_us);
/** The answer of a fetch. */
void fq_runner_on_tasks(fq_runner *runner, const struct fq_session_event *event, int64_t now_us);
/** Gives back what is not started. */
void fq_runner_release_held(fq_runner *runner);
/** Puts a task's run time into the averages. */
void fq_runner_learn(fq_runner *runner, uint32_t name, int64_t run_us);

// runner_report.c
/** Hands the outcomes in the outbox to the session. */
void fq_runner_report_done(fq_runner *runner, int64_t now_us);
/** The answer to a report or a release. */
void fq_runner_on_answer(fq_runner *runner, const struct fq_session_event *event);

#endif
