// SPDX-License-Identifier: Apache-2.0
// The table of events: which function brings each into the state.
#include "engine/apply.h"

#include "engine/task.h"

static fq_apply *function_of(enum fq_event_type type) {
    switch (type) {
    case FQ_EVENT_SUBMITTED: return fq_apply_submitted;
    case FQ_EVENT_ELIGIBLE: return fq_apply_eligible;
    case FQ_EVENT_GRANTED: return fq_apply_granted;
    case FQ_EVENT_STARTED: return fq_apply_started;
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_FAILED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED: return fq_apply_finished;
    case FQ_EVENT_RETRIED: return fq_apply_retried;
    case FQ_EVENT_RETURNED:
    case FQ_EVENT_CRASHED: return fq_apply_returned;
    case FQ_EVENT_CANCEL_REQUESTED: return fq_apply_cancel_requested;
    case FQ_EVENT_RESULT_EVICTED:
    case FQ_EVENT_FORGOTTEN:
    case FQ_EVENT_PURGED: return fq_apply_gone;
    case FQ_EVENT_REQUEUED: return fq_apply_requeued;
    case FQ_EVENT_PAUSED:
    case FQ_EVENT_RESUMED: return fq_apply_paused;
    case FQ_EVENT_EPOCH: return fq_apply_epoch;
    case FQ_EVENT_CLOCK_JUMP: return fq_apply_clock_jump;
    case FQ_EVENT_LEDGER: return fq_apply_ledger;
    case FQ_EVENT_LEDGER_TRIMMED: return fq_apply_ledger_trimmed;
    case FQ_EVENT_SNAPSHOT: return fq_apply_snapshot;
    case FQ_EVENT_TASK: return fq_apply_image;
    case FQ_EVENT_NAME: return fq_apply_name;
    case FQ_EVENT_WORKER_REGISTERED: return fq_apply_registered;
    case FQ_EVENT_WORKER_LEFT: return fq_apply_worker_left;
    case FQ_EVENT_WORKER_SEEN: return fq_apply_worker_seen;
    case FQ_EVENT_LEASE_EXTENDED: return fq_apply_lease_extended;
    case FQ_EVENT_HASH_CHECK: return fq_apply_nothing;
    case FQ_EVENT_NONE:
    case FQ_EVENT_DURABLE_COUNT: break;
    }
    FQ_ASSERT(false);
    return fq_apply_nothing;
}

void fq_engine_apply(fq_engine *engine, fq_decision *decision, size_t index) {
    FQ_ASSERT(index < decision->event_count);
    struct fq_event *event = &decision->events[index];
    if (index == 0)
        fq_reservation_adopt(engine, &decision->reservation);
    if (event->task != NULL)
        FQ_ASSERT(fq_task_next_state(fq_task_state_of(event->task), event->type) >= 0);
    if (fq_event_is_durable(event->type)) {
        FQ_ASSERT(event->at_us >= engine->last_at_us || !event->live);
        if (event->at_us > engine->last_at_us)
            engine->last_at_us = event->at_us;
    }
    if (!fq_event_is_image(event->type))
        engine->loading = false;
    function_of(event->type)(engine, decision, event);
}

void fq_effect_eligible(fq_decision *decision, const struct fq_name *name) {
    fq_decision_effect_add(decision, (struct fq_effect){.type = FQ_EFFECT_ELIGIBLE, .name_id = name->id});
}
