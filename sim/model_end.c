// SPDX-License-Identifier: Apache-2.0
// How tasks end, and what becomes of them then.
#include "sim/model_state.h"

#include "base/hash.h"
#include "engine/event_data.h"

enum { CRASH_MAX = 5 };

static void on_completed(sim_model *model, struct model_event *event) {
    struct model_task *task = event->task;
    const struct reports *reports = &task->reports;
    model_lease_end(model, event, ASKED_COMPLETE);
    task->body.state = FQ_TASK_SUCCESS;
    model->stats.executed++;
    if (event->after == NULL)
        return;
    fq_str result = event->after->result;
    task->body.result_hash = fq_hash_str(result, 0);
    task->body.result_len = (uint32_t)result.len;
    bool sent = false;
    for (unsigned i = 0; i < reports->result_count; i++)
        sent = sent || (reports->result_hash[i] == task->body.result_hash &&
                        reports->result_len[i] == task->body.result_len);
    CHECK(model, S7, sent, "task %s has a result of %zu bytes that no holder of its lease sent",
          model_id(task), result.len);
}

static void on_failed(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    uint8_t flags = event->task->reports.flags;
    bool lost = event->after != NULL && event->after->crashes > body->crashes;
    uint32_t failures = body->attempt > body->crashes ? body->attempt - body->crashes : 1;
    CHECK(model, S14, !body->cancelling, "cancelled task %s fails", model_id(event->task));
    if (lost)
        CHECK(model, S9,
              body->crashes + 1u >= CRASH_MAX &&
                  (body->running || (flags & ASKED_CRASH) != 0 || model_doubt_is_over(model, event)),
              "task %s fails by crash %u, running %d", model_id(event->task), body->crashes + 1u,
              body->running);
    else
        CHECK(model, S9,
              (flags & ASKED_NO_RETRY) != 0 || ((flags & ASKED_RETRY) != 0 && failures > body->retries),
              "task %s fails after %u failures with %u retries", model_id(event->task), failures,
              body->retries);
    model_lease_end(model, event, lost ? ASKED_CRASH : ASKED_FAIL);
    body->crashes += lost;
    body->state = FQ_TASK_FAILURE;
    body->order = ++model->order;
    model->stats.executed++;
}

static void on_cancelled(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    CHECK(model, S14, (event->task->asked & ASKED_CANCEL) != 0, "task %s is cancelled and nobody asked",
          model_id(event->task));
    if (body->state == FQ_TASK_STARTED) {
        CHECK(model, S14, body->cancelling, "task %s is cancelled under its worker's hands",
              model_id(event->task));
        model_lease_end(model, event, ASKED_FAIL | ASKED_RELEASE | ASKED_CRASH);
    } else {
        CHECK(model, S2, body->state <= FQ_TASK_PENDING, "task %s is cancelled in state %u",
              model_id(event->task), body->state);
    }
    body->state = FQ_TASK_CANCELLED;
}

static void on_expired(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    CHECK(model, S2, body->state <= FQ_TASK_PENDING, "task %s expires in state %u", model_id(event->task),
          body->state);
    CHECK(model, S13, body->expires_wall <= event->now.wall_us, "task %s expires early",
          model_id(event->task));
    body->state = FQ_TASK_EXPIRED;
}

void model_on_final(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    switch (event->type) {
    case FQ_EVENT_COMPLETED: on_completed(model, event); break;
    case FQ_EVENT_FAILED: on_failed(model, event); break;
    case FQ_EVENT_CANCELLED: on_cancelled(model, event); break;
    default: on_expired(model, event); break;
    }
    if (body->attempt > 1)
        model->stats.executed_twice++;
    body->running = false;
    body->by_wall = false;
    body->completed_wall = event->at_us;
    body->due_boot = event->now.boot_us + body->ttl_ms * FQ_US_PER_MS;
}

void model_on_gone(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    bool purged = event->type == FQ_EVENT_PURGED;
    bool right = purged ? body->state == FQ_TASK_FAILURE
                        : model_is_final(event->task) && body->state != FQ_TASK_FAILURE;
    CHECK(model, S2, right, "task %s goes by event %d in state %u", model_id(event->task), event->type,
          body->state);
    if (purged)
        CHECK(model, S33, model->purge_all || (event->task->asked & ASKED_PURGE) != 0,
              "task %s is purged and nobody asked", model_id(event->task));
    if (event->type == FQ_EVENT_FORGOTTEN)
        CHECK(model, S36, body->due_boot <= event->now.boot_us,
              "the result of task %s is dropped before its time", model_id(event->task));
    body->final_state = body->state;
    body->state = MODEL_GONE;
}
