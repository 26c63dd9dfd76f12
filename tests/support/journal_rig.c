// SPDX-License-Identifier: Apache-2.0
#include "support/journal_rig.h"

#include "base/assert.h"
#include "base/le.h"
#include "journal/compaction.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEN_MAX = 70000 };

void rig_init(struct rig *rig, uint64_t seed) {
    *rig = (struct rig){
        .sim = sim_disk_new(seed), .now = {1000000, 1700000000000000}
    };
    rig->records = calloc(RIG_RECORDS_MAX, sizeof *rig->records);
    FQ_ASSERT(rig->records != NULL);
    fq_random_seed(&rig->random, seed * 31 + 7);
    fq_storage_posix_options_init(&rig->options);
    rig->options.segment_bytes = 32768;
    rig->options.first_segment_bytes = 16384;
    rig->options.reserve_bytes = 32768;
    rig->options.low_water_bytes = 65536;
    fq_journal_config_init(&rig->config);
    rig->config.batch_bytes_max = 8192;
    rig->config.batch_records_max = 64;
    rig->config.compact_bytes_min = 1; // the test says when
}

void rig_done(struct rig *rig) {
    if (rig->journal != NULL)
        rig_kill(rig);
    sim_disk_free(rig->sim);
    free(rig->records);
}

// The record's bytes, from what the model remembers of it.
static fq_str content(const struct rig_record *record, uint64_t index, char *bytes) {
    fq_random random;
    fq_random_seed(&random, record->nonce);
    char head[16];
    fq_put_u64(head, index);
    fq_put_u64(head + 8, record->nonce);
    for (uint32_t i = 0; i < record->len; i += 8) {
        uint64_t word = fq_random_next(&random);
        memcpy(bytes + i, &word, record->len - i < 8 ? record->len - i : 8);
    }
    memcpy(bytes, head, record->len < sizeof head ? record->len : sizeof head);
    return (fq_str){bytes, record->len};
}

bool rig_holds(const struct rig *rig, uint64_t index, fq_str record) {
    static char bytes[LEN_MAX + 8];
    return index < rig->count && fq_str_equal(record, content(&rig->records[index], index, bytes));
}

static int on_recovered(void *context, fq_str record) {
    struct rig *rig = context;
    static char bytes[LEN_MAX + 8];
    uint64_t index = rig->recovered++;
    if (rig->mismatch[0] != '\0')
        return 0;
    if (index >= rig->count)
        snprintf(rig->mismatch, sizeof rig->mismatch, "record %" PRIu64 " was never appended", index + 1);
    else if (!fq_str_equal(record, content(&rig->records[index], index, bytes)))
        snprintf(rig->mismatch, sizeof rig->mismatch, "record %" PRIu64 " differs", index + 1);
    return 0;
}

static int fail_boot(struct rig *rig, int result) {
    if (rig->journal != NULL) {
        snprintf(rig->error, sizeof rig->error, "%s", fq_journal_error(rig->journal));
        rig_kill(rig);
    }
    return result;
}

int rig_boot(struct rig *rig) {
    rig->error[0] = rig->mismatch[0] = '\0';
    rig->recovered = 0;
    rig->executor = step_executor_new();
    int result = fq_storage_files_open(sim_disk_attach(rig->sim), rig->executor, &rig->options, &rig->storage,
                                       rig->error);
    if (result < 0)
        return result;
    result = fq_journal_open(rig->storage, &rig->config, &rig->journal);
    FQ_ASSERT(result == 0);
    result = fq_journal_recover(rig->journal, on_recovered, rig);
    if (result < 0)
        return fail_boot(rig, result);
    if (rig->mismatch[0] == '\0' && rig->recovered < rig->durable)
        snprintf(rig->mismatch, sizeof rig->mismatch,
                 "%" PRIu64 " records were durable, %" PRIu64 " came back", rig->durable, rig->recovered);
    if (rig->mismatch[0] == '\0' && fq_journal_last_seq(rig->journal) != rig->recovered)
        snprintf(rig->mismatch, sizeof rig->mismatch, "wrong numbers");
    uint32_t epoch = rig->epoch;
    result = fq_journal_start(rig->journal, rig->now);
    if (result < 0)
        return fail_boot(rig, result);
    rig->epoch = fq_journal_boot_epoch(rig->journal);
    if (rig->epoch <= epoch)
        snprintf(rig->mismatch, sizeof rig->mismatch, "boot epoch %u after %u", rig->epoch, epoch);
    rig->count = rig->durable = rig->recovered;
    return 0;
}

void rig_kill(struct rig *rig) {
    rig->journal = fq_journal_close(rig->journal);
    rig->storage = NULL;
}

void rig_power_cut(struct rig *rig, bool garbage) {
    if (rig->journal != NULL)
        rig_kill(rig);
    sim_disk_restart(rig->sim, garbage);
}

void rig_append(struct rig *rig, uint32_t len) {
    static char bytes[LEN_MAX + 8];
    FQ_ASSERT(rig->count < RIG_RECORDS_MAX && len <= LEN_MAX);
    struct rig_record record = {fq_random_next(&rig->random), len};
    uint64_t seq;
    if (fq_journal_append(rig->journal, content(&record, rig->count, bytes), &seq) != 0)
        return; // it has failed
    rig->records[rig->count++] = record;
    FQ_ASSERT(seq == rig->count);
}

void rig_turn(struct rig *rig) {
    rig->now.boot_us += 10000;
    rig->now.wall_us += 10000;
    fq_journal_poll(rig->journal, rig->now);
    rig->durable = fq_journal_durable_seq(rig->journal);
    fq_journal_commit(rig->journal, rig->now);
}

bool rig_settle(struct rig *rig) {
    for (int i = 0; i < 10000; i++) {
        bool ran = step_executor_run_one(rig->executor);
        rig_turn(rig);
        if (fq_journal_failed(rig->journal))
            return false;
        if (!ran && step_executor_waiting(rig->executor) == 0 && rig->durable == rig->count)
            return true;
    }
    return false;
}

static void on_ready(void *context, int result, uint64_t batch_seq) {
    struct rig *rig = context;
    rig->sealed = result == 0;
    rig->seal_result = result;
    rig->sealed_batch = batch_seq;
}

// The compactor's engine keeps every record as it is.
struct copy {
    fq_buf bytes;
    uint64_t hash;
};

static int on_copied(void *context, fq_str record) {
    struct copy *copy = context;
    char len[4];
    fq_put_u32(len, (uint32_t)record.len);
    copy->hash = copy->hash * 31 + record.len;
    int result = fq_buf_append(&copy->bytes, len, sizeof len);
    return result == 0 ? fq_buf_append_str(&copy->bytes, record) : result;
}

static int compact_as_child(struct rig *rig) {
    fq_compaction *compaction;
    int result =
        fq_compaction_open_disk(sim_disk_attach(rig->sim), rig->sealed_batch, &compaction, rig->error);
    if (result < 0)
        return result;
    struct copy copy = {0};
    result = fq_compaction_read(compaction, on_copied, &copy);
    for (fq_str rest = fq_buf_str(&copy.bytes); result == 0 && rest.len > 0;) {
        uint32_t len = fq_get_u32(rest.ptr);
        result = fq_compaction_add(compaction, (fq_str){rest.ptr + 4, len});
        rest = (fq_str){rest.ptr + 4 + len, rest.len - 4 - len};
    }
    if (result == 0)
        result = fq_compaction_finish(compaction, copy.hash);
    if (result < 0)
        snprintf(rig->error, sizeof rig->error, "%s", fq_compaction_error(compaction));
    fq_buf_done(&copy.bytes);
    fq_compaction_close(compaction);
    return result;
}

int rig_compact(struct rig *rig) {
    if (fq_journal_failed(rig->journal))
        return FQ_EIO;
    rig->sealed = false;
    rig->seal_result = 0;
    fq_journal_compact_begin(rig->journal, on_ready, rig);
    for (int i = 0; i < 1000 && !rig->sealed && rig->seal_result == 0 && !fq_journal_failed(rig->journal);
         i++) {
        step_executor_run_one(rig->executor);
        rig_turn(rig);
    }
    if (!rig->sealed)
        return FQ_EIO;
    int result = compact_as_child(rig);
    fq_journal_compact_end(rig->journal, result == 0, rig->sealed_batch);
    return result;
}

void rig_work(struct rig *rig, int turns) {
    for (int turn = 0; turn < turns && !fq_journal_failed(rig->journal); turn++) {
        uint64_t appends = fq_random_below(&rig->random, 4);
        for (uint64_t i = 0; i < appends; i++)
            rig_append(rig, (uint32_t)fq_random_below(&rig->random, i == 0 ? 1500 : 200));
        uint64_t steps = fq_random_below(&rig->random, 4);
        for (uint64_t i = 0; i < steps; i++)
            step_executor_run_one(rig->executor);
        rig_turn(rig);
    }
}
