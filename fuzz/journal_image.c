// SPDX-License-Identifier: Apache-2.0
#include "journal_image.h"

#include "base/assert.h"
#include "engine/view.h"
#include "journal/compaction.h"
#include "journal/storage_posix.h"
#include "server/compactor.h"
#include "server/core.h"

#include <stdio.h>

enum { SETTLE_TURNS = 200 };

// Runs what is submitted at once: the owner's next poll finds it done.
static void run_inline(fq_executor *executor, void (*work)(void *argument), void *argument) {
    (void)executor;
    work(argument);
}
static fq_executor *close_inline(fq_executor *executor) {
    (void)executor;
    return NULL;
}

static int open_journal(sim_disk *sim, bool strict, fq_journal **ret_journal) {
    static fq_executor executor = {run_inline, close_inline};
    struct fq_storage_posix_options options;
    fq_storage_posix_options_init(&options);
    options.segment_bytes = options.first_segment_bytes = options.reserve_bytes = 16384;
    options.low_water_bytes = 1;
    options.strict = strict;
    fq_storage *storage;
    char error[FQ_STORAGE_ERROR_MAX] = "";
    int result = fq_storage_files_open(sim_disk_attach(sim), &executor, &options, &storage, error);
    FQ_ASSERT(result == 0 || error[0] != '\0' || result == FQ_ENOMEM);
    if (result < 0)
        return result;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.compact_bytes_min = 1;
    return fq_journal_open(storage, &config, ret_journal);
}

static int commit(struct journal_image_boot *boot) {
    for (size_t i = 0; i < fq_decision_event_count(boot->decision); i++) {
        const struct fq_event *event = fq_decision_event(boot->decision, i);
        fq_buf record = {0};
        uint64_t seq;
        int result = 0;
        if (fq_event_is_durable(fq_event_type_of(event))) {
            FQ_ASSERT(fq_event_encode(event, &record) == 0);
            result = fq_journal_append(boot->journal, fq_buf_str(&record), &seq);
        }
        fq_buf_done(&record);
        if (result < 0)
            return result;
        fq_engine_apply(boot->engine, boot->decision, i);
    }
    return 0;
}

void journal_image_close(struct journal_image_boot *boot) {
    boot->journal = fq_journal_close(boot->journal);
    boot->engine = fq_engine_free(boot->engine);
    boot->decision = fq_decision_free(boot->decision);
}

int journal_image_boot(sim_disk *sim, bool strict, struct journal_image_boot *ret_boot) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.crash_max = 255; // a byte: what a lower limit once allowed is not refused
    *ret_boot = (struct journal_image_boot){
        .engine = fq_engine_new(&config), .decision = fq_decision_new(), .now = {1000000, 1800000000000000}
    };
    FQ_ASSERT(ret_boot->engine != NULL && ret_boot->decision != NULL);
    int result = open_journal(sim, strict, &ret_boot->journal);
    if (result == 0)
        result = fq_core_recover(ret_boot->engine, ret_boot->journal);
    if (result == 0)
        result = fq_journal_start(ret_boot->journal, ret_boot->now);
    if (result == 0)
        result = fq_engine_start(ret_boot->engine, fq_journal_boot_epoch(ret_boot->journal), ret_boot->now,
                                 ret_boot->decision);
    if (result == 0)
        result = commit(ret_boot);
    if (result < 0)
        journal_image_close(ret_boot);
    return result;
}

int journal_image_run(struct journal_image_boot *boot, const struct fq_command *command) {
    boot->now.boot_us += 1000000;
    boot->now.wall_us += 1000000;
    int result = fq_engine_decide(boot->engine, command, boot->now, boot->decision);
    return result < 0 ? result : commit(boot);
}

bool journal_image_settle(struct journal_image_boot *boot) {
    for (int i = 0; i < SETTLE_TURNS && !fq_journal_failed(boot->journal); i++) {
        boot->now.boot_us += 200000;
        fq_journal_commit(boot->journal, boot->now);
        fq_journal_poll(boot->journal, boot->now);
        if (fq_journal_durable_seq(boot->journal) == fq_journal_last_seq(boot->journal))
            return true;
    }
    return false;
}

// --- what the directory holds -------------------------------------------------------------------------------------------
static fq_uuid id_of(uint8_t number) {
    fq_uuid id = {
        .bytes = {1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, number}
    };
    return id;
}

static void submit(struct journal_image_boot *boot, uint8_t number, const char *name) {
    struct fq_command command = {.type = FQ_COMMAND_SUBMIT};
    command.submit.id = id_of(number);
    command.submit.name = fq_str_of(name);
    command.submit.payload = FQ_STR("{\"args\":[1,2]}");
    command.submit.priority = (enum fq_priority)(number % FQ_PRIORITY_COUNT);
    command.submit.delay_ms = number % 5 == 4 ? 60000 : 0;
    command.submit.retries = number % 3;
    command.submit.result_ttl_ms = -1;
    FQ_ASSERT(journal_image_run(boot, &command) == 0);
}

static void work(struct journal_image_boot *boot, uint32_t count) {
    const fq_str names[] = {FQ_STR("add"), FQ_STR("mul")};
    struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
    fetch.fetch.worker = FQ_STR("w");
    fetch.fetch.names = names;
    fetch.fetch.name_count = 2;
    fetch.fetch.count = count;
    FQ_ASSERT(journal_image_run(boot, &fetch) == 0);
}

static void report(struct journal_image_boot *boot, uint8_t number, bool fails) {
    struct fq_task_view view;
    fq_uuid id = id_of(number);
    if (fq_engine_task(boot->engine, &id, &view) != 0 || view.state != FQ_TASK_STARTED)
        return;
    struct fq_command command = {.type = fails ? FQ_COMMAND_FAIL : FQ_COMMAND_COMPLETE};
    if (fails) {
        command.fail.id = id;
        command.fail.token = view.token;
        command.fail.type = FQ_STR("ValueError");
        command.fail.message = FQ_STR("no");
        command.fail.run_us = 5;
    } else {
        command.complete.id = id;
        command.complete.token = view.token;
        command.complete.result = FQ_STR("42");
        command.complete.run_us = 5;
    }
    FQ_ASSERT(journal_image_run(boot, &command) == 0);
}

struct sealed {
    bool ready;
    uint64_t batch_seq;
};
static void on_ready(void *context, int result, uint64_t batch_seq) {
    FQ_ASSERT(result == 0);
    *(struct sealed *)context = (struct sealed){true, batch_seq};
}

static void compact(sim_disk *sim, struct journal_image_boot *boot) {
    struct sealed sealed = {0};
    fq_journal_compact_begin(boot->journal, on_ready, &sealed);
    FQ_ASSERT(journal_image_settle(boot) && sealed.ready);
    fq_compaction *compaction;
    struct fq_compactor_outcome outcome;
    char error[FQ_STORAGE_ERROR_MAX];
    FQ_ASSERT(fq_compaction_open_disk(sim_disk_attach(sim), sealed.batch_seq, &compaction, error) == 0);
    FQ_ASSERT(fq_compactor_run(compaction, &outcome) == 0);
    fq_compaction_close(compaction);
    fq_journal_compact_end(boot->journal, true, sealed.batch_seq);
    FQ_ASSERT(journal_image_settle(boot));
}

sim_disk *journal_image_new(void) {
    sim_disk *sim = sim_disk_new(1);
    struct journal_image_boot boot;
    FQ_ASSERT(journal_image_boot(sim, false, &boot) == 0);
    for (uint8_t i = 1; i <= 8; i++)
        submit(&boot, i, i % 2 == 0 ? "add" : "mul");
    work(&boot, 5);
    for (uint8_t i = 1; i <= 8; i++)
        report(&boot, i, i % 2 == 0);
    FQ_ASSERT(journal_image_settle(&boot));
    compact(sim, &boot);
    for (uint8_t i = 9; i <= 12; i++)
        submit(&boot, i, "add");
    FQ_ASSERT(journal_image_settle(&boot));
    journal_image_close(&boot);
    sim_disk_revive(sim);
    FQ_ASSERT(journal_image_boot(sim, false, &boot) == 0);
    for (uint8_t i = 13; i <= 15; i++) {
        submit(&boot, i, "mul");
        work(&boot, 1);
        FQ_ASSERT(journal_image_settle(&boot));
    }
    journal_image_close(&boot);
    sim_disk_revive(sim);
    return sim;
}
