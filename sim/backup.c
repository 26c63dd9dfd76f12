// SPDX-License-Identifier: Apache-2.0
// A backup of the journal while the server writes it, brought up aside to see what is in it.
#include "journal/backup.h"

#include "base/assert.h"
#include "journal/storage_posix.h"
#include "sim/server_state.h"
#include "sim/step_executor.h"

enum { TRIES = 3 };

// Reads the copy as a start of the server would.
static int come_up(sim_server *server, sim_disk *copy, uint64_t durable_seq, char *error) {
    struct fq_storage_posix_options options;
    struct fq_journal_config config;
    fq_storage_posix_options_init(&options);
    fq_journal_config_init(&config);
    fq_storage *storage;
    fq_journal *journal = NULL;
    fq_engine *engine = fq_engine_new(&server->config.engine);
    FQ_ASSERT(engine != NULL);
    int rc = fq_storage_files_open(sim_disk_attach(copy), step_executor_new(), &options, &storage, error);
    if (rc == 0)
        rc = fq_journal_open(storage, &config, &journal);
    if (rc == 0)
        rc = fq_core_recover(engine, journal);
    if (rc == 0)
        sim_model_restored(server->model, engine, fq_journal_last_seq(journal), durable_seq);
    fq_journal_close(journal);
    fq_engine_free(engine);
    return rc;
}

static int copy_journal(sim_server *server, sim_disk *copy, char *error) {
    static const struct fq_backup_options options = {.tries_max = TRIES};
    struct fq_backup_report report;
    fq_disk *source = sim_disk_attach_mortal(server->disk, UINT64_MAX);
    fq_disk *target = sim_disk_attach(copy);
    int rc = fq_backup_make(source, target, &options, &report, error);
    if (rc == 0)
        rc = fq_backup_check(target, error);
    source->ops->close_disk(source);
    target->ops->close_disk(target);
    return rc;
}

static void on_backup(void *context, uint64_t life) {
    sim_server *server = context;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    if (life != server->life || server->core == NULL || server->rot_count > 0)
        return;
    uint64_t durable_seq = fq_journal_durable_seq(server->journal);
    sim_disk *copy = sim_disk_new(sim_world_random(server->world, SIM_STREAM_DISK));
    int rc = copy_journal(server, copy, error);
    if (rc == 0)
        sim_disk_remove(copy, "BACKUP"); // a start refuses a directory that is marked as a backup
    if (rc == 0)
        rc = come_up(server, copy, durable_seq, error);
    sim_disk_free(copy);
    if (sim_server_died(server))
        return;
    if (rc == 0)
        sim_world_count(server->world, "backup restored", 1);
    else if (rc != FQ_EAGAIN)
        sim_world_fail(server->world, "S39", "a backup fails: %s (%s)", error, fq_strerror(rc));
}

void sim_server_backup(sim_server *server) {
    sim_world_at(server->world, sim_world_time(server->world), on_backup, server, server->life);
}
