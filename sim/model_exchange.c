// SPDX-License-Identifier: Apache-2.0
// What peers asked: each request under way, and what remains of it for the events to come.
#include "sim/model_state.h"

#include "base/hash.h"

#include <stdlib.h>

enum { SLOT_BITS = 24 };

static void *grown(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (memory == NULL)
        abort();
    return memory;
}

// --- records --------------------------------------------------------------------------------------------------------------
static struct asked *new_record(sim_model *model) {
    if (model->asked_free_count > 0)
        return model->asked_slots[model->asked_free[--model->asked_free_count]];
    if (model->asked_used == model->asked_room) {
        model->asked_room = model->asked_room == 0 ? 256 : model->asked_room * 2;
        model->asked_slots = grown(model->asked_slots, model->asked_room * sizeof *model->asked_slots);
        model->asked_free = grown(model->asked_free, model->asked_room * sizeof *model->asked_free);
    }
    struct asked *asked = calloc(1, sizeof *asked);
    if (asked == NULL)
        abort();
    asked->slot = model->asked_used;
    model->asked_slots[model->asked_used++] = asked;
    return asked;
}

static struct asked *find_record(const sim_model *model, uint64_t number) {
    uint64_t slot = number & ((1u << SLOT_BITS) - 1);
    struct asked *asked = slot < model->asked_used ? model->asked_slots[slot] : NULL;
    return asked != NULL && asked->live && asked->number == number ? asked : NULL;
}

static void end_record(sim_model *model, struct asked *asked, bool lost) {
    if (asked->verb == SIM_FETCH && !asked->must_fail)
        model_fetch_ends(model, asked, lost);
    *(asked->previous != NULL ? &asked->previous->next : &model->under_way) = asked->next;
    *(asked->next != NULL ? &asked->next->previous : &model->under_way_last) = asked->previous;
    model->under_way_count--;
    asked->live = false;
    model->asked_free[model->asked_free_count++] = asked->slot;
}

// --- asking -----------------------------------------------------------------------------------------------------------------
static unsigned role_of(enum sim_verb verb) {
    switch (verb) {
    case SIM_SUBMIT:
    case SIM_CANCEL: return FQ_ROLE_SUBMIT;
    case SIM_RESULT:
    case SIM_WATCH: return FQ_ROLE_SUBMIT | FQ_ROLE_READ;
    case SIM_REGISTER:
    case SIM_UNREGISTER:
    case SIM_FETCH:
    case SIM_HEARTBEAT:
    case SIM_COMPLETE:
    case SIM_FAIL:
    case SIM_RELEASE: return FQ_ROLE_WORK;
    case SIM_PAUSE:
    case SIM_RESUME:
    case SIM_DEAD_REQUEUE:
    case SIM_DEAD_PURGE: return FQ_ROLE_ADMIN;
    case SIM_LIST:
    case SIM_STATS: return FQ_ROLE_READ;
    case SIM_OTHER: break;
    }
    return FQ_ROLE_ALL;
}

static int64_t to_us(int64_t ms) {
    return ms > 0 ? ms * FQ_US_PER_MS : 0;
}

static struct intent make_intent(sim_model *model, const struct sim_exchange *exchange) {
    struct intent intent = {
        .payload_hash = fq_hash_str(exchange->body, 0),
        .payload_len = exchange->body.len,
        .unique = exchange->unique.len != 0 ? fq_hash_str(exchange->unique, 0) | 1 : 0,
        .delay_us = to_us(exchange->submit.delay_ms),
        .at_us = to_us(exchange->submit.at_ms),
        .expires_us = to_us(exchange->submit.expires_ms),
        .timeout_ms = exchange->submit.timeout_ms > 0 ? exchange->submit.timeout_ms : 0,
        .backoff_ms = exchange->submit.backoff_ms > 0 ? exchange->submit.backoff_ms : 0,
        .ttl_ms = exchange->submit.result_ttl_ms >= 0 ? exchange->submit.result_ttl_ms : -1,
        .retries = exchange->submit.retries,
        .name = model_name(model, exchange->name),
        .priority = (uint8_t)exchange->submit.priority,
    };
    int64_t numbers[] = {intent.delay_us,         intent.at_us,
                         intent.expires_us,       intent.timeout_ms,
                         intent.backoff_ms,       intent.ttl_ms,
                         (int64_t)intent.retries, intent.name,
                         intent.priority,         (int64_t)intent.payload_len,
                         (int64_t)intent.unique};
    intent.body = fq_hash_bytes(numbers, sizeof numbers, intent.payload_hash);
    if (intent.ttl_ms < 0) // known from one that was given, where the body is concerned
        intent.ttl_ms = (int64_t)model->options->result_ttl_us / FQ_US_PER_MS;
    return intent;
}

static void ask_submit(sim_model *model, struct asked *asked, const struct sim_exchange *exchange) {
    struct intent intent = make_intent(model, exchange);
    asked->body = asked->task != NULL ? intent.body : intent.payload_hash;
    asked->unique = intent.unique;
    asked->name = intent.name;
    if (asked->must_fail)
        return;
    struct intent **list = asked->task != NULL ? &asked->task->intents : &model->nameless;
    for (const struct intent *known = *list; known != NULL && asked->task != NULL; known = known->next) {
        if (known->body == intent.body)
            return;
    }
    struct intent *kept = grown(NULL, sizeof *kept);
    *kept = intent;
    kept->next = *list;
    *list = kept;
}

static struct reports *reports_of(struct model_task *task, uint64_t token) {
    if (task == NULL || token == 0)
        return NULL;
    // A crash may have taken a younger grant back.
    if (task->reports.token != token && task->body.token == token)
        task->reports = (struct reports){.token = token};
    return task->reports.token == token ? &task->reports : NULL;
}

static void ask_report(struct asked *asked, const struct sim_exchange *exchange) {
    asked->body = fq_hash_str(exchange->body, 0);
    struct reports *reports = reports_of(asked->task, exchange->token);
    if (reports == NULL || asked->must_fail)
        return;
    if (exchange->verb == SIM_COMPLETE) {
        reports->flags |= ASKED_COMPLETE;
        unsigned at = reports->result_count < 3 ? reports->result_count++ : 2;
        reports->result_hash[at] = asked->body;
        reports->result_len[at] = (uint32_t)exchange->body.len;
    } else if (exchange->verb == SIM_RELEASE) {
        reports->flags |= ASKED_RELEASE;
    } else if (exchange->crash) {
        reports->flags |= ASKED_CRASH;
    } else {
        reports->flags |= ASKED_FAIL | (exchange->no_retry ? ASKED_NO_RETRY : ASKED_RETRY);
    }
}

static void ask_beats(sim_model *model, struct asked *asked, const struct sim_exchange *exchange) {
    size_t count = exchange->beats.count < SIM_BEATS_MAX ? exchange->beats.count : SIM_BEATS_MAX;
    if (count > asked->beat_room) {
        asked->beats = grown(asked->beats, SIM_BEATS_MAX * sizeof *asked->beats);
        asked->beat_room = SIM_BEATS_MAX;
    }
    asked->beat_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        struct model_task *task = model_task_take(model, &exchange->beats.id[i]);
        asked->beats[i] = (struct beat_asked){task, exchange->beats.token[i]};
        struct reports *reports = reports_of(task, exchange->beats.token[i]);
        if (reports != NULL && !asked->must_fail)
            reports->flags |= ASKED_BEAT | (exchange->beats.running[i] ? ASKED_RUNNING : 0);
    }
}

static void ask(sim_model *model, struct asked *asked, const struct sim_exchange *exchange) {
    bool all = asked->task == NULL;
    switch (exchange->verb) {
    case SIM_SUBMIT: ask_submit(model, asked, exchange); return;
    case SIM_COMPLETE:
    case SIM_FAIL:
    case SIM_RELEASE: ask_report(asked, exchange); return;
    case SIM_HEARTBEAT: ask_beats(model, asked, exchange); return;
    case SIM_STATS: memcpy(asked->totals, model->totals, sizeof asked->totals); return;
    case SIM_PAUSE:
    case SIM_RESUME:
        asked->name = exchange->name.len == 0 ? MODEL_NAMES_MAX : model_name(model, exchange->name);
        return;
    default: break;
    }
    if (asked->must_fail)
        return;
    switch (exchange->verb) {
    case SIM_FETCH: model_fetch_begins(model, asked); return;
    case SIM_CANCEL:
        if (!all)
            asked->task->asked |= ASKED_CANCEL;
        return;
    case SIM_DEAD_REQUEUE:
        if (all)
            model->requeue_all = true;
        else
            asked->task->asked |= ASKED_REQUEUE;
        return;
    case SIM_DEAD_PURGE:
        if (all)
            model->purge_all = true;
        else
            asked->task->asked |= ASKED_PURGE;
        return;
    case SIM_REGISTER:
    case SIM_UNREGISTER: model_worker_asks(model, exchange, asked->worker); return;
    default: return;
    }
}

uint64_t sim_model_asked(sim_model *model, const struct sim_exchange *exchange) {
    static const fq_uuid none;
    struct asked *asked = new_record(model);
    asked->serial = (uint32_t)++model->asked_serial;
    asked->number = model->asked_serial << SLOT_BITS | asked->slot;
    asked->moment = model->moment;
    asked->connection = exchange->connection;
    asked->token = exchange->token;
    asked->body = asked->unique = 0;
    asked->at_us = sim_world_time(model->world);
    asked->brisk_us = model->space.now.brisk_us;
    asked->task = fq_uuid_equal(&exchange->id, &none) ? NULL : model_task_take(model, &exchange->id);
    asked->names = exchange->work.names;
    asked->count = exchange->work.count;
    asked->actor = exchange->actor;
    asked->boot = model->boot;
    asked->beat_count = 0;
    asked->worker = exchange->work.worker != NULL ? model_worker(model, fq_str_of(exchange->work.worker)) : 0;
    asked->verb = (uint8_t)exchange->verb;
    asked->lacks_role = (exchange->roles & role_of(exchange->verb)) == 0;
    asked->must_fail = exchange->must_fail;
    asked->waits = exchange->waits;
    asked->live = true;
    asked->next = NULL;
    asked->previous = model->under_way_last;
    *(asked->previous != NULL ? &asked->previous->next : &model->under_way) = asked;
    model->under_way_last = asked;
    model->under_way_count++;
    ask(model, asked, exchange);
    return asked->number;
}

// --- answers ----------------------------------------------------------------------------------------------------------------
static void check_order(sim_model *model, const struct asked *asked) {
    if (asked->connection >= model->connection_room) {
        uint64_t room = model->connection_room == 0 ? 1024 : model->connection_room;
        while (room <= asked->connection)
            room *= 2;
        model->last_answered = grown(model->last_answered, room * sizeof *model->last_answered);
        memset(model->last_answered + model->connection_room, 0,
               (room - model->connection_room) * sizeof *model->last_answered);
        model->connection_room = room;
    }
    uint32_t *last = &model->last_answered[asked->connection];
    CHECK(model, S32, *last < asked->serial, "connection %llu got its answers out of order",
          (unsigned long long)asked->connection);
    *last = asked->serial;
}

void sim_model_answered(sim_model *model, uint64_t exchange, const struct fq_resp_node *nodes) {
    if (sim_world_failed(model->world))
        return;
    struct asked *asked = find_record(model, exchange);
    if (!CHECK(model, S32, asked != NULL, "a request was answered twice, or after its connection was gone"))
        return;
    model->stats.operations++;
    check_order(model, asked);
    check_answer(model, asked, nodes);
    end_record(model, asked, false);
}

void sim_model_lost(sim_model *model, uint64_t exchange) {
    struct asked *asked = find_record(model, exchange);
    if (asked == NULL)
        return;
    end_record(model, asked, true);
}
