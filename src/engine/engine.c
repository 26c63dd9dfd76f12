// SPDX-License-Identifier: Apache-2.0
// The engine as a whole: its making and end, replay, boot, state hash.
#include "engine/engine.h"

#include "engine/event_view.h"
#include "engine/ledger.h"
#include "engine/name.h"
#include "engine/offer.h"
#include "engine/task.h"
#include "engine/worker.h"

void fq_engine_config_init(struct fq_engine_config *config) {
    *config = (struct fq_engine_config){
        .lease_ms = 30000,
        .restart_grace_ms = 15000,
        .worker_silence_ms = 30000,
        .default_result_ttl_ms = 3600000,
        .result_bytes_max = UINT64_C(256) << 20,
        .task_count_max = 20000000,
        .task_bytes_max = UINT64_C(8) << 30,
        .name_count_max = 100000,
        .worker_count_max = 10000,
        .crash_max = 5,
        .loss_max = 5,
        .attempt_max = 1000,
        .backoff_base_ms = 1000,
        .backoff_max_ms = 3600000,
        .ledger_count_min = 2000000,
        .ledger_age_min_ms = 600000,
        .dead_count_max = 1000000,
    };
}

fq_engine *fq_engine_new(const struct fq_engine_config *config) {
    fq_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return NULL;
    engine->config = *config;
    if (engine->config.crash_max > UINT8_MAX)
        engine->config.crash_max = UINT8_MAX;
    if (engine->config.loss_max > UINT8_MAX)
        engine->config.loss_max = UINT8_MAX;
    if (engine->config.attempt_max > UINT16_MAX / 2)
        engine->config.attempt_max = UINT16_MAX / 2;
    fq_table_init(&engine->tasks, &fq_task_table_ops, engine);
    fq_table_init(&engine->unique, &fq_task_unique_ops, engine);
    fq_table_init(&engine->names, &fq_name_table_ops, engine);
    fq_table_init(&engine->workers, &fq_worker_table_ops, engine);
    fq_table_init(&engine->sets, &fq_set_table_ops, engine);
    fq_heap_init(&engine->boot_timers, offsetof(struct fq_task, boot_place), offsetof(struct fq_task, order));
    fq_heap_init(&engine->lease_timers, offsetof(struct fq_task, boot_place), FQ_HEAP_NO_TIE);
    fq_heap_init(&engine->age_timers, offsetof(struct fq_task, boot_place), FQ_HEAP_NO_TIE);
    fq_heap_init(&engine->wall_timers, offsetof(struct fq_task, wall_place), offsetof(struct fq_task, order));
    fq_list_init(&engine->finished);
    fq_list_init(&engine->worker_list);
    fq_list_init(&engine->seen_list);
    fq_ledger_init(&engine->ledger, config->seed + 4);
    return engine;
}

static void free_pointer(void *context, uint64_t value) {
    (void)context;
    free(fq_table_pointer(value));
}
static void free_worker(void *context, uint64_t value) {
    (void)context;
    fq_worker_free(fq_table_pointer(value));
}
static void free_set(void *context, uint64_t value) {
    (void)context;
    fq_set_free(fq_table_pointer(value));
}

fq_engine *fq_engine_free(fq_engine *engine) {
    if (engine == NULL)
        return NULL;
    fq_table_each(&engine->sets, free_set, NULL); // before the names that they are linked to
    fq_table_each(&engine->workers, free_worker, NULL);
    fq_table_each(&engine->tasks, free_pointer, NULL);
    fq_table_each(&engine->names, free_pointer, NULL);
    fq_table_done(&engine->tasks);
    fq_table_done(&engine->unique);
    fq_table_done(&engine->names);
    fq_table_done(&engine->workers);
    fq_table_done(&engine->sets);
    fq_heap_done(&engine->boot_timers);
    fq_heap_done(&engine->lease_timers);
    fq_heap_done(&engine->age_timers);
    fq_heap_done(&engine->wall_timers);
    fq_ledger_done(&engine->ledger);
    free(engine->dead.entries);
    free(engine->name_list);
    free(engine);
    return NULL;
}

void fq_engine_set_draining(fq_engine *engine, bool draining) {
    engine->draining = draining;
}

void fq_engine_hold_leases(fq_engine *engine, struct fq_now now) {
    engine->leases_held_until_us = fq_time_add(now.boot_us, engine->config.lease_ms * FQ_US_PER_MS / 2);
}

void fq_engine_expect(const fq_engine *engine, const fq_uuid *id) {
    fq_table_prefetch(&engine->tasks, fq_task_table_hash(engine, id));
}

void fq_engine_expect_record(const fq_engine *engine, fq_str record) {
    struct fq_event_head head;
    if (fq_event_peek(record, &head))
        fq_engine_expect(engine, &head.id);
}

void fq_engine_note(fq_engine *engine, const fq_decision *decision) {
    engine->repeat_total += decision->is_repeat;
    engine->stale_total += decision->is_stale;
}

uint64_t fq_engine_hash(const fq_engine *engine) {
    uint64_t rest[] = {engine->token, engine->order, (uint64_t)engine->last_at_us, engine->epoch,
                       engine->all_paused};
    uint64_t hash = fq_hash_bytes(rest, sizeof rest, engine->hash);
    return fq_hash_bytes(&engine->totals, sizeof engine->totals, hash);
}

int fq_engine_hash_check(const fq_engine *engine, struct fq_now now, fq_decision *decision) {
    fq_decision_reset(decision);
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_HASH_CHECK, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->at_us = engine->last_at_us; // the check itself must not change what it checks
    event->hash = fq_engine_hash(engine);
    return fq_reserve(engine, decision);
}

int fq_engine_start(const fq_engine *engine, uint32_t boot_epoch, struct fq_now now, fq_decision *decision) {
    fq_decision_reset(decision);
    if (boot_epoch < engine->epoch || boot_epoch >= 1u << 24)
        return fq_refuse(decision, FQ_EINVALID, "boot epoch %u follows %u: it must grow and have 24 bits",
                         boot_epoch, engine->epoch);
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_EPOCH, engine, now);
    if (event == NULL)
        return FQ_ENOMEM;
    event->epoch.epoch = boot_epoch;
    event->epoch.wall_us = now.wall_us;
    return fq_reserve(engine, decision);
}

// --- replay -----------------------------------------------------------------------------------------------------------
static bool is_fresh(const fq_engine *engine, const fq_uuid *id) {
    return fq_task_find(engine, id) == NULL && fq_ledger_find(&engine->ledger, id) == NULL;
}

static bool unique_is_free(const fq_engine *engine, uint8_t flags, fq_str fields) {
    return (flags & FQ_FLAG_UNIQUE) == 0 ||
           fq_task_find_unique(engine, fq_field_get(fields, FQ_FIELD_UNIQUE)) == NULL;
}

static bool image_fits(const fq_engine *engine, const struct fq_event *event) {
    const struct fq_task_image *image = &event->image;
    bool final = fq_task_state_is_final((enum fq_task_state)image->state);
    if (image->order > engine->order ||
        (image->state == FQ_TASK_STARTED && (uint64_t)image->moment > engine->token))
        return false;
    if (!is_fresh(engine, &event->id) || (!final && !unique_is_free(engine, image->flags, image->fields)))
        return false;
    const struct fq_name *name = fq_name_find(engine, image->name);
    if (image->state != FQ_TASK_PENDING || name == NULL)
        return true;
    const struct fq_treap_node *node = fq_treap_at_least(&name->queues[image->priority].back, image->order);
    return node == NULL || FQ_ELEMENT(node, const struct fq_task, tree_node)->order != image->order;
}

// Whether a decoded event can follow on the engine's state: anything else is damage, or a record of another history.
static bool fits(const fq_engine *engine, const struct fq_event *event) {
    switch (event->type) {
    case FQ_EVENT_SUBMITTED:
        return is_fresh(engine, &event->id) &&
               unique_is_free(engine, event->submitted.flags, event->submitted.fields);
    case FQ_EVENT_TASK: return engine->loading && image_fits(engine, event);
    case FQ_EVENT_LEDGER: return is_fresh(engine, &event->id);
    case FQ_EVENT_LEDGER_TRIMMED: return event->trim_count <= fq_ledger_count(&engine->ledger);
    case FQ_EVENT_GRANTED:
        return event->granted.token > engine->token && event->granted.token >> 40 <= engine->epoch;
    case FQ_EVENT_EPOCH: return event->epoch.epoch >= engine->epoch && event->epoch.epoch < 1u << 24;
    case FQ_EVENT_SNAPSHOT:
        return engine->tasks.count == 0 && fq_ledger_count(&engine->ledger) == 0 && engine->order == 0;
    case FQ_EVENT_HASH_CHECK: return event->hash == fq_engine_hash(engine);
    case FQ_EVENT_REQUEUED: return unique_is_free(engine, event->task->flags, fq_task_fields(event->task));
    default: return true;
    }
}

static bool is_about_known_task(enum fq_event_type type) {
    return type >= FQ_EVENT_ELIGIBLE && type <= FQ_EVENT_FORGOTTEN;
}

int fq_engine_replay(const fq_engine *engine, fq_str record, fq_decision *decision) {
    fq_decision_reset(decision);
    struct fq_event *event = fq_decision_add(decision, FQ_EVENT_NONE, engine, (struct fq_now){0, 0});
    if (event == NULL)
        return FQ_ENOMEM;
    int rc = fq_event_decode(record, event);
    if (rc == 0 && is_about_known_task(event->type)) {
        event->task = fq_task_find(engine, &event->id);
        if (event->task == NULL || fq_task_next_state(fq_task_state_of(event->task), event->type) < 0)
            rc = FQ_ECORRUPT;
    }
    if (rc == 0 && !fits(engine, event))
        rc = FQ_ECORRUPT;
    if (rc == 0)
        rc = fq_reserve(engine, decision);
    if (rc == 0)
        return 0;
    fq_refuse(decision, rc, "%s",
              rc == FQ_EVERSION ? "the record was written by a newer version"
                                : "the record does not fit the state");
    fq_decision_drop_nodes(decision);
    decision->event_count = 0;
    return rc;
}
