// SPDX-License-Identifier: Apache-2.0
// The journal form of events against bytes written by hand here, the whole matrix of states and events, and damage.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/le.h"
#include "base/random.h"
#include "support/engine_rig.h"

#include <stdlib.h>
#include <string.h>

static const int64_t AT = INT64_C(1700000000000000);

struct record {
    char bytes[512];
    size_t len;
};

static void put(struct record *record, const void *bytes, size_t len) {
    assert_true(record->len + len <= sizeof record->bytes);
    memcpy(record->bytes + record->len, bytes, len);
    record->len += len;
}
static void put_number(struct record *record, uint64_t value, size_t width) {
    char bytes[8];
    fq_put_u64(bytes, value);
    put(record, bytes, width);
}
static void put_text(struct record *record, const char *text) {
    put_number(record, strlen(text), 4);
    put(record, text, strlen(text));
}
static struct record head(enum fq_event_type type, const fq_uuid *id) {
    struct record record = {.len = 0};
    put_number(&record, type, 1);
    put_number(&record, 1, 1);
    put_number(&record, (uint64_t)AT, 8);
    if (id != NULL)
        put(&record, id->bytes, sizeof id->bytes);
    return record;
}

static struct record submitted(const fq_uuid *id, int64_t due_us) {
    struct record record = head(FQ_EVENT_SUBMITTED, id);
    put_number(&record, 0x1122334455667788u, 8);
    put_number(&record, (uint64_t)due_us, 8);
    put_number(&record, 3, 2); // retries
    put_number(&record, FQ_PRIORITY_HIGH, 1);
    put_number(&record, 0, 1);
    put_text(&record, "add");
    put_text(&record, "payload");
    put_text(&record, "");
    return record;
}
static struct record granted(const fq_uuid *id, uint64_t token) {
    struct record record = head(FQ_EVENT_GRANTED, id);
    put_number(&record, token, 8);
    put_text(&record, "worker-1");
    return record;
}
static struct record ended(enum fq_event_type type, const fq_uuid *id) {
    struct record record = head(type, id);
    put_number(&record, (uint64_t)AT, 8);
    put_number(&record, (uint64_t)AT + 5, 8);
    put_number(&record, 0, 1);
    put_number(&record, 5 + 2, 4); // one field: RESULT
    put_number(&record, 33, 1);
    put_number(&record, 2, 4);
    put(&record, "42", 2);
    return record;
}

static int replay(fq_engine *engine, const struct record *record) {
    fq_decision *decision = fq_decision_new();
    int rc = fq_engine_replay(engine, (fq_str){record->bytes, record->len}, decision);
    if (rc == 0) {
        fq_buf again = {0};
        assert_int_equal(fq_event_encode(fq_decision_event(decision, 0), &again), 0);
        assert_int_equal(fq_buf_len(&again), record->len);
        assert_memory_equal(again.data, record->bytes, record->len);
        fq_buf_done(&again);
        fq_engine_apply(engine, decision, 0);
        fq_engine_check(engine);
    }
    fq_decision_free(decision);
    return rc;
}

static fq_engine *new_engine(void) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    return fq_engine_new(&config);
}

// An engine with one task in `state`; FQ_TASK_STATE_COUNT: without it.
static fq_engine *engine_in(enum fq_task_state state, const fq_uuid *id) {
    fq_engine *engine = new_engine();
    if (state == FQ_TASK_STATE_COUNT)
        return engine;
    struct record record = submitted(id, state == FQ_TASK_SCHEDULED ? AT + 9 : 0);
    assert_int_equal(replay(engine, &record), 0);
    if (state == FQ_TASK_STARTED || state == FQ_TASK_SUCCESS || state == FQ_TASK_FAILURE) {
        record = granted(id, 7);
        assert_int_equal(replay(engine, &record), 0);
    }
    static const enum fq_event_type last[] = {[FQ_TASK_SUCCESS] = FQ_EVENT_COMPLETED,
                                              [FQ_TASK_FAILURE] = FQ_EVENT_FAILED,
                                              [FQ_TASK_CANCELLED] = FQ_EVENT_CANCELLED,
                                              [FQ_TASK_EXPIRED] = FQ_EVENT_EXPIRED};
    if (fq_task_state_is_final(state)) {
        record = ended(last[state], id);
        assert_int_equal(replay(engine, &record), 0);
    }
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(engine, id, &view), 0);
    assert_int_equal(view.state, state);
    return engine;
}

static struct record record_of(enum fq_event_type type, const fq_uuid *id) {
    struct record record = head(type, id);
    switch (type) {
    case FQ_EVENT_SUBMITTED: return submitted(id, 0);
    case FQ_EVENT_GRANTED: return granted(id, 8);
    case FQ_EVENT_STARTED: put_number(&record, (uint64_t)AT, 8); return record;
    case FQ_EVENT_COMPLETED:
    case FQ_EVENT_FAILED:
    case FQ_EVENT_RETRIED:
    case FQ_EVENT_RETURNED:
    case FQ_EVENT_CRASHED:
    case FQ_EVENT_CANCELLED:
    case FQ_EVENT_EXPIRED: return ended(type, id);
    default: return record;
    }
}

// S scheduled, P pending, L leased, + success, - failure, C cancelled, E expired, . gone, "!" refused
static void the_matrix_of_states_and_events(void **state) {
    (void)state;
    static const struct {
        enum fq_event_type type;
        const char *to; // from: scheduled pending started success failure cancelled expired unknown
    } matrix[] = {
        {FQ_EVENT_SUBMITTED,        "!!!!!!!P"},
        {FQ_EVENT_ELIGIBLE,         "P!!!!!!!"},
        {FQ_EVENT_GRANTED,          "!L!!!!!!"},
        {FQ_EVENT_STARTED,          "!!L!!!!!"},
        {FQ_EVENT_COMPLETED,        "!!+!!!!!"},
        {FQ_EVENT_FAILED,           "!!-!!!!!"},
        {FQ_EVENT_RETRIED,          "!!S!!!!!"},
        {FQ_EVENT_RETURNED,         "!!P!!!!!"},
        {FQ_EVENT_CRASHED,          "!!P!!!!!"},
        {FQ_EVENT_CANCELLED,        "CCC!!!!!"},
        {FQ_EVENT_EXPIRED,          "EE!!!!!!"},
        {FQ_EVENT_CANCEL_REQUESTED, "!!L!!!!!"},
        {FQ_EVENT_FORGOTTEN,        "!!!.!..!"},
        {FQ_EVENT_RESULT_EVICTED,   "!!!.!..!"},
        {FQ_EVENT_PURGED,           "!!!!.!!!"},
        {FQ_EVENT_REQUEUED,         "!!!!P!!!"},
    };
    const char letters[] = "SPL+-CE";
    fq_uuid id = engine_rig_id(1);
    for (size_t row = 0; row < sizeof matrix / sizeof matrix[0]; row++) {
        for (int from = 0; from <= FQ_TASK_STATE_COUNT; from++) {
            fq_engine *engine = engine_in((enum fq_task_state)from, &id);
            struct record record = record_of(matrix[row].type, &id);
            uint64_t hash = fq_engine_hash(engine);
            int rc = replay(engine, &record);
            char expected = matrix[row].to[from];
            if (expected == '!') {
                assert_int_equal(rc, FQ_ECORRUPT);
                assert_true(fq_engine_hash(engine) == hash);
            } else {
                struct fq_task_view view;
                assert_int_equal(rc, 0);
                assert_int_equal(fq_engine_task(engine, &id, &view), 0);
                if (expected == '.')
                    assert_int_equal(view.result_presence, FQ_RESULT_EVICTED);
                else
                    assert_int_equal(letters[view.state], expected);
            }
            fq_engine_free(engine);
        }
    }
}

static void records_of_another_history_are_refused(void **state) {
    (void)state;
    fq_uuid id = engine_rig_id(1);
    fq_engine *engine = engine_in(FQ_TASK_PENDING, &id);
    struct record record = granted(&id, 1);
    assert_int_equal(replay(engine, &record), 0);
    record = ended(FQ_EVENT_RETURNED, &id);
    assert_int_equal(replay(engine, &record), 0);
    record = granted(&id, 1); // a token that does not grow
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    record = head(FQ_EVENT_HASH_CHECK, NULL);
    put_number(&record, fq_engine_hash(engine) + 1, 8);
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    record = head(FQ_EVENT_HASH_CHECK, NULL);
    put_number(&record, fq_engine_hash(engine), 8);
    assert_int_equal(replay(engine, &record), 0);
    record = head(FQ_EVENT_LEDGER_TRIMMED, NULL);
    put_number(&record, 1, 8);
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    record = head(FQ_EVENT_EPOCH, NULL);
    put_number(&record, 1u << 24, 4);
    put_number(&record, (uint64_t)AT, 8);
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    fq_engine_free(engine);
}

// No timer of theirs can be told from none.
static void times_at_the_end_of_time_are_refused(void **state) {
    (void)state;
    fq_uuid id = engine_rig_id(1);
    fq_engine *engine = new_engine();
    struct record record = submitted(&id, FQ_NEVER_US);
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    record = submitted(&id, FQ_LATEST_US + 1);
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    record = submitted(&id, FQ_LATEST_US);
    assert_int_equal(replay(engine, &record), 0);
    fq_engine_check(engine);
    fq_engine_free(engine);
}

static void newer_records_are_told_apart_from_damage(void **state) {
    (void)state;
    fq_uuid id = engine_rig_id(1);
    fq_engine *engine = new_engine();
    struct record record = submitted(&id, 0);
    record.bytes[1] = 2;
    assert_int_equal(replay(engine, &record), FQ_EVERSION);
    record.bytes[1] = 1;
    record.bytes[0] = 100;
    assert_int_equal(replay(engine, &record), FQ_EVERSION);
    record.bytes[0] = (char)200; // volatile events are never written
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    record.bytes[0] = 0;
    assert_int_equal(replay(engine, &record), FQ_ECORRUPT);
    fq_engine_free(engine);
}

static uint32_t losses_of(const fq_engine *engine, const fq_uuid *id) {
    struct fq_task_view view;
    assert_int_equal(fq_engine_task(engine, id, &view), 0);
    return view.losses;
}

// A lease of the task that ends by a RETURNED of `version`.
static int lose(fq_engine *engine, const fq_uuid *id, uint64_t token, char version) {
    struct record record = granted(id, token);
    assert_int_equal(replay(engine, &record), 0);
    record = ended(FQ_EVENT_RETURNED, id);
    record.bytes[1] = version;
    return replay(engine, &record);
}

static void a_lost_worker_is_told_by_version_2(void **state) {
    (void)state;
    fq_uuid id = engine_rig_id(1);
    fq_engine *engine = engine_in(FQ_TASK_PENDING, &id);
    uint64_t before = fq_engine_hash(engine);
    assert_int_equal(lose(engine, &id, 1, 1), 0);
    assert_int_equal(losses_of(engine, &id), 0); // as journals of old have it
    uint64_t uncounted = fq_engine_hash(engine);
    assert_int_equal(lose(engine, &id, 2, 2), 0);
    assert_int_equal(losses_of(engine, &id), 1);
    assert_true(fq_engine_hash(engine) != uncounted && uncounted != before);
    assert_int_equal(lose(engine, &id, 3, 3), FQ_EVERSION);
    struct record record = ended(FQ_EVENT_CRASHED, &id);
    record.bytes[1] = 2;
    assert_int_equal(replay(engine, &record), FQ_EVERSION);
    fq_engine_free(engine);
}

// The record of the engine's one task in its snapshot; `ret_copy` gets an engine that knows what comes before it.
static struct record image_of(const fq_engine *engine, fq_engine **ret_copy) {
    struct record image = {.len = 0};
    fq_snapshot_cursor *cursor = fq_snapshot_open(engine);
    fq_buf out = {0};
    *ret_copy = new_engine();
    while (fq_snapshot_next(cursor, &out) == 1) {
        image.len = 0;
        put(&image, out.data + out.begin, fq_buf_len(&out));
        if (image.bytes[0] == FQ_EVENT_TASK)
            break;
        assert_int_equal(replay(*ret_copy, &image), 0);
        fq_buf_clear(&out);
    }
    fq_snapshot_close(cursor);
    fq_buf_done(&out);
    return image;
}

static void losses_are_kept_in_snapshots_by_version_2(void **state) {
    (void)state;
    fq_uuid id = engine_rig_id(1);
    fq_engine *engine = engine_in(FQ_TASK_PENDING, &id);
    fq_engine *copy;
    struct record image = image_of(engine, &copy);
    assert_int_equal(image.bytes[1], 1); // as ever while there are none
    assert_int_equal(replay(copy, &image), 0);
    fq_engine_free(copy);
    for (uint64_t token = 1; token <= 260; token++)
        assert_int_equal(lose(engine, &id, token, 2), 0);
    assert_int_equal(losses_of(engine, &id), 255); // no further
    image = image_of(engine, &copy);
    assert_int_equal(image.bytes[1], 2);
    assert_int_equal(replay(copy, &image), 0);
    assert_int_equal(losses_of(copy, &id), 255);
    fq_engine_free(copy);
    image = image_of(engine, &copy);
    image.bytes[1] = 1;
    assert_int_equal(replay(copy, &image), FQ_ECORRUPT);
    image.bytes[1] = 3;
    assert_int_equal(replay(copy, &image), FQ_EVERSION);
    image.bytes[1] = 2;
    image.bytes[image.len - 1] = 0; // version 1 says that
    assert_int_equal(replay(copy, &image), FQ_ECORRUPT);
    fq_engine_free(copy);
    fq_engine_free(engine);
}

// A journal with every kind of record in it.
static void make_journal(struct engine_rig *rig) {
    engine_rig_open(rig, NULL);
    for (uint64_t i = 0; i < 12; i++) {
        struct fq_command command = engine_rig_submit(i, i % 2 != 0 ? "add" : "mail");
        command.submit.retries = i == 3;
        command.submit.delay_ms = i == 4 ? 10 : 0;
        command.submit.expires_ms = i == 5 ? 20 : 0;
        command.submit.timeout_ms = 1000;
        command.submit.options.traceparent =
            FQ_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        command.submit.options.unique = i == 6 ? FQ_STR("key") : FQ_STR("");
        assert_int_equal(engine_rig_run(rig, &command), 0);
    }
    engine_rig_pass(rig, 30000);
    fq_str names[] = {FQ_STR("add"), FQ_STR("mail")};
    struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
    fetch.fetch.worker = FQ_STR("w");
    fetch.fetch.names = names;
    fetch.fetch.name_count = 2;
    fetch.fetch.count = 8;
    assert_int_equal(engine_rig_run(rig, &fetch), 0);
    struct {
        fq_uuid id;
        uint64_t token;
    } grants[8];
    for (size_t i = 0; i < 8; i++) {
        const struct fq_effect *effect = fq_decision_effect(rig->decision, i);
        grants[i].id = effect->id;
        grants[i].token = effect->token;
    }
    for (size_t i = 0; i < 7; i++) {
        struct fq_heartbeat beat = {grants[i].id, grants[i].token, FQ_REPORT_RUNNING, 0};
        struct fq_command heartbeat = {.type = FQ_COMMAND_HEARTBEAT};
        heartbeat.heartbeat.beats = &beat;
        heartbeat.heartbeat.beat_count = 1;
        struct fq_command command = {.type = i < 2 ? FQ_COMMAND_COMPLETE : FQ_COMMAND_FAIL};
        if (i < 2) {
            command.complete.id = grants[i].id;
            command.complete.token = grants[i].token;
            command.complete.result = FQ_STR("{\"x\":1}");
        } else {
            command.fail.id = grants[i].id;
            command.fail.token = grants[i].token;
            command.fail.type = FQ_STR("ValueError");
            command.fail.message = FQ_STR("no");
            command.fail.crash = i == 4;
        }
        assert_int_equal(engine_rig_run(rig, i == 5 ? &heartbeat : &command), 0);
    }
    engine_rig_pass(rig, 30 * FQ_US_PER_S); // the last lease ends before a start was known
    struct fq_command pause = {.type = FQ_COMMAND_PAUSE};
    pause.pause.name = FQ_STR("mail");
    assert_int_equal(engine_rig_run(rig, &pause), 0);
    assert_int_equal(fq_engine_hash_check(rig->engine, rig->now, rig->decision), 0);
}

static void damage_is_never_more_than_an_error(void **state) {
    (void)state;
    struct engine_rig rig;
    make_journal(&rig);
    fq_random random;
    fq_random_seed(&random, 3);
    fq_decision *decision = fq_decision_new();
    char bytes[1024];
    for (int compacted = 0; compacted < 2; compacted++) {
        for (size_t i = 0; i < rig.record_count; i++) {
            fq_str record = engine_rig_record(&rig, i);
            assert_true(record.len <= sizeof bytes);
            fq_engine *engine = new_engine();
            assert_int_equal(engine_rig_replay(&rig, engine, 0, i), 0);
            for (size_t len = 0; len < record.len; len++) {
                char *exact = malloc(len + 1); // so that a sanitizer sees a read past the end
                memcpy(exact, record.ptr, len);
                assert_true(fq_engine_replay(engine, (fq_str){exact, len}, decision) < 0);
                free(exact);
            }
            for (size_t at = 0; at < record.len; at++) {
                for (int round = 0; round < 8; round++) {
                    memcpy(bytes, record.ptr, record.len);
                    uint64_t mask = round < 4 ? 1u << (2 * round) : fq_random_next(&random);
                    bytes[at] = (char)((unsigned char)bytes[at] ^ (unsigned char)mask);
                    if (fq_engine_replay(engine, (fq_str){bytes, record.len}, decision) < 0)
                        continue;
                    // Well formed after all: then it can also be applied.
                    fq_engine *victim = new_engine();
                    assert_int_equal(engine_rig_replay(&rig, victim, 0, i), 0);
                    assert_int_equal(fq_engine_replay(victim, (fq_str){bytes, record.len}, decision), 0);
                    fq_engine_apply(victim, decision, 0);
                    fq_engine_free(victim);
                }
            }
            fq_engine_free(engine);
        }
        engine_rig_compact(&rig);
    }
    fq_decision_free(decision);
    engine_rig_close(&rig);
}

static void a_prefix_and_the_rest_are_the_whole(void **state) {
    (void)state;
    struct engine_rig rig;
    make_journal(&rig);
    for (size_t cut = 0; cut <= rig.record_count; cut++) {
        fq_engine *engine = new_engine();
        assert_int_equal(engine_rig_replay(&rig, engine, 0, cut), 0);
        struct engine_rig half = rig;
        half.engine = engine;
        fq_engine *copy = engine_rig_copy(&half); // a snapshot in the middle changes nothing
        assert_true(fq_engine_hash(copy) == fq_engine_hash(engine));
        assert_int_equal(engine_rig_replay(&rig, engine, cut, rig.record_count), 0);
        assert_int_equal(engine_rig_replay(&rig, copy, cut, rig.record_count), 0);
        assert_true(fq_engine_hash(engine) == fq_engine_hash(rig.engine));
        assert_true(fq_engine_hash(copy) == fq_engine_hash(rig.engine));
        fq_engine_check(copy);
        fq_engine_free(engine);
        fq_engine_free(copy);
    }
    engine_rig_close(&rig);
}

static void the_hash_sees_every_durable_change(void **state) {
    (void)state;
    struct engine_rig rig;
    make_journal(&rig);
    fq_engine *engine = new_engine();
    uint64_t last = fq_engine_hash(engine);
    for (size_t i = 0; i < rig.record_count; i++) {
        assert_int_equal(engine_rig_replay(&rig, engine, i, i + 1), 0);
        assert_true(fq_engine_hash(engine) != last);
        last = fq_engine_hash(engine);
    }
    fq_engine_free(engine);
    engine_rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_matrix_of_states_and_events),
        cmocka_unit_test(records_of_another_history_are_refused),
        cmocka_unit_test(times_at_the_end_of_time_are_refused),
        cmocka_unit_test(newer_records_are_told_apart_from_damage),
        cmocka_unit_test(a_lost_worker_is_told_by_version_2),
        cmocka_unit_test(losses_are_kept_in_snapshots_by_version_2),
        cmocka_unit_test(damage_is_never_more_than_an_error),
        cmocka_unit_test(a_prefix_and_the_rest_are_the_whole),
        cmocka_unit_test(the_hash_sees_every_durable_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
