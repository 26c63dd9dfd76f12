// SPDX-License-Identifier: Apache-2.0
// One task as others see it.
#include "engine/task_view.h"

#include "engine/ledger.h"
#include "engine/show.h"
#include "engine/task.h"

static void show_field(struct fq_task_view *view, enum fq_field tag, fq_str value) {
    switch (tag) {
    case FQ_FIELD_ENCODING: view->options.encoding = value; break;
    case FQ_FIELD_TRACEPARENT: view->options.traceparent = value; break;
    case FQ_FIELD_TRACESTATE: view->options.tracestate = value; break;
    case FQ_FIELD_BAGGAGE: view->options.baggage = value; break;
    case FQ_FIELD_UNIQUE: view->options.unique = value; break;
    case FQ_FIELD_LAST_TRACEPARENT: view->last_traceparent = value; break;
    case FQ_FIELD_LAST_ENDED_US: view->last_ended_us = fq_field_as_number(value); break;
    case FQ_FIELD_TIMEOUT_MS: view->timeout_ms = fq_field_as_number(value); break;
    case FQ_FIELD_EXPIRES_US: view->expires_us = fq_field_as_number(value); break;
    case FQ_FIELD_RESULT_TTL_MS: view->result_ttl_ms = fq_field_as_number(value); break;
    default: break;
    }
}

// Shows what came with the submit; returns the fields behind that.
static fq_str show_submitted(struct fq_task_view *view, fq_str fields) {
    while (fields.len > 0) {
        fq_str value;
        enum fq_field tag = fq_field_first(fields, &value);
        if (tag >= FQ_FIELD_SUBMIT_END)
            break;
        show_field(view, tag, value);
        fields = fq_field_rest(fields, value);
    }
    return fields;
}

static void show_error(struct fq_task_view *view, fq_str fields, fq_str type, fq_str message) {
    view->error_type = fq_field_get(fields, FQ_FIELD_ERROR_TYPE);
    view->error_message = fq_field_get(fields, FQ_FIELD_ERROR_MESSAGE);
    view->error_stack = fq_field_get(fields, FQ_FIELD_ERROR_STACK);
    if (view->error_type.len == 0) {
        view->error_type = type;
        view->error_message = message;
    }
}

// `fields`: those that came with the end.
static void show_final(struct fq_task_view *view, const struct fq_task *task, fq_str fields) {
    view->completed_us = task->moment;
    view->run_traceparent = fq_field_get(fields, FQ_FIELD_RUN_TRACEPARENT);
    view->run_us =
        fq_field_number(fields, FQ_FIELD_RUN_US, task->granted_us != 0 ? task->moment - task->granted_us : 0);
    view->result_presence = view->result_ttl_ms == 0 ? FQ_RESULT_NOT_STORED : FQ_RESULT_STORED;
    switch (view->state) {
    case FQ_TASK_SUCCESS:
        view->result = fq_field_get(fields, FQ_FIELD_RESULT);
        view->result_encoding = fq_field_get(fields, FQ_FIELD_RESULT_ENCODING);
        break;
    case FQ_TASK_FAILURE:
        view->result_presence = FQ_RESULT_STORED;
        show_error(view, fields, FQ_STR("Error"), FQ_STR(""));
        break;
    case FQ_TASK_EXPIRED:
        show_error(view, fields, FQ_STR("TaskExpired"), FQ_STR("not started before it expired"));
        break;
    default:
        show_error(view, fields, FQ_STR("TaskCancelled"), FQ_STR("cancelled before it was started"));
        break;
    }
}

// Every task passes here three times: the view is filled where it is, and its fields are read in one walk.
void fq_task_show(const fq_engine *engine, const struct fq_task *task, struct fq_task_view *ret_view) {
    struct fq_task_view *view = ret_view;
    memset(view, 0, sizeof *view);
    view->id = task->id;
    view->name = fq_name_text(task->name);
    view->name_number = task->name->id + 1;
    view->payload = fq_task_payload(task);
    view->state = fq_task_state_of(task);
    view->priority = (enum fq_priority)task->priority;
    view->attempt = task->attempt;
    view->retries = task->retries;
    view->crashes = task->crashes;
    view->losses = task->losses;
    view->submitted_us = task->submitted_us;
    view->eligible_us = task->eligible_us;
    view->granted_us = task->granted_us;
    view->started_us = task->started_us;
    view->result_ttl_ms = engine->config.default_result_ttl_ms;
    view->cancel_requested = (task->flags & FQ_FLAG_CANCEL_REQUESTED) != 0;
    view->worker = fq_worker_id(task->worker);
    fq_str ended = show_submitted(view, fq_task_fields(task));
    // After a backoff `eligible_us` is that of the coming turn, not of the last grant.
    if (view->granted_us >= view->eligible_us && view->granted_us != 0)
        view->wait_us = view->granted_us - view->eligible_us;
    if (view->state == FQ_TASK_SCHEDULED) {
        view->due_us = task->moment;
    } else if (view->state == FQ_TASK_STARTED) {
        view->token = (uint64_t)task->moment;
        view->lease_until_boot_us = fq_heap_key(&engine->lease_timers, task);
    } else if (fq_task_state_is_final(view->state)) {
        show_final(view, task, ended);
    }
}

static void show_entry(const struct fq_ledger_entry *entry, struct fq_task_view *ret_view) {
    struct fq_ledger_record record = fq_ledger_record_of(entry);
    *ret_view = (struct fq_task_view){
        .id = entry->id,
        .state = (enum fq_task_state)record.state,
        .priority = FQ_PRIORITY_NORMAL,
        .completed_us = record.finished_us,
        .result_presence = record.fate == FQ_FATE_NOT_STORED ? FQ_RESULT_NOT_STORED : FQ_RESULT_EVICTED,
    };
}

bool fq_engine_known(const fq_engine *engine, const fq_uuid *id, fq_str unique, fq_uuid *ret_id) {
    *ret_id = *id;
    if (fq_task_find(engine, id) != NULL || fq_ledger_find(&engine->ledger, id) != NULL)
        return true;
    const struct fq_task *task = unique.len > 0 ? fq_task_find_unique(engine, unique) : NULL;
    if (task != NULL)
        *ret_id = task->id;
    return task != NULL;
}

int fq_engine_task(const fq_engine *engine, const fq_uuid *id, struct fq_task_view *ret_view) {
    const struct fq_task *task = fq_task_find(engine, id);
    if (task != NULL) {
        fq_task_show(engine, task, ret_view);
        return 0;
    }
    const struct fq_ledger_entry *entry = fq_ledger_find(&engine->ledger, id);
    if (entry == NULL)
        return FQ_EUNKNOWNTASK;
    show_entry(entry, ret_view);
    return 0;
}

int fq_engine_event_task(const fq_engine *engine, const struct fq_event *event,
                         struct fq_task_view *ret_view) {
    if (event->task == NULL)
        return FQ_EUNKNOWNTASK;
    fq_task_show(engine, event->task, ret_view);
    return 0;
}

int fq_engine_result(fq_engine *engine, const fq_uuid *id, struct fq_task_view *ret_view) {
    struct fq_task *task = fq_task_find(engine, id);
    if (task != NULL && fq_task_state_is_final(fq_task_state_of(task)) &&
        fq_task_state_of(task) != FQ_TASK_FAILURE) {
        fq_list_remove(&task->link);
        fq_list_append(&engine->finished, &task->link);
    }
    return fq_engine_task(engine, id, ret_view);
}
