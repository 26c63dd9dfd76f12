// SPDX-License-Identifier: Apache-2.0
// Inside of an event; private to engine/. Slices borrow from the command, the record or the decision's scratch buffer.
#ifndef FQ_ENGINE_EVENT_DATA_H
#define FQ_ENGINE_EVENT_DATA_H

#include "base/buf.h"
#include "engine/event.h"

struct fq_task;
struct fq_worker;

// Counts that are journaled.
struct fq_totals {
    uint64_t submitted, granted, completed, failed, retried, returned, crashed, cancelled, expired, evicted;
};

struct fq_submitted {
    fq_str name, payload, fields;
    uint64_t body_hash;
    int64_t due_us; // wall; 0 = eligible at once
    uint16_t retries;
    uint8_t priority, flags; // FQ_FLAG_…
};

// End of a lease or of a waiting task: COMPLETED, FAILED, RETRIED, RETURNED, CRASHED, CANCELLED, EXPIRED.
struct fq_ended {
    int64_t started_us; // 0 = not known
    int64_t due_us;     // RETRIED
    bool crashed;       // FAILED: by the last crash allowed
    bool lost;          // RETURNED: the worker was lost before a start was known
    fq_str fields;      // result or error
};

// A finished id: FQ_EVENT_LEDGER.
struct fq_ledger_record {
    uint64_t body_hash; // low 56 bits
    int64_t finished_us;
    uint8_t state;
    uint8_t fate; // enum fq_ledger_fate
};

// A whole task: FQ_EVENT_TASK.
struct fq_task_image {
    fq_str name, worker, payload, fields;
    uint64_t body_hash, order;
    int64_t moment, submitted_us, eligible_us, granted_us, started_us;
    uint16_t attempt, retries;
    uint8_t crashes, losses, state, priority, flags;
};

// Head of a snapshot: FQ_EVENT_SNAPSHOT.
struct fq_snapshot_head {
    uint64_t token, order;
    int64_t last_at_us;
    uint32_t epoch;
    bool all_paused;
    struct fq_totals totals;
};

struct fq_name_image {
    fq_str name;
    bool paused;
    uint64_t submitted, completed, failed;
};

struct fq_registration {
    fq_str worker, instance, meta;
    uint32_t slots;
};

struct fq_event {
    enum fq_event_type type;
    bool live;                    // decided now; false: replayed
    fq_uuid id;                   // all zero if the event is about no task
    int64_t at_us;                // wall, never falling from event to event
    int64_t now_us;               // boot time of the decision; replay: at_us, until the next EPOCH rebases
    struct fq_task *task;         // the task as it stood when the event was decided
    struct fq_task *node;         // reserved: the record that the task gets
    size_t fields_at, fields_len; // decided events: where their fields are in the decision's scratch
    union {
        struct fq_submitted submitted;
        struct {
            uint64_t token;
            fq_str worker;
        } granted;
        int64_t started_us; // STARTED
        struct fq_ended ended;
        fq_str name; // PAUSED, RESUMED; "" = all
        struct {
            uint32_t epoch;
            int64_t wall_us;
        } epoch;
        int64_t jump_us;     // CLOCK_JUMP
        uint64_t hash;       // HASH_CHECK
        uint64_t trim_count; // LEDGER_TRIMMED
        struct fq_ledger_record ledger;
        struct fq_snapshot_head head;
        struct fq_task_image image;
        struct fq_name_image name_image;
        struct fq_registration registration;
        struct {
            struct fq_worker *worker;
        } worker;               // WORKER_LEFT, WORKER_SEEN
        int64_t lease_until_us; // LEASE_EXTENDED, boot time
    };
};

/** Decodes one record whole; slices borrow from it. FQ_ECORRUPT or FQ_EVERSION for anything that is not an event. */
FQ_MUST_USE int fq_event_decode(fq_str record, struct fq_event *ret_event);

#endif
