// SPDX-License-Identifier: Apache-2.0
// Events about no single task: pauses, boots, clocks, snapshots' heads, workers.
#include "engine/apply.h"

#include "engine/name.h"
#include "engine/offer.h"
#include "engine/task.h"
#include "engine/worker.h"

void fq_apply_nothing(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)engine, (void)decision, (void)event;
}

static void set_paused(fq_engine *engine, struct fq_name *name, bool paused) {
    engine->hash -= fq_name_hash(name);
    name->paused = paused;
    engine->hash += fq_name_hash(name);
    fq_offer_pause_changed(name);
}

static void tell_waiting(fq_decision *decision, const struct fq_name *name) {
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        if (name->queues[priority].head != 0 && !name->paused) {
            fq_effect_eligible(decision, name);
            return;
        }
    }
}

void fq_apply_paused(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    bool paused = event->type == FQ_EVENT_PAUSED;
    if (event->name.len > 0) {
        struct fq_name *name = fq_name_take(engine, &decision->reservation, event->name);
        set_paused(engine, name, paused);
        if (!engine->all_paused)
            tell_waiting(decision, name);
        return;
    }
    engine->all_paused = paused;
    if (paused)
        return;
    for (uint32_t i = 0; i < engine->name_count; i++) { // resuming all also resumes each
        struct fq_name *name = engine->name_list[i];
        if (name->paused)
            set_paused(engine, name, false);
        tell_waiting(decision, name);
    }
}

// Boot times of another life mean nothing: what is left of each delay counts from now.
static void rebase(fq_engine *engine, fq_heap *heap, const struct fq_event *event) {
    for (uint32_t i = 0; i < heap->count; i++) {
        struct fq_heap_entry *entry = &heap->entries[i];
        struct fq_task *task = entry->item;
        if (fq_task_state_of(task) == FQ_TASK_STARTED)
            fq_task_set_running_since(task, event->now_us, event->epoch.wall_us - task->started_us);
        entry->key =
            fq_time_add(event->now_us, fq_task_remaining_us(engine, entry->item, event->epoch.wall_us));
    }
    fq_heap_rebuild(heap);
}

void fq_apply_epoch(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    uint64_t token = (uint64_t)event->epoch.epoch << 40;
    engine->epoch = event->epoch.epoch;
    if (token > engine->token)
        engine->token = token;
    if (!event->live)
        return;
    engine->started = true;
    engine->clock_offset_us = event->epoch.wall_us - event->now_us;
    rebase(engine, &engine->boot_timers, event);
    rebase(engine, &engine->lease_timers, event);
    rebase(engine, &engine->age_timers, event);
}

void fq_apply_clock_jump(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    engine->clock_offset_us = fq_time_add(engine->clock_offset_us, event->jump_us);
}

void fq_apply_snapshot(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    const struct fq_snapshot_head *head = &event->head;
    engine->token = head->token;
    engine->order = head->order;
    engine->last_at_us = head->last_at_us;
    engine->epoch = head->epoch;
    engine->all_paused = head->all_paused;
    engine->totals = head->totals;
    engine->loading = true;
}

void fq_apply_name(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    const struct fq_name_image *image = &event->name_image;
    struct fq_name *name = fq_name_take(engine, &decision->reservation, image->name);
    name->submitted_total = image->submitted;
    name->completed_total = image->completed;
    name->failed_total = image->failed;
    set_paused(engine, name, image->paused);
}

void fq_apply_registered(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    fq_worker_register(engine, decision, event);
}

void fq_apply_worker_left(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    fq_worker_unregister(engine, event->worker.worker);
    const char *id = decision->scratch.data + decision->scratch.begin + event->fields_at;
    fq_decision_effect_add(decision, (struct fq_effect){
                                         .type = FQ_EFFECT_WORKER_LEFT, .worker = {id, event->fields_len}
    });
}

void fq_apply_worker_seen(fq_engine *engine, fq_decision *decision, struct fq_event *event) {
    (void)decision;
    fq_worker_seen(engine, event->worker.worker, event);
}
