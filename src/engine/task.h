// SPDX-License-Identifier: Apache-2.0
// The task record: its states, its places in the engine's structures, its share of the state hash.
#ifndef FQ_ENGINE_TASK_H
#define FQ_ENGINE_TASK_H

#include "engine/fields.h"
#include "engine/state.h"

/** The state that `event` leads to from `from`; FQ_TASK_STATE_COUNT = the record goes; -1 = not allowed. */
int fq_task_next_state(enum fq_task_state from, enum fq_event_type event);
/** The only place where a task changes its state. The task is on no list or timer meanwhile. */
void fq_task_set_state(fq_engine *engine, struct fq_task *task, enum fq_task_state state);
/** Adds (sign 1) or takes away (-1) the task from every count that depends on its state, sizes and start. */
void fq_task_count(fq_engine *engine, struct fq_task *task, int sign);
/** Sets when the attempt began, clamped to [granted, at of the event]; no effect for 0 and if it is known. */
void fq_task_mark_started(fq_engine *engine, struct fq_task *task, int64_t started_us,
                          const struct fq_event *event);
/** Boot time from which the attempt runs, when `ran_us` of it have passed at `now_us`. */
void fq_task_set_running_since(struct fq_task *task, int64_t now_us, int64_t ran_us);
/** How long the attempt has run: by the boot clock, whatever the wall clock did meanwhile. 0 if it is not known to run. */
int64_t fq_task_ran_us(const struct fq_task *task, int64_t boot_us);

/** Puts the task where one of its state belongs: queue, lease list, finished or dead list, timers. `base_us` is the boot
 *  time from which its delays count. */
void fq_task_attach(fq_engine *engine, struct fq_task *task, int64_t base_us);
/** The heap of boot times that a task of its state belongs to. */
fq_heap *fq_task_timers(fq_engine *engine, const struct fq_task *task);
/** Takes it out of all those places. */
void fq_task_detach(fq_engine *engine, struct fq_task *task);

uint64_t fq_task_hash(const struct fq_task *task);
uint64_t fq_task_table_hash(const fq_engine *engine, const fq_uuid *id);
uint64_t fq_task_unique_hash(const fq_engine *engine, fq_str key);
struct fq_task *fq_task_find(const fq_engine *engine, const fq_uuid *id);
struct fq_task *fq_task_find_unique(const fq_engine *engine, fq_str key);
extern const struct fq_table_ops fq_task_table_ops, fq_task_unique_ops;

static inline enum fq_task_state fq_task_state_of(const struct fq_task *task) {
    return (enum fq_task_state)task->state;
}
static inline fq_str fq_task_payload(const struct fq_task *task) {
    return (fq_str){task->tail, task->payload_len};
}
static inline fq_str fq_task_fields(const struct fq_task *task) {
    return (fq_str){task->tail + task->payload_len, task->field_len};
}
static inline size_t fq_task_record_size(size_t tail_len) {
    return offsetof(struct fq_task, tail) + tail_len;
}
/** The context of the attempt that a RETRIED or CRASHED event ends, to be kept for the next one; empty = none. */
fq_str fq_task_last_context(const struct fq_event *event);
/** What a finished task is counted with against the cap of results. */
size_t fq_task_cost(const struct fq_task *task);
int64_t fq_task_result_ttl_ms(const fq_engine *engine, const struct fq_task *task);
/** Wall time; FQ_NEVER_US if it does not expire. */
int64_t fq_task_expires_us(const struct fq_task *task);
/** When the start time allows no further extension of the lease; FQ_NEVER_US without TIMEOUT. Boot time. */
int64_t fq_task_lease_end_us(const fq_engine *engine, const struct fq_task *task, int64_t boot_us);
/** Remaining part of the task's delay after a restart, never more than was asked for. */
int64_t fq_task_remaining_us(const fq_engine *engine, const struct fq_task *task, int64_t wall_us);

#endif
