// SPDX-License-Identifier: Apache-2.0
// Answers to workers: what is handed out, what their leases are worth, what became of their reports.
#include "sim/model_state.h"

#include "base/hash.h"

// --- hand-outs ----------------------------------------------------------------------------------------------------------
struct handed {
    fq_str id, payload, token, name;
    int64_t attempt;
};

static struct handed read_handed(const struct fq_resp_node *nodes, uint32_t at) {
    struct handed handed = {.attempt = -1};
    uint32_t key = at + 1;
    for (uint32_t i = 0; i + 1 < nodes[at].child_count; i += 2) {
        uint32_t value = nodes[key].next;
        fq_str text = nodes[key].text;
        if (fq_str_equal(text, FQ_STR("id")))
            handed.id = nodes[value].text;
        else if (fq_str_equal(text, FQ_STR("token")))
            handed.token = nodes[value].text;
        else if (fq_str_equal(text, FQ_STR("payload")))
            handed.payload = nodes[value].text;
        else if (fq_str_equal(text, FQ_STR("name")))
            handed.name = nodes[value].text;
        else if (fq_str_equal(text, FQ_STR("attempt")))
            handed.attempt = nodes[value].integer;
        key = nodes[value].next;
    }
    return handed;
}

static void check_one(sim_model *model, const struct asked *asked, const struct handed *handed) {
    fq_uuid id;
    uint64_t token;
    bool shaped = fq_uuid_parse(handed->id, &id) == 0 && fq_str_to_uint64(handed->token, &token) == 0;
    if (!CHECK(model, S32, shaped, "a task is handed out without id or token"))
        return;
    struct model_task *task = model_task_find(model, &id);
    if (!CHECK(model, S33, task != NULL, "task %.*s is handed out, and nobody submitted it",
               FQ_STR_ARGS(handed->id)))
        return;
    bool lost;
    struct moment *grant = model_past_find(task, model_bit(FQ_EVENT_GRANTED), token, &lost);
    if (!CHECK(model, S24, grant != NULL || lost, "task %s is handed out under a token of no grant",
               model_id(task)))
        return;
    CHECK(model, S7,
          handed->payload.len == task->body.payload_len &&
              fq_hash_str(handed->payload, 0) == task->body.payload_hash,
          "task %s is handed out with another payload", model_id(task));
    uint8_t name = model_name(model, handed->name);
    CHECK(model, S20,
          name == task->body.name &&
              (asked->names == 0 || name >= SIM_NAMES_MAX || (asked->names >> name & 1) != 0),
          "task %s is handed out to a fetch that did not name it", model_id(task));
    if (grant == NULL)
        return;
    CHECK(model, S4, !grant->delivered, "task %s is handed out twice under one token", model_id(task));
    CHECK(model, S32, grant->number > asked->moment, "task %s is handed out to a fetch from before its grant",
          model_id(task));
    CHECK(model, S8, handed->attempt == grant->attempt, "task %s is handed out with attempt %lld, not %u",
          model_id(task), (long long)handed->attempt, grant->attempt);
    grant->delivered = true;
    model_observed(model, grant->seq, "a hand-out");
}

void check_hand_out(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    if (!CHECK(model, S32, nodes[0].type == FQ_RESP_ARRAY, "the answer to a fetch is no array"))
        return;
    CHECK(model, S20, asked->count == 0 || nodes[0].child_count <= asked->count,
          "a fetch for %u tasks gets %u", asked->count, nodes[0].child_count);
    uint32_t at = 1;
    for (uint32_t i = 0; i < nodes[0].child_count; i++, at = nodes[at].next) {
        struct handed handed = read_handed(nodes, at);
        check_one(model, asked, &handed);
    }
}

// --- heartbeats ---------------------------------------------------------------------------------------------------------
static bool was_current(struct model_task *task, uint64_t token, uint64_t since) {
    if (token == 0)
        return false;
    if (task->body.token == token)
        return true;
    bool lost;
    uint64_t ends = model_bit(FQ_EVENT_COMPLETED) | model_bit(FQ_EVENT_FAILED) | model_bit(FQ_EVENT_RETRIED) |
                    model_bit(FQ_EVENT_RETURNED) | model_bit(FQ_EVENT_CRASHED) |
                    model_bit(FQ_EVENT_CANCELLED);
    const struct moment *end = model_past_find(task, ends, token, &lost);
    return end != NULL ? end->number > since : lost;
}

static void check_verdict(sim_model *model, struct asked *asked, const struct beat_asked *beat, fq_str word) {
    struct model_task *task = beat->task;
    bool lost;
    const struct moment *grant = model_past_find(task, model_bit(FQ_EVENT_GRANTED), beat->token, &lost);
    const struct moment *request =
        model_past_find(task, model_bit(FQ_EVENT_CANCEL_REQUESTED), beat->token, &lost);
    if (fq_str_equal(word, FQ_STR("stale"))) {
        CHECK(model, S6,
              task->body.token != beat->token || beat->token == 0 ||
                  (grant != NULL && grant->number > asked->moment),
              "the holder of task %s is told that its lease is stale", model_id(task));
        return;
    }
    CHECK(model, S6, was_current(task, beat->token, asked->moment),
          "a heartbeat for task %s under a token that is not current is answered %.*s", model_id(task),
          FQ_STR_ARGS(word));
    if (fq_str_equal(word, FQ_STR("cancel"))) {
        CHECK(model, S14,
              request != NULL || lost || (task->body.cancelling && task->body.token == beat->token),
              "a worker is told to cancel task %s, and nobody asked", model_id(task));
        if (request != NULL)
            model_observed(model, request->seq, "a cancel");
        return;
    }
    CHECK(model, S14, request == NULL || request->number > asked->moment,
          "a worker is not told to cancel task %s", model_id(task));
    CHECK(model, S32, fq_str_equal(word, FQ_STR("ok")) || fq_str_equal(word, FQ_STR("drain")),
          "a heartbeat is answered '%.*s'", FQ_STR_ARGS(word));
}

void check_beats(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    if (!CHECK(model, S32, nodes[0].type == FQ_RESP_ARRAY && nodes[0].child_count == asked->beat_count,
               "a heartbeat for %u leases gets another number of answers", asked->beat_count))
        return;
    for (uint32_t i = 0; i < asked->beat_count; i++)
        check_verdict(model, asked, &asked->beats[i], nodes[1 + i].text);
}

// --- ends of leases ---------------------------------------------------------------------------------------------------------
static uint64_t types_of(const struct asked *asked) {
    if (asked->verb == SIM_COMPLETE)
        return model_bit(FQ_EVENT_COMPLETED);
    if (asked->verb == SIM_RELEASE)
        return model_bit(FQ_EVENT_RETURNED) | model_bit(FQ_EVENT_CANCELLED);
    return model_bit(FQ_EVENT_FAILED) | model_bit(FQ_EVENT_RETRIED) | model_bit(FQ_EVENT_CRASHED) |
           model_bit(FQ_EVENT_RETURNED) | model_bit(FQ_EVENT_CANCELLED);
}

void check_report(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    struct model_task *task = asked->task;
    bool right = nodes[0].type == FQ_RESP_STATUS || nodes[0].type == FQ_RESP_INTEGER;
    if (!CHECK(model, S32, right, "a worker's report is answered by something else") || task == NULL)
        return;
    if (nodes[0].type == FQ_RESP_INTEGER && nodes[0].integer == 0)
        return;
    bool lost;
    struct moment *moment = model_past_find(task, types_of(asked), asked->token, &lost);
    if (!CHECK(model, S6, (moment != NULL || lost) && asked->token != 0,
               "a report on task %s is accepted, and nothing happened under its token", model_id(task)))
        return;
    if (moment == NULL)
        return;
    CHECK(model, S6, !moment->acknowledged, "two reports on task %s are accepted under one token",
          model_id(task));
    moment->acknowledged = true;
    model_observed(model, moment->seq, "a report");
    if (asked->verb == SIM_COMPLETE && task->body.state != MODEL_NONE && task->body.result_hash != 0)
        CHECK(model, S7, task->body.result_hash == asked->body,
              "the result of task %s that was acknowledged is not the one that is kept", model_id(task));
}
