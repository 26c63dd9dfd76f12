// SPDX-License-Identifier: Apache-2.0
// What a decision holds, and how it is asked. Its memory is kept from call to call.
#include "engine/name.h"
#include "engine/offer.h"
#include "engine/task.h"
#include "engine/worker.h"

#include <stdarg.h>

fq_decision *fq_decision_new(void) {
    return calloc(1, sizeof(fq_decision));
}

fq_decision *fq_decision_free(fq_decision *decision) {
    if (decision == NULL)
        return NULL;
    fq_decision_drop_nodes(decision);
    fq_reservation_done(&decision->reservation);
    fq_buf_done(&decision->scratch);
    free(decision->events);
    free(decision->effects);
    free(decision->candidates);
    free(decision->names);
    free(decision->verdicts);
    free(decision);
    return NULL;
}

void fq_decision_drop_nodes(fq_decision *decision) {
    for (size_t i = 0; i < decision->event_count; i++) {
        free(decision->events[i].node);
        decision->events[i].node = NULL;
    }
    struct fq_reservation *reservation = &decision->reservation;
    while (reservation->name_spares != NULL) {
        struct fq_name *name = reservation->name_spares;
        reservation->name_spares = name->next_spare;
        fq_name_free(name);
    }
    reservation->name_spare_count = 0;
    reservation->worker = fq_worker_free(reservation->worker);
    reservation->set = fq_set_free(reservation->set);
    free(reservation->profile);
    reservation->profile = NULL;
}

void fq_decision_reset(fq_decision *decision) {
    fq_decision_drop_nodes(decision);
    decision->event_count = 0;
    decision->effect_count = 0;
    fq_buf_clear(&decision->scratch);
    decision->candidate_count = 0;
    decision->name_count = 0;
    decision->verdict_count = 0;
    memset(&decision->task_id, 0, sizeof decision->task_id);
    decision->is_repeat = false;
    decision->is_stale = false;
    decision->is_partial = false;
    decision->touched = 0;
    decision->reason[0] = '\0';
}

int fq_array_reserve(void **array, size_t *capacity, size_t need, size_t element_size) {
    if (need <= *capacity)
        return 0;
    size_t grown = *capacity != 0 ? *capacity : 8;
    while (grown < need) {
        if (__builtin_mul_overflow(grown, 2u, &grown))
            return FQ_ENOMEM;
    }
    void *memory = reallocarray(*array, grown, element_size);
    if (memory == NULL)
        return FQ_ENOMEM;
    *array = memory;
    *capacity = grown;
    return 0;
}

struct fq_event *fq_decision_add(fq_decision *decision, enum fq_event_type type, const fq_engine *engine,
                                 struct fq_now now) {
    void *array = decision->events;
    if (fq_array_reserve(&array, &decision->event_capacity, decision->event_count + 1,
                         sizeof *decision->events) < 0)
        return NULL;
    decision->events = array;
    struct fq_event *event = &decision->events[decision->event_count++];
    memset(event, 0, sizeof *event);
    event->type = type;
    event->live = true;
    event->at_us = now.wall_us > engine->last_at_us ? now.wall_us : engine->last_at_us;
    event->now_us = now.boot_us;
    return event;
}

int fq_refuse(fq_decision *decision, int error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(decision->reason, sizeof decision->reason, format, args);
    va_end(args);
    return error;
}

void fq_decision_effect_add(fq_decision *decision, struct fq_effect effect) {
    FQ_ASSERT(decision->effect_count < decision->effect_capacity);
    decision->effects[decision->effect_count++] = effect;
}

size_t fq_decision_event_count(const fq_decision *decision) {
    return decision->event_count;
}
const struct fq_event *fq_decision_event(const fq_decision *decision, size_t index) {
    FQ_ASSERT(index < decision->event_count);
    return &decision->events[index];
}
const char *fq_decision_reason(const fq_decision *decision) {
    return decision->reason;
}
fq_uuid fq_decision_task_id(const fq_decision *decision) {
    return decision->task_id;
}
bool fq_decision_is_repeat(const fq_decision *decision) {
    return decision->is_repeat;
}
bool fq_decision_is_partial(const fq_decision *decision) {
    return decision->is_partial;
}
enum fq_verdict fq_decision_verdict(const fq_decision *decision, size_t index) {
    FQ_ASSERT(index < decision->verdict_count);
    return (enum fq_verdict)decision->verdicts[index];
}
uint64_t fq_decision_touched(const fq_decision *decision) {
    return decision->touched;
}
size_t fq_decision_effect_count(const fq_decision *decision) {
    return decision->effect_count;
}
const struct fq_effect *fq_decision_effect(const fq_decision *decision, size_t index) {
    FQ_ASSERT(index < decision->effect_count);
    return &decision->effects[index];
}

enum fq_event_type fq_event_type_of(const struct fq_event *event) {
    return event->type;
}
fq_uuid fq_event_task_id(const struct fq_event *event) {
    return event->id;
}
