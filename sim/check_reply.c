// SPDX-License-Identifier: Apache-2.0
// Answers to those who submit, read and administer: each must be backed by events, or have been true at some moment
// between question and answer.
#include "sim/model_state.h"

#include "base/hash.h"

#include <stdio.h>

// Answers of a life that lost what was not synced, in relaxed mode, may speak of what is no more.
static bool is_bygone(const sim_model *model, const struct asked *asked) {
    return model->lossy && asked->boot != model->boot;
}

static bool is_shape(sim_model *model, bool right, const struct asked *asked) {
    return CHECK(model, S32, right, "the answer to request kind %d has the shape of another's", asked->verb);
}

// --- errors -------------------------------------------------------------------------------------------------------------
static bool is_code(fq_str text, const char *code) {
    size_t len = strlen(code);
    return text.len >= len && memcmp(text.ptr, code, len) == 0 && (text.len == len || text.ptr[len] == ' ');
}

static bool is_documented(fq_str text) {
    static const char *const codes[] = {
#define FQ_ERROR(name, number, code, retryable, text) code,
#include "fastqueue/error.def"
#undef FQ_ERROR
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (is_code(text, codes[i]))
            return true;
    }
    return false;
}

void check_secrets(sim_model *model, const struct fq_resp_node *nodes) {
    for (uint32_t i = 0; i < nodes[0].next; i++) {
        if (nodes[i].text.len < sizeof SIM_CANARY - 1)
            continue;
        CHECK(model, S34,
              memmem(nodes[i].text.ptr, nodes[i].text.len, SIM_CANARY, sizeof SIM_CANARY - 1) == NULL,
              "a payload or a secret is shown in '%.*s'", (int)nodes[i].text.len, nodes[i].text.ptr);
    }
}

static void check_conflict(sim_model *model, const struct asked *asked) {
    const struct model_task *task = asked->task;
    if (is_bygone(model, asked))
        return;
    CHECK(model, S16,
          task != NULL && (task->body.state != MODEL_NONE || task->past_kept > 0) &&
              task->body.body != asked->body,
          "a submit of task %s is refused though the id was used for the same body or for none",
          task != NULL ? model_id(task) : "");
}

// A refusal of a token needs a moment at which it was not the current one.
static void check_stale(sim_model *model, const struct asked *asked) {
    model->stats.stale++;
    struct model_task *task = asked->task;
    if (task == NULL || task->body.token == 0 || task->body.token != asked->token)
        return;
    bool lost;
    const struct moment *grant = model_past_find(task, model_bit(FQ_EVENT_GRANTED), asked->token, &lost);
    CHECK(model, S6, grant == NULL || grant->number > asked->moment,
          "the holder of task %s is refused under its own token", model_id(task));
}

void check_error(sim_model *model, const struct asked *asked, const struct fq_resp_node *node) {
    CHECK(model, S40, is_documented(node->text), "no such error: '%.*s'", FQ_STR_ARGS(node->text));
    check_secrets(model, node);
    if (asked->must_fail)
        return;
    if (is_code(node->text, "IDCONFLICT"))
        check_conflict(model, asked);
    else if (is_code(node->text, "STALELEASE"))
        check_stale(model, asked);
    else if (is_code(node->text, "FULL"))
        check_full(model, asked, node->text);
    else if (is_code(node->text, "UNKNOWNTASK") && asked->task != NULL && !is_bygone(model, asked)) {
        const struct moment *moment;
        CHECK(model, S1,
              asked->task->past_kept == 0 || asked->task->past[0].number > asked->moment ||
                  asked->task->past_lost || asked->task->body.state >= MODEL_NONE ||
                  model_was(asked->task, MODEL_NONE, asked->moment, &moment),
              "task %s is said to be unknown", model_id(asked->task));
    }
    if (model->healed && is_code(node->text, "FULL"))
        CHECK(model, L6, sim_world_time(model->world) - model->healed_us < 60 * (int64_t)FQ_US_PER_S,
              "FULL is answered a minute after space came back");
}

// --- tasks as they are shown ------------------------------------------------------------------------------------------------
struct shown { // what a task map says
    fq_str id, status, result;
    int64_t attempt;
    bool has_result;
};

static struct shown read_map(const struct fq_resp_node *nodes, uint32_t at) {
    struct shown shown = {.attempt = -1};
    uint32_t key = at + 1;
    for (uint32_t i = 0; i + 1 < nodes[at].child_count; i += 2) {
        uint32_t value = nodes[key].next;
        fq_str text = nodes[key].text;
        if (fq_str_equal(text, FQ_STR("id")))
            shown.id = nodes[value].text;
        else if (fq_str_equal(text, FQ_STR("status")))
            shown.status = nodes[value].text;
        else if (fq_str_equal(text, FQ_STR("attempt")))
            shown.attempt = nodes[value].integer;
        else if (fq_str_equal(text, FQ_STR("result"))) {
            shown.result = nodes[value].text;
            shown.has_result = true;
        }
        key = nodes[value].next;
    }
    return shown;
}

static void check_result(sim_model *model, const struct model_task *task, const struct shown *shown) {
    if (!shown->has_result || task->body.result_hash == 0)
        return;
    CHECK(model, S7,
          shown->result.len == task->body.result_len &&
              fq_hash_str(shown->result, 0) == task->body.result_hash,
          "the result of task %s is not the one that was accepted", model_id(task));
}

void check_task_map(sim_model *model, const struct fq_resp_node *nodes, uint32_t at, uint64_t since,
                    const fq_uuid *expected) {
    struct shown shown = read_map(nodes, at);
    fq_uuid id;
    enum fq_task_state state;
    bool shaped = fq_uuid_parse(shown.id, &id) == 0 && fq_task_state_parse(shown.status, &state) == 0;
    if (!CHECK(model, S32, shaped && (expected == NULL || fq_uuid_equal(&id, expected)),
               "an answer shows another task than was asked for"))
        return;
    struct model_task *task = model_task_find(model, &id);
    const struct moment *moment = NULL;
    if (!CHECK(model, S24, task != NULL && model_was(task, state, since, &moment),
               "task %.*s is shown as %s, which it was at no moment since it was asked for",
               FQ_STR_ARGS(shown.id), fq_task_state_name(state)))
        return;
    if (moment != NULL) {
        model_observed(model, moment->seq, "the state of a task");
        if (task->body.state != MODEL_GONE && moment->number > since)
            CHECK(model, S8, shown.attempt <= (int64_t)model_most_attempts(task),
                  "task %s is shown with attempt %lld", model_id(task), (long long)shown.attempt);
    }
    if (state == FQ_TASK_SUCCESS)
        check_result(model, task, &shown);
}

static void check_read(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    if (asked->task == NULL)
        return;
    if (nodes[0].type == FQ_RESP_NIL) {
        const struct moment *moment;
        bool unknown = asked->task->past_kept == 0 || asked->task->body.state == MODEL_NONE ||
                       (asked->task->past_lost ? false
                                               : asked->task->past[0].type == FQ_EVENT_SUBMITTED &&
                                                     asked->task->past[0].number > asked->moment);
        CHECK(model, S1, unknown || model_was(asked->task, MODEL_NONE, asked->moment, &moment),
              "task %s is said to be unknown", model_id(asked->task));
        return;
    }
    if (is_shape(model, nodes[0].type == FQ_RESP_MAP || nodes[0].type == FQ_RESP_ARRAY, asked))
        check_task_map(model, nodes, 0, asked->moment, &asked->task->id);
}

static void check_list(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    if (!is_shape(model, nodes[0].type == FQ_RESP_ARRAY && nodes[0].child_count == 2, asked))
        return;
    uint32_t rows = nodes[1].next, row = rows + 1;
    for (uint32_t i = 0; i < nodes[rows].child_count; i++, row = nodes[row].next)
        check_task_map(model, nodes, row, asked->moment, NULL);
}

// --- submits ------------------------------------------------------------------------------------------------------------------
static void check_submitted(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    fq_uuid id;
    if (!is_shape(model, fq_uuid_parse(nodes[0].text, &id) == 0, asked))
        return;
    struct model_task *task = model_task_find(model, &id);
    if (!CHECK(model, S1, task != NULL && (task->body.state != MODEL_NONE || task->past_kept > 0),
               "a submit is acknowledged and no event made task %.*s", FQ_STR_ARGS(nodes[0].text)))
        return;
    model->stats.acknowledged++;
    model_observed(model, task->body.submit_seq, "a submit");
    bool by_key = asked->unique != 0 && task->body.unique == asked->unique;
    if (asked->task == task || (asked->task == NULL && !by_key)) {
        uint64_t body = asked->task != NULL ? task->body.body : task->body.payload_hash;
        CHECK(model, S16, body == asked->body, "a submit of task %s with another body is accepted",
              model_id(task));
        return;
    }
    CHECK(model, S15, by_key, "a submit is answered by the id of task %s, which has not its unique key",
          model_id(task));
    bool lost;
    const struct moment *end =
        model_past_find(task,
                        model_bit(FQ_EVENT_COMPLETED) | model_bit(FQ_EVENT_FAILED) |
                            model_bit(FQ_EVENT_CANCELLED) | model_bit(FQ_EVENT_EXPIRED),
                        0, &lost);
    CHECK(model, S15, model_is_live(task) || lost || (end != NULL && end->number > asked->moment),
          "a submit is answered by the id of task %s, which had ended before", model_id(task));
}

static void check_cancelled(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    struct model_task *task = asked->task;
    if (!is_shape(model, nodes[0].type == FQ_RESP_INTEGER, asked) || task == NULL)
        return;
    bool lost = task->past_lost;
    const struct moment *moment =
        model_past_first(task, model_bit(FQ_EVENT_CANCELLED) | model_bit(FQ_EVENT_CANCEL_REQUESTED), 0);
    if (nodes[0].integer == 1) {
        CHECK(model, S14, moment != NULL || lost, "the cancel of task %s is acknowledged and did not happen",
              model_id(task));
        if (moment != NULL)
            model_observed(model, moment->seq, "a cancel");
        return;
    }
    // Too late: it had ended, or ended meanwhile; a requeue may have woken it since.
    bool ended =
        !model_is_live(task) || lost || model_past_find(task, model_bit(FQ_EVENT_REQUEUED), 0, &lost) != NULL;
    CHECK(model, S14, ended, "it is said to be too late to cancel task %s, which has not ended",
          model_id(task));
}

// --- administrators -----------------------------------------------------------------------------------------------------------
static void check_pause(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    if (!is_shape(model, nodes[0].type == FQ_RESP_INTEGER, asked))
        return;
    bool paused =
        asked->name == MODEL_NAMES_MAX ? model->all_paused : (model->paused >> asked->name & 1) != 0;
    bool moved = model->pause_moment[asked->name] > asked->moment ||
                 model->pause_moment[MODEL_NAMES_MAX] > asked->moment;
    for (unsigned i = 0; i < SIM_NAMES_MAX && asked->name == MODEL_NAMES_MAX; i++) // a name was paused since
        moved = moved || model->pause_moment[i] > asked->moment;
    if (asked->verb == SIM_RESUME && asked->name == MODEL_NAMES_MAX)
        paused = paused || (model->paused != 0 && !moved);
    CHECK(model, S19, moved || paused == (asked->verb == SIM_PAUSE),
          "a pause or resume is acknowledged and did not happen");
}

static void check_dead(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    if (!is_shape(model, nodes[0].type == FQ_RESP_INTEGER, asked))
        return;
    if (asked->task == NULL || nodes[0].integer != 1)
        return;
    bool lost = asked->task->past_lost;
    enum fq_event_type type = asked->verb == SIM_DEAD_REQUEUE ? FQ_EVENT_REQUEUED : FQ_EVENT_PURGED;
    const struct moment *moment = model_past_first(asked->task, model_bit(type), asked->moment);
    CHECK(model, S2, moment != NULL || lost, "event %d of task %s is acknowledged and did not happen", type,
          model_id(asked->task));
    if (moment != NULL)
        model_observed(model, moment->seq, "an administrator's doing");
}

static const struct {
    const char *key;
    enum fq_event_type type;
} counters[] = {
    {"submitted", FQ_EVENT_SUBMITTED     },
    {"granted",   FQ_EVENT_GRANTED       },
    {"completed", FQ_EVENT_COMPLETED     },
    {"failed",    FQ_EVENT_FAILED        },
    {"retried",   FQ_EVENT_RETRIED       },
    {"returned",  FQ_EVENT_RETURNED      },
    {"cancelled", FQ_EVENT_CANCELLED     },
    {"expired",   FQ_EVENT_EXPIRED       },
    {"evicted",   FQ_EVENT_RESULT_EVICTED},
};

void check_stats(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    check_secrets(model, nodes);
    if (nodes[0].type != FQ_RESP_MAP && nodes[0].type != FQ_RESP_ARRAY)
        return;
    if (asked->boot != model->boot)
        return; // the counters of another life, which may have gone further than this one remembers
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        const struct fq_resp_node *node = fq_resp_map_get(nodes, 0, fq_str_of(counters[i].key));
        if (node == NULL)
            return; // another view
        uint64_t value = (uint64_t)node->integer;
        CHECK(model, S27,
              value >= asked->totals[counters[i].type] && value <= model->totals[counters[i].type],
              "FQ.STATS shows %s = %llu, between %llu and %llu", counters[i].key, (unsigned long long)value,
              (unsigned long long)asked->totals[counters[i].type],
              (unsigned long long)model->totals[counters[i].type]);
    }
}

// --- all ------------------------------------------------------------------------------------------------------------------------
static void check_by_verb(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    switch ((enum sim_verb)asked->verb) {
    case SIM_SUBMIT: check_submitted(model, asked, nodes); break;
    case SIM_RESULT: check_read(model, asked, nodes); break;
    case SIM_CANCEL: check_cancelled(model, asked, nodes); break;
    case SIM_FETCH: check_hand_out(model, asked, nodes); break;
    case SIM_HEARTBEAT: check_beats(model, asked, nodes); break;
    case SIM_COMPLETE:
    case SIM_FAIL:
    case SIM_RELEASE: check_report(model, asked, nodes); break;
    case SIM_PAUSE:
    case SIM_RESUME: check_pause(model, asked, nodes); break;
    case SIM_DEAD_REQUEUE:
    case SIM_DEAD_PURGE: check_dead(model, asked, nodes); break;
    case SIM_LIST: check_list(model, asked, nodes); break;
    case SIM_STATS: check_stats(model, asked, nodes); break;
    case SIM_WATCH: is_shape(model, nodes[0].type == FQ_RESP_ARRAY, asked); break;
    case SIM_REGISTER:
        is_shape(model, nodes[0].type == FQ_RESP_MAP || nodes[0].type == FQ_RESP_ARRAY, asked);
        break;
    case SIM_UNREGISTER: is_shape(model, nodes[0].type == FQ_RESP_STATUS, asked); break;
    case SIM_OTHER: break;
    }
}

void check_answer(sim_model *model, struct asked *asked, const struct fq_resp_node *nodes) {
    bool is_error = nodes[0].type == FQ_RESP_ERROR;
    if (asked->must_fail) {
        if (asked->lacks_role)
            CHECK(model, S31, is_error, "request kind %d is executed without its role", asked->verb);
        else
            CHECK(model, S33, is_error, "a malformed or oversized request of kind %d is executed",
                  asked->verb);
    }
    if (is_error)
        check_error(model, asked, nodes);
    else if (!is_bygone(model, asked) && !asked->must_fail)
        check_by_verb(model, asked, nodes);
}

void sim_model_pushed(sim_model *model, uint32_t actor, const struct fq_resp_node *nodes) {
    if (sim_world_failed(model->world))
        return;
    bool named = nodes[0].child_count >= 1 && nodes[1].type == FQ_RESP_STRING;
    if (!CHECK(model, S32, nodes[0].type == FQ_RESP_PUSH && named, "actor %u gets a push of no kind", actor))
        return;
    fq_uuid id;
    if (fq_str_equal(nodes[1].text, FQ_STR("fq.drain")) || nodes[0].child_count != 3 ||
        fq_uuid_parse(nodes[2].text, &id) < 0)
        return;
    struct model_task *task = model_task_find(model, &id);
    bool lost = true;
    if (fq_str_equal(nodes[1].text, FQ_STR("fq.result")) && !model->lossy) {
        check_task_map(model, nodes, nodes[2].next, 0, &id);
    } else if (fq_str_equal(nodes[1].text, FQ_STR("fq.cancel")) && task != NULL && !model->lossy) {
        const struct moment *moment = model_past_find(task, model_bit(FQ_EVENT_CANCEL_REQUESTED), 0, &lost);
        CHECK(model, S14, moment != NULL || lost, "a worker is told to cancel task %s, and nobody asked",
              model_id(task));
        if (moment != NULL)
            model_observed(model, moment->seq, "a cancel that was pushed");
    }
}

void sim_model_cut_off(sim_model *model, uint32_t actor) {
    (void)actor;
    sim_world_count(model->world, "peers cut off", 1);
}
