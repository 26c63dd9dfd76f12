// SPDX-License-Identifier: Apache-2.0
#include "support/engine_rig.h"

#include "base/assert.h"
#include "base/hash.h"
#include "base/le.h"

static const int64_t WALL_START_US = INT64_C(1700000000000000);

fq_str engine_rig_record(const struct engine_rig *rig, size_t index) {
    size_t begin = index > 0 ? rig->record_ends[index - 1] : 0;
    return (fq_str){rig->log.data + begin, rig->record_ends[index] - begin};
}

static void keep_record(struct engine_rig *rig, const struct fq_event *event) {
    FQ_ASSERT(fq_event_encode(event, &rig->log) == 0);
    if (rig->record_count == rig->record_capacity) {
        rig->record_capacity = rig->record_capacity != 0 ? 2 * rig->record_capacity : 256;
        rig->record_ends = reallocarray(rig->record_ends, rig->record_capacity, sizeof *rig->record_ends);
        FQ_ASSERT(rig->record_ends != NULL);
    }
    size_t begin = rig->record_count > 0 ? rig->record_ends[rig->record_count - 1] : 0;
    rig->record_ends[rig->record_count++] = rig->log.end;
    FQ_ASSERT(rig->log.end - begin == fq_event_encoded_size(event));
    if (rig->keeper.storage != KEEPER_NONE)
        keeper_append(&rig->keeper, engine_rig_record(rig, rig->record_count - 1));
}

static int replay_one(fq_engine *engine, fq_decision *decision, fq_str record) {
    int rc = fq_engine_replay(engine, record, decision);
    if (rc == 0)
        fq_engine_apply(engine, decision, 0);
    return rc;
}

static void take_decision(struct engine_rig *rig) {
    for (size_t i = 0; i < fq_decision_event_count(rig->decision); i++) {
        const struct fq_event *event = fq_decision_event(rig->decision, i);
        if (fq_event_is_durable(fq_event_type_of(event))) {
            keep_record(rig, event);
            FQ_ASSERT(replay_one(rig->twin, rig->replay, engine_rig_record(rig, rig->record_count - 1)) == 0);
        }
        fq_engine_apply(rig->engine, rig->decision, i);
        if (rig->observe != NULL)
            rig->observe(rig->context, event);
    }
    FQ_ASSERT(fq_engine_hash(rig->engine) == fq_engine_hash(rig->twin));
    if (rig->check_each) {
        fq_engine_check(rig->engine);
        fq_engine_check(rig->twin);
    }
}

static void boot(struct engine_rig *rig) {
    FQ_ASSERT(fq_engine_start(rig->engine, ++rig->epoch, rig->now, rig->decision) == 0);
    take_decision(rig);
}

void engine_rig_open(struct engine_rig *rig, const struct fq_engine_config *config) {
    engine_rig_open_on(rig, config, KEEPER_NONE);
}

void engine_rig_open_on(struct engine_rig *rig, const struct fq_engine_config *config,
                        enum keeper_storage storage) {
    *rig = (struct engine_rig){
        .check_each = true, .now = {1000000, WALL_START_US}
    };
    fq_engine_config_init(&rig->config);
    if (config != NULL)
        rig->config = *config;
    rig->engine = fq_engine_new(&rig->config);
    struct fq_engine_config other = rig->config;
    other.seed = rig->config.seed + 77; // another layout of every table must make no difference
    rig->twin = fq_engine_new(&other);
    rig->decision = fq_decision_new();
    rig->replay = fq_decision_new();
    FQ_ASSERT(rig->engine != NULL && rig->twin != NULL && rig->decision != NULL && rig->replay != NULL);
    if (storage != KEEPER_NONE)
        keeper_open(&rig->keeper, storage, rig->now);
    boot(rig);
}

void engine_rig_close(struct engine_rig *rig) {
    if (rig->keeper.storage != KEEPER_NONE)
        keeper_close(&rig->keeper);
    fq_buf_done(&rig->log);
    free(rig->record_ends);
    fq_decision_free(rig->decision);
    fq_decision_free(rig->replay);
    fq_engine_free(rig->engine);
    fq_engine_free(rig->twin);
}

int engine_rig_run(struct engine_rig *rig, const struct fq_command *command) {
    uint64_t before = fq_engine_hash(rig->engine);
    int rc = fq_engine_decide(rig->engine, command, rig->now, rig->decision);
    FQ_ASSERT(fq_engine_hash(rig->engine) == before);
    fq_engine_note(rig->engine, rig->decision);
    if (rc == 0)
        take_decision(rig);
    else
        FQ_ASSERT(fq_decision_event_count(rig->decision) == 0 &&
                  fq_decision_reason(rig->decision)[0] != '\0');
    return rc;
}

void engine_rig_due(struct engine_rig *rig) {
    for (int round = 0; fq_engine_deadline(rig->engine, rig->now) <= rig->now.boot_us; round++) {
        FQ_ASSERT(round < 100000);
        FQ_ASSERT(fq_engine_due(rig->engine, rig->now, 64, rig->decision) == 0);
        FQ_ASSERT(fq_decision_event_count(rig->decision) > 0); // a deadline that brings nothing would spin
        take_decision(rig);
    }
}

void engine_rig_pass(struct engine_rig *rig, int64_t us) {
    rig->now.boot_us += us;
    rig->now.wall_us += us;
    engine_rig_due(rig);
}

void engine_rig_hash_check(struct engine_rig *rig) {
    FQ_ASSERT(fq_engine_hash_check(rig->engine, rig->now, rig->decision) == 0);
    take_decision(rig);
}

int engine_rig_replay(const struct engine_rig *rig, fq_engine *engine, size_t from, size_t to) {
    fq_decision *decision = fq_decision_new();
    int rc = decision != NULL ? 0 : FQ_ENOMEM;
    for (size_t i = from; i < to && rc == 0; i++)
        rc = replay_one(engine, decision, engine_rig_record(rig, i));
    fq_decision_free(decision);
    return rc;
}

// The state as whoever was not there finds it.
static void recover(struct engine_rig *rig, fq_engine *fresh) {
    if (rig->keeper.storage == KEEPER_NONE) {
        FQ_ASSERT(engine_rig_replay(rig, fresh, 0, rig->record_count) == 0);
        return;
    }
    keeper_settle(&rig->keeper);
    keeper_reopen(&rig->keeper, fresh);
}

void engine_rig_restart(struct engine_rig *rig) {
    fq_engine *fresh = fq_engine_new(&rig->config);
    recover(rig, fresh);
    FQ_ASSERT(fq_engine_hash(fresh) == fq_engine_hash(rig->engine));
    fq_engine_free(rig->engine);
    rig->engine = fresh;
    rig->now.boot_us = 1000;
    boot(rig);
}

fq_engine *engine_rig_copy(const struct engine_rig *rig) {
    struct fq_engine_config config = rig->config;
    config.seed += 5;
    fq_engine *copy = fq_engine_new(&config);
    fq_snapshot_cursor *cursor = fq_snapshot_open(rig->engine);
    fq_decision *decision = fq_decision_new();
    fq_buf record = {0};
    FQ_ASSERT(copy != NULL && cursor != NULL && decision != NULL);
    int rc;
    while ((rc = fq_snapshot_next(cursor, &record)) > 0) {
        FQ_ASSERT(replay_one(copy, decision, fq_buf_str(&record)) == 0);
        fq_buf_clear(&record);
    }
    FQ_ASSERT(rc == 0);
    fq_buf_done(&record);
    fq_decision_free(decision);
    fq_snapshot_close(cursor);
    return copy;
}

void engine_rig_compact(struct engine_rig *rig) {
    fq_snapshot_cursor *cursor = fq_snapshot_open(rig->engine);
    FQ_ASSERT(cursor != NULL);
    fq_buf_clear(&rig->log);
    rig->record_count = 0;
    int rc;
    while ((rc = fq_snapshot_next(cursor, &rig->log)) > 0) {
        if (rig->record_count == rig->record_capacity) {
            rig->record_capacity *= 2;
            rig->record_ends = reallocarray(rig->record_ends, rig->record_capacity, sizeof *rig->record_ends);
            FQ_ASSERT(rig->record_ends != NULL);
        }
        rig->record_ends[rig->record_count++] = rig->log.end;
    }
    FQ_ASSERT(rc == 0);
    fq_snapshot_close(cursor);
    fq_engine_free(rig->twin);
    rig->twin = fq_engine_new(&rig->config);
    FQ_ASSERT(engine_rig_replay(rig, rig->twin, 0, rig->record_count) == 0);
    FQ_ASSERT(fq_engine_hash(rig->twin) == fq_engine_hash(rig->engine));
    fq_engine_check(rig->twin);
    if (rig->keeper.storage != KEEPER_NONE)
        keeper_compact(&rig->keeper);
}

fq_uuid engine_rig_id(uint64_t number) {
    fq_uuid id = {{0}};
    fq_put_u64(id.bytes, number + 1);
    fq_put_u64(id.bytes + 8, fq_hash_mix(number + 1));
    return id;
}

struct fq_command engine_rig_submit(uint64_t number, const char *name) {
    struct fq_command command = {.type = FQ_COMMAND_SUBMIT};
    command.submit.id = engine_rig_id(number);
    command.submit.name = fq_str_of(name);
    command.submit.payload = FQ_STR("{\"args\":[]}");
    command.submit.priority = FQ_PRIORITY_NORMAL;
    command.submit.result_ttl_ms = -1;
    return command;
}
