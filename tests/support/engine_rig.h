// SPDX-License-Identifier: Apache-2.0
// An engine under test, with a twin that sees only its journal: after every decision both must have one hash. All records
// are kept, for replays of any part. They can also go through a whole journal, which restarts and compactions then read.
#ifndef FQ_TESTS_ENGINE_RIG_H
#define FQ_TESTS_ENGINE_RIG_H

#include "engine/engine.h"
#include "engine/view.h"
#include "support/keeper.h"

struct engine_rig {
    struct fq_engine_config config;
    fq_engine *engine, *twin;
    fq_decision *decision, *replay;
    struct fq_now now;
    uint32_t epoch;
    fq_buf log;          // records, one behind the other
    size_t *record_ends; // offset in `log` behind each
    size_t record_count, record_capacity;
    struct keeper keeper; // all zero: none
    bool check_each;      // fq_engine_check after every decision
    /** Called behind the apply of every event of the engine; NULL = nobody. */
    void (*observe)(void *context, const struct fq_event *event);
    void *context;
};

/** Small limits are the test's to set in `config` beforehand (NULL = defaults). */
void engine_rig_open(struct engine_rig *rig, const struct fq_engine_config *config);
/** The same with the records in a journal on `storage`, too. */
void engine_rig_open_on(struct engine_rig *rig, const struct fq_engine_config *config,
                        enum keeper_storage storage);
void engine_rig_close(struct engine_rig *rig);
/** Decides, journals, applies; the decision can be asked until the next call. What decide returned. */
int engine_rig_run(struct engine_rig *rig, const struct fq_command *command);
/** Moves both clocks on and does all that has become due. */
void engine_rig_pass(struct engine_rig *rig, int64_t us);
void engine_rig_due(struct engine_rig *rig);
/** Journals the state's hash. */
void engine_rig_hash_check(struct engine_rig *rig);
/** A new process: state from the journal, boot time from zero, next epoch. */
void engine_rig_restart(struct engine_rig *rig);
/** Replaces the engine's journal by a snapshot of it. */
void engine_rig_compact(struct engine_rig *rig);
fq_str engine_rig_record(const struct engine_rig *rig, size_t index);
/** Replays records [from, to) into `engine`; the error of the first that is refused. */
int engine_rig_replay(const struct engine_rig *rig, fq_engine *engine, size_t from, size_t to);
/** A copy of the engine made through a snapshot. */
fq_engine *engine_rig_copy(const struct engine_rig *rig);

fq_uuid engine_rig_id(uint64_t number);
struct fq_command engine_rig_submit(uint64_t number, const char *name);

#endif
