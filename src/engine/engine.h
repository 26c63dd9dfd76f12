// SPDX-License-Identifier: Apache-2.0
// The queue as a pure state machine: no clock, no I/O, no threads, no telemetry.
//
//   decide(const engine, command, now) -> events   may refuse; changes nothing
//   apply(engine, event)               -> effects  cannot fail
//   due(const engine, now)             -> events   what time alone makes happen
//
// A caller does, for each command:   fq_engine_decide  ->  encode + journal each durable event  ->  fq_engine_apply each
// and for time:                      while fq_engine_deadline() <= now: fq_engine_due, journal, apply.
// Replay does:                       fq_engine_replay -> fq_engine_apply each, effects thrown away.
//
// The decision (events, nodes, table slots, timer slots, journal bytes) is owned by the caller and reused from call to
// call; apply only consumes what it holds, so that nothing can fail once a decision is made. One decision at a time.
// Any thread, one at a time per engine.
#ifndef FQ_ENGINE_ENGINE_H
#define FQ_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/time.h"
#include "engine/command.h"
#include "engine/effect.h"
#include "engine/event.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fq_engine fq_engine;
typedef struct fq_decision fq_decision;

struct fq_engine_config {
    int64_t lease_ms;              // 30,000
    int64_t restart_grace_ms;      // 15,000
    int64_t worker_silence_ms;     // a registered worker unheard of for so long is no longer active: 30,000
    int64_t default_result_ttl_ms; // 3,600,000
    uint64_t result_bytes_max;     // LRU cap over stored results: 256 MiB
    uint64_t result_count_max;     // 0 = by bytes only
    uint64_t task_count_max;       // live tasks: 20,000,000
    uint64_t task_bytes_max;       // payloads and options of live tasks: 8 GiB
    uint32_t name_count_max;       // 100,000
    uint32_t worker_count_max;     // 10,000
    uint32_t crash_max;            // 5: then FAILURE WorkerLost
    uint32_t loss_max;         // 5: workers lost before a start was known, until each further one is a crash
    uint32_t attempt_max;      // bound on RETRIES: 1,000
    int64_t backoff_base_ms;   // 1,000; doubles per failure, jitter +-20 %
    int64_t backoff_max_ms;    // 3,600,000
    uint64_t ledger_count_min; // finished ids remembered at least: 2,000,000
    int64_t ledger_age_min_ms; // … and at least so long: 600,000
    uint64_t dead_count_max;   // oldest dead tasks are dropped above: 1,000,000
    uint64_t seed;             // of the hash tables
};

void fq_engine_config_init(struct fq_engine_config *config);

/** A new empty engine owned by the caller; NULL when out of memory. */
fq_engine *fq_engine_new(const struct fq_engine_config *config);
/** Frees everything; NULL is fine. Returns NULL. */
fq_engine *fq_engine_free(fq_engine *engine);

fq_decision *fq_decision_new(void);
fq_decision *fq_decision_free(fq_decision *decision);

/**
 * Decides one command. 0 with `decision` filled, or a negative error with the engine and the decision's reservation
 * unchanged; fq_decision_reason() then gives the sentence for the peer.
 */
FQ_MUST_USE int fq_engine_decide(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                                 fq_decision *decision);
/** A command about `id` may come soon: what it will look at is fetched from memory ahead. Changes nothing. */
void fq_engine_expect(const fq_engine *engine, const fq_uuid *id);
/** The same of a record that will be replayed. */
void fq_engine_expect_record(const fq_engine *engine, fq_str record);
/** Deadlines that have passed, at most `max_events` at a time. 0 also when there are none. */
FQ_MUST_USE int fq_engine_due(const fq_engine *engine, struct fq_now now, uint32_t max_events,
                              fq_decision *decision);
/** When fq_engine_due has something to do, in boot time; FQ_NEVER_US if nothing waits for time. */
int64_t fq_engine_deadline(const fq_engine *engine, struct fq_now now);

// --- a decision -----------------------------------------------------------------------------------------------------
size_t fq_decision_event_count(const fq_decision *decision);
const struct fq_event *fq_decision_event(const fq_decision *decision, size_t index);
/** Why decide refused: one sentence that names the thing and the remedy. Valid until the next decide. */
const char *fq_decision_reason(const fq_decision *decision);
/** SUBMIT: the task's id: the one given, or that of the live task which holds the UNIQUE key. */
fq_uuid fq_decision_task_id(const fq_decision *decision);
/** SUBMIT: the id was known already (same id again, or unique key held): no events. */
bool fq_decision_is_repeat(const fq_decision *decision);
/** HEARTBEAT: verdict for beat `index`, in the order given. */
enum fq_verdict { FQ_VERDICT_OK, FQ_VERDICT_CANCEL, FQ_VERDICT_STALE, FQ_VERDICT_DRAIN };
enum fq_verdict fq_decision_verdict(const fq_decision *decision, size_t index);
/** DEAD_REQUEUE, DEAD_PURGE, CANCEL, PAUSE, UNREGISTER: how many tasks or names it touches. A DEAD_PURGE by name touches at
 *  most 4,096: decide it again until it touches none. */
uint64_t fq_decision_touched(const fq_decision *decision);
/** FETCH: it stopped at 4,096 tasks, most of them expired, with more to choose from: decide it again. */
bool fq_decision_is_partial(const fq_decision *decision);

// --- events ---------------------------------------------------------------------------------------------------------
enum fq_event_type fq_event_type_of(const struct fq_event *event);
/** Task the event is about; all zero if none. */
fq_uuid fq_event_task_id(const struct fq_event *event);
/** Appends the event's journal form (event_codec.c has the byte tables). 0 or FQ_ENOMEM. */
FQ_MUST_USE int fq_event_encode(const struct fq_event *event, fq_buf *out);
/** Bytes that fq_event_encode would append. */
size_t fq_event_encoded_size(const struct fq_event *event);
/**
 * Decodes a journal record and reserves for it: afterwards the decision holds that one event, its slices borrowing from
 * `record`. FQ_ECORRUPT, FQ_EVERSION or FQ_ENOMEM.
 */
FQ_MUST_USE int fq_engine_replay(const fq_engine *engine, fq_str record, fq_decision *decision);

/**
 * Applies event `index` of the decision; events are applied in order, each once. Effects are appended to the decision's
 * effect list, which fq_engine_decide clears.
 */
void fq_engine_apply(fq_engine *engine, fq_decision *decision, size_t index);
size_t fq_decision_effect_count(const fq_decision *decision);
const struct fq_effect *fq_decision_effect(const fq_decision *decision, size_t index);

/** After replay, before the first command: boot epoch of this life's tokens and the rebasing of every deadline
 *  (reliability 2.12, 2.16). Decides an EPOCH event. */
FQ_MUST_USE int fq_engine_start(const fq_engine *engine, uint32_t boot_epoch, struct fq_now now,
                                fq_decision *decision);
/** Decides a HASH_CHECK: replay refuses the journal if its state differs at this point. */
FQ_MUST_USE int fq_engine_hash_check(const fq_engine *engine, struct fq_now now, fq_decision *decision);
/** Marks the engine as draining: heartbeats answer drain, fetches grant nothing. Volatile. */
void fq_engine_set_draining(fq_engine *engine, bool draining);
/** This process was stopped until `now`, and so did not hear its workers: leases that have ended meanwhile are extended by
 *  half a lease, longer than the time between two heartbeats, before anything is taken away. Volatile. */
void fq_engine_hold_leases(fq_engine *engine, struct fq_now now);

/** Adds the decision's repeat or stale answer to the volatile counts of struct fq_engine_stats. */
void fq_engine_note(fq_engine *engine, const fq_decision *decision);

// --- views (engine/view.h has the listings) ---------------------------------------------------------------------------
/** 0 and the view; FQ_EUNKNOWNTASK if never seen; FQ_RESULT presence EVICTED if only the ledger knows it. */
FQ_MUST_USE int fq_engine_task(const fq_engine *engine, const fq_uuid *id, struct fq_task_view *ret_view);
/** Whether a submission under this id, or with this unique key ("": none), would repeat one that is known, and which. */
bool fq_engine_known(const fq_engine *engine, const fq_uuid *id, fq_str unique, fq_uuid *ret_id);
/** The task as `event` left it, without a lookup: to be asked right after the event was applied, before the next one is.
 *  FQ_EUNKNOWNTASK if the event is about no task or left none. */
FQ_MUST_USE int fq_engine_event_task(const fq_engine *engine, const struct fq_event *event,
                                     struct fq_task_view *ret_view);
/** As fq_engine_task, and marks the stored result as used (LRU); changes no durable state. */
FQ_MUST_USE int fq_engine_result(fq_engine *engine, const fq_uuid *id, struct fq_task_view *ret_view);

/** Order-independent hash of the durable state; live == replayed at the same event. O(1). */
uint64_t fq_engine_hash(const fq_engine *engine);
/** Walks everything and checks every invariant; aborts by assert with the broken one. For tests and simulation. */
void fq_engine_check(const fq_engine *engine);

// --- snapshot ---------------------------------------------------------------------------------------------------------
/** The state as a sequence of events: feed them to a fresh engine's replay to get an equal one (same hash). */
typedef struct fq_snapshot_cursor fq_snapshot_cursor;
fq_snapshot_cursor *fq_snapshot_open(const fq_engine *engine);
/** Appends the next record to `out`: 1, 0 at the end, negative on error. The engine must not change meanwhile. */
FQ_MUST_USE int fq_snapshot_next(fq_snapshot_cursor *cursor, fq_buf *out);
fq_snapshot_cursor *fq_snapshot_close(fq_snapshot_cursor *cursor);

#endif
