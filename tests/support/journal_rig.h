// SPDX-License-Identifier: Apache-2.0
// A journal on a simulated disk beside a naive model of it: every record that was ever appended, and how many of them were
// reported durable. After each recovery the two are compared.
#ifndef FQ_TESTS_JOURNAL_RIG_H
#define FQ_TESTS_JOURNAL_RIG_H

#include "base/random.h"
#include "journal/journal.h"
#include "journal/storage_posix.h"
#include "sim/disk.h"
#include "sim/step_executor.h"

enum { RIG_RECORDS_MAX = 20000 };

struct rig_record {
    uint64_t nonce;
    uint32_t len;
};

struct rig {
    sim_disk *sim;
    fq_executor *executor;
    fq_storage *storage;
    fq_journal *journal;
    struct fq_storage_posix_options options;
    struct fq_journal_config config;
    struct fq_now now;
    fq_random random;
    // The model.
    struct rig_record *records;
    uint64_t count, durable;
    // The last recovery.
    uint64_t recovered;
    char mismatch[200]; // what differed from the model; "" = nothing
    char error[FQ_STORAGE_ERROR_MAX];
    uint32_t epoch;
    // Compaction.
    bool sealed;
    int seal_result;
    uint64_t sealed_batch;
};

void rig_init(struct rig *rig, uint64_t seed);
void rig_done(struct rig *rig);

/** Opens, recovers, compares with the model and starts. 0 or the error, with `error` filled; nothing stays open then. The
 *  model is cut to what was recovered. */
int rig_boot(struct rig *rig);
/** Closes as a killed process would. */
void rig_kill(struct rig *rig);
/** Closes, then lets the power come back. */
void rig_power_cut(struct rig *rig, bool garbage);

/** Appends a record of `len` bytes, content by chance. */
void rig_append(struct rig *rig, uint32_t len);
/** One turn of the owner's loop. */
void rig_turn(struct rig *rig);
/** Turns and executor steps until all is durable and nothing waits, or the journal has failed; false then. */
bool rig_settle(struct rig *rig);
/** A whole compaction, with the compactor on its own view of the disk. 0, or the compactor's error. */
int rig_compact(struct rig *rig);
/** Whether `record` is what was appended as number `index` + 1. */
bool rig_holds(const struct rig *rig, uint64_t index, fq_str record);
/** `turns` turns with random appends and steps. */
void rig_work(struct rig *rig, int turns);

#endif
