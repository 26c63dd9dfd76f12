// SPDX-License-Identifier: Apache-2.0
// The table of commands, and what their deciders share.
#include "engine/decide.h"

#include "engine/task.h"
#include "engine/worker.h"

static fq_decide *function_of(enum fq_command_type type) {
    switch (type) {
    case FQ_COMMAND_SUBMIT: return fq_decide_submit;
    case FQ_COMMAND_CANCEL: return fq_decide_cancel;
    case FQ_COMMAND_REGISTER: return fq_decide_register;
    case FQ_COMMAND_UNREGISTER: return fq_decide_unregister;
    case FQ_COMMAND_WORKER_GONE: return fq_decide_worker_gone;
    case FQ_COMMAND_FETCH: return fq_decide_fetch;
    case FQ_COMMAND_COMPLETE: return fq_decide_complete;
    case FQ_COMMAND_FAIL: return fq_decide_fail;
    case FQ_COMMAND_HEARTBEAT: return fq_decide_heartbeat;
    case FQ_COMMAND_RELEASE: return fq_decide_release;
    case FQ_COMMAND_PAUSE:
    case FQ_COMMAND_RESUME: return fq_decide_pause;
    case FQ_COMMAND_DEAD_REQUEUE: return fq_decide_dead_requeue;
    case FQ_COMMAND_DEAD_PURGE: return fq_decide_dead_purge;
    }
    FQ_ASSERT(false);
    return NULL;
}

int fq_engine_decide(const fq_engine *engine, const struct fq_command *command, struct fq_now now,
                     fq_decision *decision) {
    fq_decision_reset(decision);
    int rc = function_of(command->type)(engine, command, now, decision);
    if (rc == 0)
        rc = fq_reserve(engine, decision);
    if (rc == 0)
        return 0;
    if (decision->reason[0] == '\0')
        fq_refuse(decision, rc, "%s", fq_strerror(rc));
    fq_decision_drop_nodes(decision);
    decision->event_count = 0;
    return rc;
}

struct fq_event *fq_decide_about(const fq_engine *engine, fq_decision *decision, enum fq_event_type type,
                                 struct fq_now now, struct fq_task *task) {
    struct fq_event *event = fq_decision_add(decision, type, engine, now);
    if (event == NULL)
        return NULL;
    event->task = task;
    event->id = task->id;
    return event;
}

void fq_decide_fields_begin(fq_decision *decision) {
    decision->events[decision->event_count - 1].fields_at = fq_buf_len(&decision->scratch);
}

int fq_decide_fields_end(fq_decision *decision, int rc) {
    struct fq_event *event = &decision->events[decision->event_count - 1];
    event->fields_len = fq_buf_len(&decision->scratch) - event->fields_at;
    return rc;
}

int fq_decide_seen(const fq_engine *engine, fq_decision *decision, struct fq_now now, fq_str id) {
    struct fq_worker *worker = id.len > 0 ? fq_worker_find(engine, id) : NULL;
    if (worker == NULL || !worker->registered)
        return 0;
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_WORKER_SEEN, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->worker.worker = worker;
    return 0;
}

int fq_decide_check_name(fq_decision *decision, const char *what, fq_str text) {
    if (text.len > FQ_NAME_MAX)
        return fq_refuse(decision, FQ_ETOOBIG, "the %s has %zu bytes; at most %d are allowed", what, text.len,
                         FQ_NAME_MAX);
    if (!fq_str_is_name(text))
        return fq_refuse(decision, FQ_EINVALID, "the %s must be printable UTF-8 without blanks and not empty",
                         what);
    return 0;
}
