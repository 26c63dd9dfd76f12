// SPDX-License-Identifier: Apache-2.0
// How a lease ends other than by success.
#include "engine/decide.h"

#include "engine/task.h"

static int put_error(fq_decision *decision, const struct fq_attempt_end *end, fq_str type) {
    fq_buf *out = &decision->scratch;
    fq_decide_fields_begin(decision);
    int rc = fq_field_put(out, FQ_FIELD_ERROR_TYPE, type);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_ERROR_MESSAGE, end->message);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_ERROR_STACK, end->stack);
    if (rc == 0)
        rc = fq_field_put(out, FQ_FIELD_RUN_TRACEPARENT, end->traceparent);
    if (rc == 0 && end->run_us >= 0)
        rc = fq_field_put_number(out, FQ_FIELD_RUN_US, end->run_us);
    return fq_decide_fields_end(decision, rc);
}

// The context of an attempt that another one follows.
static int put_context(fq_decision *decision, const struct fq_attempt_end *end) {
    if (end->traceparent.len == 0 || end->traceparent.len > FQ_LAST_TRACEPARENT_MAX)
        return 0;
    fq_decide_fields_begin(decision);
    int rc = fq_field_put(&decision->scratch, FQ_FIELD_RUN_TRACEPARENT, end->traceparent);
    return fq_decide_fields_end(decision, rc);
}

static int add_end(const fq_engine *engine, fq_decision *decision, struct fq_now now, struct fq_task *task,
                   enum fq_event_type type, const struct fq_attempt_end *end) {
    struct fq_event *event = fq_decide_about(engine, decision, type, now, task);
    if (event == NULL)
        return FQ_ENOMEM;
    event->ended.started_us = end->started_us;
    return 0;
}

static int add_cancelled(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                         struct fq_task *task, const struct fq_attempt_end *end) {
    int rc = add_end(engine, decision, now, task, FQ_EVENT_CANCELLED, end);
    return rc < 0 ? rc : put_error(decision, end, FQ_STR("TaskCancelled"));
}

int fq_lease_returned(const fq_engine *engine, fq_decision *decision, struct fq_now now,
                      struct fq_task *task) {
    struct fq_attempt_end end = {.message = FQ_STR("cancelled before it ran"), .run_us = -1};
    if ((task->flags & FQ_FLAG_CANCEL_REQUESTED) != 0)
        return add_cancelled(engine, decision, now, task, &end);
    return add_end(engine, decision, now, task, FQ_EVENT_RETURNED, &end);
}

// WorkerLost of a task that nobody ever saw start.
static int put_losses(fq_decision *decision, const struct fq_task *task, const struct fq_attempt_end *end) {
    char message[2 * FQ_NAME_MAX + 128];
    FQ_ASSERT(end->message.len < 2 * FQ_NAME_MAX); // one of our own sentences about the worker
    int len = snprintf(message, sizeof message,
                       "%.*s; no start of the task was known; workers lost with it: %u uncharged, "
                       "%u charged as crashes",
                       (int)end->message.len, end->message.ptr, task->losses, task->crashes + 1u);
    struct fq_attempt_end told = {
        .message = {message, (size_t)len},
          .run_us = -1
    };
    return put_error(decision, &told, FQ_STR("WorkerLost"));
}

int fq_lease_lost(const fq_engine *engine, fq_decision *decision, struct fq_now now, struct fq_task *task,
                  const struct fq_attempt_end *end) {
    if ((task->flags & FQ_FLAG_CANCEL_REQUESTED) != 0)
        return add_cancelled(engine, decision, now, task, end);
    bool is_known = task->started_us != 0 || end->started_us != 0;
    if (!is_known && (!end->vanished || task->losses < engine->config.loss_max)) {
        int rc = add_end(engine, decision, now, task, FQ_EVENT_RETURNED, end);
        if (rc == 0)
            decision->events[decision->event_count - 1].ended.lost = end->vanished;
        return rc;
    }
    if (task->crashes + 1u < engine->config.crash_max) {
        int rc = add_end(engine, decision, now, task, FQ_EVENT_CRASHED, end);
        return rc < 0 ? rc : put_context(decision, end);
    }
    int rc = add_end(engine, decision, now, task, FQ_EVENT_FAILED, end);
    if (rc < 0)
        return rc;
    decision->events[decision->event_count - 1].ended.crashed = true;
    return is_known ? put_error(decision, end, FQ_STR("WorkerLost")) : put_losses(decision, task, end);
}

int fq_lease_failed(const fq_engine *engine, fq_decision *decision, struct fq_now now, struct fq_task *task,
                    const struct fq_attempt_end *end, bool no_retry, uint64_t random) {
    if ((task->flags & FQ_FLAG_CANCEL_REQUESTED) != 0)
        return add_cancelled(engine, decision, now, task, end);
    uint32_t failures = task->attempt > task->crashes ? task->attempt - task->crashes : 1;
    uint32_t retries = task->retries > 0 ? task->retries : end->declared_retries;
    if (retries > engine->config.attempt_max)
        retries = engine->config.attempt_max;
    if (no_retry || failures > retries) {
        int rc = add_end(engine, decision, now, task, FQ_EVENT_FAILED, end);
        fq_str type = end->type.len > 0 ? end->type : FQ_STR("Error");
        return rc < 0 ? rc : put_error(decision, end, type);
    }
    int rc = add_end(engine, decision, now, task, FQ_EVENT_RETRIED, end);
    if (rc < 0)
        return rc;
    int64_t declared_ms =
        end->declared_backoff_ms > 0 ? end->declared_backoff_ms : engine->config.backoff_base_ms;
    int64_t base_ms = fq_field_number(fq_task_fields(task), FQ_FIELD_BACKOFF_MS, declared_ms);
    int64_t delay_ms = fq_retry_delay_ms(base_ms, engine->config.backoff_max_ms, failures, random);
    struct fq_event *event = &decision->events[decision->event_count - 1];
    event->ended.due_us = fq_time_add(event->at_us, delay_ms * FQ_US_PER_MS);
    return put_context(decision, end);
}
