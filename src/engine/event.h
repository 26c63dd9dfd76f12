// SPDX-License-Identifier: Apache-2.0
// Facts: the only things that change the engine. Durable ones are encoded (event_codec.h) and journaled; volatile ones
// (worker registry, lease extension) are applied and forgotten, because a restart gives every lease a new grace.
// Numbers are part of the journal's format: append only, never reuse.
#ifndef FQ_ENGINE_EVENT_H
#define FQ_ENGINE_EVENT_H

#include "engine/command.h"

enum fq_event_type {
    FQ_EVENT_NONE = 0,
    FQ_EVENT_SUBMITTED = 1,
    FQ_EVENT_ELIGIBLE = 2, // a scheduled task's time has come
    FQ_EVENT_GRANTED = 3,
    FQ_EVENT_STARTED = 4,
    FQ_EVENT_COMPLETED = 5,
    FQ_EVENT_FAILED = 6,  // final
    FQ_EVENT_RETRIED = 7, // failed attempt, due again later
    FQ_EVENT_RETURNED =
        8, // lease ended without charge: release, drain, worker lost and no start known (counted)
    FQ_EVENT_CRASHED = 9, // lease ended with a crash charged, task eligible again
    FQ_EVENT_CANCELLED = 10,
    FQ_EVENT_CANCEL_REQUESTED = 11,
    FQ_EVENT_EXPIRED = 12,
    FQ_EVENT_RESULT_EVICTED = 13,
    FQ_EVENT_PURGED = 14,    // dead task removed
    FQ_EVENT_REQUEUED = 15,  // dead task pending again, counters reset
    FQ_EVENT_FORGOTTEN = 16, // final task's record dropped; its id stays in the ledger of finished ids
    FQ_EVENT_PAUSED = 17,
    FQ_EVENT_RESUMED = 18,
    FQ_EVENT_EPOCH = 19, // a boot: number that heads every fencing token
    FQ_EVENT_CLOCK_JUMP = 20,
    FQ_EVENT_HASH_CHECK = 21,     // state hash at this point; replay compares
    FQ_EVENT_LEDGER = 22,         // snapshot: one finished id
    FQ_EVENT_SNAPSHOT = 23,       // snapshot: counters and configuration at its head
    FQ_EVENT_TASK = 24,           // snapshot: one task, whole
    FQ_EVENT_NAME = 25,           // snapshot: one task name's counters, and whether it is paused
    FQ_EVENT_LEDGER_TRIMMED = 26, // the oldest finished ids are forgotten for good
    FQ_EVENT_DURABLE_COUNT,
    // Never journaled:
    FQ_EVENT_WORKER_REGISTERED = 200,
    FQ_EVENT_WORKER_LEFT = 201,
    FQ_EVENT_LEASE_EXTENDED = 202,
    FQ_EVENT_WORKER_SEEN = 203,
};

static inline bool fq_event_is_durable(enum fq_event_type type) {
    return type < 200;
}

/** Part of a snapshot, written as a row: SNAPSHOT and what may follow it. */
static inline bool fq_event_is_image(enum fq_event_type type) {
    return type >= FQ_EVENT_LEDGER && type <= FQ_EVENT_NAME;
}

// The tagged union is private to engine/ (event_data.h); others see type, task id and encoded bytes.
struct fq_event;

#endif
