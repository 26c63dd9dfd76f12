// SPDX-License-Identifier: Apache-2.0
// A lease from grant to return.
#include "engine/apply.h"

#include "engine/task.h"
#include "engine/worker.h"

static void set_worker(fq_engine *engine, struct fq_task *task, struct fq_worker *worker) {
    if (task->worker == worker)
        return;
    fq_worker_reference(worker);
    fq_worker_release(engine, task->worker);
    task->worker = worker;
}

void fq_apply_granted(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    struct fq_worker *worker = fq_worker_take(engine, &decision->reservation, event->granted.worker);
    engine->hash -= fq_task_hash(task);
    fq_task_detach(engine, task);
    set_worker(engine, task, worker);
    task->attempt++;
    task->granted_us = event->at_us;
    task->started_us = 0;
    task->moment = (int64_t)event->granted.token;
    fq_task_set_state(engine, task, FQ_TASK_STARTED);
    fq_task_attach(engine, task, event->now_us);
    engine->hash += fq_task_hash(task);
    engine->token = event->granted.token;
    engine->totals.granted++;
    fq_decision_effect_add(decision, (struct fq_effect){.type = FQ_EFFECT_GRANTED,
                                                        .id = task->id,
                                                        .token = event->granted.token,
                                                        .worker = fq_worker_id(worker)});
}

void fq_apply_started(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    engine->hash -= fq_task_hash(event->task);
    fq_task_mark_started(engine, event->task, event->started_us, event);
    engine->hash += fq_task_hash(event->task);
}

static void end_lease(fq_engine *engine, struct fq_task *task, enum fq_task_state state) {
    fq_task_detach(engine, task);
    fq_task_set_state(engine, task, state);
    task->started_us = 0;
    task->moment = 0;
    task->flags &= (uint8_t)~FQ_FLAG_BY_WALL;
}

void fq_apply_returned(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    engine->hash -= fq_task_hash(task);
    end_lease(engine, task, FQ_TASK_PENDING);
    if (event->type == FQ_EVENT_CRASHED) {
        task->crashes++;
        task->eligible_us = event->at_us;
        task->order = ++engine->order;
        engine->totals.crashed++;
    } else {
        task->attempt--;
        task->granted_us = 0;
        engine->totals.returned++;
    }
    fq_task_attach(engine, task, event->now_us);
    engine->hash += fq_task_hash(task);
    fq_effect_eligible(decision, task->name);
}

void fq_apply_retried(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    struct fq_task *task = event->task;
    engine->hash -= fq_task_hash(task);
    end_lease(engine, task, FQ_TASK_SCHEDULED);
    task->moment = event->ended.due_us;
    task->eligible_us = event->at_us;
    fq_task_attach(engine, task, event->now_us);
    engine->hash += fq_task_hash(task);
    engine->totals.retried++;
}

void fq_apply_cancel_requested(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    engine->hash -= fq_task_hash(task);
    task->flags |= FQ_FLAG_CANCEL_REQUESTED;
    engine->hash += fq_task_hash(task);
    fq_decision_effect_add(decision, (struct fq_effect){.type = FQ_EFFECT_CANCEL,
                                                        .id = task->id,
                                                        .token = (uint64_t)task->moment,
                                                        .worker = fq_worker_id(task->worker)});
}

void fq_apply_lease_extended(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    fq_heap_update(&engine->boot_timers, event->lease_until_us, event->task);
}
