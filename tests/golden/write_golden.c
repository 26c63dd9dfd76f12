// SPDX-License-Identifier: Apache-2.0
// Writes the golden journals of the present format:  write_golden tests/golden/1
//
// Run whenever the format has learned something; writes what is not there yet and leaves the rest as it is. complete.golden has a
// snapshot, two boots and nearly every type of event, compacted.golden the rest; losses.golden has what version 2 of two records
// says; the .txt beside each says what they say. newer_major.golden and unknown_feature.golden are as a later version may write
// them, to be refused by this one.
#include "base/assert.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "engine/event_view.h"
#include "journal/format.h"
#include "support/engine_rig.h"
#include "support/golden.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MANIFEST_CRC = 64, UNKNOWN_BIT = 5 };

// ---- a life with everything in it ----

static uint64_t token_of(const struct engine_rig *rig, uint64_t number) {
    struct fq_task_view view;
    fq_uuid id = engine_rig_id(number);
    FQ_ASSERT(fq_engine_task(rig->engine, &id, &view) == 0);
    return view.token;
}

static void run(struct engine_rig *rig, const struct fq_command *command) {
    int result = engine_rig_run(rig, command);
    if (result < 0) {
        fprintf(stderr, "write_golden: command %d: %s\n", command->type, fq_decision_reason(rig->decision));
        exit(1);
    }
}

static void submit(struct engine_rig *rig, uint64_t number, const char *name) {
    struct fq_command command = engine_rig_submit(number, name);
    run(rig, &command);
}

static void submit_with_everything(struct engine_rig *rig, uint64_t number) {
    struct fq_command command = engine_rig_submit(number, "report.make");
    command.submit.payload = FQ_STR("\x01 raw bytes");
    command.submit.priority = FQ_PRIORITY_CRITICAL;
    command.submit.expires_ms = 86400000;
    command.submit.timeout_ms = 5000;
    command.submit.retries = 3;
    command.submit.backoff_ms = 1500;
    command.submit.result_ttl_ms = 7200000;
    command.submit.options = (struct fq_task_options){
        .encoding = FQ_STR("raw"),
        .traceparent = FQ_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        .tracestate = FQ_STR("vendor=value"),
        .baggage = FQ_STR("user=17"),
        .unique = FQ_STR("report-2026")};
    run(rig, &command);
}

static void fetch(struct engine_rig *rig, const char *name, uint32_t count) {
    fq_str names[] = {fq_str_of(name)};
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = FQ_STR("worker-1");
    command.fetch.names = names;
    command.fetch.name_count = 1;
    command.fetch.count = count;
    run(rig, &command);
}

static void complete(struct engine_rig *rig, uint64_t number) {
    struct fq_command command = {.type = FQ_COMMAND_COMPLETE};
    command.complete.id = engine_rig_id(number);
    command.complete.token = token_of(rig, number);
    command.complete.result = FQ_STR("{\"answer\":42}");
    command.complete.started_us = rig->now.wall_us - 2000;
    command.complete.run_us = 1500;
    command.complete.traceparent = FQ_STR("00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01");
    run(rig, &command);
}

static void fail(struct engine_rig *rig, uint64_t number, bool crash, bool no_retry) {
    struct fq_command command = {.type = FQ_COMMAND_FAIL, .random = 500};
    command.fail.id = engine_rig_id(number);
    command.fail.token = token_of(rig, number);
    command.fail.type = FQ_STR("ValueError");
    command.fail.message = FQ_STR("no such thing");
    command.fail.stack = FQ_STR("line 1\nline 2");
    command.fail.crash = crash;
    command.fail.no_retry = no_retry;
    command.fail.started_us = rig->now.wall_us - 100;
    command.fail.run_us = -1;
    run(rig, &command);
}

static void heartbeat(struct engine_rig *rig, uint64_t number) {
    struct fq_heartbeat beat = {engine_rig_id(number), token_of(rig, number), FQ_REPORT_RUNNING, 0};
    struct fq_command command = {.type = FQ_COMMAND_HEARTBEAT};
    command.heartbeat.beats = &beat;
    command.heartbeat.beat_count = 1;
    run(rig, &command);
}

static void with_id(struct engine_rig *rig, enum fq_command_type type, uint64_t number) {
    struct fq_command command = {.type = type};
    if (type == FQ_COMMAND_RELEASE) {
        command.release.id = engine_rig_id(number);
        command.release.token = token_of(rig, number);
    } else if (type == FQ_COMMAND_DEAD_PURGE) {
        command.one = true;
        command.dead_purge_one.id = engine_rig_id(number);
    } else {
        command.cancel.id = engine_rig_id(number); // where DEAD_REQUEUE has its own
    }
    run(rig, &command);
}

static void with_name(struct engine_rig *rig, enum fq_command_type type, const char *name) {
    struct fq_command command = {.type = type};
    command.pause.name = fq_str_of(name);
    run(rig, &command);
}

static void first_life(struct engine_rig *rig) {
    submit_with_everything(rig, 0);
    for (uint64_t number = 1; number <= 12; number++)
        submit(rig, number, "mail.send");
    engine_rig_pass(rig, 250000);
    fetch(rig, "mail.send", 11);
    heartbeat(rig, 1);
    engine_rig_pass(rig, 50000);
    for (uint64_t number = 1; number <= 5; number++)
        complete(rig, number); // more results than are kept
    engine_rig_due(rig);
    fail(rig, 7, false, true);
    with_id(rig, FQ_COMMAND_DEAD_REQUEUE, 7);
    fail(rig, 8, false, true);
    with_id(rig, FQ_COMMAND_DEAD_PURGE, 8);
    with_id(rig, FQ_COMMAND_RELEASE, 9);
    fail(rig, 10, true, false);
    with_id(rig, FQ_COMMAND_CANCEL, 11);
    with_id(rig, FQ_COMMAND_CANCEL, 12);
    fetch(rig, "report.make", 1);
    fail(rig, 0, false, false);
    engine_rig_pass(rig, 10 * FQ_US_PER_S); // its retry is due
    engine_rig_hash_check(rig);
}

static void second_life(struct engine_rig *rig) {
    engine_rig_restart(rig);
    struct fq_command command = engine_rig_submit(21, "image.scale");
    command.submit.expires_ms = 5000;
    run(rig, &command);
    engine_rig_pass(rig, 6 * FQ_US_PER_S);
    with_name(rig, FQ_COMMAND_PAUSE, "image.scale");
    with_name(rig, FQ_COMMAND_PAUSE, "mail.send");
    with_name(rig, FQ_COMMAND_RESUME, "mail.send");
    rig->now.wall_us += 100 * FQ_US_PER_S;
    engine_rig_due(rig);
    engine_rig_pass(rig, 200 * FQ_US_PER_S); // results and ids are forgotten
    submit(rig, 30, "mail.send");
    fetch(rig, "mail.send", 1);
    command = engine_rig_submit(31, "image.scale");
    command.submit.delay_ms = 3600000;
    run(rig, &command);
    engine_rig_hash_check(rig);
}

// Workers that vanish with a task until it is given up.
static void life_with_losses(struct engine_rig *rig) {
    submit(rig, 1, "mail.send");
    submit(rig, 2, "mail.send");
    fetch(rig, "mail.send", 2);
    engine_rig_pass(rig, 30 * FQ_US_PER_S);
    fetch(rig, "mail.send", 2); // the first alone
    engine_rig_pass(rig, 30 * FQ_US_PER_S);
    engine_rig_hash_check(rig);
}

static void life_after_losses(struct engine_rig *rig) {
    engine_rig_restart(rig);
    for (int i = 0; i < 2; i++) {
        fetch(rig, "mail.send", 1);
        engine_rig_pass(rig, 30 * FQ_US_PER_S);
        engine_rig_hash_check(rig);
    }
    fetch(rig, "mail.send", 1);
    complete(rig, 2);
    submit(rig, 3, "mail.send");
    fetch(rig, "mail.send", 1);
    engine_rig_pass(rig, 30 * FQ_US_PER_S);
    engine_rig_hash_check(rig);
}

// ---- onto the disk ----

static void append(struct golden_journal *golden, const struct engine_rig *rig, size_t *at, size_t until) {
    for (; *at < until; ++*at) {
        golden_journal_append(golden, engine_rig_record(rig, *at));
        if (*at % 4 == 3)
            golden_journal_settle(golden);
    }
    golden_journal_settle(golden);
}

// The engine writes this one only when thousands of tasks have ended.
static void append_trim(struct golden_journal *golden, int64_t at_us) {
    char record[18] = {FQ_EVENT_LEDGER_TRIMMED, 1};
    fq_put_u64(record + 2, (uint64_t)at_us);
    fq_put_u64(record + 10, 1);
    golden_journal_append(golden, (fq_str){record, sizeof record});
    golden_journal_settle(golden);
}

// `compacted`: with a second snapshot at the end, which has the ids of what was forgotten.
static sim_disk *write_journal(bool compacted) {
    struct fq_engine_config config;
    struct engine_rig rig;
    struct golden_journal golden;
    char error[FQ_STORAGE_ERROR_MAX];
    fq_engine_config_init(&config);
    config.result_count_max = 3;
    config.default_result_ttl_ms = 60000;
    config.ledger_count_min = 2;
    config.ledger_age_min_ms = 60000;
    engine_rig_open(&rig, &config);
    sim_disk *sim = sim_disk_new(20261122);
    size_t at = 0;
    FQ_ASSERT(golden_journal_open(&golden, sim, NULL, error) == 0);
    first_life(&rig);
    append(&golden, &rig, &at, 20);
    FQ_ASSERT(golden_journal_compact(&golden) == 0);
    append(&golden, &rig, &at, rig.record_count);
    golden_journal_close(&golden);
    FQ_ASSERT(golden_journal_open(&golden, sim, NULL, error) == 0);
    second_life(&rig);
    append(&golden, &rig, &at, rig.record_count);
    append_trim(&golden, rig.now.wall_us);
    if (compacted)
        FQ_ASSERT(golden_journal_compact(&golden) == 0);
    golden_journal_close(&golden);
    engine_rig_close(&rig);
    return sim;
}

static sim_disk *write_losses(void) {
    struct fq_engine_config config;
    struct engine_rig rig;
    struct golden_journal golden;
    char error[FQ_STORAGE_ERROR_MAX];
    fq_engine_config_init(&config);
    config.loss_max = 2;
    config.crash_max = 2;
    engine_rig_open(&rig, &config);
    sim_disk *sim = sim_disk_new(20261122);
    size_t at = 0;
    FQ_ASSERT(golden_journal_open(&golden, sim, NULL, error) == 0);
    life_with_losses(&rig);
    append(&golden, &rig, &at, rig.record_count);
    FQ_ASSERT(golden_journal_compact(&golden) == 0);
    golden_journal_close(&golden);
    FQ_ASSERT(golden_journal_open(&golden, sim, NULL, error) == 0);
    life_after_losses(&rig);
    append(&golden, &rig, &at, rig.record_count);
    golden_journal_close(&golden);
    engine_rig_close(&rig);
    return sim;
}

static void save(const sim_disk *sim, const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (access(path, F_OK) != 0 && !golden_save(sim, path)) {
        fprintf(stderr, "write_golden: %s cannot be written\n", path);
        exit(1);
    }
}

// Counts what the journal has into `seen`.
static void save_dump(sim_disk *sim, const char *folder, const char *name, uint64_t *seen) {
    char path[4096], error[FQ_STORAGE_ERROR_MAX];
    fq_buf text = {0};
    struct fq_replica replica;
    FQ_ASSERT(fq_replica_init(&replica) == 0 && golden_dump(sim, &text, &replica, error) == 0);
    for (int type = 1; type < FQ_EVENT_DURABLE_COUNT; type++)
        seen[type] += replica.event_count[type];
    fq_replica_done(&replica);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = access(path, F_OK) != 0 ? fopen(path, "w") : NULL;
    if (file != NULL) {
        FQ_ASSERT(fwrite(text.data + text.begin, 1, fq_buf_len(&text), file) == fq_buf_len(&text));
        fclose(file);
    }
    fq_buf_done(&text);
}

static void change_manifest(sim_disk *sim, uint16_t major, uint64_t incompatible) {
    unsigned char bytes[FQ_MANIFEST_SIZE];
    sim_disk_peek(sim, "MANIFEST", 0, bytes, sizeof bytes);
    fq_put_u16(bytes + 4, major);
    fq_put_u64(bytes + 8, incompatible);
    fq_put_u32(bytes + MANIFEST_CRC, fq_crc32c(0, bytes, MANIFEST_CRC));
    sim_disk_poke(sim, "MANIFEST", 0, bytes, sizeof bytes);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: write_golden FOLDER\n", stderr);
        return 2;
    }
    uint64_t seen[FQ_EVENT_DURABLE_COUNT] = {0};
    sim_disk *compacted = write_journal(true);
    save(compacted, argv[1], "compacted.golden");
    save_dump(compacted, argv[1], "compacted.txt", seen);
    sim_disk_free(compacted);
    sim_disk *losses = write_losses();
    save(losses, argv[1], "losses.golden");
    save_dump(losses, argv[1], "losses.txt", seen);
    sim_disk_free(losses);
    sim_disk *sim = write_journal(false);
    save(sim, argv[1], "complete.golden");
    save_dump(sim, argv[1], "complete.txt", seen);
    change_manifest(sim, FQ_FORMAT_MAJOR + 1, 0);
    save(sim, argv[1], "newer_major.golden");
    change_manifest(sim, FQ_FORMAT_MAJOR, 1u << UNKNOWN_BIT);
    save(sim, argv[1], "unknown_feature.golden");
    sim_disk_free(sim);
    for (int type = 1; type < FQ_EVENT_DURABLE_COUNT; type++)
        if (seen[type] == 0) {
            fprintf(stderr, "write_golden: no event %s\n", fq_event_type_name((enum fq_event_type)type));
            return 1;
        }
    return 0;
}
