// SPDX-License-Identifier: Apache-2.0
// The simulator's model complains: a real engine decides, and what the model is told of it is bent in one place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fastqueue/error.h"

#include "engine/event_data.h"
#include "journal/storage_memory.h"
#include "sim/invariant.h"
#include "sim/model.h"

#include <string.h>

enum { LEASE_MS = 30000 };

struct rig {
    sim_world *world;
    struct sim_options options;
    sim_model *model;
    fq_engine *engine;
    fq_decision *decision;
    struct fq_core_observer observer;
    void (*bend)(struct fq_event *event, struct fq_task_view *after); // NULL = the truth
    uint64_t connection;
};

static int set_up(void **state) {
    static struct rig rig;
    rig = (struct rig){.world = sim_world_new(7)};
    rig.options = (struct sim_options){.lease_us = LEASE_MS * 1000,
                                       .result_ttl_us = 3600000000,
                                       .payload_max = 100,
                                       .loss_max = 5,
                                       .segment_bytes = 1 << 20};
    rig.model = sim_model_new(rig.world, &rig.options);
    struct fq_engine_config config;
    fq_engine_config_init(&config);
    rig.engine = fq_engine_new(&config);
    rig.decision = fq_decision_new();
    rig.observer = sim_model_observer(rig.model);
    assert_non_null(rig.engine);
    assert_non_null(rig.decision);
    *state = &rig;
    return 0;
}

static int tear_down(void **state) {
    struct rig *rig = *state;
    fq_decision_free(rig->decision);
    fq_engine_free(rig->engine);
    sim_model_free(rig->model);
    sim_world_free(rig->world);
    return 0;
}

static void expect_failure(const struct rig *rig, const char *label) {
    const char *failure = sim_world_failure(rig->world);
    if (label == NULL) {
        assert_string_equal(failure, "");
        return;
    }
    size_t len = strlen(label);
    if (strncmp(failure, label, len) != 0 || (failure[len] != ':' && failure[len] != ' '))
        fail_msg("%s was to be broken, and it was: %s", label, failure);
}

// --- the engine --------------------------------------------------------------------------------------------------------
static void tell(struct rig *rig) {
    for (size_t i = 0; i < fq_decision_event_count(rig->decision); i++) {
        fq_engine_apply(rig->engine, rig->decision, i);
        struct fq_event event = *fq_decision_event(rig->decision, i);
        struct fq_task_view after = {.token = 0};
        bool has_task = fq_engine_event_task(rig->engine, fq_decision_event(rig->decision, i), &after) == 0;
        if (rig->bend != NULL)
            rig->bend(&event, &after);
        rig->observer.on_event(rig->observer.context, rig->engine, &event, has_task ? &after : NULL);
    }
}

static void run(struct rig *rig, const struct fq_command *command) {
    assert_int_equal(fq_engine_decide(rig->engine, command, sim_world_server_now(rig->world), rig->decision),
                     0);
    tell(rig);
}

static void nothing(void *context, uint64_t argument) {
    (void)context, (void)argument;
}

static void pass(struct rig *rig, int64_t us) {
    sim_world_at(rig->world, sim_world_time(rig->world) + us, nothing, NULL, 0);
    assert_true(sim_world_step(rig->world));
}

static void do_what_is_due(struct rig *rig) {
    assert_int_equal(fq_engine_due(rig->engine, sim_world_server_now(rig->world), 100, rig->decision), 0);
    tell(rig);
}

// --- the peers -----------------------------------------------------------------------------------------------------------
static fq_uuid id_of(unsigned number) {
    fq_uuid id = {
        {1, (unsigned char)number}
    };
    return id;
}

static struct sim_exchange exchange_of(struct rig *rig, enum sim_verb verb) {
    struct sim_exchange exchange = {.connection = ++rig->connection, .verb = verb, .roles = FQ_ROLE_ALL};
    exchange.submit.priority = 2;
    exchange.submit.delay_ms = exchange.submit.at_ms = exchange.submit.expires_ms = -1;
    exchange.submit.timeout_ms = exchange.submit.backoff_ms = exchange.submit.result_ttl_ms = -1;
    return exchange;
}

static struct sim_exchange submit_of(struct rig *rig, unsigned number, fq_str body) {
    struct sim_exchange exchange = exchange_of(rig, SIM_SUBMIT);
    exchange.id = id_of(number);
    exchange.name = sim_name(0);
    exchange.body = body;
    return exchange;
}

static struct fq_command submission(unsigned number, fq_str body) {
    struct fq_command command = {.type = FQ_COMMAND_SUBMIT};
    command.submit = (struct fq_submit){.id = id_of(number),
                                        .name = sim_name(0),
                                        .payload = body,
                                        .priority = FQ_PRIORITY_NORMAL,
                                        .result_ttl_ms = -1};
    return command;
}

static uint64_t submit(struct rig *rig, unsigned number, enum fq_priority priority) {
    struct sim_exchange exchange = submit_of(rig, number, FQ_STR("body"));
    exchange.submit.priority = (int)priority;
    uint64_t asked = sim_model_asked(rig->model, &exchange);
    struct fq_command command = submission(number, FQ_STR("body"));
    command.submit.priority = priority;
    run(rig, &command);
    return asked;
}

static uint64_t fetch(struct rig *rig, uint32_t count) {
    struct sim_exchange exchange = exchange_of(rig, SIM_FETCH);
    exchange.work.names = 1;
    exchange.work.count = count;
    exchange.work.worker = "w";
    uint64_t asked = sim_model_asked(rig->model, &exchange);
    fq_str name = sim_name(0);
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = FQ_STR("w");
    command.fetch.names = &name;
    command.fetch.name_count = 1;
    command.fetch.count = count;
    run(rig, &command);
    return asked;
}

static uint64_t token_of(struct rig *rig, unsigned number) {
    struct fq_task_view view;
    fq_uuid id = id_of(number);
    assert_int_equal(fq_engine_task(rig->engine, &id, &view), 0);
    return view.token;
}

static uint64_t ask_complete(struct rig *rig, unsigned number, uint64_t token, fq_str result) {
    struct sim_exchange exchange = exchange_of(rig, SIM_COMPLETE);
    exchange.id = id_of(number);
    exchange.token = token;
    exchange.body = result;
    return sim_model_asked(rig->model, &exchange);
}

static void complete(struct rig *rig, unsigned number, fq_str result) {
    struct fq_command command = {.type = FQ_COMMAND_COMPLETE};
    command.complete.id = id_of(number);
    command.complete.token = token_of(rig, number);
    command.complete.result = result;
    run(rig, &command);
}

static void answer(struct rig *rig, uint64_t asked, enum fq_resp_type type, const char *text) {
    struct fq_resp_node node = {.type = type, .next = 1, .text = fq_str_of(text), .integer = 1};
    sim_model_answered(rig->model, asked, &node);
}

static void answer_id(struct rig *rig, uint64_t asked, unsigned number) {
    char text[FQ_UUID_TEXT + 1] = {0};
    fq_uuid id = id_of(number);
    fq_uuid_format(&id, text);
    answer(rig, asked, FQ_RESP_STRING, text);
}

static void wake(void *context) {
    (void)context;
}

static void recover_with(struct rig *rig, unsigned records) {
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    fq_journal *journal;
    fq_storage *storage = fq_storage_memory_open(wake, NULL);
    assert_int_equal(fq_journal_open(storage, &config, &journal), 0);
    assert_int_equal(fq_journal_recover(journal, NULL, NULL), 0);
    assert_int_equal(fq_journal_start(journal, sim_world_server_now(rig->world)), 0);
    uint64_t seq;
    for (unsigned i = 0; i < records; i++)
        assert_int_equal(fq_journal_append(journal, FQ_STR("x"), &seq), 0);
    sim_model_crashed(rig->model, true);
    sim_model_recovered(rig->model, rig->engine, journal);
    fq_journal_close(journal);
}

// --- nothing is wrong ----------------------------------------------------------------------------------------------------
static void a_task_s_life_is_believed(void **state) {
    struct rig *rig = *state;
    answer_id(rig, submit(rig, 1, FQ_PRIORITY_NORMAL), 1);
    submit(rig, 2, FQ_PRIORITY_HIGH);
    fetch(rig, 2);
    uint64_t asked = ask_complete(rig, 1, token_of(rig, 1), FQ_STR("r"));
    complete(rig, 1, FQ_STR("r"));
    answer(rig, asked, FQ_RESP_STATUS, "OK");
    pass(rig, (int64_t)LEASE_MS * 1000 + 1);
    do_what_is_due(rig);
    expect_failure(rig, NULL);
    struct sim_model_stats stats;
    sim_model_stats(rig->model, &stats);
    assert_int_equal(stats.acknowledged, 1);
    assert_int_equal(stats.executed, 1);
    assert_true(stats.checks > 30);
    for (unsigned i = 0; i < SIM_INVARIANT_COUNT; i++)
        assert_true(sim_invariant_rows[i].in_model || sim_model_checked(rig->model, i) == 0);
}

// --- submits -------------------------------------------------------------------------------------------------------------
static void an_acknowledged_submit_that_is_lost(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    answer_id(rig, submit(rig, 2, FQ_PRIORITY_NORMAL), 2);
    recover_with(rig, 1);
    expect_failure(rig, "S1");
}

static void an_acknowledged_submit_without_event(void **state) {
    struct rig *rig = *state;
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("body"));
    answer_id(rig, sim_model_asked(rig->model, &exchange), 1);
    expect_failure(rig, "S1");
}

static void a_task_that_nobody_submitted(void **state) {
    struct rig *rig = *state;
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("body"));
    sim_model_asked(rig->model, &exchange);
    struct fq_command command = submission(1, FQ_STR("another body"));
    run(rig, &command);
    expect_failure(rig, "S33");
}

static void another_body_that_is_accepted(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("another body"));
    answer_id(rig, sim_model_asked(rig->model, &exchange), 1);
    expect_failure(rig, "S16");
}

static void the_same_body_that_is_refused(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("body"));
    answer(rig, sim_model_asked(rig->model, &exchange), FQ_RESP_ERROR, "IDCONFLICT no");
    expect_failure(rig, "S16");
}

static void a_forbidden_request_that_is_done(void **state) {
    struct rig *rig = *state;
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("body"));
    exchange.roles = FQ_ROLE_WORK;
    exchange.must_fail = true;
    answer_id(rig, sim_model_asked(rig->model, &exchange), 1);
    expect_failure(rig, "S31");
}

static void an_unknown_error(void **state) {
    struct rig *rig = *state;
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("body"));
    answer(rig, sim_model_asked(rig->model, &exchange), FQ_RESP_ERROR, "WHATEVER it is");
    expect_failure(rig, "S40");
}

static void a_payload_in_an_error(void **state) {
    struct rig *rig = *state;
    struct sim_exchange exchange = submit_of(rig, 1, FQ_STR("body"));
    answer(rig, sim_model_asked(rig->model, &exchange), FQ_RESP_ERROR, "ERR no such thing as " SIM_CANARY);
    expect_failure(rig, "S34");
}

static void two_answers(void **state) {
    struct rig *rig = *state;
    uint64_t asked = submit(rig, 1, FQ_PRIORITY_NORMAL);
    answer_id(rig, asked, 1);
    answer_id(rig, asked, 1);
    expect_failure(rig, "S32");
}

// --- grants ----------------------------------------------------------------------------------------------------------------
static void a_grant_of_the_lower_priority(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1); // holds the place that the engine's choice would have
    fq_str name = sim_name(0);
    submit(rig, 2, FQ_PRIORITY_NORMAL);
    // The model hears of a more urgent task that the engine does not know.
    struct sim_exchange exchange = submit_of(rig, 3, FQ_STR("body"));
    exchange.submit.priority = FQ_PRIORITY_CRITICAL;
    sim_model_asked(rig->model, &exchange);
    struct fq_task_view view = {.id = id_of(3),
                                .name = name,
                                .payload = FQ_STR("body"),
                                .state = FQ_TASK_PENDING,
                                .priority = FQ_PRIORITY_CRITICAL,
                                .result_ttl_ms = 3600000};
    struct fq_event event = {
        .type = FQ_EVENT_SUBMITTED, .id = id_of(3), .at_us = sim_world_server_now(rig->world).wall_us};
    rig->observer.on_event(rig->observer.context, rig->engine, &event, &view);
    expect_failure(rig, NULL);
    fetch(rig, 1);
    expect_failure(rig, "S10");
}

static void swap_ids(struct fq_event *event, struct fq_task_view *after) {
    if (event->type != FQ_EVENT_GRANTED)
        return;
    event->id = id_of(2);
    after->id = id_of(2);
}

static void a_grant_out_of_turn(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    submit(rig, 2, FQ_PRIORITY_NORMAL);
    rig->bend = swap_ids;
    fetch(rig, 1);
    expect_failure(rig, "S11");
}

static void use_a_token_again(struct fq_event *event, struct fq_task_view *after) {
    if (event->type == FQ_EVENT_GRANTED)
        after->token = 1;
}

static void a_token_that_is_used_again(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    submit(rig, 2, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    rig->bend = use_a_token_again;
    fetch(rig, 1);
    expect_failure(rig, "S5");
}

static void grant_again(struct fq_event *event, struct fq_task_view *after) {
    if (event->type != FQ_EVENT_GRANTED)
        return;
    event->id = id_of(1);
    after->id = id_of(1);
}

static void a_second_lease(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    submit(rig, 2, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    rig->bend = grant_again;
    fetch(rig, 1);
    expect_failure(rig, "S4");
}

static void a_grant_of_a_paused_name(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    struct fq_event event = {.type = FQ_EVENT_PAUSED, .name = sim_name(0)};
    rig->observer.on_event(rig->observer.context, rig->engine, &event, NULL);
    fetch(rig, 1);
    expect_failure(rig, "S19");
}

static void a_grant_that_nobody_fetched(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fq_str name = sim_name(0);
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = FQ_STR("w");
    command.fetch.names = &name;
    command.fetch.name_count = 1;
    command.fetch.count = 1;
    run(rig, &command);
    expect_failure(rig, "S20");
}

static void count_an_attempt_more(struct fq_event *event, struct fq_task_view *after) {
    (void)event;
    after->attempt++;
}

static void an_attempt_too_many(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    rig->bend = count_an_attempt_more;
    fetch(rig, 1);
    expect_failure(rig, "S8");
}

static void forget_a_loss(struct fq_event *event, struct fq_task_view *after) {
    event->ended.lost = event->type != FQ_EVENT_RETURNED && event->ended.lost;
    after->losses = 0;
}

static void lose_a_worker(struct rig *rig, void (*bend)(struct fq_event *, struct fq_task_view *)) {
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    pass(rig, LEASE_MS * 1000);
    rig->bend = bend;
    do_what_is_due(rig);
    expect_failure(rig, "S8");
}

static void a_loss_that_is_not_counted(void **state) {
    lose_a_worker(*state, forget_a_loss);
}

static void invent_a_loss(struct fq_event *event, struct fq_task_view *after) {
    if (event->type != FQ_EVENT_RETURNED)
        return;
    event->ended.lost = true;
    after->losses++;
}

static void a_release_that_is_counted(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    struct fq_command command = {.type = FQ_COMMAND_RELEASE, .release.id = id_of(1)};
    command.release.token = token_of(rig, 1);
    rig->bend = invent_a_loss;
    run(rig, &command);
    submit(rig, 2, FQ_PRIORITY_NORMAL);
    expect_failure(rig, "S36");
}

static void charge_at_once(struct fq_event *event, struct fq_task_view *after) {
    if (event->type != FQ_EVENT_RETURNED)
        return;
    event->type = FQ_EVENT_CRASHED;
    after->attempt = 1;
    after->crashes = 1;
    after->losses = 0;
}

static void a_first_loss_that_is_charged(void **state) {
    lose_a_worker(*state, charge_at_once);
}

// --- ends --------------------------------------------------------------------------------------------------------------------
static void a_result_that_nobody_sent(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    ask_complete(rig, 1, token_of(rig, 1), FQ_STR("right"));
    complete(rig, 1, FQ_STR("wrong"));
    expect_failure(rig, "S7");
}

static void a_completion_under_an_old_token(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    ask_complete(rig, 1, token_of(rig, 1) - 1, FQ_STR("r"));
    complete(rig, 1, FQ_STR("r"));
    expect_failure(rig, "S6");
}

static void a_stale_report_that_is_acknowledged(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    answer(rig, ask_complete(rig, 1, token_of(rig, 1) + 5, FQ_STR("r")), FQ_RESP_STATUS, "OK");
    expect_failure(rig, "S6");
}

static void a_holder_that_is_refused(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    answer(rig, ask_complete(rig, 1, token_of(rig, 1), FQ_STR("r")), FQ_RESP_ERROR, "STALELEASE go");
    expect_failure(rig, "S6");
}

static void a_lease_that_ends_too_early(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    fetch(rig, 1);
    struct fq_command command = {.type = FQ_COMMAND_RELEASE};
    command.release.id = id_of(1);
    command.release.token = token_of(rig, 1);
    run(rig, &command); // and nobody has asked for it
    submit(rig, 2, FQ_PRIORITY_NORMAL);
    expect_failure(rig, "S36");
}

static void a_cancel_that_nobody_wants(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    struct fq_command command = {.type = FQ_COMMAND_CANCEL};
    command.cancel.id = id_of(1);
    run(rig, &command);
    expect_failure(rig, "S14");
}

// --- recovery ------------------------------------------------------------------------------------------------------------------
static void records_from_nowhere(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    recover_with(rig, 2);
    expect_failure(rig, "S22");
}

static void a_state_that_is_not_the_prefix_s(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    submit(rig, 2, FQ_PRIORITY_NORMAL); // the engine keeps it, the journal does not
    recover_with(rig, 1);
    expect_failure(rig, "S22");
}

static void a_refusal_without_damage(void **state) {
    struct rig *rig = *state;
    sim_model_refused(rig->model, FQ_ECORRUPT, "seg/1: offset 0", false);
    expect_failure(rig, "S1");
}

static void a_compactor_with_another_state(void **state) {
    struct rig *rig = *state;
    submit(rig, 1, FQ_PRIORITY_NORMAL);
    sim_model_compacted(rig->model, 1, fq_engine_hash(rig->engine));
    expect_failure(rig, NULL);
    sim_model_compacted(rig->model, 1, fq_engine_hash(rig->engine) + 1);
    expect_failure(rig, "S23");
}

static void a_backup_that_is_too_old(void **state) {
    struct rig *rig = *state;
    const struct sim_restored old = {.engine = rig->engine, .last_seq = 1, .durable_seq = 2};
    sim_model_restored(rig->model, &old, (struct fq_now){0});
    expect_failure(rig, "S39");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_task_s_life_is_believed),
        CASE(an_acknowledged_submit_that_is_lost),
        CASE(an_acknowledged_submit_without_event),
        CASE(a_task_that_nobody_submitted),
        CASE(another_body_that_is_accepted),
        CASE(the_same_body_that_is_refused),
        CASE(a_forbidden_request_that_is_done),
        CASE(an_unknown_error),
        CASE(a_payload_in_an_error),
        CASE(two_answers),
        CASE(a_grant_of_the_lower_priority),
        CASE(a_grant_out_of_turn),
        CASE(a_token_that_is_used_again),
        CASE(a_second_lease),
        CASE(a_grant_of_a_paused_name),
        CASE(a_grant_that_nobody_fetched),
        CASE(an_attempt_too_many),
        CASE(a_loss_that_is_not_counted),
        CASE(a_release_that_is_counted),
        CASE(a_first_loss_that_is_charged),
        CASE(a_result_that_nobody_sent),
        CASE(a_completion_under_an_old_token),
        CASE(a_stale_report_that_is_acknowledged),
        CASE(a_holder_that_is_refused),
        CASE(a_lease_that_ends_too_early),
        CASE(a_cancel_that_nobody_wants),
        CASE(records_from_nowhere),
        CASE(a_state_that_is_not_the_prefix_s),
        CASE(a_refusal_without_damage),
        CASE(a_compactor_with_another_state),
        CASE(a_backup_that_is_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
