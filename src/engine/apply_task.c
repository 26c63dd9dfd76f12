// SPDX-License-Identifier: Apache-2.0
// Tasks that come in, wait, and wait again.
#include "engine/apply.h"

#include "engine/name.h"
#include "engine/task.h"
#include "engine/worker.h"

static void copy_tail(struct fq_task *task, fq_str payload, fq_str fields) {
    if (payload.len > 0)
        memcpy(task->tail, payload.ptr, payload.len);
    if (fields.len > 0)
        memcpy(task->tail + payload.len, fields.ptr, fields.len);
    task->payload_len = (uint32_t)payload.len;
    task->field_len = (uint32_t)fields.len;
}

static void hold_unique(fq_engine *engine, struct fq_task *task) {
    if ((task->flags & FQ_FLAG_UNIQUE) == 0)
        return;
    fq_str key = fq_field_get(fq_task_fields(task), FQ_FIELD_UNIQUE);
    fq_table_insert(&engine->unique, fq_task_unique_hash(engine, key), fq_table_value(task));
}

// Makes a filled record known to every structure.
static void enter(fq_engine *engine, struct fq_task *task, int64_t base_us) {
    fq_table_insert(&engine->tasks, fq_task_table_hash(engine, &task->id), fq_table_value(task));
    if (!fq_task_state_is_final(fq_task_state_of(task)))
        hold_unique(engine, task);
    fq_task_count(engine, task, 1);
    fq_task_attach(engine, task, base_us);
    engine->hash += fq_task_hash(task);
}

void fq_apply_submitted(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    const struct fq_submitted *submitted = &event->submitted;
    struct fq_task *task = event->node;
    event->node = NULL;
    event->task = task;
    copy_tail(task, submitted->payload, submitted->fields);
    task->name = fq_name_take(engine, &decision->reservation, submitted->name);
    task->id = event->id;
    task->body_hash = submitted->body_hash;
    task->retries = submitted->retries;
    task->priority = submitted->priority;
    task->flags = submitted->flags;
    task->state = submitted->due_us != 0 ? FQ_TASK_SCHEDULED : FQ_TASK_PENDING;
    task->moment = submitted->due_us;
    task->submitted_us = event->at_us;
    task->eligible_us = event->at_us;
    task->order = ++engine->order;
    engine->totals.submitted++;
    task->name->submitted_total++;
    enter(engine, task, event->now_us);
    if (task->state == FQ_TASK_PENDING)
        fq_effect_eligible(decision, task->name);
}

// Boot times of a snapshot's tasks are rebased by the EPOCH that follows.
static int64_t image_base_us(const struct fq_task_image *image) {
    switch (image->state) {
    case FQ_TASK_SCHEDULED: return image->eligible_us;
    case FQ_TASK_STARTED: return image->granted_us;
    default: return image->moment;
    }
}

void fq_apply_image(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    const struct fq_task_image *image = &event->image;
    struct fq_task *task = event->node;
    event->node = NULL;
    event->task = task;
    copy_tail(task, image->payload, image->fields);
    task->name = fq_name_take(engine, &decision->reservation, image->name);
    task->worker = fq_worker_take(engine, &decision->reservation, image->worker);
    fq_worker_reference(task->worker);
    task->id = event->id;
    task->body_hash = image->body_hash;
    task->order = image->order;
    task->moment = image->moment;
    task->submitted_us = image->submitted_us;
    task->eligible_us = image->eligible_us;
    task->granted_us = image->granted_us;
    task->started_us = image->started_us;
    task->attempt = image->attempt;
    task->retries = image->retries;
    task->crashes = image->crashes;
    task->losses = image->losses;
    task->state = image->state;
    task->priority = image->priority;
    task->flags = image->flags;
    enter(engine, task, image_base_us(image));
}

void fq_apply_eligible(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *task = event->task;
    engine->hash -= fq_task_hash(task);
    fq_task_detach(engine, task);
    fq_task_set_state(engine, task, FQ_TASK_PENDING);
    task->moment = 0;
    task->flags &= (uint8_t)~FQ_FLAG_BY_WALL;
    task->eligible_us = event->at_us;
    task->order = ++engine->order;
    fq_task_attach(engine, task, event->now_us);
    engine->hash += fq_task_hash(task);
    fq_effect_eligible(decision, task->name);
}

void fq_apply_requeued(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    struct fq_task *old = event->task;
    struct fq_task *task = event->node;
    event->node = NULL;
    event->task = task;
    engine->hash -= fq_task_hash(old);
    fq_task_detach(engine, old);
    fq_task_count(engine, old, -1);
    memcpy(task, old, offsetof(struct fq_task, tail));
    fq_str fields = fq_task_fields(old);
    fields.len = fq_fields_submit_len(fields);
    copy_tail(task, fq_task_payload(old), fields);
    fq_table_replace(&engine->tasks, fq_task_table_hash(engine, &old->id), fq_table_value(old),
                     fq_table_value(task));
    free(old);
    fq_worker_release(engine, task->worker);
    task->worker = NULL;
    task->attempt = 0;
    task->crashes = 0;
    task->losses = 0;
    task->granted_us = 0;
    task->started_us = 0;
    task->moment = 0;
    task->flags &= FQ_FLAG_EXPIRES | FQ_FLAG_UNIQUE;
    task->eligible_us = event->at_us;
    task->order = ++engine->order;
    hold_unique(engine, task);
    fq_task_count(engine, task, 1); // still FAILURE: the one setter changes it
    fq_task_set_state(engine, task, FQ_TASK_PENDING);
    fq_task_attach(engine, task, event->now_us);
    engine->hash += fq_task_hash(task);
    fq_effect_eligible(decision, task->name);
}
