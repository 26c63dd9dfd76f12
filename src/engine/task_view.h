// SPDX-License-Identifier: Apache-2.0
// What the engine shows of a task. Slices borrow from the engine until its next apply.
#ifndef FQ_ENGINE_TASK_VIEW_H
#define FQ_ENGINE_TASK_VIEW_H

#include "base/str.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

enum fq_task_state {
    FQ_TASK_SCHEDULED, // waits for a delay, an AT time or a retry's backoff
    FQ_TASK_PENDING,   // eligible, waits for a worker
    FQ_TASK_STARTED,   // leased to a worker; `started_us` is known once the worker says that it runs
    FQ_TASK_SUCCESS,
    FQ_TASK_FAILURE, // kept in the dead list until purged or requeued
    FQ_TASK_CANCELLED,
    FQ_TASK_EXPIRED,
    FQ_TASK_STATE_COUNT
};

enum fq_priority {
    FQ_PRIORITY_CRITICAL,
    FQ_PRIORITY_HIGH,
    FQ_PRIORITY_NORMAL,
    FQ_PRIORITY_LOW,
    FQ_PRIORITY_COUNT
};

// What is known of a result: FQ.RESULT tells these apart.
enum fq_result_presence { FQ_RESULT_NONE, FQ_RESULT_STORED, FQ_RESULT_EVICTED, FQ_RESULT_NOT_STORED };

/** "scheduled", "pending", …; FQ_EINVALID from the parsers for anything else (any case accepted). */
const char *fq_task_state_name(enum fq_task_state state);
int fq_task_state_parse(fq_str text, enum fq_task_state *ret_state);
const char *fq_priority_name(enum fq_priority priority);
int fq_priority_parse(fq_str text, enum fq_priority *ret_priority);
static inline bool fq_task_state_is_final(enum fq_task_state state) {
    return state >= FQ_TASK_SUCCESS;
}

// What the submitter gave and every worker gets back unread. Absent = len 0.
struct fq_task_options {
    fq_str encoding; // empty = "json"
    fq_str traceparent;
    fq_str tracestate;
    fq_str baggage;
    fq_str unique;
};

struct fq_task_view {
    fq_uuid id;
    fq_str name;
    uint32_t name_number; // 1, 2, … in the order of the names' first use in this process; 0 = not told
    fq_str payload;       // empty once the task is final and its body was dropped
    struct fq_task_options options;
    enum fq_task_state state;
    enum fq_priority priority;
    uint32_t attempt; // charged attempts, the running one included
    uint32_t retries; // further attempts allowed after the first failure
    uint32_t crashes;
    uint32_t losses;      // workers lost before a start was known, not charged
    int64_t submitted_us; // wall
    int64_t eligible_us;  // wall; the moment from which waiting is counted
    int64_t granted_us;   // wall; 0 = never
    int64_t started_us;   // wall; 0 = unknown
    int64_t completed_us; // wall; 0 = not yet
    int64_t due_us;       // wall; SCHEDULED: when it becomes eligible
    int64_t wait_us;      // eligible until granted, of the last grant; 0 before
    int64_t run_us;       // as reported by the worker, else granted until completed
    int64_t timeout_ms;   // 0 = none
    int64_t expires_us;   // wall; 0 = never
    int64_t result_ttl_ms;
    uint64_t token; // of the live lease, else 0
    int64_t lease_until_boot_us;
    bool cancel_requested;
    fq_str worker; // id of the last worker that was granted it
    enum fq_result_presence result_presence;
    fq_str result;          // SUCCESS
    fq_str result_encoding; // empty = "json"
    fq_str error_type;      // FAILURE, CANCELLED, EXPIRED
    fq_str error_message;
    fq_str error_stack;
    fq_str run_traceparent;  // the execute span's context, from COMPLETE/FAIL
    fq_str last_traceparent; // of the attempt before the current one that told it, from FAIL
    int64_t
        last_ended_us; // wall; when the attempt before ended; 0 = unknown, as where no attempt told its context
};

#endif
