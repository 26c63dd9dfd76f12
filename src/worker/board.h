// SPDX-License-Identifier: Apache-2.0
// The memory board: one memfd a runner, mapped by the runner and by its supervisor. The runner writes what it holds and
// what it does, so that the supervisor can heartbeat, take tasks back, report results and explain a death without asking
// a process that may be busy, hung or gone. The supervisor never follows an offset, a length or a state from here that it
// has not copied and checked; no lock is shared.
//
// LAYOUT (all numbers are native 64-bit words; the places are compiled in, nothing in the board says where things are)
//
//   0         header, one page. `magic` and `version` by the supervisor before the runner starts. Each word has one
//             writer: orders, asleep, what was read of its output by the supervisor
//             (asleep is cleared by the runner); the rest by the runner.
//   4 KiB     FQ_BOARD_SLOTS slots of 128 bytes, one for each task that the runner holds.
//   +         the names that the runner declared: for each a 2-byte length and its bytes; names_count, names_size in the
//             header. Written once, before the runner says that it is ready.
//   +         the outbox: encoded outcomes (outcome.h) of finished tasks that wait for company.
//   +         the ring (ring.h): records for the supervisor, such as finished spans.
//   +         one open span (board_span.h) for each slot.
//   +         the metric area: series that the runner measures and the supervisor collects.
//
// A SLOT changes hands by one compare-and-swap on its word: sequence (32 bits) | wish (8 bits) | state (8 bits). The
// sequence grows by one with each task put in, so that whoever acts on a slot acts on the task that he looked at.
//
//   FREE ----put----> HELD ----begin----> RUNNING ----finish----> DONE ----flush----> SENT ----answer----> FREE
//                      |                     |                      |
//              (supervisor takes)     (supervisor kills)   (supervisor reports)
//                      v                     v                      v
//                    TAKEN                 DOOMED                TAKING -> TAKEN ----noticed by the runner----> FREE
//
//   HELD     granted, not started; the supervisor may take it back
//   RUNNING  user code runs it
//   DONE     finished; its outcome lies in the outbox; runner and supervisor race to report it
//   SENT     the runner reported it (or gave it back) on its own connection and waits for the answer
//   TAKING   the supervisor copies the outcome; the outbox bytes stay until it is TAKEN
//   TAKEN    the supervisor answers for it; the runner forgets it
//   DOOMED   the supervisor kills this process because of this task; the runner must not finish it
#ifndef FQ_WORKER_BOARD_H
#define FQ_WORKER_BOARD_H

#include "base/str.h"
#include "base/uuid.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FQ_BOARD_SLOTS = 2048,
    FQ_BOARD_NAMES_BYTES = 256 * 1024,
    FQ_BOARD_OUTBOX_BYTES = 1024 * 1024,
    FQ_BOARD_RING_BYTES = 2 * 1024 * 1024,
    FQ_BOARD_METRIC_BYTES = 1024 * 1024,
};

enum fq_slot_state {
    FQ_SLOT_FREE,
    FQ_SLOT_HELD,
    FQ_SLOT_RUNNING,
    FQ_SLOT_DONE,
    FQ_SLOT_SENT,
    FQ_SLOT_TAKING,
    FQ_SLOT_TAKEN,
    FQ_SLOT_DOOMED,
    FQ_SLOT_STATE_COUNT
};

// Orders of the supervisor, bits of one word.
enum fq_board_order {
    FQ_ORDER_GO = 1,     // names are registered: fetch
    FQ_ORDER_LEAVE = 2,  // fetch no more, give back what is not started, end when the running tasks are done
    FQ_ORDER_FILTER = 4, // other kinds of runners serve the same worker: name your tasks in each fetch
};

// Words of the header.
enum fq_board_word {
    FQ_BOARD_MAGIC,
    FQ_BOARD_VERSION,
    FQ_BOARD_ORDERS,
    FQ_BOARD_ASLEEP, // 1: the supervisor looks at this board only when woken
    FQ_BOARD_NAMES_COUNT,
    FQ_BOARD_NAMES_SIZE,
    FQ_BOARD_SLOTS_USED, // no slot at or above this index was ever used
    FQ_BOARD_TURNS,      // grows whenever the runner's loop comes around
    FQ_BOARD_ON_CPU,     // slot + 1 of the task whose code is on the processor; 0 = none
    FQ_BOARD_STARTED,    // tasks begun so far
    FQ_BOARD_FINISHED,   // tasks finished so far
    FQ_BOARD_RING_HEAD,
    FQ_BOARD_RING_TAIL,
    FQ_BOARD_RING_DROPPED, // records that found no room
    FQ_BOARD_OUT_READ, // bytes of the runner's standard output that the supervisor has read << 1 | 1 while it reads
    FQ_BOARD_ERR_READ, // of its standard error likewise
    FQ_BOARD_WORD_COUNT
};

struct fq_board {
    unsigned char *base; // NULL = not mapped
    int fd;
};

// What a slot says of its task. Times are microseconds of the boot clock that both processes read.
struct fq_board_task {
    fq_uuid id;
    uint64_t token;
    uint32_t name; // index into the declared names
    uint32_t attempt;
    int64_t timeout_ms; // 0 = none
    int64_t received_us;
};
struct fq_slot_view {
    struct fq_board_task task;
    enum fq_slot_state state;
    uint8_t wish;
    uint32_t sequence;
    int64_t started_us;  // RUNNING and later
    int64_t finished_us; // DONE
    uint32_t outcome_offset, outcome_len;
};

/** A new board in a sealed memfd (nobody can shrink it under the other's feet), close-on-exec. 0, FQ_ENOMEM, FQ_EIO. */
FQ_MUST_USE int fq_board_create(struct fq_board *ret_board);
/** Maps an inherited board; takes over `fd`. 0, FQ_EIO, or FQ_EVERSION if it is none that this program knows. */
FQ_MUST_USE int fq_board_attach(int fd, struct fq_board *ret_board);
/** Unmaps and closes. A board that is not mapped is fine. */
void fq_board_close(struct fq_board *board);

uint64_t fq_board_get(const struct fq_board *board, enum fq_board_word word);
void fq_board_set(const struct fq_board *board, enum fq_board_word word, uint64_t value);
uint64_t fq_board_swap(const struct fq_board *board, enum fq_board_word word, uint64_t value);
void fq_board_add_orders(const struct fq_board *board, uint64_t orders);

// --- the runner's side of a slot: only the runner puts, begins, finishes and frees ----------------------------------
/** Fills a free slot: HELD. Returns the new sequence. */
uint32_t fq_slot_put(const struct fq_board *board, uint32_t slot, const struct fq_board_task *task);
/** `from` -> `to`, whatever the wish; false if the slot is in another state. */
bool fq_slot_move(const struct fq_board *board, uint32_t slot, enum fq_slot_state from,
                  enum fq_slot_state to);
void fq_slot_set_started(const struct fq_board *board, uint32_t slot, int64_t now_us);
void fq_slot_set_outcome(const struct fq_board *board, uint32_t slot, uint32_t offset, uint32_t len,
                         int64_t now_us);
enum fq_slot_state fq_slot_state(const struct fq_board *board, uint32_t slot);
uint8_t fq_slot_wish(const struct fq_board *board, uint32_t slot);
/** Any state -> FREE; the sequence stays. */
void fq_slot_free(const struct fq_board *board, uint32_t slot);
/** The outbox, FQ_BOARD_OUTBOX_BYTES long. */
unsigned char *fq_board_outbox(const struct fq_board *board);
/** The metric area, FQ_BOARD_METRIC_BYTES long, all zero at first. */
void *fq_board_metrics(const struct fq_board *board);
/** Writes the declared names. 0, FQ_EINVALID for a name that is none, FQ_ETOOBIG when they do not fit. */
FQ_MUST_USE int fq_board_write_names(const struct fq_board *board, const fq_str *names, size_t count);

// --- the supervisor's side -------------------------------------------------------------------------------------------
/** A consistent copy of a slot: 1; 0 if it is free or changes just now; FQ_ECORRUPT if what it says cannot be. */
FQ_MUST_USE int fq_slot_look(const struct fq_board *board, uint32_t slot, struct fq_slot_view *ret_view);
/** view's state -> `to` if the slot still holds the very task looked at in that state. */
bool fq_slot_claim(const struct fq_board *board, uint32_t slot, const struct fq_slot_view *view,
                   enum fq_slot_state to);
/** Leaves a wish for a RUNNING task; false if it is no longer that task. */
bool fq_slot_set_wish(const struct fq_board *board, uint32_t slot, const struct fq_slot_view *view,
                      uint8_t wish);
/** Slots to look at: FQ_BOARD_SLOTS_USED, never above FQ_BOARD_SLOTS. */
uint32_t fq_board_slots_used(const struct fq_board *board);
/** Copies an outcome out of the outbox. `out` has room for `len`. False if the place is outside of it. */
bool fq_board_copy_outcome(const struct fq_board *board, uint32_t offset, uint32_t len, void *out);

// Names, copied once.
struct fq_board_names {
    fq_str *names;
    size_t count;
    char *storage;
};
/** 0, FQ_ECORRUPT if the area is not well-formed, FQ_ENOMEM. */
FQ_MUST_USE int fq_board_read_names(const struct fq_board *board, struct fq_board_names *ret_names);
void fq_board_names_done(struct fq_board_names *names);

#endif
