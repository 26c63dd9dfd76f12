// SPDX-License-Identifier: Apache-2.0
#include "sim/worker_session.h"

#include "base/assert.h"
#include "sim/session_peer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PLACES = 16,
    ARGS_MAX = 3 * PLACES + SIM_NAMES_MAX + 8,
    NUMBER = 24,
    RUN_US = 20000,
    EMPTY_US = 10000,
    WINDING_EMPTY_US = 600000,
    AGAIN_US = 300000,
    RESULT_MAX = 80
};

enum kind { KIND_REGISTER, KIND_FETCH, KIND_BEAT, KIND_REPORT };
enum outcome { OUTCOME_SUCCESS, OUTCOME_FAIL, OUTCOME_CRASH, OUTCOME_RELEASE };

struct place {
    char id[FQ_UUID_TEXT + 1];
    char token_text[NUMBER];
    uint64_t token; // 0 = free
    uint32_t use;   // times that the place was used
    int64_t due_us;
    enum outcome outcome;
    bool is_reported;
};

struct sim_session_worker {
    sim_cast *cast;
    struct sim_session_peer peer;
    char id[16];
    uint32_t names, count;
    struct place places[PLACES];
    bool waits[KIND_REPORT]; // for the answer
    bool is_registered, is_draining, is_leaving;
    uint32_t beat_count, beat_use[PLACES];
    uint8_t beat_place[PLACES];
    int64_t register_at_us, fetch_at_us, beat_at_us, turn_at_us;
    uint64_t generation;
};

// A request under construction.
struct words {
    fq_slice at[ARGS_MAX];
    size_t count;
};

static int64_t now_of(const sim_session_worker *worker) {
    return sim_world_time(worker->cast->world);
}

static void word(struct words *words, const char *text) {
    FQ_ASSERT(words->count < ARGS_MAX);
    words->at[words->count++] = (fq_slice){text, strlen(text)};
}

static void names(struct words *words, uint32_t mask) {
    word(words, "TASKS");
    for (unsigned i = 0; i < SIM_NAMES_MAX; i++)
        if ((mask >> i & 1) != 0) {
            fq_str name = sim_name(i);
            FQ_ASSERT(words->count < ARGS_MAX);
            words->at[words->count++] = (fq_slice){name.ptr, name.len};
        }
}

static void ask(sim_session_worker *worker, const struct words *words, enum kind kind,
                const struct place *place) {
    uint64_t tag = (uint64_t)kind;
    if (place != NULL) {
        tag |= (uint64_t)place->use << 32 | (uint64_t)(place - worker->places) << 4;
    } else {
        FQ_ASSERT(kind < KIND_REPORT);
        worker->waits[kind] = true;
    }
    int rc = fq_session_command(worker->peer.session, words->at, words->count, false, tag);
    FQ_ASSERT(rc == 0);
}

// --- asking ---------------------------------------------------------------------------------------------------------------
static void ask_register(sim_session_worker *worker) {
    char slots[NUMBER];
    struct words words = {.count = 0};
    snprintf(slots, sizeof slots, "%u", worker->count);
    word(&words, "FQ.REGISTER");
    word(&words, worker->id);
    word(&words, "INSTANCE");
    word(&words, "1");
    names(&words, worker->names);
    word(&words, "SLOTS");
    word(&words, slots);
    ask(worker, &words, KIND_REGISTER, NULL);
}

static void ask_fetch(sim_session_worker *worker, uint32_t free_places) {
    char count[NUMBER];
    struct words words = {.count = 0};
    snprintf(count, sizeof count, "%u", free_places < worker->count ? free_places : worker->count);
    word(&words, "FQ.FETCH");
    word(&words, "WORKER");
    word(&words, worker->id);
    names(&words, worker->names);
    word(&words, "COUNT");
    word(&words, count);
    ask(worker, &words, KIND_FETCH, NULL);
}

static void ask_beat(sim_session_worker *worker) {
    struct words words = {.count = 0};
    word(&words, "FQ.HEARTBEAT");
    worker->beat_count = 0;
    for (unsigned i = 0; i < PLACES; i++) {
        const struct place *place = &worker->places[i];
        if (place->token == 0 || place->is_reported || place->outcome == OUTCOME_RELEASE)
            continue;
        word(&words, place->id);
        word(&words, place->token_text);
        word(&words, "running");
        worker->beat_use[worker->beat_count] = place->use;
        worker->beat_place[worker->beat_count++] = (uint8_t)i;
    }
    if (worker->beat_count > 0)
        ask(worker, &words, KIND_BEAT, NULL);
}

// What a task gives is the same however often it is said.
static void report(sim_session_worker *worker, struct place *place) {
    struct words words = {.count = 0};
    static const char *const verbs[] = {"FQ.COMPLETE", "FQ.FAIL", "FQ.FAIL", "FQ.RELEASE"};
    word(&words, verbs[place->outcome]);
    word(&words, place->id);
    word(&words, place->token_text);
    if (place->outcome == OUTCOME_SUCCESS) {
        fq_str piece =
            sim_cast_piece(worker->cast, (unsigned)(place->token & 127), place->token % RESULT_MAX);
        words.at[words.count++] = (fq_slice){piece.ptr, piece.len};
    } else if (place->outcome != OUTCOME_RELEASE) {
        word(&words, "Error");
        word(&words, "it went wrong");
        if (place->outcome == OUTCOME_CRASH)
            word(&words, "CRASH");
    }
    place->is_reported = true;
    ask(worker, &words, KIND_REPORT, place);
}

// --- turns ----------------------------------------------------------------------------------------------------------------
static void wake(sim_session_worker *worker, int64_t at_us);

static void act(sim_session_worker *worker, int64_t now_us) {
    uint32_t free_places = 0;
    int64_t next_us = worker->is_registered ? worker->fetch_at_us : worker->register_at_us;
    for (unsigned i = 0; i < PLACES; i++) {
        struct place *place = &worker->places[i];
        free_places += place->token == 0;
        if (place->token == 0 || place->is_reported)
            continue;
        if (place->due_us <= now_us)
            report(worker, place);
        else if (place->due_us < next_us)
            next_us = place->due_us;
    }
    if (free_places < PLACES && worker->beat_at_us <= now_us && !worker->waits[KIND_BEAT]) {
        worker->beat_at_us = now_us + (int64_t)worker->cast->options->lease_us / 3;
        ask_beat(worker);
    }
    if (free_places < PLACES && worker->beat_at_us < next_us)
        next_us = worker->beat_at_us;
    if (!worker->is_registered && !worker->waits[KIND_REGISTER] && worker->register_at_us <= now_us)
        ask_register(worker);
    else if (worker->is_registered && !worker->is_draining && !worker->waits[KIND_FETCH] && free_places > 0 &&
             worker->fetch_at_us <= now_us)
        ask_fetch(worker, free_places);
    wake(worker, next_us > now_us ? next_us : now_us + AGAIN_US);
}

static void turn(void *context, uint64_t generation) {
    sim_session_worker *worker = context;
    if (generation != worker->generation || worker->is_leaving)
        return;
    worker->turn_at_us = INT64_MAX;
    if (!fq_session_is_ready(worker->peer.session))
        return; // READY wakes
    act(worker, now_of(worker));
    sim_session_pump(&worker->peer);
}

static void wake(sim_session_worker *worker, int64_t at_us) {
    if (at_us >= worker->turn_at_us)
        return;
    worker->turn_at_us = at_us;
    sim_world_at(worker->cast->world, at_us, turn, worker, ++worker->generation);
}

// --- being answered -------------------------------------------------------------------------------------------------------
static void broken(const sim_session_worker *worker, const char *what) {
    sim_world_fail(worker->cast->world, "S32", "session of worker %s: %s", worker->id, what);
}

static struct place *free_place(sim_session_worker *worker) {
    for (unsigned i = 0; i < PLACES; i++)
        if (worker->places[i].token == 0)
            return &worker->places[i];
    return NULL;
}

static void drop(struct place *place) {
    *place = (struct place){.use = place->use};
}

static enum outcome draw_outcome(sim_session_worker *worker, struct sim_dice *dice,
                                 const struct fq_value *payload) {
    if (sim_cast_is_poison((fq_str){payload->text.ptr, payload->text.len}))
        return OUTCOME_CRASH;
    if (sim_cast_chance(worker->cast, worker->cast->options->failure_rate))
        return OUTCOME_FAIL;
    return sim_dice_rare(dice, 6) ? OUTCOME_RELEASE : OUTCOME_SUCCESS;
}

static void take_one(sim_session_worker *worker, const struct fq_value *values, uint32_t at,
                     struct sim_dice *dice) {
    const struct fq_value *id = fq_value_get(values, at, "id");
    const struct fq_value *token = fq_value_get(values, at, "token");
    const struct fq_value *payload = fq_value_get(values, at, "payload");
    struct place *place = free_place(worker);
    uint64_t number = 0;
    if (token != NULL && token->type == FQ_VALUE_INTEGER)
        number = (uint64_t)token->integer;
    else if (token == NULL || fq_str_to_uint64((fq_str){token->text.ptr, token->text.len}, &number) < 0)
        number = 0;
    if (id == NULL || id->text.len != FQ_UUID_TEXT || number == 0 || payload == NULL || place == NULL) {
        sim_world_fail(worker->cast->world, "S20", "worker %s was given what it cannot take", worker->id);
        return;
    }
    bool is_long = sim_dice_rare(dice, 5) && !worker->cast->is_winding;
    int64_t longest_us = is_long ? (int64_t)worker->cast->options->lease_us * 2 : RUN_US;
    place->use++;
    memcpy(place->id, id->text.ptr, FQ_UUID_TEXT);
    place->token = number;
    snprintf(place->token_text, sizeof place->token_text, "%" PRIu64, number);
    place->outcome = draw_outcome(worker, dice, payload);
    place->due_us =
        now_of(worker) + (place->outcome == OUTCOME_RELEASE ? 0 : sim_cast_below(worker->cast, longest_us));
}

static void on_fetched(sim_session_worker *worker, const struct fq_session_event *event) {
    int64_t now_us = now_of(worker);
    if (event->error < 0) {
        worker->fetch_at_us = now_us + AGAIN_US;
        worker->is_registered = worker->is_registered && event->error != FQ_EUNKNOWNWORKER;
        return;
    }
    const struct fq_value *values = event->values;
    struct sim_dice dice = sim_dice_of(worker->cast);
    if (values[0].type != FQ_VALUE_ARRAY) {
        broken(worker, "an answer to FETCH that is no array");
        return;
    }
    uint32_t at = 1;
    for (uint32_t i = 0; i < values[0].child_count; i++, at = values[at].next)
        take_one(worker, values, at, &dice);
    int64_t pause_us = worker->cast->is_winding ? WINDING_EMPTY_US : EMPTY_US;
    worker->fetch_at_us = now_us + (values[0].child_count == 0 ? sim_cast_below(worker->cast, pause_us) : 0);
    if (values[0].child_count > 0) // running is said at once
        worker->beat_at_us = now_us;
}

static void on_beaten(sim_session_worker *worker, const struct fq_session_event *event) {
    if (event->error < 0 || event->values[0].type != FQ_VALUE_ARRAY)
        return;
    uint32_t at = 1;
    for (uint32_t i = 0; i < event->values[0].child_count && i < worker->beat_count; i++) {
        struct place *place = &worker->places[worker->beat_place[i]];
        fq_str verdict = {event->values[at].text.ptr, event->values[at].text.len};
        at = event->values[at].next;
        if (place->token == 0 || place->use != worker->beat_use[i] || place->is_reported)
            continue;
        if (fq_str_equal(verdict, FQ_STR("stale")))
            drop(place);
        else if (fq_str_equal(verdict, FQ_STR("cancel")))
            place->due_us = now_of(worker);
        else if (fq_str_equal(verdict, FQ_STR("drain")))
            worker->is_draining = true;
    }
}

static void on_reported(sim_session_worker *worker, const struct fq_session_event *event) {
    struct place *place = &worker->places[event->tag >> 4 & (PLACES - 1)];
    if (place->use != event->tag >> 32 || place->token == 0 || !place->is_reported) {
        broken(worker, "a second answer to one report");
        return;
    }
    if (event->error == 0 && place->outcome == OUTCOME_SUCCESS)
        worker->cast->level--;
    if (event->error == 0 || event->error == FQ_ESTALELEASE) {
        drop(place);
        return;
    }
    place->is_reported = false; // lost, or refused for the moment: said again a little later
    place->due_us = now_of(worker) + 100 * FQ_US_PER_MS;
}

static void on_reply(sim_session_worker *worker, const struct fq_session_event *event) {
    enum kind kind = (enum kind)(event->tag & 15);
    if (kind == KIND_REPORT) {
        on_reported(worker, event);
        return;
    }
    if (!worker->waits[kind])
        broken(worker, "a second answer to one request");
    worker->waits[kind] = false;
    if (kind == KIND_FETCH) {
        on_fetched(worker, event);
    } else if (kind == KIND_BEAT) {
        on_beaten(worker, event);
    } else {
        worker->is_registered = event->error == 0;
        worker->register_at_us = now_of(worker) + AGAIN_US;
    }
}

static void cancel(sim_session_worker *worker, const struct fq_session_event *event) {
    for (unsigned i = 0; i < PLACES; i++) {
        struct place *place = &worker->places[i];
        if (place->token != 0 && place->token == event->token &&
            memcmp(place->id, event->id, FQ_UUID_TEXT) == 0)
            place->due_us = now_of(worker);
    }
}

static void on_event(void *context, const struct fq_session_event *event) {
    sim_session_worker *worker = context;
    if (event->type == FQ_SESSION_READY) {
        worker->is_registered = worker->is_draining = false;
        worker->register_at_us = worker->fetch_at_us = 0;
    } else if (event->type == FQ_SESSION_REPLY) {
        on_reply(worker, event);
    } else if (event->type == FQ_SESSION_CANCEL) {
        cancel(worker, event);
    } else if (event->type == FQ_SESSION_DRAIN) {
        worker->is_draining = true;
    }
    wake(worker, now_of(worker) + 1);
}

// --- life -----------------------------------------------------------------------------------------------------------------
void sim_session_worker_leave(sim_session_worker *worker) {
    worker->is_leaving = true;
    sim_session_close(&worker->peer);
}

sim_session_worker *sim_session_worker_new(sim_cast *cast, unsigned number) {
    sim_session_worker *worker = calloc(1, sizeof *worker);
    FQ_ASSERT(worker != NULL);
    worker->cast = cast;
    worker->turn_at_us = INT64_MAX;
    struct sim_dice dice = sim_dice_of(cast);
    uint32_t all = (uint32_t)((UINT64_C(1) << cast->names) - 1);
    worker->names = sim_dice_bits(&dice, 32) & all;
    if (worker->names == 0 || sim_dice_rare(&dice, 1))
        worker->names = all;
    worker->count = 1 + sim_dice_below(&dice, PLACES);
    snprintf(worker->id, sizeof worker->id, "session-%u", number);
    sim_session_open(&worker->peer, cast, SIM_USER_WORKER, on_event, worker);
    worker->peer.worker_id = worker->id;
    return worker;
}

sim_session_worker *sim_session_worker_free(sim_session_worker *worker) {
    if (worker != NULL)
        sim_session_done(&worker->peer);
    free(worker);
    return NULL;
}
