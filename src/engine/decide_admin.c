// SPDX-License-Identifier: Apache-2.0
#include "engine/decide.h"

#include "engine/dead.h"
#include "engine/ledger.h"
#include "engine/name.h"
#include "engine/task.h"

static int refuse_unknown(fq_decision *decision) {
    return fq_refuse(decision, FQ_EUNKNOWNTASK, "no task has this id");
}

int fq_decide_cancel(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                     fq_decision *decision) {
    struct fq_task *task = fq_task_find(engine, &command->cancel.id);
    if (task == NULL)
        return fq_ledger_find(&engine->ledger, &command->cancel.id) != NULL ? 0 : refuse_unknown(decision);
    enum fq_task_state state = fq_task_state_of(task);
    if (fq_task_state_is_final(state))
        return 0;
    decision->touched = 1;
    if ((task->flags & FQ_FLAG_CANCEL_REQUESTED) != 0)
        return 0;
    enum fq_event_type type = state == FQ_TASK_STARTED ? FQ_EVENT_CANCEL_REQUESTED : FQ_EVENT_CANCELLED;
    return fq_decide_about(engine, decision, type, now, task) != NULL ? 0 : FQ_ENOMEM;
}

// Names that begin to wait, or go on, with the whole queue.
static uint64_t count_changing(const fq_engine *engine, bool pause) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < engine->name_count; i++) {
        bool waits = engine->all_paused || engine->name_list[i]->paused;
        count += waits != pause;
    }
    return count;
}

int fq_decide_pause(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                    fq_decision *decision) {
    bool pause = command->type == FQ_COMMAND_PAUSE;
    fq_str text = pause ? command->pause.name : command->resume.name;
    const struct fq_name *name = NULL;
    if (text.len > 0) {
        int rc = fq_decide_check_name(decision, "task name", text);
        if (rc < 0)
            return rc;
        name = fq_name_find(engine, text);
        if (name == NULL && !pause)
            return 0;
        if (name == NULL && engine->name_count >= engine->config.name_count_max)
            return fq_refuse(decision, FQ_EFULL, "%u task names are in use, the limit", engine->name_count);
        if (name != NULL && name->paused == pause)
            return 0;
    } else {
        decision->touched = count_changing(engine, pause);
        if (decision->touched == 0 && pause == engine->all_paused)
            return 0;
    }
    struct fq_event *event =
        fq_decision_add(decision, pause ? FQ_EVENT_PAUSED : FQ_EVENT_RESUMED, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->name = text;
    if (text.len > 0)
        decision->touched = 1;
    return 0;
}

int fq_decide_dead_requeue(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                           fq_decision *decision) {
    struct fq_task *task = fq_task_find(engine, &command->dead_requeue.id);
    if (task == NULL)
        return refuse_unknown(decision);
    if (fq_task_state_of(task) != FQ_TASK_FAILURE)
        return fq_refuse(decision, FQ_EBADSTATE, "the task is %s; only a failed one can be requeued",
                         fq_task_state_name(fq_task_state_of(task)));
    fq_str key = fq_field_get(fq_task_fields(task), FQ_FIELD_UNIQUE);
    if (key.len > 0 && fq_task_find_unique(engine, key) != NULL)
        return fq_refuse(decision, FQ_EBADSTATE,
                         "its UNIQUE key is held by a live task; requeue it after that one");
    decision->touched = 1;
    return fq_decide_about(engine, decision, FQ_EVENT_REQUEUED, now, task) != NULL ? 0 : FQ_ENOMEM;
}

static int purge_one(const fq_engine *engine, const fq_uuid *id, struct fq_now now, fq_decision *decision) {
    struct fq_task *task = fq_task_find(engine, id);
    if (task == NULL)
        return refuse_unknown(decision);
    if (fq_task_state_of(task) != FQ_TASK_FAILURE)
        return fq_refuse(decision, FQ_EBADSTATE, "the task is %s, not in the dead list",
                         fq_task_state_name(fq_task_state_of(task)));
    decision->touched = 1;
    return fq_decide_about(engine, decision, FQ_EVENT_PURGED, now, task) != NULL ? 0 : FQ_ENOMEM;
}

int fq_decide_dead_purge(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                         fq_decision *decision) {
    if (command->one)
        return purge_one(engine, &command->dead_purge_one.id, now, decision);
    const struct fq_name *name = NULL;
    if (command->dead_purge.name.len > 0) {
        name = fq_name_find(engine, command->dead_purge.name);
        if (name == NULL)
            return 0;
    }
    const struct fq_dead *dead = &engine->dead;
    for (size_t i = dead->begin; i < dead->end && decision->event_count < FQ_EVENTS_MAX; i++) {
        struct fq_task *task = dead->entries[i].task;
        if (task == NULL || (name != NULL && task->name != name))
            continue;
        if (fq_decide_about(engine, decision, FQ_EVENT_PURGED, now, task) == NULL)
            return FQ_ENOMEM;
    }
    decision->touched = decision->event_count;
    return 0;
}
