// SPDX-License-Identifier: Apache-2.0
// Events: each is judged by what the model knew before, then taken over. Here: submits, waiting, pauses, boots.
#include "sim/model_state.h"

#include "base/hash.h"
#include "engine/event_data.h"

static uint64_t text_hash(fq_str text) {
    return fq_hash_str(text, 0);
}

struct submitted { // what the event made
    const struct fq_task_view *view;
    uint64_t payload_hash, unique;
    int64_t at_us, wall_us;
    uint8_t name;
};

static bool is_as_asked(const struct submitted *made, const struct intent *intent) {
    const struct fq_task_view *view = made->view;
    bool by_wall = intent->at_us > made->wall_us; // a time that has passed means at once
    bool later = intent->delay_us > 0 || by_wall;
    return made->payload_hash == intent->payload_hash && view->payload.len == intent->payload_len &&
           made->name == intent->name && view->priority == intent->priority &&
           view->retries == intent->retries && view->timeout_ms == intent->timeout_ms &&
           made->unique == intent->unique &&
           view->expires_us == (intent->expires_us > 0 ? made->at_us + intent->expires_us : 0) &&
           view->result_ttl_ms == intent->ttl_ms && (view->state == FQ_TASK_SCHEDULED) == later &&
           (!later || view->due_us == (by_wall ? intent->at_us : made->at_us + intent->delay_us));
}

static struct intent *find_intent(sim_model *model, const struct model_event *event) {
    if (event->after == NULL)
        return NULL;
    fq_str unique = event->after->options.unique;
    struct submitted made = {.view = event->after,
                             .payload_hash = text_hash(event->after->payload),
                             .unique = unique.len != 0 ? text_hash(unique) | 1 : 0,
                             .at_us = event->at_us,
                             .wall_us = event->now.wall_us,
                             .name = model_name(model, event->after->name)};
    for (struct intent *intent = event->task->intents; intent != NULL; intent = intent->next) {
        if (is_as_asked(&made, intent))
            return intent;
    }
    for (struct intent **link = &model->nameless; *link != NULL; link = &(*link)->next) {
        struct intent *intent = *link;
        if (!is_as_asked(&made, intent))
            continue;
        *link = intent->next;
        intent->backoff_ms = BACKOFF_UNKNOWN; // there may be another one that differs in nothing but that
        intent->next = event->task->intents;
        event->task->intents = intent;
        return intent;
    }
    return NULL;
}

static void on_submitted(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    const struct fq_task_view *view = event->after;
    CHECK(model, S16, body->state == MODEL_NONE, "task %s is made a second time", model_id(event->task));
    const struct intent *intent = find_intent(model, event);
    if (!CHECK(model, S33, intent != NULL, "task %s was made as nobody asked for it", model_id(event->task)))
        return;
    check_submit_fits(model, event->task, intent->payload_len);
    bool by_wall = intent->at_us > event->now.wall_us;
    *body = (struct task_body){
        .state = by_wall || intent->delay_us > 0 ? FQ_TASK_SCHEDULED : FQ_TASK_PENDING,
        .name = intent->name,
        .priority = intent->priority,
        .retries = intent->retries,
        .worker = -1,
        .order = ++model->order,
        .submit_seq = model->seq,
        .by_wall = by_wall,
        .delay_us = intent->delay_us,
        .due_wall = view->due_us,
        .due_boot = by_wall ? 0 : event->now.boot_us + intent->delay_us,
        .eligible_wall = event->at_us,
        .expires_wall = intent->expires_us > 0 ? event->at_us + intent->expires_us : FQ_NEVER_US,
        .timeout_ms = intent->timeout_ms,
        .backoff_ms = intent->backoff_ms,
        .ttl_ms = view->result_ttl_ms,
        .unique = intent->unique,
        .body = intent->body,
        .payload_hash = intent->payload_hash,
        .payload_len = (uint32_t)intent->payload_len,
    };
}

static void on_eligible(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    CHECK(model, S2, body->state == FQ_TASK_SCHEDULED, "task %s becomes eligible in state %u",
          model_id(event->task), body->state);
    bool is_due = body->by_wall ? body->due_wall <= event->now.wall_us : body->due_boot <= event->now.boot_us;
    CHECK(model, S12, is_due, "task %s is made eligible before it is due", model_id(event->task));
    CHECK(model, S36, is_due, "task %s is made eligible early", model_id(event->task));
    CHECK(model, S13, body->expires_wall > event->now.wall_us, "expired task %s is made eligible",
          model_id(event->task));
    body->state = FQ_TASK_PENDING;
    body->by_wall = false;
    body->order = ++model->order;
    body->eligible_wall = event->at_us;
}

static void on_requeued(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    CHECK(model, S2, body->state == FQ_TASK_FAILURE, "task %s is requeued in state %u", model_id(event->task),
          body->state);
    CHECK(model, S33, model->requeue_all || (event->task->asked & ASKED_REQUEUE) != 0,
          "task %s is requeued and nobody asked for it", model_id(event->task));
    body->state = FQ_TASK_PENDING;
    body->attempt = 0;
    body->crashes = 0;
    body->losses = 0;
    body->cancelling = false;
    body->running = false;
    body->order = ++model->order;
    body->eligible_wall = event->at_us;
    body->worker = -1;
}

static void on_cancel_requested(sim_model *model, struct model_event *event) {
    struct task_body *body = &event->task->body;
    CHECK(model, S14, body->state == FQ_TASK_STARTED && (event->task->asked & ASKED_CANCEL) != 0,
          "task %s is to be cancelled in state %u, asked %d", model_id(event->task), body->state,
          event->task->asked);
    body->cancelling = true;
}

static void on_paused(sim_model *model, const struct model_event *event) {
    bool paused = event->type == FQ_EVENT_PAUSED;
    fq_str text = event->event->name;
    uint8_t name = text.len == 0 ? MODEL_NAMES_MAX : model_name(model, text);
    model->pause_moment[name] = model->moment;
    if (!paused)
        model->resumed_us = sim_world_time(model->world);
    if (text.len > 0) {
        uint64_t bit = UINT64_C(1) << name;
        model->paused = paused ? model->paused | bit : model->paused & ~bit;
        return;
    }
    model->all_paused = paused;
    if (!paused)
        model->paused = 0;
}

// What is left of a delay when the boot clock has begun anew: never more than the whole, never less than nothing.
static int64_t left_us(int64_t whole_us, int64_t begun_wall, int64_t wall_us) {
    int64_t passed = wall_us > begun_wall ? wall_us - begun_wall : 0;
    return passed >= whole_us ? 0 : whole_us - passed;
}

static void on_epoch(sim_model *model, const struct model_event *event) {
    struct fq_now now = event->now;
    uint64_t token = (uint64_t)event->event->epoch.epoch << 40;
    CHECK(model, S5, token > model->token, "boot epoch %u is not above the last token",
          event->event->epoch.epoch);
    model->token = token;
    for (struct model_task *task = model->scheduled.first; task != NULL; task = task->next) {
        if (!task->body.by_wall)
            task->body.due_boot =
                now.boot_us + left_us(task->body.delay_us, task->body.eligible_wall, now.wall_us);
    }
    for (struct model_task *task = model->started.first; task != NULL; task = task->next) {
        struct fq_task_view view; // the grace is a lease at least; the one configured here is shorter
        bool there = fq_engine_task(event->engine, &task->id, &view) == 0;
        CHECK(model, S36, there && view.lease_until_boot_us == now.boot_us + model_lease_us(model),
              "the lease of task %s has not begun anew at a boot", model_id(task));
        task->body.lease_until = there ? view.lease_until_boot_us : now.boot_us;
        task->body.running_boot = now.boot_us;
    }
    for (struct model_task *task = model->final.first; task != NULL; task = task->next)
        task->body.due_boot =
            now.boot_us + left_us(task->body.ttl_ms * FQ_US_PER_MS, task->body.completed_wall, now.wall_us);
}

// The oldest finished ids are forgotten for good: their ids may be used again.
static void on_trimmed(sim_model *model, const struct model_event *event) {
    for (uint64_t i = 0; i < event->event->trim_count && model->gone.first != NULL; i++) {
        struct model_task *task = model->gone.first;
        model_remember(model, task, FQ_EVENT_NONE);
        model->totals[FQ_EVENT_NONE]++;
        model_task_unplace(model, task);
        task->body.state = MODEL_NONE;
        model_task_place(model, task);
        model_past_add(model, task, FQ_EVENT_LEDGER_TRIMMED, 0);
    }
}

static void judge(sim_model *model, struct model_event *event) {
    switch (event->type) {
    case FQ_EVENT_SUBMITTED: on_submitted(model, event); break;
    case FQ_EVENT_ELIGIBLE: on_eligible(model, event); break;
    case FQ_EVENT_GRANTED: model_on_granted(model, event); break;
    case FQ_EVENT_STARTED: model_on_started(model, event); break;
    case FQ_EVENT_RETRIED:
    case FQ_EVENT_RETURNED:
    case FQ_EVENT_CRASHED: model_on_back(model, event); break;
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_FAILED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED: model_on_final(model, event); break;
    case FQ_EVENT_CANCEL_REQUESTED: on_cancel_requested(model, event); break;
    case FQ_EVENT_RESULT_EVICTED:
    case FQ_EVENT_FORGOTTEN:
    case FQ_EVENT_PURGED: model_on_gone(model, event); break;
    case FQ_EVENT_REQUEUED: on_requeued(model, event); break;
    case FQ_EVENT_LEASE_EXTENDED: model_on_extended(model, event); break;
    default:
        CHECK(model, S22, false, "event %d about task %s is none that a server writes", event->type,
              model_id(event->task));
        break;
    }
}

static void compare_after(sim_model *model, const struct model_event *event) {
    const struct task_body *body = &event->task->body;
    const struct fq_task_view *view = event->after;
    if (view == NULL)
        return;
    CHECK(model, S3, view->state == body->state, "task %s is %s behind event %d, not in state %u",
          model_id(event->task), fq_task_state_name(view->state), event->type, body->state);
    CHECK(model, S8, view->attempt == body->attempt && view->crashes == body->crashes,
          "task %s has attempt %u and %u crashes behind event %d, not %u and %u", model_id(event->task),
          view->attempt, view->crashes, event->type, body->attempt, body->crashes);
    CHECK(model, S8, view->losses == body->losses, "task %s has %u losses behind event %d, not %u",
          model_id(event->task), view->losses, event->type, body->losses);
    CHECK(model, S6, view->token == body->token, "task %s is held under another token behind event %d",
          model_id(event->task), event->type);
    CHECK(model, S14, view->cancel_requested == body->cancelling,
          "task %s forgets, or invents, that it is to be cancelled behind event %d", model_id(event->task),
          event->type);
}

static void on_task_event(sim_model *model, struct model_event *event) {
    struct model_task *task = event->task;
    bool durable = fq_event_is_durable(event->type);
    uint8_t crashes = task->body.crashes;
    uint64_t token = task->body.token;
    if (durable)
        model_remember(model, task, event->type);
    model_task_unplace(model, task);
    judge(model, event);
    model_task_place(model, task);
    if (!durable)
        return;
    if (task->body.crashes > crashes) {
        model->crashed_total++;
        model->undos[(model->undo_next - 1) & (model->undo_room - 1)].crash_counted = true;
    }
    model_past_add(model, task, event->type, token != 0 ? token : task->body.token);
    compare_after(model, event);
}

static void on_other_event(sim_model *model, struct model_event *event) {
    if (fq_event_is_durable(event->type))
        model_remember(model, NULL, event->type);
    switch (event->type) {
    case FQ_EVENT_PAUSED:
    case FQ_EVENT_RESUMED: on_paused(model, event); break;
    case FQ_EVENT_EPOCH: on_epoch(model, event); break;
    case FQ_EVENT_LEDGER_TRIMMED: on_trimmed(model, event); break;
    case FQ_EVENT_WORKER_REGISTERED: model_on_registered(model, event); break;
    case FQ_EVENT_WORKER_LEFT: model_on_worker_left(model, event); break;
    default: break;
    }
}

// A lease that ended because its worker left is followed by that leave and nothing else.
static void check_leaving(sim_model *model, const struct model_event *event) {
    bool goes_on = event->type == FQ_EVENT_WORKER_LEFT || event->type == FQ_EVENT_RETURNED ||
                   event->type == FQ_EVENT_CRASHED || event->type == FQ_EVENT_FAILED ||
                   event->type == FQ_EVENT_CANCELLED;
    CHECK(model, S36, goes_on, "a lease of worker %s ended early and for no reason",
          model->workers[model->leaving].id);
    if (!goes_on)
        model->leaving = -1;
}

void model_on_event(void *context, const fq_engine *engine, const struct fq_event *told,
                    const struct fq_task_view *after) {
    sim_model *model = context;
    if (sim_world_failed(model->world))
        return;
    struct model_event event = {.event = told,
                                .type = fq_event_type_of(told),
                                .engine = engine,
                                .after = after,
                                .at_us = told->at_us};
    event.now = sim_world_server_now(model->world);
    model->moment++;
    model->turn_events++;
    model->stats.events++;
    if (model->leaving >= 0)
        check_leaving(model, &event);
    if (fq_event_is_durable(event.type)) {
        model->seq++;
        model->totals[event.type]++;
        model->hashes[model->seq % MODEL_HASHES] = fq_engine_hash(engine);
        model->hash_seqs[model->seq % MODEL_HASHES] = model->seq;
    }
    fq_uuid id = fq_event_task_id(told), none = {{0}};
    if (fq_uuid_equal(&id, &none)) {
        on_other_event(model, &event);
        return;
    }
    event.task = model_task_take(model, &id);
    on_task_event(model, &event);
}
