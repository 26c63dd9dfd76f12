// SPDX-License-Identifier: Apache-2.0
// Commands into events, one function a command; private to engine/. They read a const engine and refuse with a reason.
#ifndef FQ_ENGINE_DECIDE_H
#define FQ_ENGINE_DECIDE_H

#include "engine/state.h"

typedef int fq_decide(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                      fq_decision *decision);

fq_decide fq_decide_submit;                                                                // decide_submit.c
fq_decide fq_decide_fetch;                                                                 // decide_fetch.c
fq_decide fq_decide_complete, fq_decide_fail, fq_decide_release, fq_decide_heartbeat;      // decide_lease.c
fq_decide fq_decide_register, fq_decide_unregister, fq_decide_worker_gone;                 // decide_worker.c
fq_decide fq_decide_cancel, fq_decide_pause, fq_decide_dead_requeue, fq_decide_dead_purge; // decide_admin.c

// At most so many events in one decision that walks a list.
enum { FQ_EVENTS_MAX = 4096, FQ_FETCH_MAX = 1024 };
// Longest times that are accepted: a hundred years.
static const int64_t FQ_TIME_MAX_MS = INT64_C(3155760000000);
enum { FQ_NAME_MAX = 256, FQ_UNIQUE_MAX = 1024, FQ_FIELD_MAX = 1 << 16 };

/** An event about `task`. NULL when out of memory. */
struct fq_event *fq_decide_about(const fq_engine *engine, fq_decision *decision, enum fq_event_type type,
                                 struct fq_now now, struct fq_task *task);
/** Begins and ends the fields of the event that was added last. */
void fq_decide_fields_begin(fq_decision *decision);
int fq_decide_fields_end(fq_decision *decision, int rc);
/** Says that a worker was heard of: nothing if it is not registered. */
int fq_decide_seen(const fq_engine *engine, fq_decision *decision, struct fq_now now, fq_str worker);
int fq_decide_check_name(fq_decision *decision, const char *what, fq_str text);

// --- lease.c: how leases end ------------------------------------------------------------------------------------------
// What is known about an attempt that has ended without success.
struct fq_attempt_end {
    fq_str type, message, stack, traceparent;
    int64_t started_us;
    int64_t run_us; // -1 = unknown
    // Of the task's definition, where the submit named none; 0 = nothing.
    uint32_t declared_retries;
    int64_t declared_backoff_ms;
    bool vanished; // the whole worker: it can no longer say what had started
};
/** The holder is gone. Charged as a crash if the task is known to have started. Else the task goes back uncharged; if the
 *  worker has vanished, that is counted as a loss, and charged once there were loss_max of them. */
FQ_MUST_USE int fq_lease_lost(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                              struct fq_task *task, const struct fq_attempt_end *end);
/** The holder gives the task back, nothing charged. */
FQ_MUST_USE int fq_lease_returned(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                                  struct fq_task *task);
/** The task said no: another attempt later, or the dead list. `random`: dice for the jitter. */
FQ_MUST_USE int fq_lease_failed(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                                struct fq_task *task, const struct fq_attempt_end *end, bool no_retry,
                                uint64_t random);

// --- retry.c ----------------------------------------------------------------------------------------------------------
/** Delay before the attempt that follows the `failures`-th failure (1 = first): base * 2^(failures-1), at most `max`, then
 *  +-20 % by `random`, and still within [1 ms, max]. All in milliseconds. */
int64_t fq_retry_delay_ms(int64_t base_ms, int64_t max_ms, uint32_t failures, uint64_t random);

#endif
