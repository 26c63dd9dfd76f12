// SPDX-License-Identifier: Apache-2.0
// What workers say of themselves and of what they hold: REGISTER, UNREGISTER, HEARTBEAT, RELEASE.
#include "server/arguments.h"
#include "server/commit.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <stdlib.h>

enum { SLOTS_MAX = 100000, META_BYTES_MAX = 4096 };

// --- REGISTER, UNREGISTER -----------------------------------------------------------------------------------------------
enum { REGISTER_INSTANCE, REGISTER_TASKS, REGISTER_SLOTS, REGISTER_META, REGISTER_WORDS };
static const struct fq_option_word register_words[] = {
    {{"INSTANCE", 8}, true },
    {{"TASKS", 5},    false},
    {{"SLOTS", 5},    true },
    {{"META", 4},     false}
};

// "k=v k=v" of the pairs that end the request.
static int read_meta(struct fq_call *call, size_t at, fq_str *ret_meta) {
    fq_buf *text = &call->core->scratch;
    fq_buf_clear(text);
    if ((call->arg_count - at) % 2 != 0)
        return fq_call_refuse(call, FQ_ESYNTAX,
                              "META takes pairs of key and value to the end of the command");
    int rc = 0;
    for (size_t i = at; i + 1 < call->arg_count && rc == 0; i += 2) {
        if (i > at)
            rc = fq_buf_append_byte(text, ' ');
        if (rc == 0)
            rc = fq_buf_append_str(text, call->args[i]);
        if (rc == 0)
            rc = fq_buf_append_byte(text, '=');
        if (rc == 0)
            rc = fq_buf_append_str(text, call->args[i + 1]);
    }
    if (rc == 0 && fq_buf_len(text) > META_BYTES_MAX)
        return fq_call_refuse(call, FQ_ETOOBIG, "META has more than %d bytes", META_BYTES_MAX);
    *ret_meta = fq_buf_str(text);
    return rc;
}

static int read_register(struct fq_call *call, struct fq_command *command) {
    command->worker_register.worker = call->args[1];
    command->worker_register.slots = 1;
    int rc = fq_take_name(call, "worker-id", call->args[1]);
    for (size_t at = 2; at < call->arg_count && rc == 0;) {
        fq_str value;
        int64_t slots = 1;
        rc = fq_take_option(call, register_words, REGISTER_WORDS, &at, &value);
        if (rc < 0)
            return rc;
        switch (rc) {
        case REGISTER_INSTANCE:
            command->worker_register.instance = value;
            rc = fq_take_name(call, "INSTANCE", value);
            break;
        case REGISTER_TASKS:
            command->worker_register.names = &call->args[at];
            command->worker_register.name_count = fq_list_length(call, register_words, REGISTER_WORDS, at);
            at += command->worker_register.name_count;
            rc = 0;
            break;
        case REGISTER_SLOTS:
            rc = fq_take_integer(call, "SLOTS", value, 1, SLOTS_MAX, &slots);
            command->worker_register.slots = (uint32_t)slots;
            break;
        default: rc = read_meta(call, at, &command->worker_register.meta); at = call->arg_count;
        }
    }
    for (size_t i = 0; i < command->worker_register.name_count && rc == 0; i++)
        rc = fq_take_name(call, "TASKS", command->worker_register.names[i]);
    if (rc == 0 && command->worker_register.name_count == 0)
        return fq_call_refuse(call, FQ_ESYNTAX, "TASKS is missing: FQ.REGISTER %s", call->row->syntax);
    return rc;
}

int fq_command_register(struct fq_call *call) {
    fq_core *core = call->core;
    struct fq_command command = {.type = FQ_COMMAND_REGISTER};
    int rc = read_register(call, &command);
    if (rc < 0)
        return rc;
    if (core->draining)
        return FQ_EDRAINING;
    if (!fq_presence_may_join(core, call->connection, call->args[1]))
        return fq_call_refuse(call, FQ_EBUSY,
                              "this connection registered %d workers, the limit; use another connection",
                              FQ_MEMBERSHIPS_MAX);
    rc = fq_commit_call(call, &command);
    if (rc < 0)
        return rc;
    rc = fq_presence_join(core, call->connection, call->args[1], command.worker_register.instance);
    if (rc < 0)
        return rc;
    fq_parked_rename(core, call->args[1]);
    int64_t lease_ms = core->options->engine.lease_ms;
    fq_resp_write_map(call->reply, 4);
    fq_reply_key_integer(call->reply, "lease_ms", lease_ms);
    fq_reply_key_integer(call->reply, "heartbeat_ms", lease_ms / 3 > 0 ? lease_ms / 3 : 1);
    fq_reply_key_text(call->reply, "server", fq_str_of(core->server_id));
    fq_reply_key_integer(call->reply, "epoch", core->boot_epoch);
    return 0;
}

int fq_command_unregister(struct fq_call *call) {
    struct fq_command command = {.type = FQ_COMMAND_UNREGISTER};
    command.worker.worker = call->args[1];
    int rc = fq_take_name(call, "worker-id", call->args[1]);
    if (rc == 0 && call->arg_count > 2) {
        size_t at = 2;
        rc = fq_take_option(call, register_words, 1, &at, &command.worker.instance);
    }
    if (rc == 0)
        rc = fq_commit_call(call, &command);
    if (rc < 0)
        return rc;
    fq_presence_forget(call->core, call->args[1]);
    fq_resp_write_status(call->reply, "OK");
    return 0;
}

// --- HEARTBEAT, RELEASE -----------------------------------------------------------------------------------------------
// "held", "running" or "running@<unix-ms>".
static int read_state(struct fq_call *call, fq_str text, struct fq_heartbeat *beat) {
    fq_str word = text;
    const char *at = memchr(text.ptr, '@', text.len);
    if (at != NULL)
        word.len = (size_t)(at - text.ptr);
    beat->started_us = 0;
    if (fq_str_equal_nocase(word, FQ_STR("held")) && at == NULL) {
        beat->state = FQ_REPORT_HELD;
        return 0;
    }
    if (!fq_str_equal_nocase(word, FQ_STR("running")))
        return fq_call_refuse(call, FQ_EINVALID, "state: held, running or running@unix-ms");
    beat->state = FQ_REPORT_RUNNING;
    if (at == NULL)
        return 0;
    int64_t started_ms = 0;
    fq_str digits = {at + 1, text.len - word.len - 1};
    int rc = fq_take_integer(call, "state running@", digits, 0, INT64_MAX / FQ_US_PER_MS, &started_ms);
    beat->started_us = started_ms * FQ_US_PER_MS;
    return rc;
}

static void reply_verdicts(struct fq_call *call, size_t count) {
    static const char *const words[] = {"ok", "cancel", "stale", "drain"};
    fq_resp_write_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        fq_resp_write_text(call->reply, words[fq_decision_verdict(call->core->decision, i)]);
}

int fq_command_heartbeat(struct fq_call *call) {
    size_t count = (call->arg_count - 1) / 3;
    if ((call->arg_count - 1) % 3 != 0)
        return fq_call_refuse(call, FQ_EARITY, "FQ.HEARTBEAT takes triples of id, token and state");
    struct fq_heartbeat few[32];
    struct fq_heartbeat *beats = few;
    if (count > 32 && (beats = malloc(count * sizeof *beats)) == NULL)
        return FQ_ENOMEM;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = fq_take_uuid(call, call->args[1 + i * 3], &beats[i].id);
        if (rc == 0)
            rc = fq_take_token(call, call->args[2 + i * 3], &beats[i].token);
        if (rc == 0)
            rc = read_state(call, call->args[3 + i * 3], &beats[i]);
    }
    if (rc == 0) {
        struct fq_command command = {.type = FQ_COMMAND_HEARTBEAT};
        command.heartbeat.worker = fq_presence_worker_of(call->connection);
        command.heartbeat.beats = beats;
        command.heartbeat.beat_count = count;
        rc = fq_commit_call(call, &command);
    }
    if (rc == 0)
        reply_verdicts(call, count);
    if (beats != few)
        free(beats);
    return rc;
}

int fq_command_release(struct fq_call *call) {
    size_t count = (call->arg_count - 1) / 2;
    if ((call->arg_count - 1) % 2 != 0)
        return fq_call_refuse(call, FQ_EARITY, "FQ.RELEASE takes pairs of id and token");
    int64_t released = 0;
    for (size_t i = 0; i < count; i++) { // all are read before the first is given back
        fq_uuid id;
        uint64_t token;
        int rc = fq_take_uuid(call, call->args[1 + i * 2], &id);
        if (rc == 0)
            rc = fq_take_token(call, call->args[2 + i * 2], &token);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < count; i++) {
        struct fq_command command = {.type = FQ_COMMAND_RELEASE};
        int rc = fq_take_uuid(call, call->args[1 + i * 2], &command.release.id);
        if (rc == 0)
            rc = fq_take_token(call, call->args[2 + i * 2], &command.release.token);
        if (rc == 0)
            rc = fq_commit_call(call, &command);
        if (rc == 0)
            released++;
        else if (count == 1 || (rc != FQ_ESTALELEASE && rc != FQ_EUNKNOWNTASK && rc != FQ_EBADSTATE))
            return rc;
    }
    fq_resp_write_integer(call->reply, released);
    return 0;
}
