// SPDX-License-Identifier: Apache-2.0
// Read-only listings for the admin commands, HTTP and metrics. Slices borrow from the engine until its next apply.
#ifndef FQ_ENGINE_VIEW_H
#define FQ_ENGINE_VIEW_H

#include "engine/engine.h"

struct fq_engine_stats {
    uint64_t state_count[FQ_TASK_STATE_COUNT]; // tasks that the engine holds now, by state
    uint64_t pending_count[FQ_PRIORITY_COUNT]; // eligible, by priority
    uint64_t running_count;                    // leased and known to have started
    uint64_t submitted_total, granted_total, completed_total, failed_total, retried_total, returned_total;
    uint64_t crashed_total, cancelled_total, expired_total, evicted_total, stale_total, repeat_total;
    uint64_t dead_count, result_count, result_bytes, task_bytes, ledger_count;
    uint64_t name_count, worker_count, active_worker_count;
    int64_t oldest_pending_us; // wall time of eligibility of the longest waiting task; 0 = none waits
};

/** The counts, at `now` (activity of workers depends on it). */
void fq_engine_stats(const fq_engine *engine, struct fq_now now, struct fq_engine_stats *ret_stats);

/** Tasks that have not ended: scheduled, pending and started. O(1). */
uint64_t fq_engine_live_count(const fq_engine *engine);

struct fq_name_view {
    fq_str name;
    uint32_t name_id;
    uint64_t pending[FQ_PRIORITY_COUNT];
    uint64_t scheduled, started;
    uint64_t submitted_total, completed_total, failed_total;
    uint32_t offering; // active workers that registered the name; 0 = "no worker offers this name"
    bool paused;
    int64_t oldest_pending_us; // wall; 0 = none
};
/** Row `index` (< name_count) in order of first use. 0 or FQ_EINVALID. */
FQ_MUST_USE int fq_engine_name(const fq_engine *engine, uint32_t index, struct fq_now now,
                               struct fq_name_view *ret_view);
/** Index of `name`, or FQ_EUNKNOWNTASK. */
int64_t fq_engine_name_id(const fq_engine *engine, fq_str name);
bool fq_engine_all_paused(const fq_engine *engine);

struct fq_worker_view {
    fq_str id, instance, meta;
    uint32_t slots, name_count, leases, running;
    uint64_t completed_total, failed_total;
    int64_t registered_us, seen_us; // wall
    bool active;
    bool registered; // false: known only from its fetches
};
/** Calls in order of registration; `cursor` 0 first, then the one returned; 0 and *cursor == 0 when done.
 *  Fills at most `max`; returns how many. */
size_t fq_engine_workers(const fq_engine *engine, struct fq_now now, uint64_t *cursor,
                         struct fq_worker_view *views, size_t max);
/** Whether the worker is registered and offers this name. */
bool fq_engine_worker_offers(const fq_engine *engine, fq_str worker, fq_str name);
/** How many names the worker registered; 0 if it is not registered. */
size_t fq_engine_worker_name_count(const fq_engine *engine, fq_str worker);
/** Ids of the worker's registered names, from its name `from` on and at most `max`: how many. */
size_t fq_engine_worker_name_ids(const fq_engine *engine, fq_str worker, size_t from, uint32_t *ids,
                                 size_t max);
/** Name `index` of the worker's registered names; 0 or FQ_EINVALID. */
FQ_MUST_USE int fq_engine_worker_name(const fq_engine *engine, fq_str worker, uint32_t index,
                                      fq_str *ret_name);

struct fq_task_filter {
    bool by_state, by_priority;
    enum fq_task_state state;
    enum fq_priority priority;
    fq_str name;   // "" = any
    fq_str worker; // "" = any
    bool dead;     // only the dead list, oldest first
};
/** A page of tasks in a stable order. `cursor` as in fq_engine_workers; a task that is added or removed meanwhile may or
 *  may not appear, no other appears twice or not at all. Looks at no more than 10,000 records a call. */
size_t fq_engine_tasks(const fq_engine *engine, const struct fq_task_filter *filter, uint64_t *cursor,
                       struct fq_task_view *views, size_t max);

#endif
