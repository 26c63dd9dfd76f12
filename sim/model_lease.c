// SPDX-License-Identifier: Apache-2.0
// Leases: grants, starts, heartbeats, and how they end.
#include "sim/model_state.h"

#include "base/hash.h"
#include "engine/event_data.h"

enum { CRASH_MAX = 5 };

int64_t model_lease_us(const sim_model *model) {
    return (int64_t)(model->options->lease_us / FQ_US_PER_MS * FQ_US_PER_MS);
}

void model_on_granted(sim_model *model, struct model_event *event) {
    struct model_task *task = event->task;
    struct task_body *body = &task->body;
    uint64_t token = event->after != NULL ? event->after->token : 0;
    CHECK(model, S4, body->state == FQ_TASK_PENDING, "task %s is granted in state %u", model_id(task),
          body->state);
    CHECK(model, S5, token > model->token, "task %s is granted under token %llu, not above %llu",
          model_id(task), (unsigned long long)token, (unsigned long long)model->token);
    CHECK(model, S13, body->expires_wall > event->now.wall_us, "expired task %s is granted", model_id(task));
    CHECK(model, S14, !body->cancelling, "cancelled task %s is granted", model_id(task));
    CHECK(model, S19, !model->all_paused && (model->paused >> body->name & 1) == 0,
          "task %s is granted while its name is paused", model_id(task));
    struct fq_core_stats stats = {.draining = false};
    if (model->core != NULL)
        fq_core_stats(model->core, &stats);
    CHECK(model, S38, !stats.draining, "task %s is granted while the server drains", model_id(task));
    int32_t worker = event->after != NULL ? model_worker(model, event->after->worker) : 0;
    model_task_place(model, task); // among the others once more, to choose
    model_check_choice(model, event, worker);
    model_task_unplace(model, task);
    model->token = token;
    body->state = FQ_TASK_STARTED;
    body->token = token;
    body->attempt++;
    body->running = false;
    body->worker = worker;
    body->granted_wall = event->at_us;
    body->lease_until = event->now.boot_us + model_lease_us(model);
    task->reports = (struct reports){.token = token};
    if (event->after != NULL)
        CHECK(model, S36, event->after->lease_until_boot_us == body->lease_until,
              "task %s is leased for %lld us, not for %lld", model_id(task),
              (long long)(event->after->lease_until_boot_us - event->now.boot_us),
              (long long)model_lease_us(model));
}

void model_on_started(sim_model *model, struct model_event *event) {
    struct model_task *task = event->task;
    CHECK(model, S6,
          task->body.state == FQ_TASK_STARTED && task->reports.token == task->body.token &&
              (task->reports.flags & ASKED_RUNNING) != 0,
          "task %s starts, and no holder of its lease said so", model_id(task));
    task->body.running = true;
    task->body.running_boot = event->now.boot_us;
    if (event->after != NULL) // the worker may have told an earlier moment
        task->body.running_boot -= event->at_us - event->after->started_us;
}

void model_notice_stop(sim_model *model, int64_t boot_us) {
    int64_t lease = model_lease_us(model), stall = lease / 4 < FQ_US_PER_S ? lease / 4 : FQ_US_PER_S;
    if (model->turned_boot != 0 && boot_us - model->turned_boot >= stall)
        model->held_until = boot_us + lease / 2;
}

// A server that was stopped, its last turn long ago, lets leases that have ended go on for half a lease unasked.
static bool is_held_after_stop(const sim_model *model, const struct model_event *event, int64_t until) {
    int64_t now = event->now.boot_us;
    return event->task->body.lease_until <= now && now < until && until <= model->held_until;
}

void model_on_extended(sim_model *model, struct model_event *event) {
    struct model_task *task = event->task;
    struct task_body *body = &task->body;
    int64_t until = event->after != NULL ? event->after->lease_until_boot_us : 0;
    model_notice_stop(model, event->now.boot_us);
    CHECK(model, S6,
          body->state == FQ_TASK_STARTED &&
              ((task->reports.token == body->token && (task->reports.flags & ASKED_BEAT) != 0) ||
               is_held_after_stop(model, event, until)),
          "the lease of task %s is extended without a heartbeat of its holder", model_id(task));
    int64_t most = event->now.boot_us + model_lease_us(model);
    if (body->timeout_ms != 0 && body->running) {
        // To the millisecond: that is how exactly starts are kept.
        int64_t end = body->running_boot + body->timeout_ms * FQ_US_PER_MS + 2 * model_lease_us(model);
        if (end + FQ_US_PER_MS < most)
            most = end + FQ_US_PER_MS;
    }
    CHECK(model, S36, until > body->lease_until && until <= most,
          "the lease of task %s is extended to %lld, allowed is %lld", model_id(task), (long long)until,
          (long long)most);
    body->lease_until = until;
}

void model_lease_end(sim_model *model, struct model_event *event, unsigned flags) {
    struct model_task *task = event->task;
    struct task_body *body = &task->body;
    CHECK(model, S2, body->state == FQ_TASK_STARTED, "a lease of task %s ends in state %u, event %d",
          model_id(task), body->state, event->type);
    bool asked = task->reports.token == body->token && (task->reports.flags & flags) != 0;
    bool over = body->lease_until <= event->now.boot_us;
    if (!asked && !over && body->worker > 0 && event->type != FQ_EVENT_COMPLETED &&
        event->type != FQ_EVENT_RETRIED)
        model->leaving = body->worker; // to be shown by what follows
    else
        CHECK(model, S6,
              asked || (over && event->type != FQ_EVENT_COMPLETED && event->type != FQ_EVENT_RETRIED),
              "the lease of task %s ends by event %d, for which nobody asked under its token", model_id(task),
              event->type);
    body->token = 0;
    body->lease_until = 0;
}

// 0.8 to 1.2 of the base, doubled with each failure, at most an hour; a millisecond for rounding.
static void check_backoff(sim_model *model, struct model_event *event, uint32_t failures) {
    const struct task_body *body = &event->task->body;
    const int64_t most_ms = 3600000;
    int64_t base_ms = body->backoff_ms > 0 ? body->backoff_ms : 1000;
    for (uint32_t i = 1; i < failures && base_ms < most_ms; i++)
        base_ms *= 2;
    if (base_ms > most_ms)
        base_ms = most_ms;
    int64_t least_ms = base_ms * 8 / 10 - 1, longest_ms = base_ms * 12 / 10 + 1;
    if (longest_ms > most_ms)
        longest_ms = most_ms;
    int64_t delay_ms = body->delay_us / FQ_US_PER_MS;
    if (body->backoff_ms == BACKOFF_UNKNOWN)
        return;
    CHECK(model, S17, delay_ms >= least_ms && delay_ms <= longest_ms,
          "task %s is retried after %lld ms, to be between %lld and %lld", model_id(event->task),
          (long long)delay_ms, (long long)least_ms, (long long)longest_ms);
}

static void on_retried(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    uint32_t failures = body->attempt - body->crashes;
    model_lease_end(model, event, ASKED_RETRY);
    CHECK(model, S8, failures <= body->retries, "task %s is tried again after %u failures with %u retries",
          model_id(event->task), failures, body->retries);
    CHECK(model, S14, !body->cancelling, "cancelled task %s is tried again", model_id(event->task));
    body->state = FQ_TASK_SCHEDULED;
    body->by_wall = false;
    body->running = false;
    if (event->after == NULL)
        return;
    body->due_wall = event->after->due_us;
    body->eligible_wall = event->at_us;
    body->delay_us = event->after->due_us - event->at_us;
    body->due_boot = event->now.boot_us + body->delay_us;
    check_backoff(model, event, failures);
}

static bool is_over(const struct model_event *event) {
    return event->task->body.lease_until <= event->now.boot_us;
}

bool model_doubt_is_over(const sim_model *model, const struct model_event *event) {
    const struct task_body *body = &event->task->body;
    return !body->running && body->losses >= model->options->loss_max && (is_over(event) || body->worker > 0);
}

// Whether somebody may have said that the task comes back: who gave it back or told of a crash knew that it had not begun.
static bool may_be_told(const sim_model *model, const struct model_event *event) {
    const struct model_task *task = event->task;
    bool given_back =
        task->reports.token == task->body.token && (task->reports.flags & (ASKED_RELEASE | ASKED_CRASH)) != 0;
    return given_back || (task->body.worker > 0 && model->workers[task->body.worker].leaves_asked);
}

// A worker that vanished or fell silent may have begun: that is counted, up to a bound, and nothing else is.
static void check_returned(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    bool over = is_over(event), told = may_be_told(model, event), lost = event->event->ended.lost;
    if ((event->task->reports.flags & ASKED_RELEASE) == 0 && over)
        CHECK(model, S8, !body->running, "running task %s comes back from a lost worker without a charge",
              model_id(event->task));
    if (lost)
        CHECK(model, S8,
              !body->running && (over || body->worker > 0) && body->losses < model->options->loss_max,
              "task %s is lost with a worker and not charged, running %d, behind %u losses",
              model_id(event->task), body->running, body->losses);
    else
        CHECK(model, S8, told || !over, "task %s comes back from a silent worker and is not counted as lost",
              model_id(event->task));
    model_lease_end(model, event, ASKED_RELEASE | ASKED_CRASH);
    if (lost && !over)
        model->leaving = body->worker; // nothing but its leave explains that
    model->uncounted = model->uncounted || (!lost && !over && !told);
    body->losses += lost;
}

void model_on_back(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    if (event->type == FQ_EVENT_RETRIED) {
        on_retried(model, event);
        return;
    }
    bool crashed = event->type == FQ_EVENT_CRASHED;
    CHECK(model, S14, !body->cancelling, "cancelled task %s goes back to its queue", model_id(event->task));
    bool asked_crash = (event->task->reports.flags & ASKED_CRASH) != 0;
    if (crashed)
        CHECK(model, S8,
              (body->running || asked_crash || model_doubt_is_over(model, event)) &&
                  body->crashes + 1u < CRASH_MAX,
              "task %s is charged crash %u, running %d", model_id(event->task), body->crashes + 1u,
              body->running);
    if (crashed)
        model_lease_end(model, event, ASKED_CRASH);
    else
        check_returned(model, event);
    body->state = FQ_TASK_PENDING;
    body->running = false;
    if (crashed) {
        body->crashes++;
        body->order = ++model->order;
        body->eligible_wall = event->at_us;
    } else {
        body->attempt--;
        body->returned_wall = event->at_us;
    }
}
