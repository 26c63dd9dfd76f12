// SPDX-License-Identifier: Apache-2.0
// Where the model keeps tasks: by id, in the queue of their name and priority, in the list of their state, by unique key.
#include "sim/model_state.h"

#include "base/assert.h"
#include "base/hash.h"

#include <stdlib.h>

// --- by id ------------------------------------------------------------------------------------------------------------
static uint64_t id_hash(const fq_uuid *id) {
    uint64_t halves[2];
    memcpy(halves, id->bytes, sizeof halves);
    return fq_hash_mix(halves[0] ^ fq_hash_mix(halves[1]));
}

static struct model_task **slot_of(struct model_task **table, uint64_t size, const fq_uuid *id) {
    uint64_t at = id_hash(id) & (size - 1);
    while (table[at] != NULL && !fq_uuid_equal(&table[at]->id, id))
        at = (at + 1) & (size - 1);
    return &table[at];
}

static void *zeroed(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        abort();
    return memory;
}

struct model_task *model_task_find(const sim_model *model, const fq_uuid *id) {
    return model->table_size == 0 ? NULL : *slot_of(model->table, model->table_size, id);
}

static void grow(sim_model *model) {
    uint64_t size = model->table_size == 0 ? 1024 : model->table_size * 2;
    struct model_task **table = zeroed(size, sizeof(struct model_task *));
    for (uint64_t i = 0; i < model->table_size; i++) {
        if (model->table[i] != NULL)
            *slot_of(table, size, &model->table[i]->id) = model->table[i];
    }
    free(model->table);
    model->table = table;
    model->table_size = size;
}

struct model_task *model_task_take(sim_model *model, const fq_uuid *id) {
    if (model->task_count * 2 >= model->table_size)
        grow(model);
    struct model_task **slot = slot_of(model->table, model->table_size, id);
    if (*slot == NULL) {
        *slot = zeroed(1, sizeof(struct model_task));
        (*slot)->id = *id;
        (*slot)->body.state = MODEL_NONE;
        model->task_count++;
    }
    return *slot;
}

static void free_intents(struct intent *intent) {
    while (intent != NULL) {
        struct intent *next = intent->next;
        free(intent);
        intent = next;
    }
}

void model_tasks_done(sim_model *model) {
    for (uint64_t i = 0; i < model->table_size; i++) {
        if (model->table[i] != NULL)
            free_intents(model->table[i]->intents);
        free(model->table[i]);
    }
    free_intents(model->nameless);
    free(model->table);
    free(model->keys);
}

// --- by unique key ------------------------------------------------------------------------------------------------------
static struct model_task **key_slot(const sim_model *model, uint64_t unique) {
    uint64_t at = fq_hash_mix(unique) & (model->key_size - 1);
    while (model->keys[at] != NULL && model->keys[at]->body.unique != unique)
        at = (at + 1) & (model->key_size - 1);
    return &model->keys[at];
}

struct model_task *model_key_holder(const sim_model *model, uint64_t unique) {
    return model->key_size == 0 ? NULL : *key_slot(model, unique);
}

static void hold_key(sim_model *model, struct model_task *task) {
    if (model->key_count * 2 >= model->key_size) {
        struct model_task **old = model->keys;
        uint64_t old_size = model->key_size;
        model->key_size = old_size == 0 ? 256 : old_size * 2;
        model->keys = zeroed(model->key_size, sizeof(struct model_task *));
        for (uint64_t i = 0; i < old_size; i++) {
            if (old[i] != NULL)
                *key_slot(model, old[i]->body.unique) = old[i];
        }
        free(old);
    }
    struct model_task **slot = key_slot(model, task->body.unique);
    if (!CHECK(model, S15, *slot == NULL, "task %s holds a unique key that a live task holds already",
               model_id(task)))
        return;
    *slot = task;
    model->key_count++;
}

// Closes the gap, so that what was put behind it is still found.
static void drop_key(sim_model *model, struct model_task *task) {
    struct model_task **slot = model->key_size != 0 ? key_slot(model, task->body.unique) : NULL;
    if (slot == NULL || *slot != task)
        return;
    *slot = NULL;
    model->key_count--;
    uint64_t at = (uint64_t)(slot - model->keys);
    while (model->keys[at = (at + 1) & (model->key_size - 1)] != NULL) {
        struct model_task *moved = model->keys[at];
        model->keys[at] = NULL;
        *key_slot(model, moved->body.unique) = moved;
    }
}

// --- by state -----------------------------------------------------------------------------------------------------------
static struct place *place_of(sim_model *model, const struct model_task *task) {
    switch (task->body.state) {
    case FQ_TASK_SCHEDULED: return &model->scheduled;
    case FQ_TASK_PENDING: return &model->queues[task->body.name][task->body.priority];
    case FQ_TASK_STARTED: return &model->started;
    case FQ_TASK_FAILURE: return &model->dead;
    case MODEL_GONE: return &model->gone;
    case MODEL_NONE: return NULL;
    default: return &model->final;
    }
}

static void link_behind(struct place *place, struct model_task *task, struct model_task *previous) {
    task->previous = previous;
    task->next = previous != NULL ? previous->next : place->first;
    *(task->previous != NULL ? &task->previous->next : &place->first) = task;
    *(task->next != NULL ? &task->next->previous : &place->last) = task;
    place->count++;
}

// Queues are in order: most come to the end, what was given back to the front.
static struct model_task *predecessor(const struct place *place, uint64_t order) {
    if (place->last == NULL || place->last->body.order < order)
        return place->last;
    struct model_task *before = NULL;
    for (struct model_task *at = place->first; at != NULL && at->body.order < order; at = at->next)
        before = at;
    return before;
}

void model_task_place(sim_model *model, struct model_task *task) {
    struct place *place = place_of(model, task);
    if (place == NULL)
        return;
    bool waits = task->body.state == FQ_TASK_PENDING;
    link_behind(place, task, waits ? predecessor(place, task->body.order) : place->last);
    model->live_count += model_is_live(task);
    if (waits)
        model->waiting[task->body.priority] |= UINT64_C(1) << task->body.name;
    if (model_is_live(task) && task->body.unique != 0)
        hold_key(model, task);
}

void model_task_unplace(sim_model *model, struct model_task *task) {
    struct place *place = place_of(model, task);
    if (place == NULL)
        return;
    *(task->previous != NULL ? &task->previous->next : &place->first) = task->next;
    *(task->next != NULL ? &task->next->previous : &place->last) = task->previous;
    task->previous = task->next = NULL;
    place->count--;
    model->live_count -= model_is_live(task);
    if (task->body.state == FQ_TASK_PENDING && place->count == 0)
        model->waiting[task->body.priority] &= ~(UINT64_C(1) << task->body.name);
    if (model_is_live(task) && task->body.unique != 0)
        drop_key(model, task);
}

struct model_task *model_task_best(const sim_model *model, uint64_t names, int64_t wall_us) {
    if (model->all_paused)
        return NULL;
    for (int priority = 0; priority < MODEL_PRIORITIES; priority++) {
        struct model_task *best = NULL;
        for (uint64_t bits = model->waiting[priority] & names & ~model->paused; bits != 0; bits &= bits - 1) {
            struct model_task *task = model->queues[__builtin_ctzll(bits)][priority].first;
            while (task != NULL && task->body.expires_wall <= wall_us)
                task = task->next;
            if (task != NULL && (best == NULL || task->body.order < best->body.order))
                best = task;
        }
        if (best != NULL)
            return best;
    }
    return NULL;
}

// --- names --------------------------------------------------------------------------------------------------------------
uint8_t model_name(sim_model *model, fq_str name) {
    if (name.len == 6 && memcmp(name.ptr, "task", 4) == 0) {
        unsigned number = (unsigned)(name.ptr[4] - '0') * 10 + (unsigned)(name.ptr[5] - '0');
        if (number < SIM_NAMES_MAX)
            return (uint8_t)number;
    }
    for (uint32_t i = 0; i < model->name_count; i++) {
        if (fq_str_equal(fq_str_of(model->names[i]), name))
            return (uint8_t)(SIM_NAMES_MAX + i);
    }
    if (SIM_NAMES_MAX + model->name_count >= MODEL_NAMES_MAX - 1 || name.len >= sizeof model->names[0])
        return MODEL_NAMES_MAX - 1;
    memcpy(model->names[model->name_count], name.ptr, name.len);
    return (uint8_t)(SIM_NAMES_MAX + model->name_count++);
}
