// SPDX-License-Identifier: Apache-2.0
#include "sim/hostile.h"

#include "base/assert.h"
#include "sim/hostile_words.h"
#include "sim/wire_peer.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    ACT_US = 40 * FQ_US_PER_MS,
    CROWD = 400,
    CROWD_STAYS_US = 3 * FQ_US_PER_S,
    SILENT_US = 8 * FQ_US_PER_S,
    UNREAD_US = 25 * FQ_US_PER_S, // longer than the server stands it
    FLOOD = 1000,
    WATCHED = 400,
    OVERSIZED = (1 << 20) + 1, // more than a payload may have
    DRIP_US = 50 * FQ_US_PER_MS,
};

struct sim_hostile {
    sim_cast *cast;
    struct sim_wire wire;
    bool is_leaving;
    bool has_erred;         // the last answer ends the connection
    bool is_halfway;        // a request was begun that will not be finished
    fq_buf drip;            // bytes that are sent one by one
    sim_link *crowd[CROWD]; // connections that do nothing
    size_t crowd_count;
    char crowd_source[24];
    uint64_t generation, crowds;
};

// --- what must be refused -----------------------------------------------------------------------------------------------
static fq_uuid new_id(sim_hostile *hostile) {
    sim_world *world = hostile->cast->world;
    return fq_uuid_v7(1, sim_world_random(world, SIM_STREAM_HOSTILE),
                      sim_world_random(world, SIM_STREAM_HOSTILE));
}

static uint64_t below(sim_hostile *hostile, uint64_t bound) {
    return sim_world_below(hostile->cast->world, SIM_STREAM_HOSTILE, bound);
}

static void put_words(sim_hostile *hostile, const char *words, fq_uuid *ret_id) {
    struct sim_request request;
    sim_request_begin(&request, &hostile->wire.output);
    while (*words != '\0') {
        size_t len = strcspn(words, " ");
        if (len == 1 && words[0] == '%') {
            *ret_id = new_id(hostile);
            sim_request_id(&request, ret_id);
        } else {
            sim_request_text(&request, (fq_str){words, len});
        }
        words += len + (words[len] == ' ');
    }
    sim_request_end(&request);
}

static void ask_wrong(sim_hostile *hostile, const struct sim_wrong_words *wrong) {
    fq_uuid id = {{0}};
    put_words(hostile, wrong->words, &id);
    struct sim_exchange *asked = sim_cast_exchange(hostile->cast, wrong->verb);
    asked->id = id;
    asked->must_fail = true;
    asked->name = wrong->verb == SIM_SUBMIT ? sim_name(0) : FQ_STR("");
    asked->body = wrong->verb == SIM_SUBMIT ? FQ_STR("x") : FQ_STR("");
    sim_wire_ask(&hostile->wire, 0);
}

static void send_malformed(sim_hostile *hostile) {
    size_t count;
    const struct sim_wrong_words *all = sim_malformed(&count);
    for (uint64_t i = 1 + below(hostile, 12); i > 0; i--)
        ask_wrong(hostile, &all[below(hostile, count)]);
}

// Commands that need a role which the connection has not got; where everybody has all roles there is none.
static void send_unprivileged(sim_hostile *hostile) {
    size_t count;
    const struct sim_wrong_words *all = sim_privileged(&count);
    for (uint64_t i = 1 + below(hostile, 12); i > 0; i--) {
        const struct sim_wrong_words *one = &all[below(hostile, count)];
        if ((one->role & sim_wire_roles(&hostile->wire)) == 0)
            ask_wrong(hostile, one);
    }
}

static void guess_login(sim_hostile *hostile) {
    static const struct sim_wrong_words guesses[] = {
        {"AUTH client wrong",         SIM_OTHER, 0},
        {"AUTH nobody wrong",         SIM_OTHER, 0},
        {"AUTH wrong",                SIM_OTHER, 0},
        {"HELLO 3 AUTH boss letmein", SIM_OTHER, 0},
    };
    if (!hostile->cast->options->credentials)
        return;
    for (uint64_t i = 1 + below(hostile, 3); i > 0; i--)
        ask_wrong(hostile, &guesses[below(hostile, 4)]);
}

static void send_oversized(sim_hostile *hostile) {
    if (below(hostile, 16) != 0 || (sim_wire_roles(&hostile->wire) & FQ_ROLE_SUBMIT) == 0)
        return;
    char *payload = malloc(OVERSIZED);
    FQ_ASSERT(payload != NULL);
    memset(payload, 'o', OVERSIZED);
    struct sim_request request;
    fq_uuid id = new_id(hostile);
    sim_request_begin(&request, &hostile->wire.output);
    sim_request_word(&request, SIM_WORD(9, "FQ.SUBMIT"));
    sim_request_text(&request, sim_name(0));
    sim_request_text(&request, (fq_str){payload, OVERSIZED});
    sim_request_word(&request, SIM_WORD(2, "ID"));
    sim_request_id(&request, &id);
    sim_request_end(&request);
    free(payload);
    struct sim_exchange *asked = sim_cast_exchange(hostile->cast, SIM_SUBMIT);
    asked->id = id;
    asked->must_fail = true;
    asked->name = sim_name(0);
    sim_wire_ask(&hostile->wire, 0);
}

// --- bytes that are no requests -----------------------------------------------------------------------------------------
static void send_noise(sim_hostile *hostile) {
    static const char *const noises[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/v1/tasks HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PING\r\n",
        "*1000000\r\n$1\r\nx\r\n",
        "*-7\r\n",
        "*1\r\n$99999999999\r\n",
        "*1\r\n$-2\r\n",
        "*1\r\n$4\r\nPINGxx",
        "*1\r\n:1\r\n",
        "*99999999999999999999999\r\n",
        "$4\r\nPING\r\n",
        "+OK\r\n",
    };
    static const struct sim_wrong_words behind = {"FQ.SUBMIT task00 x ID %", SIM_SUBMIT, 0};
    fq_buf *out = &hostile->wire.output;
    int rc;
    if (below(hostile, 3) == 0) {
        char noise[40];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (char)below(hostile, 256);
        noise[0] = (char)('a' + below(hostile, 26)); // no request begins so
        rc = fq_buf_append(out, noise, sizeof noise);
    } else {
        const char *noise = noises[below(hostile, sizeof noises / sizeof noises[0])];
        rc = fq_buf_append(out, noise, strlen(noise));
    }
    FQ_ASSERT(rc == 0);
    sim_cast_exchange(hostile->cast, SIM_OTHER)->must_fail = true;
    sim_wire_ask(&hostile->wire, 0);
    for (uint64_t i = below(hostile, 4); i > 0; i--) // not one byte behind it is executed
        ask_wrong(hostile, &behind);
    sim_world_count(hostile->cast->world, "hostile: malformed bytes", 1);
}

// Half a request, and then nothing. It is no request before it is whole, so the model hears nothing of it.
static void fall_silent(sim_hostile *hostile) {
    static const char half[] = "*3\r\n$9\r\nFQ.SUBMIT\r\n$6\r\ntask00\r\n$100\r\nabc";
    int rc = fq_buf_append(&hostile->wire.output, half, 1 + below(hostile, sizeof half - 2));
    FQ_ASSERT(rc == 0);
    hostile->is_halfway = true;
    sim_world_count(hostile->cast->world, "hostile: half a request", 1);
}

static void drip(void *context, uint64_t generation) {
    sim_hostile *hostile = context;
    if (generation != hostile->generation || fq_buf_len(&hostile->drip) == 0 || !hostile->wire.is_up)
        return;
    sim_link_send(hostile->wire.link, (fq_str){fq_buf_str(&hostile->drip).ptr, 1});
    fq_buf_consume(&hostile->drip, 1);
    sim_world_at(hostile->cast->world,
                 sim_world_time(hostile->cast->world) + (int64_t)below(hostile, DRIP_US), drip, hostile,
                 generation);
}

static void send_slowly(sim_hostile *hostile) {
    static const char ping[] = "*2\r\n$4\r\nPING\r\n$5\r\nhello\r\n";
    if (sim_wire_roles(&hostile->wire) == 0)
        return;
    fq_buf_clear(&hostile->drip);
    int rc = fq_buf_append(&hostile->drip, ping, sizeof ping - 1);
    FQ_ASSERT(rc == 0);
    sim_wire_flush(&hostile->wire);
    sim_cast_exchange(hostile->cast, SIM_OTHER);
    sim_wire_ask(&hostile->wire, 0);
    drip(hostile, hostile->generation);
    sim_world_count(hostile->cast->world, "hostile: byte by byte", 1);
}

// --- too much -----------------------------------------------------------------------------------------------------------
static void flood(sim_hostile *hostile) {
    unsigned roles = sim_wire_roles(&hostile->wire);
    if ((roles & FQ_ROLE_ALL) == 0)
        return;
    sim_link_set_deaf(hostile->wire.link, true);
    hostile->wire.patience_us = UNREAD_US;
    for (unsigned i = 0; i < FLOOD && sim_wire_room(&hostile->wire) > 0; i++) {
        fq_uuid id;
        put_words(hostile, i % 2 == 0 ? "INFO" : "COMMAND DOCS", &id);
        sim_cast_exchange(hostile->cast, SIM_OTHER);
        sim_wire_ask(&hostile->wire, 0);
    }
    sim_world_count(hostile->cast->world, "hostile: answers unread", 1);
}

static void watch_many(sim_hostile *hostile) {
    if ((sim_wire_roles(&hostile->wire) & (FQ_ROLE_SUBMIT | FQ_ROLE_READ)) == 0 || hostile->wire.protocol < 3)
        return;
    struct sim_request request;
    sim_request_begin(&request, &hostile->wire.output);
    sim_request_word(&request, SIM_WORD(8, "FQ.WATCH"));
    fq_uuid id = new_id(hostile);
    for (unsigned i = 0; i < WATCHED; i++) {
        id.bytes[15] = (unsigned char)i;
        sim_request_id(&request, &id);
    }
    sim_request_end(&request);
    sim_cast_exchange(hostile->cast, SIM_WATCH)->id = id;
    sim_wire_ask(&hostile->wire, 0);
}

static void crowd_connected(void *context, sim_link *link) {
    (void)context, (void)link;
}

static void crowd_bytes(void *context, sim_link *link, fq_str bytes) {
    (void)context, (void)link, (void)bytes;
}

static void crowd_closed(void *context, sim_link *link) {
    sim_hostile *hostile = context;
    for (size_t i = 0; i < hostile->crowd_count; i++)
        if (hostile->crowd[i] == link)
            hostile->crowd[i] = hostile->crowd[--hostile->crowd_count];
}

static void disperse(void *context, uint64_t crowd) {
    sim_hostile *hostile = context;
    if (crowd != hostile->crowds)
        return;
    while (hostile->crowd_count > 0)
        sim_link_close(hostile->crowd[--hostile->crowd_count]);
}

static void gather(sim_hostile *hostile) {
    static const struct sim_peer_ops ops = {crowd_connected, crowd_bytes, crowd_closed};
    const struct sim_peer_origin origin = {.source = hostile->crowd_source};
    sim_world *world = hostile->cast->world;
    if (hostile->crowd_count > 0 || below(hostile, 8) != 0)
        return;
    while (hostile->crowd_count < CROWD)
        hostile->crowd[hostile->crowd_count++] =
            sim_network_connect(hostile->cast->network, &origin, &ops, hostile);
    sim_world_at(world, sim_world_time(world) + (int64_t)below(hostile, CROWD_STAYS_US), disperse, hostile,
                 ++hostile->crowds);
    sim_world_count(world, "hostile: a crowd", 1);
}

// --- turns ----------------------------------------------------------------------------------------------------------------
static void act_once(sim_hostile *hostile) {
    switch (below(hostile, 12)) {
    case 0:
    case 1:
    case 2: send_malformed(hostile); break;
    case 3:
    case 4: send_unprivileged(hostile); break;
    case 5: guess_login(hostile); break;
    case 6: send_oversized(hostile); break;
    case 7: send_noise(hostile); break;
    case 8: send_slowly(hostile); break;
    case 9: watch_many(hostile); break;
    case 10: gather(hostile); break;
    default:
        if (below(hostile, 2) == 0)
            flood(hostile);
        else
            fall_silent(hostile);
    }
}

static void change_face(sim_hostile *hostile) {
    hostile->wire.user = sim_user((enum sim_user_name)below(hostile, SIM_USER_COUNT));
    hostile->wire.skips_login = below(hostile, 3) == 0;
    hostile->wire.protocol = below(hostile, 2) == 0 ? 2 : 3;
}

static void give_up(void *context, uint64_t generation) {
    sim_hostile *hostile = context;
    if (generation == hostile->generation)
        sim_wire_break(&hostile->wire);
}

static void act(void *context, uint64_t generation) {
    sim_hostile *hostile = context;
    sim_world *world = hostile->cast->world;
    if (generation != hostile->generation || !hostile->wire.is_up || hostile->cast->is_winding)
        return;
    act_once(hostile);
    sim_wire_flush(&hostile->wire);
    int64_t now_us = sim_world_time(world);
    if (below(hostile, 8) == 0)
        sim_world_at(world, now_us + (int64_t)below(hostile, SILENT_US), give_up, hostile, generation);
    else if (hostile->wire.ask_count == 0 && !hostile->is_halfway)
        sim_world_at(world, now_us + 1 + (int64_t)below(hostile, ACT_US), act, hostile, generation);
}

// --- answers --------------------------------------------------------------------------------------------------------------
static void on_reply(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    (void)ask;
    sim_hostile *hostile = context;
    sim_world *world = hostile->cast->world;
    hostile->has_erred = sim_reply_is_error(nodes, "PROTOCOL") || sim_reply_is_error(nodes, "TOOBIG");
    if (hostile->wire.ask_count == 0)
        sim_world_at(world, sim_world_time(world) + 1 + (int64_t)below(hostile, ACT_US), act, hostile,
                     hostile->generation);
}

static void on_up(void *context) {
    sim_hostile *hostile = context;
    sim_world *world = hostile->cast->world;
    hostile->has_erred = hostile->is_halfway = false;
    hostile->wire.patience_us = SILENT_US;
    sim_world_at(world, sim_world_time(world), act, hostile, hostile->generation);
    sim_world_at(world, sim_world_time(world) + SILENT_US, give_up, hostile, hostile->generation);
}

static void on_push(void *context, const struct fq_resp_node *nodes) {
    (void)context, (void)nodes;
}

static void on_lost(void *context, const struct sim_ask *ask) {
    (void)context, (void)ask;
}

static void on_down(void *context) {
    sim_hostile *hostile = context;
    hostile->generation++;
    if (hostile->has_erred)
        sim_model_cut_off(hostile->cast->model, hostile->wire.actor);
    if (hostile->is_leaving)
        sim_wire_close(&hostile->wire);
    change_face(hostile);
}

static const struct sim_wire_ops wire_ops = {on_up, on_reply, on_push, on_lost, on_down};

// --- life -----------------------------------------------------------------------------------------------------------------
void sim_hostile_leave(sim_hostile *hostile) {
    hostile->is_leaving = true;
    hostile->generation++;
    sim_wire_close(&hostile->wire);
    disperse(hostile, hostile->crowds);
}

sim_hostile *sim_hostile_new(sim_cast *cast, unsigned number) {
    sim_hostile *hostile = calloc(1, sizeof *hostile);
    FQ_ASSERT(hostile != NULL);
    hostile->cast = cast;
    sim_wire_init(&hostile->wire, cast, &wire_ops, hostile, SIM_USER_CLIENT);
    hostile->wire.patience_us = SILENT_US;
    snprintf(hostile->wire.source, sizeof hostile->wire.source, "198.51.100.%u", number % 250);
    snprintf(hostile->crowd_source, sizeof hostile->crowd_source, "203.0.113.%u", number % 250);
    change_face(hostile);
    sim_wire_open(&hostile->wire);
    return hostile;
}

sim_hostile *sim_hostile_free(sim_hostile *hostile) {
    if (hostile == NULL)
        return NULL;
    sim_wire_done(&hostile->wire);
    fq_buf_done(&hostile->drip);
    free(hostile);
    return NULL;
}
