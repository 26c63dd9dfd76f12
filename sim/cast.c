// SPDX-License-Identifier: Apache-2.0
#include "sim/cast_state.h"

#include "base/assert.h"
#include "sim/admin.h"
#include "sim/client.h"
#include "sim/client_session.h"
#include "sim/hostile.h"
#include "sim/worker.h"
#include "sim/worker_session.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WATCH_US = 20 * FQ_US_PER_MS, FIRST_LEVEL = 50 };

// --- what all share -----------------------------------------------------------------------------------------------------
struct sim_exchange *sim_cast_exchange(sim_cast *cast, enum sim_verb verb) {
    struct sim_exchange *asked = &cast->asked;
    memset(asked, 0, offsetof(struct sim_exchange, beats));
    asked->verb = verb;
    asked->beats.count = 0;
    asked->no_retry = asked->crash = false;
    asked->name = asked->body = asked->unique = (fq_str){"", 0};
    asked->work.worker = "";
    return asked;
}

bool sim_cast_is_poison(fq_str payload) {
    static const char mark[] = SIM_CANARY "-poison";
    return payload.len == SIM_BYTES_STEP && memcmp(payload.ptr, mark, sizeof mark - 1) == 0;
}

// Each step begins with the canary and its number; the rest is letters.
static void fill_bytes(sim_cast *cast) {
    uint64_t most = cast->options->payload_max > 4096 ? cast->options->payload_max : 4096;
    size_t len = (size_t)most + (SIM_BYTES_COUNT + 1) * SIM_BYTES_STEP;
    len -= len % SIM_BYTES_STEP;
    cast->bytes = malloc(len);
    FQ_ASSERT(cast->bytes != NULL);
    for (size_t at = 0; at < len; at++)
        cast->bytes[at] = (char)('a' + (at * 7 + at / SIM_BYTES_STEP) % 26);
    for (size_t at = 0; at < len; at += SIM_BYTES_STEP) {
        char head[SIM_BYTES_STEP];
        size_t number = at / SIM_BYTES_STEP;
        int used = snprintf(head, sizeof head,
                            number == SIM_POISON ? SIM_CANARY "-poison-%zu" : SIM_CANARY "-%zu", number);
        memcpy(cast->bytes + at, head, (size_t)used);
    }
}

// --- the end ----------------------------------------------------------------------------------------------------------------
static size_t sessions_open(const sim_cast *cast) {
    size_t open = 0;
    for (size_t i = 0; i < cast->session_count; i++)
        open += sim_session_client_open(cast->sessions[i]);
    return open;
}

static void all_leave(sim_cast *cast) {
    for (size_t i = 0; i < cast->session_count; i++)
        sim_session_client_leave(cast->sessions[i]);
    for (size_t i = 0; i < cast->client_count; i++)
        sim_client_leave(cast->clients[i]);
    for (size_t i = 0; i < cast->worker_count; i++)
        sim_worker_leave(cast->workers[i]);
    for (size_t i = 0; i < cast->session_worker_count; i++)
        sim_session_worker_leave(cast->session_workers[i]);
    for (size_t i = 0; i < cast->admin_count; i++)
        sim_admin_leave(cast->admins[i]);
    for (size_t i = 0; i < cast->hostile_count; i++)
        sim_hostile_leave(cast->hostiles[i]);
}

static void watch_the_end(void *context, uint64_t unused) {
    sim_cast *cast = context;
    (void)unused;
    cast->has_left = cast->is_quiet && sessions_open(cast) == 0;
    if (cast->has_left)
        all_leave(cast);
    else
        sim_world_at(cast->world, sim_world_time(cast->world) + WATCH_US, watch_the_end, cast, 0);
}

void sim_cast_wind_down(sim_cast *cast) {
    if (cast->is_winding)
        return;
    cast->is_winding = true;
    if (cast->options->credentials)
        sim_server_reload_users(cast->server, 0);
    watch_the_end(cast, 0);
}

bool sim_cast_is_done(const sim_cast *cast) {
    return cast->has_left;
}

void sim_cast_touch(sim_cast *cast) {
    sim_admin_touch(cast->admins[0]);
}

bool sim_cast_is_touching(const sim_cast *cast) {
    return sim_admin_is_touching(cast->admins[0]);
}

uint64_t sim_cast_operations(const sim_cast *cast) {
    return cast->operations;
}

// --- life -----------------------------------------------------------------------------------------------------------------
static void *room_for(size_t count, size_t size) {
    void *room = calloc(count > 0 ? count : 1, size);
    FQ_ASSERT(room != NULL);
    return room;
}

static void hire(sim_cast *cast) {
    const struct sim_options *options = cast->options;
    cast->clients = room_for(options->clients, sizeof(sim_client *));
    cast->sessions = room_for(options->clients, sizeof(sim_session_client *));
    cast->workers = room_for(options->workers, sizeof(sim_worker *));
    cast->session_workers = room_for(options->workers, sizeof(sim_session_worker *));
    cast->admins = room_for(options->admins + 1, sizeof(sim_admin *));
    cast->hostiles = room_for(options->hostiles, sizeof(sim_hostile *));
    cast->admins[cast->admin_count++] = sim_admin_new(cast, true);
    for (uint64_t i = 0; i < options->hostiles; i++)
        cast->hostiles[cast->hostile_count++] = sim_hostile_new(cast, (unsigned)i);
    for (uint64_t i = 0; i < options->admins; i++)
        cast->admins[cast->admin_count++] = sim_admin_new(cast, false);
    // The first works on every name, by hand; of the others every third speaks through the product's session.
    for (uint64_t i = 0; i < options->workers; i++) {
        if (i > 0 && sim_cast_below(cast, 3) == 0)
            cast->session_workers[cast->session_worker_count++] = sim_session_worker_new(cast, (unsigned)i);
        else
            cast->workers[cast->worker_count++] = sim_worker_new(cast, (unsigned)i);
    }
    // Every third client, and a lonely one now and then, speaks through the product's session.
    for (uint64_t i = 0; i < options->clients; i++) {
        if (sim_cast_below(cast, 3) == 0)
            cast->sessions[cast->session_count++] = sim_session_client_new(cast);
        else
            cast->clients[cast->client_count++] = sim_client_new(cast);
    }
}

sim_cast *sim_cast_new(sim_world *world, const struct sim_options *options, sim_server *server,
                       sim_model *model) {
    sim_cast *cast = calloc(1, sizeof *cast);
    FQ_ASSERT(cast != NULL);
    cast->world = world;
    cast->options = options;
    cast->server = server;
    cast->model = model;
    cast->network = sim_server_network(server);
    cast->names = options->names < 1               ? 1
                  : options->names > SIM_NAMES_MAX ? SIM_NAMES_MAX
                                                   : (uint32_t)options->names;
    cast->level_wanted = FIRST_LEVEL;
    fill_bytes(cast);
    hire(cast);
    return cast;
}

sim_cast *sim_cast_free(sim_cast *cast) {
    if (cast == NULL)
        return NULL;
    for (size_t i = 0; i < cast->client_count; i++)
        sim_client_free(cast->clients[i]);
    for (size_t i = 0; i < cast->worker_count; i++)
        sim_worker_free(cast->workers[i]);
    for (size_t i = 0; i < cast->session_worker_count; i++)
        sim_session_worker_free(cast->session_workers[i]);
    free(cast->session_workers);
    for (size_t i = 0; i < cast->admin_count; i++)
        sim_admin_free(cast->admins[i]);
    for (size_t i = 0; i < cast->hostile_count; i++)
        sim_hostile_free(cast->hostiles[i]);
    free(cast->hostiles);
    for (size_t i = 0; i < cast->session_count; i++)
        sim_session_client_free(cast->sessions[i]);
    free(cast->sessions);
    free(cast->clients);
    free(cast->workers);
    free(cast->admins);
    free(cast->bytes);
    free(cast);
    return NULL;
}
