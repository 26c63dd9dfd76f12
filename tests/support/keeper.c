// SPDX-License-Identifier: Apache-2.0
#include "support/keeper.h"

#include "base/assert.h"
#include "journal/compaction.h"
#include "journal/storage_posix.h"
#include "journal/storage_stream.h"
#include "net/clock.h"
#include "server/compactor.h"
#include "server/core.h"

enum { TURNS_MAX = 10000, TURN_US = 10000 };

static int64_t clock_us(void) {
    return fq_clock_now().boot_us;
}

static fq_storage *open_files(struct keeper *keeper) {
    struct fq_storage_posix_options options;
    fq_storage_posix_options_init(&options);
    options.segment_bytes = options.first_segment_bytes = 1 << 18;
    options.reserve_bytes = 32768;
    options.low_water_bytes = 65536;
    fq_storage *storage;
    char error[FQ_STORAGE_ERROR_MAX];
    FQ_ASSERT(fq_storage_files_open(sim_disk_attach(keeper->disk), keeper->executor, &options, &storage,
                                    error) == 0);
    return storage;
}

static fq_storage *open_log(struct keeper *keeper) {
    static const struct fq_storage_stream_options options = {.instance = {"an instance uuid"},
                                                             .unanswered_us = 1500000,
                                                             .retry_us = 100000,
                                                             .start_limit_us = 2000000,
                                                             .clock_us = clock_us};
    fq_storage *storage;
    char error[FQ_STORAGE_ERROR_MAX];
    FQ_ASSERT(
        fq_storage_stream_open(sim_log_open(keeper->log), keeper->executor, &options, &storage, error) == 0);
    return storage;
}

static int no_record(void *context, fq_str record) {
    (void)context, (void)record;
    return FQ_ECORRUPT;
}

// `engine` NULL: there is nothing yet.
static void open_journal(struct keeper *keeper, fq_engine *engine) {
    keeper->executor = step_executor_new();
    FQ_ASSERT(keeper->executor != NULL);
    fq_storage *storage = keeper->storage == KEEPER_FILES ? open_files(keeper) : open_log(keeper);
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.batch_records_max = 8; // so that there are many batches
    config.compact_bytes_min = 1; // whenever the test wants it
    FQ_ASSERT(fq_journal_open(storage, &config, &keeper->journal) == 0);
    if (engine != NULL)
        FQ_ASSERT(fq_core_recover(engine, keeper->journal) == 0);
    else
        FQ_ASSERT(fq_journal_recover(keeper->journal, no_record, NULL) == 0);
    FQ_ASSERT(fq_journal_start(keeper->journal, keeper->now) == 0);
}

void keeper_open(struct keeper *keeper, enum keeper_storage storage, struct fq_now now) {
    *keeper = (struct keeper){.storage = storage, .now = now};
    if (storage == KEEPER_FILES)
        keeper->disk = sim_disk_new(1);
    else
        keeper->log = sim_log_new(&(struct sim_log_config){.message_bytes_max = 0});
    FQ_ASSERT(keeper->disk != NULL || keeper->log != NULL);
    open_journal(keeper, NULL);
}

void keeper_close(struct keeper *keeper) {
    keeper->journal = fq_journal_close(keeper->journal);
    if (keeper->disk != NULL)
        sim_disk_free(keeper->disk);
    if (keeper->log != NULL)
        sim_log_free(keeper->log);
    *keeper = (struct keeper){.storage = KEEPER_NONE};
}

void keeper_append(struct keeper *keeper, fq_str record) {
    uint64_t seq;
    FQ_ASSERT(fq_journal_append(keeper->journal, record, &seq) == 0);
}

void keeper_run(struct keeper *keeper) {
    while (step_executor_run_one(keeper->executor))
        ;
}

static void turn(struct keeper *keeper) {
    keeper->now.boot_us += TURN_US;
    keeper->now.wall_us += TURN_US;
    fq_journal_commit(keeper->journal, keeper->now);
    keeper_run(keeper);
    fq_journal_poll(keeper->journal, keeper->now);
    FQ_ASSERT(!fq_journal_failed(keeper->journal));
}

void keeper_settle(struct keeper *keeper) {
    for (int i = 0; fq_journal_durable_seq(keeper->journal) < fq_journal_last_seq(keeper->journal); i++) {
        FQ_ASSERT(i < TURNS_MAX);
        turn(keeper);
    }
}

void keeper_reopen(struct keeper *keeper, fq_engine *engine) {
    keeper->journal = fq_journal_close(keeper->journal);
    open_journal(keeper, engine);
}

struct sealing {
    bool is_done;
    uint64_t batch_seq;
};

static void on_sealed(void *context, int result, uint64_t batch_seq) {
    FQ_ASSERT(result == 0);
    *(struct sealing *)context = (struct sealing){true, batch_seq};
}

static void compact_as_child(struct keeper *keeper, uint64_t until_batch) {
    fq_compaction *compaction;
    char error[FQ_STORAGE_ERROR_MAX];
    if (keeper->disk != NULL)
        FQ_ASSERT(fq_compaction_open_disk(sim_disk_attach(keeper->disk), until_batch, &compaction, error) ==
                  0);
    else
        FQ_ASSERT(fq_compaction_open_stream(sim_log_open(keeper->log), until_batch, &compaction, error) == 0);
    struct fq_compactor_outcome outcome;
    FQ_ASSERT(fq_compactor_run(compaction, &outcome) == 0);
    fq_compaction_close(compaction);
}

void keeper_compact(struct keeper *keeper) {
    keeper_settle(keeper);
    struct sealing sealing = {0};
    fq_journal_compact_begin(keeper->journal, on_sealed, &sealing);
    for (int i = 0; !sealing.is_done; i++) {
        FQ_ASSERT(i < TURNS_MAX);
        turn(keeper);
    }
    compact_as_child(keeper, sealing.batch_seq);
    fq_journal_compact_end(keeper->journal, true, sealing.batch_seq);
    for (int i = 0; fq_journal_is_compacting(keeper->journal); i++) {
        FQ_ASSERT(i < TURNS_MAX);
        turn(keeper);
    }
}

const char *keeper_storage_name(enum keeper_storage storage) {
    static const char *const names[] = {"in memory", "in files", "in a replicated log"};
    return names[storage];
}
