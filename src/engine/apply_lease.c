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
    fq_table_prefetch(&engine->tasks, fq_task_table_hash(engine, &task->id)); // its outcome comes soon
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

// When the attempt before ended, where its context is kept: also when this one told none.
static void note_end(struct fq_task *task, const struct fq_event *event) {
    if (event->type != FQ_EVENT_RETURNED)
        fq_field_set_number(task->tail + task->payload_len, task->field_len, FQ_FIELD_LAST_ENDED_US,
                            event->at_us);
}

// The record that replaces a task's whose attempt told its context; the task is on no list or timer meanwhile.
static struct fq_task *keep_context(fq_engine *engine, struct fq_event *event) {
    struct fq_task *old = event->task, *task = event->node;
    if (task == NULL) {
        note_end(old, event);
        return old;
    }
    event->node = NULL;
    event->task = task;
    fq_task_count(engine, old, -1);
    memcpy(task, old, offsetof(struct fq_task, tail));
    fq_str fields = fq_task_fields(old);
    size_t kept = old->payload_len + fq_fields_len_before(fields, FQ_FIELD_LAST_TRACEPARENT);
    memcpy(task->tail, old->tail, kept);
    char *end = fq_field_write(task->tail + kept, FQ_FIELD_LAST_TRACEPARENT, fq_task_last_context(event));
    end = fq_field_write_number(end, FQ_FIELD_LAST_ENDED_US, event->at_us);
    task->field_len = (uint32_t)(end - task->tail - task->payload_len);
    fq_table_replace(&engine->tasks, fq_task_table_hash(engine, &old->id), fq_table_value(old),
                     fq_table_value(task));
    if ((task->flags & FQ_FLAG_UNIQUE) != 0) {
        fq_str key = fq_field_get(fq_task_fields(task), FQ_FIELD_UNIQUE);
        fq_table_replace(&engine->unique, fq_task_unique_hash(engine, key), fq_table_value(old),
                         fq_table_value(task));
    }
    free(old);
    fq_task_count(engine, task, 1);
    return task;
}

void fq_apply_returned(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    engine->hash -= fq_task_hash(task);
    end_lease(engine, task, FQ_TASK_PENDING);
    task = keep_context(engine, event);
    if (event->type == FQ_EVENT_CRASHED) {
        task->crashes++;
        task->eligible_us = event->at_us;
        task->order = ++engine->order;
        engine->totals.crashed++;
    } else {
        task->attempt--;
        task->granted_us = 0;
        if (event->ended.lost && task->losses < UINT8_MAX)
            task->losses++;
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
    task = keep_context(engine, event);
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
    fq_heap_update(&engine->lease_timers, event->lease_until_us, event->task);
}
