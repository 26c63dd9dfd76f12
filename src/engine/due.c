// SPDX-License-Identifier: Apache-2.0
// What time alone makes happen.
#include "engine/decide.h"
#include "engine/ledger.h"
#include "engine/task.h"
#include "engine/worker.h"

enum { LEDGER_TRIM = 1024 };
static const int64_t CLOCK_JUMP_US = FQ_US_PER_S;

// One call of fq_engine_due.
struct due {
    const fq_engine *engine;
    fq_decision *decision;
    struct fq_now now;
    size_t max;
};

static bool has_room(const struct due *due) {
    return due->decision->event_count < due->max;
}

static int about(struct due *due, enum fq_event_type type, struct fq_task *task) {
    return fq_decide_about(due->engine, due->decision, type, due->now, task) != NULL ? 0 : FQ_ENOMEM;
}

static int lease_expired(struct due *due, struct fq_task *task) {
    char message[FQ_NAME_MAX + 128];
    int64_t timeout_ms = fq_field_number(fq_task_fields(task), FQ_FIELD_TIMEOUT_MS, 0);
    bool too_long = timeout_ms != 0 && task->started_us != 0 &&
                    fq_task_ran_us(task, due->now.boot_us) / FQ_US_PER_MS > timeout_ms;
    int len;
    if (too_long)
        len = snprintf(message, sizeof message, "still running on worker %.*s after its TIMEOUT of %lld ms",
                       (int)task->worker->id_len, task->worker->id, (long long)timeout_ms);
    else
        len = snprintf(message, sizeof message, "worker %.*s sent no heartbeat for %lld ms",
                       (int)task->worker->id_len, task->worker->id, (long long)due->engine->config.lease_ms);
    struct fq_attempt_end end = {
        .message = {message, (size_t)len},
          .run_us = -1, .vanished = true
    };
    return fq_lease_lost(due->engine, due->decision, due->now, task, &end);
}

// Nobody was heard for a while, and that was our doing: the holder gets the time to speak, as far as its TIMEOUT allows.
static int lease_ended(struct due *due, struct fq_task *task) {
    int64_t until_us = due->engine->leases_held_until_us;
    int64_t end_us = fq_task_lease_end_us(due->engine, task, due->now.boot_us);
    if (until_us > end_us)
        until_us = end_us;
    if (until_us <= due->now.boot_us)
        return lease_expired(due, task);
    int rc = about(due, FQ_EVENT_LEASE_EXTENDED, task);
    if (rc == 0)
        due->decision->events[due->decision->event_count - 1].lease_until_us = until_us;
    return rc;
}

static bool is_expired(const struct due *due, const struct fq_task *task) {
    return fq_task_expires_us(task) <= due->now.wall_us;
}

static int boot_due(struct due *due, struct fq_task *task) {
    switch (fq_task_state_of(task)) {
    case FQ_TASK_SCHEDULED:
        return about(due, is_expired(due, task) ? FQ_EVENT_EXPIRED : FQ_EVENT_ELIGIBLE, task);
    case FQ_TASK_STARTED: return lease_ended(due, task);
    default: return about(due, FQ_EVENT_FORGOTTEN, task);
    }
}

// Comes behind boot_due, which has seen to all whose delay is over: each walk then meets no more tasks than it has room for.
static int wall_due(struct due *due, struct fq_task *task) {
    bool by_delay = fq_task_state_of(task) == FQ_TASK_SCHEDULED && (task->flags & FQ_FLAG_BY_WALL) == 0;
    if (by_delay && fq_heap_key(&due->engine->boot_timers, task) <= due->now.boot_us)
        return 0;
    return about(due, is_expired(due, task) ? FQ_EVENT_EXPIRED : FQ_EVENT_ELIGIBLE, task);
}

static int add_candidate(struct due *due, const fq_heap *heap, uint64_t index, int64_t until_us) {
    if (index >= heap->count || heap->entries[index].key > until_us)
        return 0;
    return fq_candidate_add(
        due->decision, (struct fq_candidate){.key = (uint64_t)heap->entries[index].key ^ (UINT64_C(1) << 63),
                                             .tie = fq_heap_tie(heap, (uint32_t)index),
                                             .from = heap,
                                             .index = (uint32_t)index});
}

// Walks a heap in order, without changing it.
static int walk_timers(struct due *due, const fq_heap *heap, int64_t until_us,
                       int (*on_task)(struct due *due, struct fq_task *task)) {
    due->decision->candidate_count = 0;
    int rc = add_candidate(due, heap, 0, until_us);
    while (rc == 0 && due->decision->candidate_count > 0 && has_room(due)) {
        struct fq_candidate first = fq_candidate_take(due->decision);
        for (uint64_t child = 1; child <= FQ_HEAP_ARITY && rc == 0; child++)
            rc = add_candidate(due, heap, (uint64_t)first.index * FQ_HEAP_ARITY + child, until_us);
        if (rc == 0)
            rc = on_task(due, heap->entries[first.index].item);
    }
    return rc;
}

static bool results_exceed(const fq_engine *engine, uint64_t bytes, uint64_t count) {
    return bytes > engine->config.result_bytes_max ||
           (engine->config.result_count_max != 0 && count > engine->config.result_count_max);
}

static int evict_results(struct due *due) {
    const fq_engine *engine = due->engine;
    uint64_t bytes = engine->result_bytes, count = engine->result_count;
    const fq_list_link *head = &engine->finished;
    for (fq_list_link *link = head->next;
         link != head && has_room(due) && results_exceed(engine, bytes, count); link = link->next) {
        struct fq_task *task = FQ_TASK_OF(link);
        bytes -= fq_task_cost(task);
        count--;
        if (fq_heap_key(&engine->age_timers, task) <= due->now.boot_us)
            continue; // forgotten for its age already
        int rc = about(due, FQ_EVENT_RESULT_EVICTED, task);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int drop_dead(struct due *due) {
    const struct fq_dead *dead = &due->engine->dead;
    uint64_t count = dead->count;
    for (size_t i = dead->begin; count > due->engine->config.dead_count_max && has_room(due); i++) {
        if (dead->entries[i].task == NULL)
            continue;
        int rc = about(due, FQ_EVENT_PURGED, dead->entries[i].task);
        if (rc < 0)
            return rc;
        count--;
    }
    return 0;
}

// Wall time at which the oldest LEDGER_TRIM ids may go; FQ_NEVER_US while they are among those to be kept.
static int64_t ledger_trim_us(const fq_engine *engine) {
    const struct fq_ledger *ledger = &engine->ledger;
    if (fq_ledger_count(ledger) < engine->config.ledger_count_min + LEDGER_TRIM)
        return FQ_NEVER_US;
    const struct fq_ledger_entry *last = fq_ledger_at(ledger, ledger->first + LEDGER_TRIM - 1);
    return fq_time_add(((int64_t)last->finished_s + 1) * FQ_US_PER_S,
                       engine->config.ledger_age_min_ms * FQ_US_PER_MS);
}

static int trim_ledger(struct due *due) {
    if (!has_room(due) || ledger_trim_us(due->engine) > due->now.wall_us)
        return 0;
    struct fq_event *event = fq_decision_add(due->decision, FQ_EVENT_LEDGER_TRIMMED, due->engine, due->now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->trim_count = LEDGER_TRIM;
    return 0;
}

static int64_t forget_worker_us(const fq_engine *engine, const fq_list_link *link) {
    const struct fq_worker *worker = FQ_ELEMENT(link, const struct fq_worker, of_seen);
    return fq_time_add(worker->seen_boot_us, fq_worker_forget_us(engine));
}

static int forget_workers(struct due *due) {
    const fq_list_link *head = &due->engine->seen_list;
    for (fq_list_link *link = head->next; link != head && has_room(due); link = link->next) {
        if (forget_worker_us(due->engine, link) > due->now.boot_us)
            break;
        struct fq_event *event = fq_decision_add(due->decision, FQ_EVENT_WORKER_LEFT, due->engine, due->now);
        if (event == NULL)
            return FQ_ENOMEM;
        event->worker.worker = FQ_ELEMENT(link, struct fq_worker, of_seen);
        fq_decide_fields_begin(due->decision);
        int rc = fq_buf_append_str(&due->decision->scratch, fq_worker_id(event->worker.worker));
        rc = fq_decide_fields_end(due->decision, rc);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int notice_clock_jump(struct due *due) {
    if (!due->engine->started)
        return 0;
    int64_t jump_us = due->now.wall_us - due->now.boot_us - due->engine->clock_offset_us;
    if (jump_us <= CLOCK_JUMP_US && jump_us >= -CLOCK_JUMP_US)
        return 0;
    struct fq_event *event = fq_decision_add(due->decision, FQ_EVENT_CLOCK_JUMP, due->engine, due->now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->jump_us = jump_us;
    return 0;
}

static int collect(struct due *due) {
    const fq_engine *engine = due->engine;
    int rc = notice_clock_jump(due);
    if (rc == 0)
        rc = walk_timers(due, &engine->boot_timers, due->now.boot_us, boot_due);
    if (rc == 0)
        rc = walk_timers(due, &engine->lease_timers, due->now.boot_us, boot_due);
    if (rc == 0)
        rc = walk_timers(due, &engine->age_timers, due->now.boot_us, boot_due);
    if (rc == 0)
        rc = walk_timers(due, &engine->wall_timers, due->now.wall_us, wall_due);
    if (rc == 0)
        rc = evict_results(due);
    if (rc == 0)
        rc = drop_dead(due);
    if (rc == 0)
        rc = trim_ledger(due);
    if (rc == 0)
        rc = forget_workers(due);
    return rc;
}

int fq_engine_due(const fq_engine *engine, struct fq_now now, uint32_t max_events, fq_decision *decision) {
    fq_decision_reset(decision);
    struct due due = {engine, decision, now, max_events < FQ_EVENTS_MAX ? max_events : FQ_EVENTS_MAX};
    int rc = collect(&due);
    if (rc == 0)
        rc = fq_reserve(engine, decision);
    if (rc == 0)
        return 0;
    fq_refuse(decision, rc, "%s", fq_strerror(rc));
    fq_decision_drop_nodes(decision);
    decision->event_count = 0;
    return rc;
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static int64_t wall_to_boot(int64_t wall_us, struct fq_now now) {
    if (wall_us == FQ_NEVER_US)
        return FQ_NEVER_US;
    return wall_us <= now.wall_us ? now.boot_us : fq_time_add(now.boot_us, wall_us - now.wall_us);
}

int64_t fq_engine_deadline(const fq_engine *engine, struct fq_now now) {
    if (results_exceed(engine, engine->result_bytes, engine->result_count) ||
        engine->dead.count > engine->config.dead_count_max)
        return now.boot_us;
    int64_t deadline = wall_to_boot(ledger_trim_us(engine), now);
    if (engine->boot_timers.count > 0)
        deadline = earlier(deadline, engine->boot_timers.entries[0].key);
    if (engine->lease_timers.count > 0)
        deadline = earlier(deadline, engine->lease_timers.entries[0].key);
    if (engine->age_timers.count > 0)
        deadline = earlier(deadline, engine->age_timers.entries[0].key);
    if (engine->wall_timers.count > 0)
        deadline = earlier(deadline, wall_to_boot(engine->wall_timers.entries[0].key, now));
    if (!fq_list_is_empty(&engine->seen_list))
        deadline = earlier(deadline, forget_worker_us(engine, engine->seen_list.next));
    return deadline;
}
