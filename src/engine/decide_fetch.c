// SPDX-License-Identifier: Apache-2.0
#include "engine/decide.h"

#include "engine/name.h"
#include "engine/offer.h"
#include "engine/task.h"
#include "engine/worker.h"

static int check_holder(const fq_engine *engine, fq_decision *decision, const struct fq_worker *worker) {
    bool shown = worker != NULL && fq_list_is_linked(&worker->of_engine);
    if (!shown && engine->holder_count >= engine->config.worker_count_max)
        return fq_refuse(decision, FQ_EBUSY, "%llu workers are known, the limit; let idle ones unregister",
                         (unsigned long long)engine->holder_count);
    return 0;
}

// Offers what the command names at one priority; of a registered worker, only what it registered.
static int offer(const fq_engine *engine, const struct fq_command *command, fq_decision *decision,
                 const struct fq_worker *worker, enum fq_priority priority) {
    const struct fq_set *set = worker != NULL && worker->registered ? worker->set : NULL;
    fq_choice_begin(decision);
    if (command->fetch.name_count == 0)
        return fq_choice_add_set(decision, set, priority);
    for (size_t i = 0; i < command->fetch.name_count; i++) {
        fq_str text = command->fetch.names[i];
        const struct fq_name *name = fq_name_find(engine, text);
        if (name == NULL || (set != NULL && !fq_set_has(set, text)))
            continue;
        int rc = fq_choice_add_name(decision, name, priority);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int grant(const fq_engine *engine, fq_decision *decision, struct fq_now now, struct fq_task *task,
                 fq_str worker, uint64_t *token) {
    bool expired = fq_task_expires_us(task) <= now.wall_us;
    struct fq_event *event =
        fq_decide_about(engine, decision, expired ? FQ_EVENT_EXPIRED : FQ_EVENT_GRANTED, now, task);
    if (event == NULL)
        return FQ_ENOMEM;
    if (expired)
        return 0;
    event->granted.token = ++*token;
    event->granted.worker = worker;
    return 1;
}

static int choose(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                  fq_decision *decision, const struct fq_worker *worker) {
    uint32_t left = command->fetch.count < FQ_FETCH_MAX ? command->fetch.count : FQ_FETCH_MAX;
    uint64_t token = engine->token;
    for (int priority = 0; priority < FQ_PRIORITY_COUNT && left > 0; priority++) {
        int rc = offer(engine, command, decision, worker, (enum fq_priority)priority);
        if (rc < 0)
            return rc;
        struct fq_task *task = NULL;
        const struct fq_task *last = NULL;
        while (left > 0 && decision->event_count < FQ_EVENTS_MAX &&
               (rc = fq_choice_next(decision, (enum fq_priority)priority, &task)) > 0) {
            if (task == last) // a name given twice
                continue;
            last = task;
            bool alone = task->losses != 0; // should it be what ended its worker, no others go with it
            if (alone && (command->fetch.follows || token > engine->token))
                return 0;
            int granted = grant(engine, decision, now, task, command->fetch.worker, &token);
            if (granted < 0)
                return granted;
            left -= (uint32_t)granted;
            if (alone && granted > 0)
                return 0;
        }
        if (rc < 0)
            return rc;
        if (left > 0 && decision->event_count >= FQ_EVENTS_MAX) {
            decision->is_partial = true;
            break;
        }
    }
    return 0;
}

int fq_decide_fetch(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                    fq_decision *decision) {
    int rc = fq_decide_check_name(decision, "worker id", command->fetch.worker);
    if (rc < 0)
        return rc;
    const struct fq_worker *worker = fq_worker_find(engine, command->fetch.worker);
    if (command->fetch.name_count == 0 && (worker == NULL || !worker->registered))
        return fq_refuse(decision, FQ_EUNKNOWNWORKER,
                         "the worker is not registered: send FQ.REGISTER, or name the tasks with TASKS");
    if (!engine->draining && !engine->all_paused) {
        rc = check_holder(engine, decision, worker);
        if (rc == 0)
            rc = choose(engine, command, now, decision, worker);
        if (rc < 0)
            return rc;
    }
    return fq_decide_seen(engine, decision, now, command->fetch.worker);
}
