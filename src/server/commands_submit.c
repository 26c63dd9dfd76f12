// SPDX-License-Identifier: Apache-2.0
// What submitters say: SUBMIT and CANCEL.
#include "server/arguments.h"
#include "server/commit.h"
#include "server/core_state.h"
#include "server/reply.h"
#include "server/shards.h"

enum {
    SUBMIT_ID,
    SUBMIT_PRIORITY,
    SUBMIT_DELAY,
    SUBMIT_AT,
    SUBMIT_EXPIRES,
    SUBMIT_TIMEOUT,
    SUBMIT_RETRIES,
    SUBMIT_BACKOFF,
    SUBMIT_UNIQUE,
    SUBMIT_RESULT_TTL,
    SUBMIT_ENCODING,
    SUBMIT_TRACEPARENT,
    SUBMIT_TRACESTATE,
    SUBMIT_BAGGAGE,
    SUBMIT_WORDS
};
static const struct fq_option_word submit_words[] = {
    {{"ID", 2},           true},
    {{"PRIORITY", 8},     true},
    {{"DELAY", 5},        true},
    {{"AT", 2},           true},
    {{"EXPIRES", 7},      true},
    {{"TIMEOUT", 7},      true},
    {{"RETRIES", 7},      true},
    {{"BACKOFF", 7},      true},
    {{"UNIQUE", 6},       true},
    {{"RESULT-TTL", 10},  true},
    {{"ENCODING", 8},     true},
    {{"TRACEPARENT", 11}, true},
    {{"TRACESTATE", 10},  true},
    {{"BAGGAGE", 7},      true}
};

static const int64_t DURATION_MS_MAX = 100LL * 366 * 86400 * 1000; // a century
static const int64_t WALL_MS_MAX = 253402300799999;                // the year 9999

// Options that are numbers.
static int read_number(struct fq_call *call, int word, fq_str value, struct fq_submit *submit) {
    int64_t number = 0;
    int rc;
    switch (word) {
    case SUBMIT_DELAY: return fq_take_integer(call, "DELAY", value, 0, DURATION_MS_MAX, &submit->delay_ms);
    case SUBMIT_AT:
        rc = fq_take_integer(call, "AT", value, 1, WALL_MS_MAX, &number);
        submit->at_us = number * FQ_US_PER_MS;
        return rc;
    case SUBMIT_EXPIRES:
        return fq_take_integer(call, "EXPIRES", value, 1, DURATION_MS_MAX, &submit->expires_ms);
    case SUBMIT_TIMEOUT:
        return fq_take_integer(call, "TIMEOUT", value, 1, DURATION_MS_MAX, &submit->timeout_ms);
    case SUBMIT_RETRIES:
        rc = fq_take_integer(call, "RETRIES", value, 0, call->core->options->engine.attempt_max, &number);
        submit->retries = (uint32_t)number;
        return rc;
    case SUBMIT_BACKOFF:
        return fq_take_integer(call, "BACKOFF", value, 0, DURATION_MS_MAX, &submit->backoff_ms);
    default: return fq_take_integer(call, "RESULT-TTL", value, 0, DURATION_MS_MAX, &submit->result_ttl_ms);
    }
}

// The nil UUID stands for "no task" in events and in many a program that forgot to make an id.
static int read_id(struct fq_call *call, fq_str value, fq_uuid *ret_id) {
    static const fq_uuid nil;
    int rc = fq_take_uuid(call, value, ret_id);
    if (rc == 0 && fq_uuid_equal(ret_id, &nil))
        return fq_call_refuse(call, FQ_EINVALID,
                              "ID: the nil UUID is no task's id; leave ID out or make one");
    return rc;
}

static int read_option(struct fq_call *call, int word, fq_str value, struct fq_submit *submit) {
    switch (word) {
    case SUBMIT_ID: return read_id(call, value, &submit->id);
    case SUBMIT_PRIORITY: return fq_take_priority(call, value, &submit->priority);
    case SUBMIT_UNIQUE: submit->options.unique = value; return fq_take_name(call, "UNIQUE", value);
    case SUBMIT_ENCODING:
        submit->options.encoding = fq_str_equal(value, FQ_STR("json")) ? FQ_STR("") : value;
        return fq_take_encoding(call, value);
    case SUBMIT_TRACEPARENT: submit->options.traceparent = fq_take_header(call, value, 128); return 0;
    case SUBMIT_TRACESTATE: submit->options.tracestate = fq_take_header(call, value, 1024); return 0;
    case SUBMIT_BAGGAGE: submit->options.baggage = fq_take_header(call, value, 8192); return 0;
    default: return read_number(call, word, value, submit);
    }
}

// With shards it ends with this one's number, as a hint where to ask for the task.
static fq_uuid make_id(const fq_core *core, int64_t unix_ms) {
    fq_uuid id = fq_uuid_v7(unix_ms, core->id_dice[0], core->id_dice[1]);
    if (core->shards != NULL)
        id.bytes[sizeof id.bytes - 1] = (unsigned char)core->shard;
    return id;
}

// The dice of an id are thrown one submit ahead. So the place of the next task is known while its request is still read, and the
// memory comes meanwhile; the time in the id is most often the same.
static fq_uuid next_id(fq_core *core, int64_t unix_ms) {
    fq_uuid id = make_id(core, unix_ms);
    core->id_dice[0] = fq_random_next(&core->random);
    core->id_dice[1] = fq_random_next(&core->random);
    fq_uuid following = make_id(core, unix_ms);
    fq_engine_expect(core->engine, &following);
    return id;
}

static int read_submit(struct fq_call *call, struct fq_submit *submit) {
    uint32_t seen = 0;
    int rc = fq_take_name(call, "name", submit->name);
    for (size_t at = 3; at < call->arg_count && rc == 0;) {
        fq_str value;
        int word = fq_take_option(call, submit_words, SUBMIT_WORDS, &at, &value);
        if (word < 0)
            return word;
        seen |= 1u << word;
        rc = read_option(call, word, value, submit);
    }
    if (rc < 0)
        return rc;
    if ((seen & 1u << SUBMIT_DELAY) != 0 && (seen & 1u << SUBMIT_AT) != 0)
        return fq_call_refuse(call, FQ_ESYNTAX, "DELAY and AT exclude each other");
    if (submit->payload.len > call->core->options->payload_bytes_max)
        return fq_call_refuse(call, FQ_ETOOBIG, "the payload has %zu bytes; at most %llu are taken",
                              submit->payload.len,
                              (unsigned long long)call->core->options->payload_bytes_max);
    if ((seen & 1u << SUBMIT_ID) == 0)
        submit->id = next_id(call->core, call->now.wall_us / FQ_US_PER_MS);
    return 0;
}

static int refuse_full(struct fq_call *call) {
    const struct fq_storage_space *space = &call->core->space;
    if (space->submits_blocked && space->blocked_why != NULL)
        return fq_call_refuse(call, FQ_EFULL, "%s; nothing that was acknowledged is lost: try again",
                              space->blocked_why);
    if (space->submits_blocked && space->free_bytes >= space->low_water_bytes + space->low_water_bytes / 5)
        return fq_call_refuse(
            call, FQ_EFULL,
            "the journal's next file cannot be made, the server's log says why; completions "
            "are still accepted: try again");
    if (space->submits_blocked)
        return fq_call_refuse(
            call, FQ_EFULL,
            "journal space is low (free %llu MiB, low water %llu MiB); completions are still accepted: "
            "free disk space",
            (unsigned long long)(space->free_bytes >> 20),
            (unsigned long long)(space->low_water_bytes >> 20));
    return fq_call_refuse(
        call, FQ_EFULL,
        "the journal's room is needed to finish the tasks already accepted; completions are still "
        "accepted: free disk space");
}

static int commit_submit(struct fq_call *call, struct fq_command *command) {
    const struct fq_core_telemetry *telemetry = &call->core->telemetry;
    if (telemetry->submitting == NULL)
        return fq_commit_call(call, command);
    telemetry->submitting(telemetry->context, &command->submit);
    int rc = fq_commit_call(call, command);
    bool is_new = rc == 0 && !fq_decision_is_repeat(call->core->decision);
    telemetry->submitted(telemetry->context, &command->submit.id, rc, is_new);
    return rc;
}

int fq_command_submit(struct fq_call *call) {
    fq_core *core = call->core;
    struct fq_command command;
    command.type = FQ_COMMAND_SUBMIT;
    command.one = false;
    command.submit = (struct fq_submit){
        .name = call->args[1], .payload = call->args[2], .priority = FQ_PRIORITY_NORMAL, .result_ttl_ms = -1};
    int rc = read_submit(call, &command.submit);
    if (rc < 0)
        return rc;
    rc = fq_shard_check(call, fq_shard_key(command.submit.name, command.submit.options.unique));
    if (rc < 0)
        return rc;
    if (core->draining)
        return fq_call_refuse(call, FQ_EDRAINING,
                              "the server is shutting down; submit again when it is back");
    if (core->submits_blocked)
        return refuse_full(call);
    rc = commit_submit(call, &command);
    if (rc < 0)
        return rc;
    fq_uuid id = fq_decision_task_id(core->decision);
    fq_reply_uuid(call->reply, &id);
    return 0;
}

int fq_command_cancel(struct fq_call *call) {
    struct fq_command command = {.type = FQ_COMMAND_CANCEL};
    int rc = fq_take_uuid(call, call->args[1], &command.cancel.id);
    if (rc < 0)
        return rc;
    rc = fq_commit_command(call->core, &command, call->now);
    if (rc == FQ_ENOTCANCELLABLE || rc == FQ_EBADSTATE) {
        fq_resp_write_integer(call->reply, 0);
        return 0;
    }
    if (rc < 0)
        return fq_call_refuse(call, rc, "%s", call->core->reason);
    fq_resp_write_integer(call->reply, fq_decision_touched(call->core->decision) > 0 ? 1 : 0);
    return 0;
}
