// SPDX-License-Identifier: Apache-2.0
// A start of the process, as server/store.c and server/server.c do it on a real disk.
#include "base/assert.h"
#include "journal/storage_posix.h"
#include "journal/storage_stream.h"
#include "sim/server_state.h"

#include <stdio.h>

static bool lost_power_or_life(const sim_server *server) {
    return sim_disk_is_dead(server->disk);
}

static void storage_options(const sim_server *server, bool is_rotten,
                            struct fq_storage_posix_options *ret_options) {
    fq_storage_posix_options_init(ret_options);
    ret_options->segment_bytes = server->options->segment_bytes;
    ret_options->first_segment_bytes =
        server->options->segment_bytes < 65536 ? server->options->segment_bytes : 65536;
    ret_options->reserve_bytes = SIM_RESERVE_BYTES;
    ret_options->low_water_bytes = SIM_LOW_WATER_BYTES;
    // With rot about, only who is strict can tell a rotten end from a torn one.
    ret_options->strict = is_rotten;
}

// Time stands still while a start waits for the log.
static int64_t no_time(void) {
    return 0;
}

static int open_storage(sim_server *server, bool is_rotten, fq_storage **ret_storage, char *error) {
    if (server->log != NULL) {
        struct fq_storage_stream_options options = {
            .unanswered_us = 1500 * FQ_US_PER_MS, .retry_us = 100 * FQ_US_PER_MS, .clock_us = no_time};
        options.instance.bytes[0] = 1;
        return fq_storage_stream_open(sim_replicated_log_open(server->log), sim_executor_open(server),
                                      &options, ret_storage, error);
    }
    struct fq_storage_posix_options options;
    storage_options(server, is_rotten, &options);
    return fq_storage_files_open(sim_disk_attach(server->disk), sim_executor_open(server), &options,
                                 ret_storage, error);
}

static int open_journal(sim_server *server, bool is_rotten, char *error) {
    fq_storage *storage;
    int rc = open_storage(server, is_rotten, &storage, error);
    if (rc < 0)
        return rc;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.durability = server->options->relaxed ? FQ_DURABILITY_RELAXED : FQ_DURABILITY_SYNC;
    config.batch_bytes_max = (uint32_t)server->options->batch_bytes_max;
    config.compact_bytes_min = server->options->compact_bytes;
    if (server->log != NULL)
        config.idle_mark_us = 0;
    rc = fq_journal_open(storage, &config, &server->journal);
    if (rc < 0)
        return rc;
    rc = fq_core_recover(server->engine, server->journal);
    if (rc == 0 && !lost_power_or_life(server))
        sim_model_recovered(server->model, server->engine, server->journal);
    if (rc == 0)
        rc = fq_journal_start(server->journal, sim_world_server_now(server->world));
    if (rc < 0)
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_journal_error(server->journal));
    return rc;
}

static void on_event(void *context, const fq_engine *engine, const struct fq_event *event,
                     const struct fq_task_view *after) {
    sim_server *server = context;
    if (server->core == NULL && server->is_draining)
        return; // the process is dead: what its end would have decided does not count
    bool was_inside = sim_server_step_out(server);
    server->judge.on_event(server->judge.context, engine, event, after);
    sim_server_step_in(server, was_inside);
}

static int open_core(sim_server *server) {
    server->judge = sim_model_observer(server->model);
    struct fq_core_config config = {
        .options = &server->config,
        .engine = server->engine,
        .journal = server->journal,
        .credentials = server->credentials,
        .seed = sim_world_random(server->world, SIM_STREAM_SCHEDULE),
        .observer = {on_event, server},
        .server_id = "simulated"
    };
    if (server->judge.on_event == NULL)
        config.observer = (struct fq_core_observer){0};
    server->core = fq_core_new(&config);
    FQ_ASSERT(server->core != NULL);
    return fq_core_start(server->core, sim_world_server_now(server->world));
}

void sim_server_forget(sim_server *server) {
    fq_core *core = server->core;
    server->core = NULL;
    server->is_draining = true; // silences the observer
    fq_core_free(core);
    server->journal = fq_journal_close(server->journal);
    server->engine = fq_engine_free(server->engine);
    server->is_draining = false;
}

// Who refuses to start leaves everything as it was, for who comes to look.
static void look_for_changes(sim_server *server, bool is_rotten, uint64_t before) {
    if (!is_rotten)
        return;
    sim_world_count(server->world, "S26", 1);
    if (sim_disk_hash(server->disk, "quarantine") != before)
        sim_world_fail(server->world, "S26", "a refused start has changed files");
}

enum sim_boot sim_server_boot(sim_server *server) {
    char error[FQ_STORAGE_ERROR_MAX] = "";
    sim_world_say(server->world, "boot %llu", (unsigned long long)server->stats.boots + 1);
    server->stats.boots++;
    bool is_rotten = sim_machine_rot(server);
    uint64_t before = is_rotten ? sim_disk_hash(server->disk, "quarantine") : 0;
    sim_machine_arm(server, true);
    server->config.engine.seed = sim_world_random(server->world, SIM_STREAM_SCHEDULE);
    server->engine = fq_engine_new(&server->config.engine);
    FQ_ASSERT(server->engine != NULL);
    int rc = open_journal(server, is_rotten, error);
    if (rc == 0)
        rc = open_core(server);
    if (rc == 0 && !lost_power_or_life(server))
        return SIM_BOOT_UP;
    bool has_died = lost_power_or_life(server);
    sim_server_forget(server);
    if (has_died)
        return SIM_BOOT_DIED;
    sim_world_say(server->world, "refused to start: %s (%s)", error, fq_strerror(rc));
    server->stats.refusals++;
    if (server->cache_lies) // a sync that failed takes what a kill had left to the kernel
        sim_model_crashed(server->model, true);
    bool is_verdict = rc != FQ_EIO && rc != FQ_EFULL && rc != FQ_ENOMEM && rc != FQ_EAGAIN;
    if (is_verdict || is_rotten) { // the others are errors of the moment
        sim_world_count(server->world, "start refused", 1);
        look_for_changes(server, is_rotten && is_verdict, before);
        sim_model_refused(server->model, rc, error, is_rotten);
        sim_machine_unrot(server);
    }
    return SIM_BOOT_REFUSED;
}
