// SPDX-License-Identifier: Apache-2.0
// Final states, and what becomes of a finished task.
#include "engine/apply.h"

#include "engine/ledger.h"
#include "engine/task.h"
#include "engine/worker.h"

static void drop_unique(fq_engine *engine, struct fq_task *task) {
    if ((task->flags & FQ_FLAG_UNIQUE) == 0)
        return;
    fq_str key = fq_field_get(fq_task_fields(task), FQ_FIELD_UNIQUE);
    fq_table_remove(&engine->unique, fq_task_unique_hash(engine, key), fq_table_value(task));
}

// The finished record: without payload unless the task may be requeued, with result or error behind the fields.
static struct fq_task *succeed(fq_engine *engine, struct fq_event *event) {
    struct fq_task *old = event->task;
    struct fq_task *task = event->node;
    event->node = NULL;
    memcpy(task, old, offsetof(struct fq_task, tail));
    if (event->type != FQ_EVENT_FAILED)
        task->payload_len = 0;
    memcpy(task->tail, old->tail, task->payload_len);
    fq_str fields = fq_task_fields(old);
    fields.len = fq_fields_submit_len(fields);
    char *end = task->tail + task->payload_len;
    memcpy(end, fields.ptr, fields.len);
    if (event->ended.fields.len > 0)
        memcpy(end + fields.len, event->ended.fields.ptr, event->ended.fields.len);
    task->field_len = (uint32_t)(fields.len + event->ended.fields.len);
    fq_table_replace(&engine->tasks, fq_task_table_hash(engine, &old->id), fq_table_value(old),
                     fq_table_value(task));
    free(old);
    event->task = task;
    return task;
}

static void count_final(fq_engine *engine, struct fq_task *task, enum fq_event_type type) {
    switch (type) {
    case FQ_EVENT_COMPLETED:
        engine->totals.completed++;
        task->name->completed_total++;
        task->worker->completed_total++;
        break;
    case FQ_EVENT_FAILED:
        engine->totals.failed++;
        task->name->failed_total++;
        task->worker->failed_total++;
        break;
    case FQ_EVENT_CANCELLED: engine->totals.cancelled++; break;
    default: engine->totals.expired++; break;
    }
}

void fq_apply_finished(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    enum fq_task_state from = fq_task_state_of(task);
    engine->hash -= fq_task_hash(task);
    if (from == FQ_TASK_STARTED)
        fq_task_mark_started(engine, task, event->ended.started_us, event);
    fq_task_detach(engine, task);
    drop_unique(engine, task);
    fq_task_count(engine, task, -1);
    task = succeed(engine, event);
    fq_task_count(engine, task, 1);
    fq_task_set_state(engine, task, (enum fq_task_state)fq_task_next_state(from, event->type));
    task->moment = event->at_us;
    task->flags &= (uint8_t)~FQ_FLAG_BY_WALL;
    if (event->ended.crashed) {
        task->crashes++;
        engine->totals.crashed++;
    }
    if (event->type == FQ_EVENT_FAILED)
        task->order = ++engine->order;
    count_final(engine, task, event->type);
    fq_task_attach(engine, task, event->now_us);
    engine->hash += fq_task_hash(task);
    fq_decision_effect_add(decision, (struct fq_effect){.type = FQ_EFFECT_FINISHED, .id = task->id});
}

static void remember(fq_engine *engine, fq_decision *decision, const fq_uuid *id,
                     const struct fq_ledger_record *record) {
    fq_ledger_add(&engine->ledger, &decision->reservation, id, record);
    engine->hash += fq_ledger_hash(fq_ledger_at(&engine->ledger, engine->ledger.next - 1));
}

void fq_apply_gone(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    struct fq_ledger_record record = {.body_hash = task->body_hash,
                                      .finished_us = task->moment,
                                      .state = task->state,
                                      .fate = FQ_FATE_AGED};
    if (event->type == FQ_EVENT_RESULT_EVICTED) {
        record.fate = FQ_FATE_EVICTED;
        engine->totals.evicted++;
    } else if (event->type == FQ_EVENT_PURGED) {
        record.fate = FQ_FATE_PURGED;
    } else if (fq_field_number(fq_task_fields(task), FQ_FIELD_RESULT_TTL_MS, 1) == 0) {
        record.fate = FQ_FATE_NOT_STORED;
    }
    engine->hash -= fq_task_hash(task);
    fq_task_detach(engine, task);
    fq_task_count(engine, task, -1);
    fq_table_remove(&engine->tasks, fq_task_table_hash(engine, &task->id), fq_table_value(task));
    remember(engine, decision, &task->id, &record);
    struct fq_worker *worker = task->worker;
    event->task = NULL;
    free(task);
    fq_worker_release(engine, worker);
}

void fq_apply_ledger(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    remember(engine, decision, &event->id, &event->ledger);
}

void fq_apply_ledger_trimmed(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    for (uint64_t i = 0; i < event->trim_count; i++) {
        engine->hash -= fq_ledger_hash(fq_ledger_at(&engine->ledger, engine->ledger.first));
        fq_ledger_remove_first(&engine->ledger);
    }
}
