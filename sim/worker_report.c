// SPDX-License-Identifier: Apache-2.0
// What a worker says of what it has run: the truth once, and lies as often as the options say.
#include "sim/worker_state.h"

enum { RESULT_MAX = 80, LIES = 6 };

static uint32_t tag_of(const sim_worker *worker, const struct sim_lease *lease, enum sim_worker_tag kind) {
    return (uint32_t)(lease - worker->leases) | (uint32_t)kind | (uint32_t)lease->serial << 16;
}

static struct sim_lease *lease_of(sim_worker *worker, uint32_t tag) {
    struct sim_lease *lease = &worker->leases[tag & 0xff];
    return lease->token != 0 && lease->serial == tag >> 16 ? lease : NULL;
}

// --- one request each -----------------------------------------------------------------------------------------------------
static struct sim_exchange *describe(sim_worker *worker, enum sim_verb verb, const fq_uuid *id,
                                     uint64_t token, bool is_current) {
    struct sim_exchange *asked = sim_cast_exchange(worker->cast, verb);
    asked->id = *id;
    asked->token = token;
    asked->token_is_current = is_current;
    asked->work.worker = worker->style.registers ? worker->id : "";
    return asked;
}

static void put_times(sim_worker *worker, struct sim_request *request, struct sim_dice *dice) {
    if (!sim_dice_rare(dice, 1))
        return;
    sim_request_word(request, SIM_WORD(7, "STARTED"));
    sim_request_number(request, (uint64_t)sim_world_server_now(worker->cast->world).wall_us / FQ_US_PER_MS);
    sim_request_word(request, SIM_WORD(3, "RUN"));
    sim_request_number(request, sim_dice_bits(dice, 16));
}

// What a task gives is the same however often it is said; `lie` changes it.
static fq_str result_of(const sim_worker *worker, uint64_t token, uint32_t lie) {
    uint64_t mixed = (token + lie) * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t most = worker->cast->options->payload_max;
    size_t len = (size_t)(mixed >> 40) % RESULT_MAX;
    if (most > RESULT_MAX && (mixed >> 33 & 127) == 0)
        len = (size_t)(mixed >> 16) % (size_t)most;
    return sim_cast_piece(worker->cast, (unsigned)(mixed >> 56), len);
}

static void complete(sim_worker *worker, const fq_uuid *id, uint64_t token, bool is_current, uint32_t tag,
                     struct sim_dice *dice) {
    struct sim_request request;
    bool lies = (tag & SIM_TAG_KIND) == SIM_TAG_LIE;
    fq_str result = result_of(worker, token, lies ? sim_dice_bits(dice, 8) : 0);
    sim_request_begin(&request, &worker->wire.output);
    sim_request_word(&request, SIM_WORD(11, "FQ.COMPLETE"));
    sim_request_id(&request, id);
    sim_request_number(&request, token);
    sim_request_text(&request, result);
    put_times(worker, &request, dice);
    sim_request_end(&request);
    describe(worker, SIM_COMPLETE, id, token, is_current)->body = result;
    sim_wire_ask(&worker->wire, tag);
}

static void fail(sim_worker *worker, const fq_uuid *id, uint64_t token, bool is_current, uint32_t tag,
                 enum sim_fate fate, struct sim_dice *dice) {
    struct sim_request request;
    sim_request_begin(&request, &worker->wire.output);
    sim_request_word(&request, SIM_WORD(7, "FQ.FAIL"));
    sim_request_id(&request, id);
    sim_request_number(&request, token);
    sim_request_word(&request, SIM_WORD(10, "ValueError"));
    sim_request_word(&request, SIM_WORD(15, "it did not work"));
    if (fate == SIM_FATE_FAIL_FOR_GOOD)
        sim_request_word(&request, SIM_WORD(7, "NORETRY"));
    if (fate == SIM_FATE_CRASH)
        sim_request_word(&request, SIM_WORD(5, "CRASH"));
    put_times(worker, &request, dice);
    sim_request_end(&request);
    struct sim_exchange *asked = describe(worker, SIM_FAIL, id, token, is_current);
    asked->no_retry = fate == SIM_FATE_FAIL_FOR_GOOD;
    asked->crash = fate == SIM_FATE_CRASH;
    sim_wire_ask(&worker->wire, tag);
}

static void release(sim_worker *worker, const fq_uuid *id, uint64_t token, bool is_current, uint32_t tag) {
    struct sim_request request;
    sim_request_begin(&request, &worker->wire.output);
    sim_request_word(&request, SIM_WORD(10, "FQ.RELEASE"));
    sim_request_id(&request, id);
    sim_request_number(&request, token);
    sim_request_end(&request);
    describe(worker, SIM_RELEASE, id, token, is_current);
    sim_wire_ask(&worker->wire, tag);
}

// --- lies -----------------------------------------------------------------------------------------------------------------
// None that this task is given later: with that one the report would be right by chance, if it is on its way for long enough.
static uint64_t made_up_token(uint64_t token, struct sim_dice *dice) {
    enum { NOT_REACHED = 1 << 24 };
    switch (sim_dice_bits(dice, 2)) {
    case 0: return token + NOT_REACHED + sim_dice_bits(dice, 4);
    case 1: return token - 1 - sim_dice_bits(dice, 4);
    case 2: return sim_dice_bits(dice, 1) ? 0 : UINT64_MAX;
    default: return (uint64_t)sim_dice_bits(dice, 20) << 40 | sim_dice_bits(dice, 20);
    }
}

static void say_with(sim_worker *worker, const fq_uuid *id, uint64_t token, struct sim_dice *dice) {
    switch (sim_dice_bits(dice, 2)) {
    case 0: fail(worker, id, token, false, SIM_TAG_LIE, SIM_FATE_FAIL, dice); break;
    case 1: release(worker, id, token, false, SIM_TAG_LIE); break;
    default: complete(worker, id, token, false, SIM_TAG_LIE, dice);
    }
}

// Something untrue beside the lease that is about to be reported. True when the report itself waits beyond the lease.
static bool lie(sim_worker *worker, struct sim_lease *lease, int64_t now_us, struct sim_dice *dice) {
    const struct sim_lease *other = &worker->leases[sim_dice_bits(dice, 6) % SIM_LEASES];
    uint32_t past = worker->past_count < SIM_PAST ? worker->past_count : SIM_PAST;
    sim_world_count(worker->cast->world, "worker lied", 1);
    switch (sim_dice_below(dice, LIES)) {
    case 0:
        if (other != lease && other->token != 0) // the token of another task
            say_with(worker, &lease->id, other->token, dice);
        return false;
    case 1:
        if (past > 0) { // of a task that is over
            uint32_t i = sim_dice_below(dice, past);
            say_with(worker, &worker->past[i].id, worker->past[i].token, dice);
        }
        return false;
    case 2:
        lease->is_secret = true;
        lease->is_unsure = true;
        lease->due_us =
            now_us + (int64_t)worker->cast->options->lease_us * (10 + sim_dice_below(dice, 15)) / 10;
        return true;
    default: say_with(worker, &lease->id, made_up_token(lease->token, dice), dice); return false;
    }
}

// --- reports --------------------------------------------------------------------------------------------------------------
static void report(sim_worker *worker, struct sim_lease *lease, int64_t now_us, struct sim_dice *dice) {
    sim_cast *cast = worker->cast;
    bool lies = sim_cast_chance(cast, cast->options->lie_rate);
    if (lies && !lease->is_secret && lie(worker, lease, now_us, dice))
        return;
    uint32_t tag = tag_of(worker, lease, SIM_TAG_REPORT);
    enum sim_fate fate = lease->fate;
    if (lease->is_cancelled && sim_dice_rare(dice, 1))
        fate = sim_dice_rare(dice, 2) ? SIM_FATE_RELEASE : SIM_FATE_FAIL_FOR_GOOD;
    lease->is_reported = true;
    bool current = !lease->is_unsure;
    lease->is_unsure = true;
    if (fate == SIM_FATE_RELEASE)
        release(worker, &lease->id, lease->token, current, tag);
    else if (fate == SIM_FATE_SUCCESS)
        complete(worker, &lease->id, lease->token, current, tag, dice);
    else
        fail(worker, &lease->id, lease->token, current, tag, fate, dice);
    if (lies && sim_dice_rare(dice, 1)) // twice, the second time perhaps otherwise
        say_with(worker, &lease->id, lease->token, dice);
}

bool sim_worker_report(sim_worker *worker, int64_t now_us) {
    if (worker->lease_count == 0)
        return true;
    struct sim_dice dice = sim_dice_of(worker->cast);
    for (size_t i = 0; i < SIM_LEASES; i++) {
        struct sim_lease *lease = &worker->leases[i];
        bool is_due = lease->token != 0 && !lease->is_reported &&
                      (lease->runs ? lease->due_us <= now_us : lease->fate == SIM_FATE_RELEASE);
        if (!is_due)
            continue;
        if (lease->fate == SIM_FATE_DEATH) {
            sim_worker_die(worker);
            return false;
        }
        if (sim_wire_room(&worker->wire) < 8)
            break;
        report(worker, lease, now_us, &dice);
    }
    return true;
}

void sim_worker_reported(sim_worker *worker, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    struct sim_lease *lease = lease_of(worker, ask->tag);
    if (lease == NULL || (ask->tag & SIM_TAG_KIND) != SIM_TAG_REPORT)
        return;
    if (ask->verb == SIM_COMPLETE && nodes[0].type == FQ_RESP_STATUS)
        worker->cast->level--;
    bool is_over = !sim_reply_failed(nodes) || sim_reply_is_error(nodes, "STALELEASE");
    if (is_over)
        sim_worker_drop(worker, lease);
    else { // refused for another reason: said again a little later
        lease->is_reported = false;
        lease->due_us = sim_world_time(worker->cast->world) + 100 * FQ_US_PER_MS;
    }
}

void sim_worker_report_lost(sim_worker *worker, const struct sim_ask *ask) {
    struct sim_lease *lease = lease_of(worker, ask->tag);
    if (lease != NULL && (ask->tag & SIM_TAG_KIND) == SIM_TAG_REPORT)
        lease->is_reported = false;
}

void sim_worker_release_held(sim_worker *worker) {
    for (size_t i = 0; i < SIM_LEASES; i++)
        if (worker->leases[i].token != 0 && !worker->leases[i].runs && !worker->leases[i].is_reported)
            worker->leases[i].fate = SIM_FATE_RELEASE;
}
