// SPDX-License-Identifier: Apache-2.0
// What a worker holds: grants, running, heartbeats.
#include "sim/worker_state.h"

enum { LONG_RUN_US = 20000, WINDING_RUN_US = 1000000 };

// --- grants ---------------------------------------------------------------------------------------------------------------
static struct sim_lease *free_place(sim_worker *worker) {
    for (size_t i = 0; i < SIM_LEASES; i++)
        if (worker->leases[i].token == 0)
            return &worker->leases[i];
    return NULL;
}

static enum sim_fate draw_fate(sim_worker *worker, struct sim_dice *dice, bool is_poison) {
    sim_cast *cast = worker->cast;
    if (is_poison)
        return sim_dice_rare(dice, 1) ? SIM_FATE_DEATH : SIM_FATE_CRASH;
    if (sim_cast_chance(cast, cast->options->worker_death_rate)) {
        sim_world_count(cast->world, "worker died", 1);
        return SIM_FATE_DEATH;
    }
    if (sim_cast_chance(cast, cast->options->failure_rate))
        return sim_dice_rare(dice, 3)   ? SIM_FATE_FAIL_FOR_GOOD
               : sim_dice_rare(dice, 4) ? SIM_FATE_CRASH
                                        : SIM_FATE_FAIL;
    return sim_dice_rare(dice, 6) ? SIM_FATE_RELEASE : SIM_FATE_SUCCESS;
}

static int64_t draw_run(sim_worker *worker, struct sim_dice *dice, const struct sim_lease *lease,
                        int64_t usual_us) {
    if (lease->fate == SIM_FATE_DEATH && lease->strikes)
        return 0;
    if (lease->fate == SIM_FATE_DEATH || lease->fate == SIM_FATE_CRASH)
        return LONG_RUN_US + (int64_t)sim_dice_bits(dice, 16);
    if (sim_dice_rare(dice, 7) && !worker->cast->is_winding) // longer than one lease
        return (int64_t)worker->cast->options->lease_us * sim_dice_below(dice, 6000) / 1000;
    return usual_us;
}

static void take_one(sim_worker *worker, struct sim_dice *dice, const struct fq_resp_node *nodes, uint32_t at,
                     int64_t now_us) {
    const struct fq_resp_node *id = fq_resp_map_get(nodes, at, FQ_STR("id"));
    const struct fq_resp_node *token = fq_resp_map_get(nodes, at, FQ_STR("token"));
    const struct fq_resp_node *payload = fq_resp_map_get(nodes, at, FQ_STR("payload"));
    struct sim_lease lease = {.granted_us = now_us, .serial = ++worker->last_serial};
    struct sim_lease *place = free_place(worker);
    if (id == NULL || token == NULL || payload == NULL || fq_uuid_parse(id->text, &lease.id) < 0 ||
        fq_str_to_uint64(token->text, &lease.token) < 0 || place == NULL) {
        sim_world_fail(worker->cast->world, "S20", "worker %s was given what it cannot take", worker->id);
        return;
    }
    bool is_poison = sim_cast_is_poison(payload->text);
    if (is_poison)
        sim_world_count(worker->cast->world, "poison task granted", 1);
    lease.fate = draw_fate(worker, dice, is_poison);
    lease.strikes = is_poison && sim_dice_rare(dice, 1);
    *place = lease;
    worker->lease_count++;
}

void sim_worker_take(sim_worker *worker, const struct fq_resp_node *nodes) {
    if (nodes[0].type != FQ_RESP_ARRAY)
        return;
    struct sim_dice dice = sim_dice_of(worker->cast);
    int64_t now_us = sim_world_time(worker->cast->world);
    uint32_t at = 1;
    for (uint32_t i = 0; i < nodes[0].child_count; i++) {
        take_one(worker, &dice, nodes, at, now_us);
        at = nodes[at].next;
    }
}

void sim_worker_drop(sim_worker *worker, struct sim_lease *lease) {
    uint32_t past = worker->past_count++ % SIM_PAST;
    worker->past[past].id = lease->id;
    worker->past[past].token = lease->token;
    *lease = (struct sim_lease){.token = 0};
    worker->lease_count--;
}

// --- running --------------------------------------------------------------------------------------------------------------
int64_t sim_worker_run(sim_worker *worker, int64_t now_us) {
    struct sim_dice dice = sim_dice_of(worker->cast);
    int64_t usual_us = sim_cast_below(worker->cast, worker->style.run_us + 1); // one draw: they end together
    int64_t next_us = INT64_MAX;
    bool tells = false;
    uint32_t running = 0, left = worker->lease_count;
    for (size_t i = 0; i < SIM_LEASES; i++)
        running += worker->leases[i].token != 0 && worker->leases[i].runs;
    for (size_t i = 0; i < SIM_LEASES && left > 0; i++) {
        struct sim_lease *lease = &worker->leases[i];
        if (lease->token == 0)
            continue;
        left--;
        if (!lease->runs && lease->fate != SIM_FATE_RELEASE && running < worker->style.slots) {
            lease->runs = true;
            lease->due_us = now_us + draw_run(worker, &dice, lease, usual_us);
            tells = tells || lease->due_us - now_us >= LONG_RUN_US;
            running++;
        }
        if (worker->cast->is_winding && lease->runs && lease->due_us > now_us + WINDING_RUN_US)
            lease->due_us = now_us + WINDING_RUN_US;
        if (lease->runs && !lease->is_reported && lease->due_us < next_us)
            next_us = lease->due_us;
    }
    if (tells) // said at once, so that a crash is charged
        worker->beat_at_us = now_us;
    return next_us;
}

// --- heartbeats -------------------------------------------------------------------------------------------------------
static struct sim_wire *beat_wire(sim_worker *worker) {
    return worker->style.beats_apart ? &worker->beats : &worker->wire;
}

static void add_beat(sim_worker *worker, struct sim_request *request, const fq_uuid *id, uint64_t token,
                     bool runs) {
    struct sim_exchange *asked = &worker->cast->asked;
    sim_request_id(request, id);
    sim_request_number(request, token);
    sim_request_word(request, runs ? SIM_WORD(7, "running") : SIM_WORD(4, "held"));
    size_t at = asked->beats.count++;
    asked->beats.id[at] = *id;
    asked->beats.token[at] = token;
    asked->beats.running[at] = runs;
}

bool sim_worker_may_beat(sim_worker *worker) {
    return !worker->is_beating && sim_wire_room(beat_wire(worker)) > 0;
}

void sim_worker_beat(sim_worker *worker, int64_t now_us) {
    sim_cast *cast = worker->cast;
    struct sim_wire *wire = beat_wire(worker);
    if (!sim_worker_may_beat(worker))
        return;
    worker->beat_at_us = now_us + (int64_t)cast->options->lease_us / 3;
    struct sim_exchange *asked = sim_cast_exchange(cast, SIM_HEARTBEAT);
    struct sim_request request;
    sim_request_begin(&request, &wire->output);
    sim_request_word(&request, SIM_WORD(12, "FQ.HEARTBEAT"));
    worker->beat_count = 0;
    for (unsigned i = 0; i < SIM_LEASES; i++) {
        struct sim_lease *lease = &worker->leases[i];
        if (lease->token == 0 || lease->is_secret || lease->is_reported)
            continue;
        add_beat(worker, &request, &lease->id, lease->token, lease->runs);
        lease->is_told = lease->is_told || lease->runs;
        worker->beat_serial[worker->beat_count] = lease->serial;
        worker->beat_place[worker->beat_count++] = (uint8_t)i;
    }
    bool lies = worker->past_count > 0 && worker->beat_count < SIM_BEATS_MAX &&
                sim_cast_chance(cast, cast->options->lie_rate);
    if (lies) {
        uint32_t past =
            (uint32_t)sim_cast_below(cast, worker->past_count < SIM_PAST ? worker->past_count : SIM_PAST);
        add_beat(worker, &request, &worker->past[past].id, worker->past[past].token, true);
    }
    sim_request_end(&request);
    worker->is_beating = true;
    asked->work.worker = worker->style.registers ? worker->id : "";
    sim_wire_ask(wire, SIM_TAG_OTHER);
    sim_wire_flush(wire);
}

void sim_worker_beaten(sim_worker *worker, const struct fq_resp_node *nodes) {
    worker->is_beating = false;
    if (nodes[0].type != FQ_RESP_ARRAY)
        return;
    uint32_t at = 1;
    for (uint32_t i = 0; i < nodes[0].child_count && i < worker->beat_count; i++, at = nodes[at].next) {
        struct sim_lease *lease = &worker->leases[worker->beat_place[i]];
        if (lease->token == 0 || lease->serial != worker->beat_serial[i])
            continue;
        if (fq_str_equal(nodes[at].text, FQ_STR("stale"))) {
            if (!lease->is_reported)
                sim_worker_drop(worker, lease);
        } else if (fq_str_equal(nodes[at].text, FQ_STR("cancel"))) {
            lease->is_cancelled = true;
        } else if (fq_str_equal(nodes[at].text, FQ_STR("drain"))) {
            worker->is_draining = true;
        }
    }
}

void sim_worker_cancel(sim_worker *worker, const struct fq_resp_node *nodes) {
    fq_uuid id;
    if (nodes[0].child_count < 3 || fq_uuid_parse(nodes[2].text, &id) < 0)
        return;
    for (size_t i = 0; i < SIM_LEASES; i++)
        if (worker->leases[i].token != 0 && fq_uuid_equal(&worker->leases[i].id, &id))
            worker->leases[i].is_cancelled = true;
}
