// SPDX-License-Identifier: Apache-2.0
// A journal's records, one after another: a byte with a length, then the record. What decodes is encoded to the same bytes;
// what the engine accepts leaves it whole, lives through a boot, and comes back the same from a snapshot.
#include "target.h"

#include "base/assert.h"
#include "engine/engine.h"
#include "engine/event_data.h"

#include <stdlib.h>

static void check_codec(fq_str record) {
    struct fq_event event;
    if (fq_event_decode(record, &event) != 0)
        return;
    fq_buf again = {0};
    FQ_ASSERT(fq_event_encoded_size(&event) == record.len);
    FQ_ASSERT(fq_event_encode(&event, &again) == 0 && fq_str_equal(fq_buf_str(&again), record));
    fq_buf_done(&again);
}

static void apply_all(fq_engine *engine, fq_decision *decision) {
    for (size_t i = 0; i < fq_decision_event_count(decision); i++)
        fq_engine_apply(engine, decision, i);
}

static fq_engine *new_engine(void) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.crash_max = 255; // a byte: what a lower limit once allowed is not refused
    config.task_count_max = 100;
    config.result_bytes_max = 2000;
    config.dead_count_max = 5;
    config.ledger_count_min = 4;
    fq_engine *engine = fq_engine_new(&config);
    FQ_ASSERT(engine != NULL);
    return engine;
}

static int replay(fq_engine *engine, fq_decision *decision, fq_str record) {
    int rc = fq_engine_replay(engine, record, decision);
    if (rc == 0)
        apply_all(engine, decision);
    return rc;
}

// Boot, the deadlines of an hour, and a worker that takes what there is.
static void live(fq_engine *engine, fq_decision *decision) {
    struct fq_now now = {1000000, 1800000000000000};
    if (fq_engine_start(engine, 7, now, decision) < 0)
        return;
    apply_all(engine, decision);
    for (int step = 0; step < 4; step++) {
        const fq_str names[] = {FQ_STR("add"), FQ_STR("mul")};
        struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
        fetch.fetch.worker = FQ_STR("w");
        fetch.fetch.names = names;
        fetch.fetch.name_count = 2;
        fetch.fetch.count = 3;
        if (fq_engine_decide(engine, &fetch, now, decision) == 0)
            apply_all(engine, decision);
        now.boot_us += 900 * (int64_t)FQ_US_PER_S;
        now.wall_us += 900 * (int64_t)FQ_US_PER_S;
        for (int i = 0; i < 20 && fq_engine_deadline(engine, now) <= now.boot_us; i++) {
            if (fq_engine_due(engine, now, 100, decision) < 0)
                break;
            apply_all(engine, decision);
        }
    }
}

static void copy_through_snapshot(const fq_engine *engine, fq_decision *decision) {
    fq_engine *copy = new_engine();
    fq_snapshot_cursor *cursor = fq_snapshot_open(engine);
    fq_buf record = {0};
    FQ_ASSERT(cursor != NULL);
    for (;;) {
        fq_buf_clear(&record);
        int rc = fq_snapshot_next(cursor, &record);
        FQ_ASSERT(rc >= 0);
        if (rc == 0)
            break;
        check_codec(fq_buf_str(&record));
        FQ_ASSERT(replay(copy, decision, fq_buf_str(&record)) == 0);
    }
    fq_engine_check(copy);
    FQ_ASSERT(fq_engine_hash(copy) == fq_engine_hash(engine));
    fq_snapshot_close(cursor);
    fq_buf_done(&record);
    fq_engine_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fq_engine *engine = new_engine();
    fq_decision *decision = fq_decision_new();
    FQ_ASSERT(decision != NULL);
    for (size_t at = 0; at < size;) {
        size_t len = data[at++];
        len = len < size - at ? len : size - at;
        char *record = malloc(len > 0 ? len : 1); // of its own size, so that a read behind the end is seen
        FQ_ASSERT(record != NULL);
        for (size_t i = 0; i < len; i++)
            record[i] = (char)data[at + i];
        check_codec((fq_str){record, len});
        (void)replay(engine, decision, (fq_str){record, len});
        free(record);
        at += len;
    }
    fq_engine_check(engine);
    copy_through_snapshot(engine, decision);
    live(engine, decision);
    fq_engine_check(engine);
    copy_through_snapshot(engine, decision);
    fq_decision_free(decision);
    fq_engine_free(engine);
    return 0;
}
