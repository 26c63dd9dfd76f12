// SPDX-License-Identifier: Apache-2.0
#include "sim/worker_state.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    BLOCK_MS_MAX = 2000,
    EMPTY_US = 10000, // pause after an empty fetch
    WINDING_EMPTY_US = 600000,
    REFUSED_US = 300000,
};

// --- requests ---------------------------------------------------------------------------------------------------------
static void put_names(const sim_worker *worker, struct sim_request *request, uint32_t names) {
    sim_request_word(request, SIM_WORD(5, "TASKS"));
    for (unsigned i = 0; i < worker->cast->names; i++)
        if ((names >> i & 1) != 0)
            sim_request_text(request, sim_name(i));
}

static void put_id(const sim_worker *worker, struct sim_request *request) {
    sim_request_text(request, fq_str_of(worker->id));
}

static void put_instance(const sim_worker *worker, struct sim_request *request) {
    if (!worker->style.has_instance)
        return;
    sim_request_word(request, SIM_WORD(8, "INSTANCE"));
    sim_request_number(request, worker->life);
}

static struct sim_exchange *describe(sim_worker *worker, enum sim_verb verb, uint32_t names, uint32_t count) {
    struct sim_exchange *asked = sim_cast_exchange(worker->cast, verb);
    asked->work.names = names;
    asked->work.count = count;
    asked->work.worker = worker->style.registers || worker->style.names_itself ? worker->id : "";
    return asked;
}

static void ask_register(sim_worker *worker, struct sim_wire *wire) {
    struct sim_request request;
    sim_request_begin(&request, &wire->output);
    sim_request_word(&request, SIM_WORD(11, "FQ.REGISTER"));
    put_id(worker, &request);
    put_instance(worker, &request);
    put_names(worker, &request, worker->style.names);
    sim_request_word(&request, SIM_WORD(5, "SLOTS"));
    sim_request_number(&request, worker->style.slots);
    sim_request_end(&request);
    describe(worker, SIM_REGISTER, worker->style.names, worker->style.slots);
    sim_wire_ask(wire, SIM_TAG_OTHER);
    sim_wire_flush(wire);
}

static void ask_unregister(sim_worker *worker) {
    struct sim_request request;
    sim_request_begin(&request, &worker->wire.output);
    sim_request_word(&request, SIM_WORD(13, "FQ.UNREGISTER"));
    put_id(worker, &request);
    put_instance(worker, &request);
    sim_request_end(&request);
    describe(worker, SIM_UNREGISTER, 0, 0);
    sim_wire_ask(&worker->wire, SIM_TAG_OTHER);
    worker->is_registered = false;
}

static void ask_fetch(sim_worker *worker, struct sim_dice *dice) {
    struct sim_request request;
    uint32_t names = worker->style.names, count = 1 + sim_dice_below(dice, worker->style.count);
    if (count > SIM_LEASES - worker->lease_count)
        count = SIM_LEASES - worker->lease_count;
    bool some = !worker->style.registers || sim_dice_rare(dice, 3);
    if (worker->style.registers && some)
        names = worker->style.some_names;
    sim_request_begin(&request, &worker->wire.output);
    sim_request_word(&request, SIM_WORD(8, "FQ.FETCH"));
    if (worker->style.names_itself || (worker->style.registers && some)) {
        sim_request_word(&request, SIM_WORD(6, "WORKER"));
        put_id(worker, &request);
    }
    if (some)
        put_names(worker, &request, names);
    sim_request_word(&request, SIM_WORD(5, "COUNT"));
    sim_request_number(&request, count);
    bool blocks = worker->style.blocks && !sim_dice_rare(dice, 2);
    if (blocks) {
        sim_request_word(&request, SIM_WORD(5, "BLOCK"));
        sim_request_number(&request, 1 + sim_dice_below(dice, BLOCK_MS_MAX));
    }
    sim_request_end(&request);
    describe(worker, SIM_FETCH, some ? names : worker->style.names, count)->waits = blocks;
    worker->is_fetching = true;
    sim_wire_ask(&worker->wire, SIM_TAG_OTHER);
}

// --- steps ----------------------------------------------------------------------------------------------------------------
static bool may_fetch(const sim_worker *worker, int64_t now_us) {
    bool knows = !worker->style.registers || worker->is_registered;
    return knows && !worker->is_fetching && !worker->is_draining && !worker->is_leaving &&
           worker->lease_count < worker->style.slots + worker->style.count / 2 &&
           worker->lease_count < SIM_LEASES && worker->fetch_at_us <= now_us &&
           sim_wire_room(&worker->wire) > 8;
}

static void stand_still(sim_worker *worker, int64_t now_us) {
    int64_t lease_us = (int64_t)worker->cast->options->lease_us;
    worker->still_until_us = now_us + lease_us / 2 + sim_cast_below(worker->cast, 2 * lease_us);
    for (size_t i = 0; i < SIM_LEASES; i++)
        worker->leases[i].is_unsure = true;
    sim_wire_freeze(&worker->wire, true);
    sim_wire_freeze(&worker->beats, true);
    sim_world_count(worker->cast->world, "worker stood still", 1);
    sim_worker_wake(worker, worker->still_until_us);
}

static void go_on(sim_worker *worker) {
    worker->still_until_us = 0;
    sim_wire_freeze(&worker->wire, false);
    sim_wire_freeze(&worker->beats, false);
}

static void sleep_until_next(sim_worker *worker, int64_t now_us, int64_t run_us) {
    int64_t next_us = run_us;
    if (worker->lease_count > 0 && sim_worker_may_beat(worker) && worker->beat_at_us < next_us)
        next_us = worker->beat_at_us;
    if (!worker->is_fetching && worker->fetch_at_us > now_us && worker->fetch_at_us < next_us)
        next_us = worker->fetch_at_us;
    if (next_us != INT64_MAX)
        sim_worker_wake(worker, next_us);
}

static void act(sim_worker *worker, int64_t now_us) {
    struct sim_dice dice = sim_dice_of(worker->cast);
    if (!worker->wire.is_up)
        return;
    if (worker->is_draining)
        sim_worker_release_held(worker);
    if (!sim_worker_report(worker, now_us))
        return;
    int64_t run_us = sim_worker_run(worker, now_us);
    if (worker->lease_count > 0 && worker->beat_at_us <= now_us)
        sim_worker_beat(worker, now_us);
    if (worker->style.registers && !worker->is_registered && !worker->is_registering &&
        worker->fetch_at_us <= now_us && !worker->is_leaving) {
        worker->is_registering = true;
        ask_register(worker, &worker->wire);
    }
    if (may_fetch(worker, now_us))
        ask_fetch(worker, &dice);
    sim_wire_flush(&worker->wire);
    sleep_until_next(worker, now_us, run_us < now_us ? now_us + FQ_US_PER_MS : run_us);
}

static void step(void *context, uint64_t generation) {
    sim_worker *worker = context;
    if (generation != worker->generation)
        return;
    int64_t now_us = sim_world_time(worker->cast->world);
    worker->step_at_us = INT64_MAX;
    worker->generation++;
    if (worker->is_dead)
        return;
    if (worker->still_until_us > now_us) {
        sim_worker_wake(worker, worker->still_until_us);
        return;
    }
    if (worker->still_until_us != 0)
        go_on(worker);
    act(worker, now_us);
}

void sim_worker_wake(sim_worker *worker, int64_t at_us) {
    if (at_us >= worker->step_at_us)
        return;
    worker->step_at_us = at_us;
    sim_world_at(worker->cast->world, at_us, step, worker, ++worker->generation);
}

// --- answers --------------------------------------------------------------------------------------------------------------
static void on_registered(sim_worker *worker, const struct fq_resp_node *nodes) {
    int64_t now_us = sim_world_time(worker->cast->world);
    worker->is_registering = false;
    worker->is_registered = !sim_reply_failed(nodes);
    if (!worker->is_registered) // another instance still lives
        worker->fetch_at_us = now_us + REFUSED_US;
}

static void on_fetched(sim_worker *worker, const struct fq_resp_node *nodes) {
    sim_cast *cast = worker->cast;
    int64_t now_us = sim_world_time(cast->world);
    worker->is_fetching = false;
    if (sim_reply_failed(nodes)) {
        worker->fetch_at_us = now_us + REFUSED_US;
        worker->is_registered = worker->is_registered && !sim_reply_is_error(nodes, "UNKNOWNWORKER");
        return;
    }
    if (worker->lease_count == 0)
        worker->beat_at_us = now_us + (int64_t)cast->options->lease_us / 3;
    sim_worker_take(worker, nodes);
    int64_t pause_us = cast->is_winding ? WINDING_EMPTY_US : EMPTY_US;
    worker->fetch_at_us = now_us + (nodes[0].child_count == 0 ? sim_cast_below(cast, pause_us) : 0);
    bool stands = nodes[0].child_count > 0 && sim_cast_chance(cast, cast->options->worker_pause_rate);
    if (stands)
        stand_still(worker, now_us);
}

static void on_reply(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    sim_worker *worker = context;
    int64_t now_us = sim_world_time(worker->cast->world);
    switch (ask->verb) {
    case SIM_REGISTER: on_registered(worker, nodes); break;
    case SIM_FETCH: on_fetched(worker, nodes); break;
    case SIM_HEARTBEAT: sim_worker_beaten(worker, nodes); break;
    default: sim_worker_reported(worker, ask, nodes);
    }
    if (worker->is_leaving && worker->wire.ask_count == 0) {
        sim_wire_close(&worker->wire);
        sim_wire_close(&worker->beats);
        return;
    }
    if (worker->still_until_us == 0)
        sim_worker_wake(worker, now_us);
}

static void on_lost(void *context, const struct sim_ask *ask) {
    sim_worker *worker = context;
    if (ask->verb == SIM_HEARTBEAT)
        worker->is_beating = false;
    else if (ask->verb == SIM_FETCH)
        worker->is_fetching = false;
    else
        sim_worker_report_lost(worker, ask);
}

static void on_push(void *context, const struct fq_resp_node *nodes) {
    sim_worker *worker = context;
    if (nodes[0].child_count >= 1 && fq_str_equal(nodes[1].text, FQ_STR("fq.drain")))
        worker->is_draining = true;
    else if (nodes[0].child_count >= 1 && fq_str_equal(nodes[1].text, FQ_STR("fq.cancel")))
        sim_worker_cancel(worker, nodes);
}

static void on_up(void *context) {
    sim_worker *worker = context;
    worker->is_draining = false;
    worker->fetch_at_us = 0;
    sim_worker_wake(worker, sim_world_time(worker->cast->world));
}

static void on_down(void *context) {
    sim_worker *worker = context;
    worker->is_registered = worker->is_registering = false;
    for (size_t i = 0; i < SIM_LEASES; i++)
        worker->leases[i].is_unsure = true;
    if (worker->is_leaving) {
        sim_wire_close(&worker->wire);
        sim_wire_close(&worker->beats);
    }
}

static void on_beats_up(void *context) {
    sim_worker *worker = context;
    worker->is_draining = false; // the old server's word may have come by this connection after on_up
    if (worker->style.registers)
        ask_register(worker, &worker->beats);
    sim_worker_wake(worker, sim_world_time(worker->cast->world));
}

static void on_beats_reply(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    sim_worker *worker = context;
    if (ask->verb == SIM_HEARTBEAT)
        sim_worker_beaten(worker, nodes);
    if (worker->still_until_us == 0)
        sim_worker_wake(worker, sim_world_time(worker->cast->world));
}

static void on_beats_down(void *context) {
    (void)context;
}

static const struct sim_wire_ops wire_ops = {on_up, on_reply, on_push, on_lost, on_down};
static const struct sim_wire_ops beats_ops = {on_beats_up, on_beats_reply, on_push, on_lost, on_beats_down};

// --- life -----------------------------------------------------------------------------------------------------------------
static void be_born(void *context, uint64_t unused) {
    (void)unused;
    sim_worker *worker = context;
    if (worker->is_leaving)
        return;
    worker->is_dead = false;
    worker->life++;
    sim_wire_open(&worker->wire);
    if (worker->style.beats_apart)
        sim_wire_open(&worker->beats);
}

void sim_worker_die(sim_worker *worker) {
    sim_cast *cast = worker->cast;
    worker->is_dead = true;
    worker->is_registered = worker->is_registering = false;
    worker->still_until_us = 0;
    sim_wire_close(&worker->wire);
    sim_wire_close(&worker->beats);
    memset(worker->leases, 0, sizeof worker->leases);
    worker->lease_count = 0;
    worker->is_beating = worker->is_fetching = false;
    int64_t wait_us = 1000 + sim_cast_below(cast, (int64_t)cast->options->lease_us);
    sim_world_at(cast->world, sim_world_time(cast->world) + wait_us, be_born, worker, 0);
}

void sim_worker_leave(sim_worker *worker) {
    worker->is_leaving = true;
    if (worker->wire.is_up && worker->is_registered)
        ask_unregister(worker);
    sim_wire_flush(&worker->wire);
    if (worker->wire.ask_count == 0) {
        sim_wire_close(&worker->wire);
        sim_wire_close(&worker->beats);
    }
}

static void draw_style(sim_worker *worker) {
    static const int64_t runs[] = {500, 2000, 20000, 400000};
    struct sim_dice dice = sim_dice_of(worker->cast);
    struct sim_worker_style *style = &worker->style;
    uint32_t all = (uint32_t)((UINT64_C(1) << worker->cast->names) - 1);
    style->run_us = runs[worker->number == 0 ? 1 : sim_dice_bits(&dice, 2)];
    style->count = 1 + sim_dice_below(&dice, sim_dice_rare(&dice, 1) ? 4 : 32);
    style->slots = sim_dice_rare(&dice, 2) ? 1 : style->count;
    style->registers = !sim_dice_rare(&dice, 2);
    style->has_instance = sim_dice_rare(&dice, 1);
    style->names_itself = !style->registers && sim_dice_rare(&dice, 1);
    style->blocks = sim_dice_rare(&dice, 1);
    style->beats_apart = sim_dice_rare(&dice, 2);
    style->names = sim_dice_bits(&dice, 32) & all;
    if (worker->number == 0 || style->names == 0 || sim_dice_rare(&dice, 1))
        style->names = all;
    // Some ask for more than they register: they must not get it.
    bool asks_more = sim_dice_rare(&dice, 2);
    style->some_names = (asks_more ? all : style->names) & sim_dice_bits(&dice, 32);
    if (style->some_names == 0)
        style->some_names = style->names;
}

sim_worker *sim_worker_new(sim_cast *cast, unsigned number) {
    sim_worker *worker = calloc(1, sizeof *worker);
    FQ_ASSERT(worker != NULL);
    worker->cast = cast;
    worker->number = number;
    worker->step_at_us = INT64_MAX;
    snprintf(worker->id, sizeof worker->id, "worker-%u", number);
    draw_style(worker);
    sim_wire_init(&worker->wire, cast, &wire_ops, worker, SIM_USER_WORKER);
    sim_wire_init(&worker->beats, cast, &beats_ops, worker, SIM_USER_WORKER);
    worker->wire.protocol = sim_cast_below(cast, 4) == 0 ? 2 : 3;
    be_born(worker, 0);
    return worker;
}

sim_worker *sim_worker_free(sim_worker *worker) {
    if (worker != NULL) {
        sim_wire_done(&worker->wire);
        sim_wire_done(&worker->beats);
    }
    free(worker);
    return NULL;
}
