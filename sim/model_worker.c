// SPDX-License-Identifier: Apache-2.0
// Workers: what they registered for, what they fetch, and whether a grant is the right choice for one of them.
#include "sim/model_state.h"

#include "base/hash.h"
#include "engine/event_data.h"

#include <stdlib.h>

// --- by id ------------------------------------------------------------------------------------------------------------
static void *grown(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (memory == NULL)
        abort();
    return memory;
}

static uint32_t *index_slot(const sim_model *model, fq_str id) {
    uint64_t at = fq_hash_str(id, 1) & (model->worker_index_size - 1);
    while (model->worker_index[at] != 0 &&
           !fq_str_equal(fq_str_of(model->workers[model->worker_index[at]].id), id))
        at = (at + 1) & (model->worker_index_size - 1);
    return &model->worker_index[at];
}

static void grow_index(sim_model *model) {
    free(model->worker_index);
    model->worker_index_size = model->worker_index_size == 0 ? 256 : model->worker_index_size * 2;
    model->worker_index = calloc(model->worker_index_size, sizeof *model->worker_index);
    if (model->worker_index == NULL)
        abort();
    for (uint32_t i = 1; i < model->worker_count; i++)
        *index_slot(model, fq_str_of(model->workers[i].id)) = i;
}

// 0 for those that the server names itself.
int32_t model_worker(sim_model *model, fq_str id) {
    if (model->worker_count == 0) {
        model->worker_room = 64;
        model->workers = grown(NULL, model->worker_room * sizeof *model->workers);
        model->workers[0] = (struct model_worker){.registered = 0};
        model->worker_count = 1;
        grow_index(model);
    }
    if (id.len == 0 || id.len >= sizeof model->workers->id ||
        (id.len > 11 && memcmp(id.ptr, "connection-", 11) == 0))
        return 0;
    uint32_t *slot = index_slot(model, id);
    if (*slot != 0)
        return (int32_t)*slot;
    if (model->worker_count == model->worker_room) {
        model->worker_room *= 2;
        model->workers = grown(model->workers, model->worker_room * sizeof *model->workers);
    }
    struct model_worker *worker = &model->workers[model->worker_count];
    *worker = (struct model_worker){.registered = 0};
    memcpy(worker->id, id.ptr, id.len);
    *slot = model->worker_count++;
    int32_t index = (int32_t)*slot;
    if (model->worker_count * 2 > model->worker_index_size)
        grow_index(model);
    return index;
}

void model_workers_done(sim_model *model) {
    free(model->workers);
    free(model->worker_index);
}

// --- registration -------------------------------------------------------------------------------------------------------
static void keep_mask(uint32_t *masks, uint32_t *count, uint32_t mask) {
    for (uint32_t i = 0; i < *count && i < MODEL_MASKS; i++) {
        if (masks[i] == mask)
            return;
    }
    masks[(*count)++ % MODEL_MASKS] = mask;
}

static bool has_mask(const uint32_t *masks, uint32_t count, uint64_t mask) {
    for (uint32_t i = 0; i < count && i < MODEL_MASKS; i++) {
        if (masks[i] == mask)
            return true;
    }
    return false;
}

void model_worker_asks(sim_model *model, const struct sim_exchange *exchange, int32_t index) {
    struct model_worker *worker = &model->workers[index];
    if (exchange->verb == SIM_REGISTER)
        keep_mask(worker->masks, &worker->mask_count, exchange->work.names);
    else
        worker->leaves_asked = true;
}

void model_on_registered(sim_model *model, struct model_event *event) {
    int32_t index = model_worker(model, event->event->registration.worker);
    if (index == 0)
        return;
    struct model_worker *worker = &model->workers[index];
    uint64_t names = 0;
    for (unsigned i = 0; i < SIM_NAMES_MAX; i++) {
        if (fq_engine_worker_offers(event->engine, fq_str_of(worker->id), sim_name(i)))
            names |= UINT64_C(1) << i;
    }
    worker->registered = names;
    CHECK(model, S33, has_mask(worker->masks, worker->mask_count, names),
          "worker %s is registered for names %llx, as nobody asked", worker->id, (unsigned long long)names);
}

void model_on_worker_left(sim_model *model, struct model_event *event) {
    CHECK(model, S8, !model->uncounted, "what worker %s held when it vanished is not counted as lost",
          model->leaving > 0 ? model->workers[model->leaving].id : "");
    model->uncounted = false;
    model->leaving = -1;
    // Whose leave it is shows in the registry: whoever is no longer there has left.
    for (uint32_t i = 1; i < model->worker_count; i++) {
        struct model_worker *worker = &model->workers[i];
        if (worker->registered == 0)
            continue;
        unsigned name = (unsigned)__builtin_ctzll(worker->registered);
        if (!fq_engine_worker_offers(event->engine, fq_str_of(worker->id), sim_name(name)))
            worker->registered = 0;
    }
}

// --- fetches ------------------------------------------------------------------------------------------------------------
void model_fetch_begins(sim_model *model, struct asked *asked) {
    struct model_worker *worker = &model->workers[asked->worker];
    asked->fetch_previous = NULL;
    asked->fetch_next = worker->fetches;
    if (worker->fetches != NULL)
        worker->fetches->fetch_previous = asked;
    worker->fetches = asked;
}

void model_fetch_ends(sim_model *model, struct asked *asked, bool lost) {
    struct model_worker *worker = &model->workers[asked->worker];
    *(asked->fetch_previous != NULL ? &asked->fetch_previous->fetch_next : &worker->fetches) =
        asked->fetch_next;
    if (asked->fetch_next != NULL)
        asked->fetch_next->fetch_previous = asked->fetch_previous;
    if (lost) // it may still be on its way
        keep_mask(worker->fetched, &worker->fetched_count, asked->names);
}

static uint64_t offered(const struct model_worker *worker, uint32_t names) {
    if (worker->registered == 0)
        return names;
    return names == 0 ? worker->registered : worker->registered & names;
}

struct choice {
    sim_model *model;
    const struct model_task *task, *better; // better: what should have been granted
    int64_t wall_us;
    bool named; // some fetch names the task
};

static bool fits(struct choice *choice, uint64_t names) {
    if ((names >> choice->task->body.name & 1) == 0)
        return false;
    choice->named = true;
    const struct model_task *best = model_task_best(choice->model, names, choice->wall_us);
    if (best == choice->task)
        return true;
    choice->better = best;
    return false;
}

static bool some_fetch_fits(struct choice *choice, const struct model_worker *worker) {
    for (const struct asked *fetch = worker->fetches; fetch != NULL; fetch = fetch->fetch_next) {
        if (fits(choice, offered(worker, fetch->names)))
            return true;
    }
    for (uint32_t i = 0; i < worker->fetched_count && i < MODEL_MASKS; i++) {
        if (fits(choice, offered(worker, worker->fetched[i])))
            return true;
    }
    return false;
}

void model_check_choice(sim_model *model, struct model_event *event, int32_t index) {
    struct choice choice = {.model = model, .task = event->task, .wall_us = event->now.wall_us};
    model->checked[SIM_S10]++;
    model->checked[SIM_S11]++;
    model->checked[SIM_S20]++;
    bool right = some_fetch_fits(&choice, &model->workers[index]);
    // A fetch that names neither worker nor tasks is its connection's registered worker's.
    if (!right && index != 0 && model->workers[index].registered != 0) {
        for (const struct asked *fetch = model->workers[0].fetches; fetch != NULL && !right;
             fetch = fetch->fetch_next)
            right = fetch->names == 0 && fits(&choice, model->workers[index].registered);
    }
    if (right)
        return;
    const struct model_task *better = choice.better;
    if (!choice.named)
        model_fail(model, SIM_S20, "task %s is granted to worker %s, which did not ask for its name",
                   model_id(event->task), model->workers[index].id);
    else if (better != NULL && better->body.priority < event->task->body.priority)
        model_fail(model, SIM_S10, "task %s is granted before task %s of a higher priority",
                   model_id(event->task), model_id(better));
    else
        model_fail(model, SIM_S11, "task %s is granted before task %s, which waits longer",
                   model_id(event->task), better != NULL ? model_id(better) : "none");
}
