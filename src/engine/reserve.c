// SPDX-License-Identifier: Apache-2.0
// All that may fail for want of memory, before anything changes: apply only consumes what is reserved here.
#include "engine/dead.h"
#include "engine/ledger.h"
#include "engine/name.h"
#include "engine/offer.h"
#include "engine/task.h"
#include "engine/turns.h"
#include "engine/worker.h"

// What a decision's events need together.
struct needs {
    uint32_t tasks, boot, lease, age, wall, ledger, dead;
    size_t effects;
};

static struct fq_task *new_node(size_t tail_len) {
    struct fq_task *node = malloc(fq_task_record_size(tail_len));
    if (node != NULL)
        memset(node, 0, offsetof(struct fq_task, tail));
    return node;
}

static int reserve_name(const fq_engine *engine, struct fq_reservation *reservation, fq_str text) {
    struct fq_name *found = fq_name_find(engine, text);
    if (found != NULL) {
        reservation->name_found = found;
        fq_name_fetch_ahead(found);
        return 0;
    }
    uint32_t extra = reservation->name_spare_count + 1;
    int rc = fq_table_reserve(&engine->names, extra, &reservation->names);
    if (rc < 0)
        return rc;
    uint32_t need = engine->name_count + extra;
    if (need > engine->name_capacity && need > reservation->name_capacity) {
        uint32_t capacity = engine->name_capacity != 0 ? engine->name_capacity : 32;
        while (capacity < need)
            capacity *= 2;
        struct fq_name **list = malloc(capacity * sizeof *list);
        if (list == NULL)
            return FQ_ENOMEM;
        free(reservation->name_list);
        reservation->name_list = list;
        reservation->name_capacity = capacity;
    }
    struct fq_name *name = fq_name_new(text);
    if (name == NULL)
        return FQ_ENOMEM;
    name->next_spare = reservation->name_spares;
    reservation->name_spares = name;
    reservation->name_spare_count++;
    return 0;
}

static int reserve_worker(const fq_engine *engine, struct fq_reservation *reservation, fq_str id) {
    if (id.len == 0 || reservation->worker != NULL || fq_worker_find(engine, id) != NULL)
        return 0;
    int rc = fq_table_reserve(&engine->workers, 1, &reservation->workers);
    if (rc < 0)
        return rc;
    reservation->worker = fq_worker_new(id);
    return reservation->worker != NULL ? 0 : FQ_ENOMEM;
}

static int reserve_registration(const fq_engine *engine, fq_decision *decision,
                                const struct fq_registration *facts) {
    struct fq_reservation *reservation = &decision->reservation;
    int rc = reserve_worker(engine, reservation, facts->worker);
    if (rc < 0)
        return rc;
    reservation->profile = malloc(facts->instance.len + facts->meta.len + 1);
    if (reservation->profile == NULL)
        return FQ_ENOMEM;
    if (fq_worker_find_set(engine, decision->names, decision->name_count) != NULL)
        return 0;
    // The names were sorted in descending order of need: spares are a stack, and apply takes them in ascending order.
    for (size_t i = decision->name_count; i-- > 0;) {
        rc = reserve_name(engine, reservation, decision->names[i]);
        if (rc < 0)
            return rc;
    }
    rc = fq_table_reserve(&engine->sets, 1, &reservation->sets);
    if (rc < 0)
        return rc;
    reservation->set = fq_set_new((uint32_t)decision->name_count);
    return reservation->set != NULL ? 0 : FQ_ENOMEM;
}

// A record that replaces the task's: `drop_payload`, and with the event's fields behind those of the submit.
static int reserve_successor(struct fq_event *event, bool drop_payload, size_t more_fields) {
    const struct fq_task *task = event->task;
    size_t submitted = fq_fields_submit_len(fq_task_fields(task));
    event->node = new_node((drop_payload ? 0 : task->payload_len) + submitted + more_fields);
    return event->node != NULL ? 0 : FQ_ENOMEM;
}

// A record that holds the ended attempt's context as well, if it told one.
static int reserve_retry(struct fq_event *event) {
    fq_str context = fq_task_last_context(event);
    if (context.len == 0)
        return 0;
    const struct fq_task *task = event->task;
    size_t kept = fq_fields_len_before(fq_task_fields(task), FQ_FIELD_LAST_TRACEPARENT);
    event->node = new_node(task->payload_len + kept + fq_field_size(context.len) + fq_field_number_size());
    return event->node != NULL ? 0 : FQ_ENOMEM;
}

static int reserve_new_task(const fq_engine *engine, fq_decision *decision, struct fq_event *event,
                            fq_str name, size_t tail_len, bool unique) {
    event->node = new_node(tail_len);
    if (event->node == NULL)
        return FQ_ENOMEM;
    int rc = reserve_name(engine, &decision->reservation, name);
    if (rc == 0 && unique)
        rc = fq_table_reserve(&engine->unique, 1, &decision->reservation.unique);
    return rc;
}

static int reserve_event(const fq_engine *engine, fq_decision *decision, struct fq_event *event,
                         struct needs *needs) {
    struct fq_reservation *reservation = &decision->reservation;
    needs->effects += 2;
    switch (event->type) {
    case FQ_EVENT_SUBMITTED:
        needs->tasks++, needs->boot++, needs->wall++;
        return reserve_new_task(engine, decision, event, event->submitted.name,
                                event->submitted.payload.len + event->submitted.fields.len,
                                (event->submitted.flags & FQ_FLAG_UNIQUE) != 0);
    case FQ_EVENT_TASK:
        needs->tasks++, needs->boot++, needs->lease++, needs->age++, needs->wall++, needs->dead++;
        if (reserve_worker(engine, reservation, event->image.worker) < 0)
            return FQ_ENOMEM;
        return reserve_new_task(engine, decision, event, event->image.name,
                                event->image.payload.len + event->image.fields.len,
                                (event->image.flags & FQ_FLAG_UNIQUE) != 0);
    case FQ_EVENT_GRANTED: needs->lease++; return reserve_worker(engine, reservation, event->granted.worker);
    case FQ_EVENT_RETRIED:
    case FQ_EVENT_CRASHED: needs->boot++, needs->wall++; return reserve_retry(event);
    case FQ_EVENT_RETURNED: needs->boot++, needs->wall++; return 0;
    case FQ_EVENT_ELIGIBLE: needs->wall++; return 0;
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED: needs->age++; return reserve_successor(event, true, event->ended.fields.len);
    case FQ_EVENT_FAILED: needs->dead++; return reserve_successor(event, false, event->ended.fields.len);
    case FQ_EVENT_REQUEUED:
        needs->wall++;
        if (fq_table_reserve(&engine->unique, 1, &reservation->unique) < 0)
            return FQ_ENOMEM;
        return reserve_successor(event, false, 0);
    case FQ_EVENT_RESULT_EVICTED:
    case FQ_EVENT_FORGOTTEN:
    case FQ_EVENT_PURGED:
    case FQ_EVENT_LEDGER: needs->ledger++; return 0;
    case FQ_EVENT_PAUSED:
    case FQ_EVENT_RESUMED:
        needs->effects += event->name.len == 0 ? engine->name_count : 1;
        return event->name.len == 0 ? 0 : reserve_name(engine, reservation, event->name);
    case FQ_EVENT_NAME: return reserve_name(engine, reservation, event->name_image.name);
    case FQ_EVENT_WORKER_REGISTERED: return reserve_registration(engine, decision, &event->registration);
    default: return 0;
    }
}

static void place_fields(fq_decision *decision, struct fq_event *event) {
    if (event->fields_len == 0 || event->type == FQ_EVENT_WORKER_LEFT)
        return;
    fq_str fields = {decision->scratch.data + decision->scratch.begin + event->fields_at, event->fields_len};
    if (event->type == FQ_EVENT_SUBMITTED)
        event->submitted.fields = fields;
    else
        event->ended.fields = fields;
}

// The first thing that happens to a snapshot's state shows that the state is complete, and may rely on all of it.
static int check_loaded(const fq_engine *engine, const fq_decision *decision) {
    bool is_complete =
        engine->loading && decision->event_count > 0 && !fq_event_is_image(decision->events[0].type);
    return is_complete ? fq_turns_check(engine) : 0;
}

int fq_reserve(const fq_engine *engine, fq_decision *decision) {
    struct fq_reservation *reservation = &decision->reservation;
    struct needs needs = {0};
    reservation->name_found = NULL;
    int loaded = check_loaded(engine, decision);
    if (loaded < 0)
        return loaded;
    for (size_t i = 0; i < decision->event_count; i++) {
        struct fq_event *event = &decision->events[i];
        place_fields(decision, event);
        int rc = reserve_event(engine, decision, event, &needs);
        if (rc < 0)
            return rc;
    }
    void *effects = decision->effects;
    int rc = fq_array_reserve(&effects, &decision->effect_capacity, needs.effects, sizeof *decision->effects);
    decision->effects = effects;
    if (rc == 0 && needs.tasks > 0)
        rc = fq_table_reserve(&engine->tasks, needs.tasks, &reservation->tasks);
    if (rc == 0)
        rc = fq_heap_reserve(&engine->boot_timers, needs.boot, &reservation->boot);
    if (rc == 0)
        rc = fq_heap_reserve(&engine->lease_timers, needs.lease, &reservation->lease);
    if (rc == 0)
        rc = fq_heap_reserve(&engine->age_timers, needs.age, &reservation->age);
    if (rc == 0)
        rc = fq_heap_reserve(&engine->wall_timers, needs.wall, &reservation->wall);
    if (rc == 0 && needs.ledger > 0)
        rc = fq_ledger_reserve(&engine->ledger, needs.ledger, reservation);
    if (rc == 0 && needs.dead > 0)
        rc = fq_dead_reserve(&engine->dead, needs.dead, &reservation->dead, &reservation->dead_capacity);
    return rc;
}

void fq_reservation_adopt(fq_engine *engine, struct fq_reservation *reservation) {
    fq_table_adopt(&engine->tasks, &reservation->tasks);
    fq_table_adopt(&engine->unique, &reservation->unique);
    fq_table_adopt(&engine->names, &reservation->names);
    fq_table_adopt(&engine->workers, &reservation->workers);
    fq_table_adopt(&engine->sets, &reservation->sets);
    fq_heap_adopt(&engine->boot_timers, &reservation->boot);
    fq_heap_adopt(&engine->lease_timers, &reservation->lease);
    fq_heap_adopt(&engine->age_timers, &reservation->age);
    fq_heap_adopt(&engine->wall_timers, &reservation->wall);
    fq_ledger_adopt(&engine->ledger, reservation);
    fq_dead_adopt(&engine->dead, &reservation->dead, &reservation->dead_capacity);
    if (reservation->name_capacity > engine->name_capacity) {
        for (uint32_t i = 0; i < engine->name_count; i++)
            reservation->name_list[i] = engine->name_list[i];
        free(engine->name_list);
        engine->name_list = reservation->name_list;
        engine->name_capacity = reservation->name_capacity;
        reservation->name_list = NULL;
        reservation->name_capacity = 0;
    }
}

void fq_reservation_done(struct fq_reservation *reservation) {
    fq_table_spare_done(&reservation->tasks);
    fq_table_spare_done(&reservation->unique);
    fq_table_spare_done(&reservation->names);
    fq_table_spare_done(&reservation->workers);
    fq_table_spare_done(&reservation->sets);
    fq_table_spare_done(&reservation->ledger);
    fq_heap_spare_done(&reservation->boot);
    fq_heap_spare_done(&reservation->lease);
    fq_heap_spare_done(&reservation->age);
    fq_heap_spare_done(&reservation->wall);
    free(reservation->name_list);
    free(reservation->ledger_chunk);
    free(reservation->ledger_chunks);
    free(reservation->dead);
}
