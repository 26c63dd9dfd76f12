// SPDX-License-Identifier: Apache-2.0
// The compactor's process and the server's care for it, as server/compactor_child.c has it.
#include "server/compactor.h"
#include "sim/server_state.h"

enum {
    RUN_MAX_US = 50 * FQ_US_PER_MS,
    RETRY_FIRST_US = 10 * FQ_US_PER_S,
    RETRY_MAX_US = 600 * FQ_US_PER_S,
    CALLS = 80
};

static void finish(sim_server *server, bool ok) {
    struct sim_compactor *compactor = &server->compactor;
    struct fq_now now = sim_world_server_now(server->world);
    compactor->is_busy = false;
    // As long as the next file is being prepared, an order is put off.
    compactor->is_ordered = compactor->is_ordered && !ok;
    compactor->retry_us = ok ? 0 : compactor->retry_us == 0 ? RETRY_FIRST_US : compactor->retry_us * 2;
    if (compactor->retry_us > RETRY_MAX_US)
        compactor->retry_us = RETRY_MAX_US;
    compactor->not_before_us = now.boot_us + compactor->retry_us;
}

static void on_ended(void *context, uint64_t life) {
    sim_server *server = context;
    if (life != server->life)
        return;
    fq_journal_compact_end(server->journal, server->compactor.ok, server->compactor.batch_seq);
    server->stats.compactions += server->compactor.ok;
    finish(server, server->compactor.ok);
    sim_server_want_turn(server, sim_world_time(server->world));
}

static int open_compaction(sim_server *server, uint64_t calls, fq_compaction **ret_compaction, char *error) {
    uint64_t until = server->compactor.batch_seq;
    if (server->log == NULL)
        return fq_compaction_open_disk(sim_disk_attach_mortal(server->disk, calls), until, ret_compaction,
                                       error);
    sim_replicated_log_beside(server->log, calls);
    return fq_compaction_open_stream(sim_replicated_log_open(server->log), until, ret_compaction, error);
}

static int run(sim_server *server) {
    char error[FQ_STORAGE_ERROR_MAX];
    fq_compaction *compaction;
    struct fq_compactor_outcome outcome = {0};
    bool dies = server->options->kill_rate != 0 && sim_world_chance(server->world, SIM_STREAM_CRASH, 4);
    uint64_t calls = dies ? 1 + sim_world_below(server->world, SIM_STREAM_CRASH, CALLS) : 0;
    int rc = open_compaction(server, calls, &compaction, error);
    if (rc == 0) {
        rc = fq_compactor_run(compaction, &outcome);
        fq_compaction_close(compaction);
    }
    if (server->log != NULL)
        sim_replicated_log_back(server->log);
    if (rc == 0) {
        sim_world_count(server->world, "compaction", 1);
        sim_model_compacted(server->model, outcome.last_seq, outcome.state_hash);
    } else {
        sim_world_count(server->world, dies ? "compactor killed" : "compaction failed", 1);
    }
    return rc;
}

static void on_run(void *context, uint64_t life) {
    sim_server *server = context;
    if (life != server->life)
        return;
    server->compactor.ok = run(server) == 0;
    if (sim_server_died(server))
        return;
    int64_t later_us = (int64_t)sim_world_below(server->world, SIM_STREAM_DISK, RUN_MAX_US);
    sim_world_at(server->world, sim_world_time(server->world) + later_us, on_ended, server, life);
}

static void on_sealed(void *context, int result, uint64_t batch_seq) {
    sim_server *server = context;
    if (result < 0) {
        finish(server, false);
        return;
    }
    bool was_inside = sim_server_step_out(server);
    server->compactor.batch_seq = batch_seq;
    int64_t later_us = (int64_t)sim_world_below(server->world, SIM_STREAM_DISK, RUN_MAX_US);
    sim_world_at(server->world, sim_world_time(server->world) + later_us, on_run, server, server->life);
    sim_server_step_in(server, was_inside);
}

bool sim_compactor_rests(const sim_server *server) {
    return !server->compactor.is_busy && !fq_journal_is_compacting(server->journal);
}

void sim_server_compact(sim_server *server) {
    server->compactor.is_ordered = true;
    if (server->core != NULL) // else its first turn sees to it
        sim_server_want_turn(server, sim_world_time(server->world));
}

uint64_t sim_server_installs(const sim_server *server) {
    struct fq_journal_stats stats = {0};
    if (server->journal != NULL)
        fq_journal_stats(server->journal, &stats);
    return stats.compactions_total;
}

bool sim_server_has_compacted(const sim_server *server) {
    return server->core != NULL && !server->compactor.is_ordered && sim_compactor_rests(server);
}

void sim_compactor_step(sim_server *server, struct fq_now now) {
    struct sim_compactor *compactor = &server->compactor;
    if (compactor->is_ordered && sim_compactor_rests(server)) {
        compactor->is_busy = true;
        fq_journal_compact_begin(server->journal, on_sealed, server);
        return;
    }
    if (compactor->is_busy || now.boot_us < compactor->not_before_us ||
        !fq_journal_wants_compaction(server->journal))
        return;
    compactor->is_busy = true;
    fq_journal_compact_begin(server->journal, on_sealed, server);
}
