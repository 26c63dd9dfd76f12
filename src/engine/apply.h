// SPDX-License-Identifier: Apache-2.0
// Events into state, one function a family; private to engine/. None can fail: each consumes what was reserved.
#ifndef FQ_ENGINE_APPLY_H
#define FQ_ENGINE_APPLY_H

#include "engine/state.h"

typedef void fq_apply(fq_engine *engine, fq_decision *decision, struct fq_event *event);

fq_apply fq_apply_submitted, fq_apply_image, fq_apply_eligible, fq_apply_requeued; // apply_task.c
fq_apply fq_apply_granted, fq_apply_started, fq_apply_returned, fq_apply_retried;  // apply_lease.c
fq_apply fq_apply_cancel_requested, fq_apply_lease_extended;
fq_apply fq_apply_finished, fq_apply_gone, fq_apply_ledger, fq_apply_ledger_trimmed; // apply_final.c
fq_apply fq_apply_paused, fq_apply_epoch, fq_apply_clock_jump, fq_apply_nothing;     // apply_engine.c
fq_apply fq_apply_snapshot, fq_apply_name, fq_apply_registered, fq_apply_worker_left, fq_apply_worker_seen;

/** Tells that a task of its name waits. */
void fq_effect_eligible(fq_decision *decision, const struct fq_name *name);

#endif
