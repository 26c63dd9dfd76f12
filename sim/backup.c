// SPDX-License-Identifier: Apache-2.0
// A backup of the journal while the server writes it, restored and started aside to see what is in it.
#include "journal/backup.h"

#include "base/assert.h"
#include "journal/format.h"
#include "journal/storage_posix.h"
#include "server/journal_copy.h"
#include "sim/server_state.h"
#include "sim/step_executor.h"

#include <stdio.h>

enum { TRIES = 3 };

static int start(sim_server *server, fq_engine *engine, fq_journal *journal) {
    struct fq_now now = sim_world_server_now(server->world);
    fq_decision *decision = fq_decision_new();
    FQ_ASSERT(decision != NULL);
    int rc = fq_journal_start(journal, now);
    if (rc == 0)
        rc = fq_engine_start(engine, fq_journal_boot_epoch(journal), now, decision);
    for (size_t i = 0; rc == 0 && i < fq_decision_event_count(decision); i++)
        fq_engine_apply(engine, decision, i);
    fq_decision_free(decision);
    return rc;
}

// The restored journal starts as a server would start it.
static int come_up(sim_server *server, sim_disk *restored, struct sim_restored *facts, char *error) {
    struct fq_storage_posix_options options;
    struct fq_journal_config config;
    fq_storage_posix_options_init(&options);
    options.first_segment_bytes = options.segment_bytes = FQ_SEGMENT_MIN;
    options.reserve_bytes = 0;
    fq_journal_config_init(&config);
    fq_storage *storage;
    fq_journal *journal = NULL;
    fq_engine *engine = fq_engine_new(&server->config.engine);
    FQ_ASSERT(engine != NULL);
    int rc = fq_storage_files_open(sim_disk_attach(restored), step_executor_new(), &options, &storage, error);
    if (rc == 0)
        rc = fq_journal_open(storage, &config, &journal);
    if (rc == 0)
        rc = fq_core_recover(engine, journal);
    if (rc == 0) {
        facts->engine = engine;
        facts->found_seq = fq_journal_last_seq(journal);
        facts->found_hash = fq_engine_hash(engine);
        rc = start(server, engine, journal);
    }
    if (rc == 0) {
        facts->epoch = fq_journal_boot_epoch(journal);
        sim_model_restored(server->model, facts, sim_world_server_now(server->world));
    }
    fq_journal_close(journal);
    fq_engine_free(engine);
    return rc;
}

// As `fastqueue journal restore`: another instance, no lease, a boot number far ahead.
static int restore(sim_server *server, sim_disk *copy, uint64_t durable_seq, char *error) {
    sim_disk *restored = sim_disk_new(sim_world_random(server->world, SIM_STREAM_DISK));
    fq_disk *target = sim_disk_attach(restored);
    struct fq_journal_restore result;
    int rc = fq_journal_restore_disk(sim_disk_attach(copy), target, 0, &result);
    target->ops->close_disk(target);
    if (rc == 0) {
        struct sim_restored facts = {.durable_seq = durable_seq,
                                     .last_seq = result.check.last_record,
                                     .hash = result.check.state_hash,
                                     .restored_hash = result.state_hash,
                                     .old_epoch = fq_journal_boot_epoch(server->journal),
                                     .is_same_instance =
                                         fq_uuid_equal(&result.instance, &result.check.instance)};
        rc = come_up(server, restored, &facts, error);
    } else {
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", result.error);
    }
    fq_journal_restore_done(&result);
    sim_disk_free(restored);
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
        rc = restore(server, copy, durable_seq, error);
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
