// SPDX-License-Identifier: Apache-2.0
// Another control plane that takes the replicated log over, as one does that has not heard of ours for a while: it reads what is there,
// begins a life of its own, and ends at once. Ours, which may stand still or be in the middle of anything, has to find out.
#include "base/assert.h"
#include "journal/storage_stream.h"
#include "sim/server_state.h"
#include "sim/step_executor.h"

static int64_t no_time(void) {
    return 0;
}

static int begin_life(sim_server *server, fq_journal **ret_journal, fq_engine *engine) {
    char error[FQ_STORAGE_ERROR_MAX];
    struct fq_storage_stream_options options = {.clock_us = no_time};
    fq_storage *storage;
    int rc = fq_storage_stream_open(sim_replicated_log_open(server->log), step_executor_new(), &options,
                                    &storage, error);
    if (rc < 0)
        return rc;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    rc = fq_journal_open(storage, &config, ret_journal);
    if (rc == 0)
        rc = fq_core_recover(engine, *ret_journal);
    if (rc == 0)
        rc = fq_journal_start(*ret_journal, sim_world_server_now(server->world));
    return rc;
}

void sim_usurper_strike(sim_server *server) {
    fq_engine *engine = fq_engine_new(&server->config.engine);
    FQ_ASSERT(engine != NULL);
    sim_replicated_log_beside(server->log, 0);
    fq_journal *journal = NULL;
    int rc = begin_life(server, &journal, engine);
    fq_journal_close(journal);
    fq_engine_free(engine);
    sim_replicated_log_back(server->log);
    sim_world_count(server->world, rc == 0 ? "log taken over" : "log not taken over", 1);
    sim_world_say(server->world, "another control plane takes the log over: %s",
                  rc == 0 ? "done" : fq_strerror(rc));
}
