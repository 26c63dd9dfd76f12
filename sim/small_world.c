// SPDX-License-Identifier: Apache-2.0
#include "sim/small_world.h"

#include "base/assert.h"
#include "sim/exchange_words.h"
#include "sim/wire_peer.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PEERS = 3, // the client, two workers
    LEASE_US = FQ_US_PER_S,
    GAP_US = 500,      // between commands that do not wait
    LONG_US = 1300000, // longer than a lease
    LOOK_US = 200000,  // of the worker that does what is left
    END_US = 120 * FQ_US_PER_S,
    LEASES = 8,
};

// s, u: submit the first task, the second with a key; o: the first under another body; k: cancel it. f, g: one worker fetches
// one, the other two. c, d: they complete their oldest lease; x: the first fails it; h: it beats; r: the other releases.
// t: more than a lease passes.
const char sim_small_letters[] = "sufgcdxrkoht";

struct small_peer {
    struct small *small;
    struct sim_wire wire;
    char worker[8];
    struct {
        fq_uuid id;
        uint64_t token;
    } leases[LEASES]; // as granted, the oldest first
    size_t lease_count;
};

struct small {
    const struct sim_small_world *plan;
    struct sim_cast cast; // what wires need of one
    struct small_peer peers[PEERS];
    size_t at;  // commands said
    bool waits; // for an answer, or for time to pass
    bool is_through, is_over;
    fq_uuid ids[2];
    uint64_t first_call;
};

// --- commands -----------------------------------------------------------------------------------------------------------
enum { CLIENT, FIRST, SECOND };

static void say(struct small *small, size_t who, const fq_str *words, size_t count) {
    struct sim_wire *wire = &small->peers[who].wire;
    struct sim_request request;
    sim_request_begin(&request, &wire->output);
    for (size_t i = 0; i < count; i++)
        sim_request_text(&request, words[i]);
    sim_request_end(&request);
    sim_exchange_of_words(words, count, &small->cast.asked);
    small->cast.asked.token_is_current = false;
    if (who != CLIENT)
        small->cast.asked.work.worker = small->peers[who].worker;
    sim_wire_ask(wire, 0);
    sim_wire_flush(wire);
}
#define SAY(small, who, ...)                                                                                 \
    say(small, who, (const fq_str[]){__VA_ARGS__}, sizeof((const fq_str[]){__VA_ARGS__}) / sizeof(fq_str))

static fq_str id_text(const fq_uuid *id, char text[FQ_UUID_TEXT]) {
    fq_uuid_format(id, text);
    return (fq_str){text, FQ_UUID_TEXT};
}

static void fetch(struct small *small, size_t who, fq_str count) {
    SAY(small, who, FQ_STR("FQ.FETCH"), FQ_STR("WORKER"), fq_str_of(small->peers[who].worker),
        FQ_STR("TASKS"), sim_name(0), FQ_STR("COUNT"), count);
}

// The oldest lease that the worker knows; one that nobody has if it knows none.
static void report(struct small *small, size_t who, const char *command) {
    struct small_peer *peer = &small->peers[who];
    fq_uuid id = peer->lease_count > 0 ? peer->leases[0].id : small->ids[0];
    char text[FQ_UUID_TEXT], digits[24];
    int len = snprintf(digits, sizeof digits, "%llu",
                       (unsigned long long)(peer->lease_count > 0 ? peer->leases[0].token : 1));
    fq_str token = {digits, (size_t)len}, name = fq_str_of(command);
    if (peer->lease_count > 0)
        memmove(peer->leases, peer->leases + 1, --peer->lease_count * sizeof peer->leases[0]);
    if (command[3] == 'C')
        SAY(small, who, name, id_text(&id, text), token, FQ_STR("result"));
    else if (command[3] == 'F')
        SAY(small, who, name, id_text(&id, text), token, FQ_STR("ValueError"), FQ_STR("no"));
    else
        SAY(small, who, name, id_text(&id, text), token);
}

static void beat(struct small *small) {
    const struct small_peer *peer = &small->peers[FIRST];
    char text[FQ_UUID_TEXT], digits[24];
    if (peer->lease_count == 0) {
        SAY(small, FIRST, FQ_STR("FQ.HEARTBEAT"));
        return;
    }
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)peer->leases[0].token);
    SAY(small, FIRST, FQ_STR("FQ.HEARTBEAT"), id_text(&peer->leases[0].id, text),
        (fq_str){digits, (size_t)len}, FQ_STR("running"));
}

static void command(struct small *small, char letter) {
    char text[FQ_UUID_TEXT];
    switch (letter) {
    case 's':
        SAY(small, CLIENT, FQ_STR("FQ.SUBMIT"), sim_name(0), FQ_STR("one"), FQ_STR("ID"),
            id_text(&small->ids[0], text), FQ_STR("RETRIES"), FQ_STR("1"), FQ_STR("BACKOFF"), FQ_STR("100"));
        break;
    case 'u':
        SAY(small, CLIENT, FQ_STR("FQ.SUBMIT"), sim_name(0), FQ_STR("two"), FQ_STR("ID"),
            id_text(&small->ids[1], text), FQ_STR("PRIORITY"), FQ_STR("high"), FQ_STR("UNIQUE"),
            FQ_STR("key"));
        break;
    case 'o':
        SAY(small, CLIENT, FQ_STR("FQ.SUBMIT"), sim_name(0), FQ_STR("other"), FQ_STR("ID"),
            id_text(&small->ids[0], text));
        break;
    case 'h': beat(small); break;
    case 'f': fetch(small, FIRST, FQ_STR("1")); break;
    case 'g': fetch(small, SECOND, FQ_STR("2")); break;
    case 'c': report(small, FIRST, "FQ.COMPLETE"); break;
    case 'd': report(small, SECOND, "FQ.COMPLETE"); break;
    case 'x': report(small, FIRST, "FQ.FAIL"); break;
    case 'r': report(small, SECOND, "FQ.RELEASE"); break;
    default: SAY(small, CLIENT, FQ_STR("FQ.CANCEL"), id_text(&small->ids[0], text));
    }
}

// --- the script -----------------------------------------------------------------------------------------------------------
static void go_on(void *context, uint64_t unused);

static void later(struct small *small, int64_t us, void (*run)(void *context, uint64_t unused)) {
    sim_world_at(small->cast.world, sim_world_time(small->cast.world) + us, run, small, 0);
}

static bool all_up(const struct small *small) {
    for (size_t i = 0; i < PEERS; i++)
        if (!small->peers[i].wire.is_up)
            return false;
    return true;
}

// What the script left open is done by the first worker, until nothing is.
static void do_the_rest(void *context, uint64_t unused) {
    struct small *small = context;
    (void)unused;
    struct small_peer *peer = &small->peers[FIRST];
    if (small->is_over)
        return;
    if (all_up(small) && peer->wire.ask_count == 0) {
        if (peer->lease_count > 0)
            report(small, FIRST, "FQ.COMPLETE");
        else
            fetch(small, FIRST, FQ_STR("2"));
    }
    later(small, LOOK_US, do_the_rest);
}

static void end_script(struct small *small) {
    small->is_through = true;
    later(small, GAP_US, do_the_rest);
}

static void go_on(void *context, uint64_t unused) {
    struct small *small = context;
    (void)unused;
    if (small->is_through || !all_up(small))
        return;
    char letter = small->plan->script[small->at];
    if (letter == '\0') {
        end_script(small);
        return;
    }
    small->at++;
    if (letter == 't') {
        later(small, LONG_US, go_on);
        return;
    }
    command(small, letter);
    if (small->plan->at_once)
        later(small, GAP_US, go_on);
    else
        small->waits = true;
}

static void answered(struct small *small) {
    if (!small->waits)
        return;
    small->waits = false;
    later(small, GAP_US, go_on);
}

// --- peers --------------------------------------------------------------------------------------------------------------
static void take_grants(struct small_peer *peer, const struct fq_resp_node *nodes) {
    uint32_t at = 1;
    for (uint32_t i = 0;
         nodes[0].type == FQ_RESP_ARRAY && i < nodes[0].child_count && peer->lease_count < LEASES;
         i++, at = nodes[at].next) {
        const struct fq_resp_node *id = fq_resp_map_get(nodes, at, FQ_STR("id"));
        const struct fq_resp_node *token = fq_resp_map_get(nodes, at, FQ_STR("token"));
        if (id != NULL && token != NULL &&
            fq_uuid_parse(id->text, &peer->leases[peer->lease_count].id) == 0 &&
            fq_str_to_uint64(token->text, &peer->leases[peer->lease_count].token) == 0)
            peer->lease_count++;
    }
}

static void on_reply(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    struct small_peer *peer = context;
    if (ask->verb == SIM_FETCH)
        take_grants(peer, nodes);
    answered(peer->small);
}

// Who is not answered goes on all the same, and a client asks again.
static void on_lost(void *context, const struct sim_ask *ask) {
    struct small_peer *peer = context;
    (void)ask;
    peer->small->waits = false;
}

static void on_up(void *context) {
    struct small_peer *peer = context;
    struct small *small = peer->small;
    if (!all_up(small) || small->waits)
        return;
    if (small->at > 0 && !small->is_through && strchr("su", small->plan->script[small->at - 1]) != NULL)
        small->at--;
    later(small, GAP_US, go_on);
}

static void on_push(void *context, const struct fq_resp_node *nodes) {
    (void)context, (void)nodes;
}

static void on_down(void *context) {
    (void)context;
}

static const struct sim_wire_ops wire_ops = {on_up, on_reply, on_push, on_lost, on_down};

// --- the world --------------------------------------------------------------------------------------------------------------
static struct sim_options options_of(const struct sim_small_world *plan) {
    return (struct sim_options){.names = 1,
                                .pipeline = 8,
                                .payload_max = 64,
                                .lease_us = LEASE_US,
                                .loss_max = 1,
                                .result_ttl_us = UINT64_C(3600) * FQ_US_PER_S,
                                .segment_bytes = 1 << 16,
                                .batch_bytes_max = 1 << 12,
                                .output_bytes_max = 1 << 16,
                                .chunk_max = 1 << 16,
                                .delay_max_us = 8,
                                .turn_us = 1,
                                .crash_call = plan->crash == SIM_SMALL_NONE ? 0 : plan->call,
                                .crash_power = plan->crash == SIM_SMALL_POWER};
}

static uint64_t seed_of(const struct sim_small_world *plan) {
    uint64_t seed = plan->call * 4 + plan->at_once * 2 + 1;
    for (const char *letter = plan->script; *letter != '\0'; letter++)
        seed = seed * 31 + (unsigned char)*letter;
    return seed;
}

static void open_peers(struct small *small) {
    for (size_t i = 0; i < PEERS; i++) {
        struct small_peer *peer = &small->peers[i];
        peer->small = small;
        snprintf(peer->worker, sizeof peer->worker, "w%zu", i);
        sim_wire_init(&peer->wire, &small->cast, &wire_ops, peer, SIM_USER_CLIENT);
        peer->wire.protocol = 2;
        sim_wire_open(&peer->wire);
    }
    for (size_t i = 0; i < 2; i++)
        small->ids[i] = fq_uuid_v7(1800000000000, i, 7 + i);
}

static uint64_t calls_of(const struct small *small) {
    struct sim_server_stats stats;
    sim_server_stats(small->cast.server, &stats);
    return stats.disk_calls;
}

static void live(struct small *small, struct sim_options *options, struct sim_small_outcome *ret_outcome) {
    sim_world *world = small->cast.world;
    while (!small->is_through && sim_world_time(world) < END_US) {
        if (small->at == 0)
            ret_outcome->first_call = calls_of(small);
        if (!sim_world_step(world))
            return;
    }
    ret_outcome->calls = calls_of(small);
    sim_options_heal(options);
    sim_server_heal(small->cast.server);
    sim_model_healed(small->cast.model);
    while (!sim_model_is_done(small->cast.model) || !sim_server_is_up(small->cast.server)) {
        if (sim_world_time(world) > 2 * (int64_t)END_US)
            sim_world_fail(world, "L3", "not everything came to an end within %d simulated seconds",
                           END_US / FQ_US_PER_S);
        if (!sim_world_step(world))
            return;
    }
    small->is_over = true;
    sim_model_finish(small->cast.model, sim_server_core(small->cast.server), sim_world_server_now(world));
}

void sim_small_world_run(const struct sim_small_world *plan, struct sim_small_outcome *ret_outcome) {
    static const struct small none;
    struct sim_options options = options_of(plan);
    struct small *small = malloc(sizeof *small);
    FQ_ASSERT(small != NULL);
    *small = none;
    *ret_outcome = (struct sim_small_outcome){.calls = 0};
    small->plan = plan;
    sim_world *world = sim_world_new(seed_of(plan));
    if (plan->aloud)
        sim_world_keep_lines(world, 200, true);
    small->cast.world = world;
    small->cast.options = &options;
    small->cast.model = sim_model_new(world, &options);
    small->cast.server = sim_server_new(world, &options, small->cast.model);
    small->cast.network = sim_server_network(small->cast.server);
    open_peers(small);
    live(small, &options, ret_outcome);
    struct sim_model_stats stats;
    sim_model_stats(small->cast.model, &stats);
    ret_outcome->operations = small->cast.operations;
    ret_outcome->checks = stats.checks;
    snprintf(ret_outcome->failure, sizeof ret_outcome->failure, "%s", sim_world_failure(world));
    for (size_t i = 0; i < PEERS; i++)
        sim_wire_done(&small->peers[i].wire);
    sim_server_free(small->cast.server);
    sim_model_free(small->cast.model);
    sim_world_free(world);
    free(small);
}
