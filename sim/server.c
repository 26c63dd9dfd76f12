// SPDX-License-Identifier: Apache-2.0
// The life of the control plane's process: off -> up -> dead, stopped or refused -> off. Its loop turns as core.h says.
#include "sim/server.h"

#include "base/assert.h"
#include "sim/server_state.h"

#include <stdlib.h>

enum { DRAIN_LOOK_US = 50 * FQ_US_PER_MS };

static void on_boot(void *context, uint64_t life);

static const char *const death_names[] = {
    [SIM_DEATH_KILL] = "kill",
    [SIM_DEATH_POWER] = "power cut",
    [SIM_DEATH_FAILURE] = "journal failed",
    [SIM_DEATH_STOP] = "stopped",
};

void sim_server_enter(sim_server *server) {
    server->is_inside = true;
    if (server->set_memory != NULL && server->options->memory_rate != 0)
        server->set_memory(server->world, server->options->memory_rate);
}

void sim_server_leave(sim_server *server) {
    server->is_inside = false;
    if (server->set_memory != NULL)
        server->set_memory(server->world, 0);
}

bool sim_server_step_out(sim_server *server) {
    bool was_inside = server->is_inside;
    if (was_inside)
        sim_server_leave(server);
    return was_inside;
}

void sim_server_step_in(sim_server *server, bool was_inside) {
    if (was_inside)
        sim_server_enter(server);
}

static void on_product(void *context, bool runs) {
    if (runs)
        sim_server_enter(context);
    else
        sim_server_leave(context);
}

// --- dying and coming back ------------------------------------------------------------------------------------------------
static void start_later(sim_server *server, int64_t longest_us) {
    int64_t after_us = 1 + (int64_t)sim_world_below(server->world, SIM_STREAM_CRASH, (uint64_t)longest_us);
    sim_world_at(server->world, sim_world_time(server->world) + after_us, on_boot, server, server->life);
}

// The disk and the clocks as the end of the process leaves them.
static void leave_machine(sim_server *server, enum sim_death kind) {
    if (kind == SIM_DEATH_POWER) {
        bool garbage = sim_world_chance(server->world, SIM_STREAM_CRASH, server->options->garbage_rate);
        if (garbage)
            sim_world_count(server->world, "power cut with garbage", 1);
        sim_disk_restart(server->disk, garbage);
        sim_world_restart_boot_clock(server->world);
        server->cache_lies = false;
    } else {
        sim_disk_revive(server->disk);
    }
}

static void count_death(sim_server *server, enum sim_death kind) {
    sim_world_count(server->world, death_names[kind], 1);
    sim_world_say(server->world, "%s", death_names[kind]);
    server->stats.kills += kind == SIM_DEATH_KILL;
    server->stats.power_cuts += kind == SIM_DEATH_POWER;
    server->stats.failures += kind == SIM_DEATH_FAILURE;
}

void sim_server_die(sim_server *server, enum sim_death kind) {
    struct fq_core_stats stats = {0};
    if (server->core != NULL)
        fq_core_stats(server->core, &stats);
    server->stats.commands += stats.commands_total;
    count_death(server, kind);
    server->life++;
    server->has_turn = false;
    server->compactor = (struct sim_compactor){0};
    if (kind != SIM_DEATH_STOP) // not a call of the dying process has an effect any more
        sim_disk_crash_now(server->disk);
    sim_server_forget(server);
    leave_machine(server, kind);
    // A failed sync lost what it was to write, though the process saw it.
    // What a log had not acknowledged when its writer died may never have reached it.
    bool may_lose = kind == SIM_DEATH_POWER || kind == SIM_DEATH_FAILURE || server->log != NULL;
    sim_model_crashed(server->model, may_lose);
    sim_network_die(server->network, kind == SIM_DEATH_POWER);
    start_later(server, kind == SIM_DEATH_POWER ? 5 * FQ_US_PER_S : FQ_US_PER_S);
}

bool sim_server_died(sim_server *server) {
    if (!sim_disk_is_dead(server->disk))
        return false;
    sim_server_die(server, server->crash_kind);
    return true;
}

static void on_boot(void *context, uint64_t life) {
    sim_server *server = context;
    if (life != server->life)
        return;
    if (server->paused_until_us > sim_world_time(server->world)) {
        sim_world_at(server->world, server->paused_until_us, on_boot, server, life);
        return;
    }
    server->life++;
    sim_network_power_on(server->network);
    switch (sim_server_boot(server)) {
    case SIM_BOOT_UP: break;
    case SIM_BOOT_DIED:
        sim_world_count(server->world, "death while starting", 1);
        server->boot_deaths++;
        sim_server_die(server, server->crash_kind);
        return;
    case SIM_BOOT_REFUSED: start_later(server, FQ_US_PER_S); return;
    }
    server->boot_deaths = 0;
    sim_machine_arm(server, false);
    sim_network_open(server->network, server->core);
    sim_model_booted(server->model, server->core);
    sim_server_want_turn(server, sim_world_time(server->world));
}

// --- the loop -------------------------------------------------------------------------------------------------------------
static int64_t drain_step(sim_server *server, struct fq_now now) {
    if (!server->is_draining)
        return FQ_NEVER_US;
    return now.boot_us + DRAIN_LOOK_US < server->drain_until_us ? now.boot_us + DRAIN_LOOK_US
                                                                : server->drain_until_us;
}

static bool has_drained(const sim_server *server, struct fq_now now) {
    return server->is_draining &&
           (fq_core_is_drained(server->core, now) || now.boot_us >= server->drain_until_us);
}

static void turn(sim_server *server) {
    struct fq_now now = sim_world_server_now(server->world);
    sim_network_receive(server->network, now);
    sim_machine_tell(server);
    sim_server_enter(server);
    fq_journal_poll(server->journal, now);
    fq_core_on_durable(server->core, now);
    fq_core_turn(server->core, now);
    sim_server_leave(server);
    if (fq_core_failed(server->core)) {
        sim_server_die(server, SIM_DEATH_FAILURE);
        return;
    }
    sim_network_flush(server->network, now);
    sim_compactor_step(server, now);
    sim_world_count(server->world, "S25", 1);
    if (sim_disk_rewrites(server->disk) > 0 && !server->has_rotted)
        sim_world_fail(server->world, "S25", "bytes that were durable are written over");
    sim_model_turned(server->model, server->core, now);
    if (has_drained(server, now)) {
        bool in_time = fq_core_is_drained(server->core, now);
        sim_world_count(server->world, in_time ? "drain came to its end" : "drain ran out of time", 1);
        sim_server_die(server, SIM_DEATH_STOP);
        return;
    }
    int64_t at_us = fq_core_deadline(server->core, now), drain_us = drain_step(server, now);
    sim_server_want_turn(server, sim_world_when(server->world, at_us < drain_us ? at_us : drain_us));
}

static void on_turn(void *context, uint64_t number) {
    sim_server *server = context;
    if (number != server->turn_number || !server->has_turn)
        return;
    int64_t now_us = sim_world_time(server->world);
    server->has_turn = false;
    if (server->paused_until_us > now_us) {
        sim_server_want_turn(server, server->paused_until_us);
        return;
    }
    server->busy_until_us = now_us + (int64_t)server->options->turn_us;
    turn(server);
}

void sim_server_want_turn(sim_server *server, int64_t at_us) {
    if (at_us == FQ_NEVER_US)
        return;
    if (at_us < server->busy_until_us)
        at_us = server->busy_until_us;
    if (server->has_turn && server->turn_at_us <= at_us)
        return;
    server->has_turn = true;
    server->turn_at_us = at_us;
    sim_world_at(server->world, at_us, on_turn, server, ++server->turn_number);
}

static void wake(void *context) {
    sim_server *server = context;
    bool was_inside = sim_server_step_out(server);
    if (server->core != NULL)
        sim_server_want_turn(server, sim_world_time(server->world));
    sim_server_step_in(server, was_inside);
}

// --- orders from outside --------------------------------------------------------------------------------------------------
// Carried out by events of their own: who gives them may stand in the middle of anything.
static void order(sim_server *server, void (*run)(void *context, uint64_t life)) {
    sim_world_at(server->world, sim_world_time(server->world), run, server, server->life);
}

static void on_kill(void *context, uint64_t life) {
    sim_server *server = context;
    if (life == server->life && server->core != NULL)
        sim_server_die(server, SIM_DEATH_KILL);
}

static void on_cut(void *context, uint64_t life) {
    sim_server *server = context;
    if (life == server->life && server->core != NULL)
        sim_server_die(server, SIM_DEATH_POWER);
}

static void on_drain(void *context, uint64_t life) {
    sim_server *server = context;
    if (life != server->life || server->core == NULL || server->is_draining)
        return;
    struct fq_now now = sim_world_server_now(server->world);
    sim_world_count(server->world, "drain", 1);
    sim_world_say(server->world, "drain");
    fq_core_drain(server->core, now);
    server->is_draining = true;
    server->drain_until_us = now.boot_us + server->config.drain_timeout_ms * FQ_US_PER_MS;
    sim_server_want_turn(server, sim_world_time(server->world));
}

void sim_server_kill(sim_server *server) {
    order(server, on_kill);
}

void sim_server_cut_power(sim_server *server) {
    order(server, on_cut);
}

void sim_server_drain(sim_server *server) {
    order(server, on_drain);
}

void sim_server_pause(sim_server *server, int64_t us) {
    int64_t until_us = sim_world_time(server->world) + us;
    sim_world_count(server->world, "machine stands still", 1);
    sim_world_say(server->world, "the machine stands still for %lld us", (long long)us);
    if (until_us <= server->paused_until_us)
        return;
    int64_t from_us = server->paused_until_us;
    if (from_us < sim_world_time(server->world))
        from_us = sim_world_time(server->world);
    server->stopped_us += until_us - from_us;
    server->paused_until_us = until_us;
}

void sim_server_reload_users(sim_server *server, unsigned set) {
    if (server->options->credentials == 0)
        return;
    fq_credentials *fresh = sim_users_credentials(set % SIM_USER_SETS);
    FQ_ASSERT(fresh != NULL);
    sim_world_count(server->world, "users read anew", 1);
    if (server->core != NULL)
        fq_core_set_credentials(server->core, fresh, sim_world_server_now(server->world));
    fq_credentials_free(server->credentials);
    server->credentials = fresh;
    wake(server);
}

// --- the whole ------------------------------------------------------------------------------------------------------------
static void configure(sim_server *server) {
    const struct sim_options *options = server->options;
    struct fq_server_options *config = &server->config;
    fq_server_options_init(config);
    config->engine.loss_max = (uint32_t)options->loss_max;
    config->engine.lease_ms = (int64_t)options->lease_us / FQ_US_PER_MS;
    config->engine.restart_grace_ms = config->engine.lease_ms / 2;
    config->engine.default_result_ttl_ms = (int64_t)options->result_ttl_us / FQ_US_PER_MS;
    config->output_bytes_max = options->output_bytes_max;
    config->drain_timeout_ms = 5000;
    if (options->credentials != 0)
        server->credentials = sim_users_credentials(0);
}

sim_server *sim_server_new(sim_world *world, const struct sim_options *options, sim_model *model) {
    sim_server *server = calloc(1, sizeof *server);
    FQ_ASSERT(server != NULL);
    server->world = world;
    server->options = options;
    server->model = model;
    server->network = sim_network_new(world, options, wake, on_product, server);
    configure(server);
    sim_machine_init(server);
    if (options->stream != 0)
        server->log = sim_replicated_log_new(world, options, server->disk);
    sim_world_at(world, 0, on_boot, server, 0);
    return server;
}

sim_server *sim_server_free(sim_server *server) {
    if (server == NULL)
        return NULL;
    server->life++;
    sim_disk_crash_now(server->disk);
    sim_server_forget(server);
    fq_credentials_free(server->credentials);
    sim_network_free(server->network);
    sim_replicated_log_free(server->log);
    sim_disk_free(server->disk);
    free(server);
    return NULL;
}

void sim_server_heal(sim_server *server) {
    server->is_healed = true;
    server->tenant_bytes = 0;
    server->paused_until_us = 0;
    server->no_descriptors = false;
    sim_network_exhaust(server->network, false);
    sim_disk_set_capacity(server->disk, 0);
    sim_disk_crash_at(server->disk, 0);
    if (server->log != NULL)
        sim_replicated_log_heal(server->log);
    sim_machine_unrot(server);
    sim_network_heal(server->network);
    sim_executor_heal(server);
    sim_world_set_drift(server->world, 0);
}

sim_network *sim_server_network(sim_server *server) {
    return server->network;
}

void sim_server_set_memory(sim_server *server, void (*set_memory)(sim_world *world, uint64_t one_in)) {
    server->set_memory = set_memory;
}

bool sim_server_is_up(const sim_server *server) {
    return server->core != NULL;
}

uint64_t sim_server_used(const sim_server *server) {
    return sim_disk_used(server->disk);
}

fq_core *sim_server_core(sim_server *server) {
    return server->core;
}

void sim_server_stats(const sim_server *server, struct sim_server_stats *ret_stats) {
    *ret_stats = server->stats;
    ret_stats->disk_calls = sim_disk_calls(server->disk);
    struct fq_core_stats stats;
    if (server->core != NULL) {
        fq_core_stats(server->core, &stats);
        ret_stats->commands += stats.commands_total;
    }
}
