// SPDX-License-Identifier: Apache-2.0
// Records that are well formed and cannot be: one field of an event of a real journal is changed, the record is written
// anew, and replay refuses it without a change of the state.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "engine/event_data.h"
#include "engine/event_view.h"
#include "engine/fields.h"
#include "engine/task.h"
#include "support/engine_rig.h"

#include <string.h>

static char long_name[5000]; // longer than any name in a record may be

// A snapshot with one task held, one waiting (UNIQUE key), one dead with that key, one that only the ledger knows, and a
// paused name; behind it the log goes on with a submit, a grant, a start and a failure.
static void make_journal(struct engine_rig *rig) {
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    config.default_result_ttl_ms = 0;
    engine_rig_open(rig, &config);
    fq_str name = FQ_STR("add");
    for (uint64_t i = 0; i < 4; i++) {
        struct fq_command submit = engine_rig_submit(i, "add");
        submit.submit.options.unique = i == 0 || i == 3 ? FQ_STR("key") : FQ_STR("");
        assert_int_equal(engine_rig_run(rig, &submit), 0);
        if (i == 2)
            continue;
        struct fq_command fetch = {.type = FQ_COMMAND_FETCH};
        fetch.fetch.worker = FQ_STR("w");
        fetch.fetch.names = &name;
        fetch.fetch.name_count = 1;
        fetch.fetch.count = 1;
        if (i < 2) {
            assert_int_equal(engine_rig_run(rig, &fetch), 0);
            const struct fq_effect *effect = fq_decision_effect(rig->decision, 0);
            struct fq_command end = {.type = i == 0 ? FQ_COMMAND_FAIL : FQ_COMMAND_COMPLETE};
            end.fail.id = effect->id;
            end.fail.token = effect->token;
            assert_int_equal(engine_rig_run(rig, &end), 0);
        } else {
            assert_int_equal(engine_rig_run(rig, &fetch), 0);
        }
    }
    engine_rig_due(rig);
    struct fq_command pause = {.type = FQ_COMMAND_PAUSE};
    pause.pause.name = FQ_STR("mail");
    assert_int_equal(engine_rig_run(rig, &pause), 0);
    engine_rig_compact(rig);
    struct fq_command submit = engine_rig_submit(9, "add");
    assert_int_equal(engine_rig_run(rig, &submit), 0);
    engine_rig_hash_check(rig);
}

struct forgery {
    const char *what;
    enum fq_event_type type;
    int state; // of an image; -1 = any
    void (*forge)(struct fq_event *event);
};

// ---- images ----
static void no_name(struct fq_event *event) {
    event->image.name.len = 0;
}
static void endless_name(struct fq_event *event) {
    event->image.name = fq_str_of(long_name);
}
static void no_such_priority(struct fq_event *event) {
    event->image.priority = FQ_PRIORITY_COUNT;
}
static void no_such_state(struct fq_event *event) {
    event->image.state = FQ_TASK_STATE_COUNT;
}
static void no_turn(struct fq_event *event) {
    event->image.order = 0;
}
static void turn_to_come(struct fq_event *event) {
    event->image.order = 1000;
}
static void token_to_come(struct fq_event *event) {
    event->image.moment = INT64_MAX;
}
static void nobody(struct fq_event *event) {
    event->image.worker.len = 0;
}
static void endless_worker(struct fq_event *event) {
    event->image.worker = fq_str_of(long_name);
}
static void never_granted(struct fq_event *event) {
    event->image.attempt = 0;
}
static void before_it_was_granted(struct fq_event *event) {
    event->image.started_us = 1;
}
static void before_all_time(struct fq_event *event) {
    event->image.eligible_us = -1;
}
static void unknown_flag(struct fq_event *event) {
    event->image.flags |= 0x80;
}
static void key_without_flag(struct fq_event *event) {
    event->image.flags &= (uint8_t)~FQ_FLAG_UNIQUE;
}
static void another_ones_id(struct fq_event *event) {
    event->id = engine_rig_id(1); // the ledger's
}
// ---- the rest ----
static void no_name_of_a_name(struct fq_event *event) {
    event->name_image.name.len = 0;
}
static void endless_name_of_a_name(struct fq_event *event) {
    event->name_image.name = fq_str_of(long_name);
}
static void ledger_of_no_state(struct fq_event *event) {
    event->ledger.state = FQ_TASK_STATE_COUNT;
}
static void ledger_of_no_fate(struct fq_event *event) {
    event->ledger.fate = 15;
}
static void head_of_a_far_order(struct fq_event *event) {
    event->head.order = UINT64_MAX;
}
static void head_of_a_far_epoch(struct fq_event *event) {
    event->head.epoch = 1u << 24;
}
static void head_of_a_far_token(struct fq_event *event) {
    event->head.token = UINT64_MAX;
}
static void submit_of_a_flag(struct fq_event *event) {
    event->submitted.flags |= FQ_FLAG_UNIQUE;
}
static void submit_of_the_past(struct fq_event *event) {
    event->submitted.due_us = -1;
}
static void submit_of_a_known_id(struct fq_event *event) {
    event->id = engine_rig_id(2);
}
static void submit_of_a_finished_id(struct fq_event *event) {
    event->id = engine_rig_id(1);
}
static void submit_of_a_held_key(struct fq_event *event) {
    static char bytes[16];
    fq_field_write(bytes, FQ_FIELD_UNIQUE, FQ_STR("key"));
    event->submitted.flags |= FQ_FLAG_UNIQUE;
    event->submitted.fields = (fq_str){bytes, fq_field_size(3)};
}
static void submit_of_an_unknown_field(struct fq_event *event) {
    static char bytes[16];
    fq_field_write(bytes, (enum fq_field)(FQ_FIELD_LAST_ENDED_US + 1), FQ_STR("key"));
    event->submitted.fields = (fq_str){bytes, fq_field_size(3)};
}
static void another_hash(struct fq_event *event) {
    event->hash ^= 1;
}

static const struct forgery forgeries[] = {
    {"a name of no length",              FQ_EVENT_TASK,       -1,              no_name                   },
    {"a name without end",               FQ_EVENT_TASK,       -1,              endless_name              },
    {"a priority that is none",          FQ_EVENT_TASK,       -1,              no_such_priority          },
    {"a state that is none",             FQ_EVENT_TASK,       -1,              no_such_state             },
    {"no turn",                          FQ_EVENT_TASK,       -1,              no_turn                   },
    {"a turn to come",                   FQ_EVENT_TASK,       -1,              turn_to_come              },
    {"a token to come",                  FQ_EVENT_TASK,       FQ_TASK_STARTED, token_to_come             },
    {"held by nobody",                   FQ_EVENT_TASK,       FQ_TASK_STARTED, nobody                    },
    {"held by a name without end",       FQ_EVENT_TASK,       FQ_TASK_STARTED, endless_worker            },
    {"held and never granted",           FQ_EVENT_TASK,       FQ_TASK_STARTED, never_granted             },
    {"started before it was granted",    FQ_EVENT_TASK,       FQ_TASK_STARTED, before_it_was_granted     },
    {"eligible before all time",         FQ_EVENT_TASK,       -1,              before_all_time           },
    {"a flag that is none",              FQ_EVENT_TASK,       -1,              unknown_flag              },
    {"a key without its flag",           FQ_EVENT_TASK,       FQ_TASK_FAILURE, key_without_flag          },
    {"an id that the ledger has",        FQ_EVENT_TASK,       -1,              another_ones_id           },
    {"a name's name of no length",       FQ_EVENT_NAME,       -1,              no_name_of_a_name         },
    {"a name's name without end",        FQ_EVENT_NAME,       -1,              endless_name_of_a_name    },
    {"a finished id of no state",        FQ_EVENT_LEDGER,     -1,              ledger_of_no_state        },
    {"a finished id of no fate",         FQ_EVENT_LEDGER,     -1,              ledger_of_no_fate         },
    {"a head near the end of all turns", FQ_EVENT_SNAPSHOT,   -1,              head_of_a_far_order       },
    {"a head of a boot too many",        FQ_EVENT_SNAPSHOT,   -1,              head_of_a_far_epoch       },
    {"a head of another boot's token",   FQ_EVENT_SNAPSHOT,   -1,              head_of_a_far_token       },
    {"a submit with a flag and no key",  FQ_EVENT_SUBMITTED,  -1,              submit_of_a_flag          },
    {"a submit due before all time",     FQ_EVENT_SUBMITTED,  -1,              submit_of_the_past        },
    {"a submit of a known id",           FQ_EVENT_SUBMITTED,  -1,              submit_of_a_known_id      },
    {"a submit of a finished id",        FQ_EVENT_SUBMITTED,  -1,              submit_of_a_finished_id   },
    {"a submit of a key that is held",   FQ_EVENT_SUBMITTED,  -1,              submit_of_a_held_key      },
    {"a submit with an unknown field",   FQ_EVENT_SUBMITTED,  -1,              submit_of_an_unknown_field},
    {"a check of another state",         FQ_EVENT_HASH_CHECK, -1,              another_hash              },
};

static int replay(fq_engine *engine, fq_decision *decision, const struct fq_event *event) {
    fq_buf record = {0};
    assert_int_equal(fq_event_encode(event, &record), 0);
    uint64_t before = fq_engine_hash(engine);
    int rc = fq_engine_replay(engine, fq_buf_str(&record), decision);
    assert_true(fq_engine_hash(engine) == before);
    if (rc < 0) {
        assert_int_equal(fq_decision_event_count(decision), 0);
        assert_true(fq_decision_reason(decision)[0] != '\0');
    }
    fq_buf_done(&record);
    return rc;
}

static void one_changed_field_is_refused(void **state) {
    (void)state;
    struct engine_rig rig;
    memset(long_name, 'n', sizeof long_name - 1);
    make_journal(&rig);
    fq_decision *decision = fq_decision_new();
    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        const struct forgery *forgery = &forgeries[i];
        size_t tried = 0;
        fq_engine *engine = fq_engine_new(&rig.config);
        for (size_t at = 0; at < rig.record_count; at++) {
            fq_str record = engine_rig_record(&rig, at);
            struct fq_event event;
            assert_int_equal(fq_event_decode(record, &event), 0);
            if (event.type == forgery->type && (forgery->state < 0 || event.image.state == forgery->state)) {
                forgery->forge(&event);
                if (replay(engine, decision, &event) != FQ_ECORRUPT)
                    fail_msg("%s was taken", forgery->what);
                tried++;
            }
            assert_int_equal(engine_rig_replay(&rig, engine, at, at + 1), 0);
        }
        if (tried == 0)
            fail_msg("no record to try: %s", forgery->what);
        assert_true(fq_engine_hash(engine) == fq_engine_hash(rig.engine));
        fq_engine_free(engine);
    }
    fq_decision_free(decision);
    engine_rig_close(&rig);
}

// A whole record in a place where another history would have it.
static void records_at_the_wrong_time(void **state) {
    (void)state;
    struct engine_rig rig;
    make_journal(&rig);
    fq_decision *decision = fq_decision_new();
    fq_engine *engine = fq_engine_new(&rig.config);
    assert_int_equal(engine_rig_replay(&rig, engine, 0, rig.record_count), 0);
    struct fq_event event;
    assert_int_equal(fq_event_decode(engine_rig_record(&rig, 0), &event), 0);
    assert_int_equal(event.type, FQ_EVENT_SNAPSHOT);
    assert_int_equal(replay(engine, decision, &event), FQ_ECORRUPT); // a snapshot in the middle of a log
    event = (struct fq_event){.type = FQ_EVENT_EPOCH, .at_us = rig.now.wall_us};
    event.epoch.wall_us = rig.now.wall_us;
    assert_int_equal(replay(engine, decision, &event), FQ_ECORRUPT); // an earlier boot
    event.epoch.epoch = 1u << 24;
    assert_int_equal(replay(engine, decision, &event), FQ_ECORRUPT); // one that none can be
    event.epoch.epoch = (1u << 24) - 1;
    assert_int_equal(replay(engine, decision, &event), 0);
    event = (struct fq_event){.type = FQ_EVENT_LEDGER_TRIMMED, .at_us = rig.now.wall_us, .trim_count = 2};
    assert_int_equal(replay(engine, decision, &event), FQ_ECORRUPT); // more than there are
    event = (struct fq_event){.type = FQ_EVENT_REQUEUED, .at_us = rig.now.wall_us, .id = engine_rig_id(0)};
    assert_int_equal(replay(engine, decision, &event), FQ_ECORRUPT); // a live task has its key
    fq_engine_free(engine);
    // A snapshot behind a task, or behind a finished id: an empty engine alone may begin with one.
    for (size_t at = 1; at < rig.record_count; at++) {
        engine = fq_engine_new(&rig.config);
        assert_int_equal(fq_event_decode(engine_rig_record(&rig, at), &event), 0);
        if (event.type == FQ_EVENT_LEDGER) {
            assert_int_equal(engine_rig_replay(&rig, engine, at, at + 1), 0);
            assert_int_equal(fq_event_decode(engine_rig_record(&rig, 0), &event), 0);
            assert_int_equal(replay(engine, decision, &event), FQ_ECORRUPT);
        }
        fq_engine_free(engine);
    }
    fq_decision_free(decision);
    engine_rig_close(&rig);
}

static void nobody_is_told_of_a_record_that_is_none(void **state) {
    (void)state;
    struct fq_event_head head = {.type = FQ_EVENT_NONE};
    assert_int_equal(fq_event_view(FQ_STR(""), NULL, NULL, &head), FQ_ECORRUPT);
    assert_int_equal(fq_event_view(FQ_STR("\001\001"), NULL, NULL, &head), FQ_ECORRUPT);
    assert_false(fq_event_peek(FQ_STR("\001\001\0\0\0\0\0\0\0"), &head));
    assert_int_equal(head.type, FQ_EVENT_NONE);
    fq_buf out = {0};
    char byte = 'x';
    assert_int_equal(fq_field_put(&out, FQ_FIELD_RESULT, (fq_str){&byte, (size_t)UINT32_MAX + 1}),
                     FQ_ETOOBIG);
    assert_int_equal(fq_buf_len(&out), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_changed_field_is_refused),
        cmocka_unit_test(records_at_the_wrong_time),
        cmocka_unit_test(nobody_is_told_of_a_record_that_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
