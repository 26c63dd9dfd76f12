// SPDX-License-Identifier: Apache-2.0
// What workers say: REGISTER, UNREGISTER, FETCH, COMPLETE, FAIL, HEARTBEAT, RELEASE.
#include "server/commands_worker.h"

#include "server/arguments.h"
#include "server/commit.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    GRANT_EXTRA = 32768,
    GRANT_TEXT_KEPT = 1 << 20,
    SLOTS_MAX = 100000,
    META_BYTES_MAX = 4096,
    BLOCK_MS_MAX = 3600000
};

static int commit(struct fq_call *call, struct fq_command *command) {
    int rc = fq_commit_command(call->core, command, call->now);
    return rc < 0 ? fq_call_refuse(call, rc, "%s", call->core->reason) : 0;
}

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
    rc = commit(call, &command);
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
        rc = commit(call, &command);
    if (rc < 0)
        return rc;
    fq_presence_forget(call->core, call->args[1]);
    fq_resp_write_status(call->reply, "OK");
    return 0;
}

// --- FETCH --------------------------------------------------------------------------------------------------------------
struct fetch {
    fq_str worker;
    const fq_str *names;
    size_t name_count;
    int64_t count, block_ms;
};
enum { FETCH_WORKER, FETCH_TASKS, FETCH_COUNT, FETCH_BLOCK, FETCH_WORDS };
static const struct fq_option_word fetch_words[] = {
    {{"WORKER", 6}, true },
    {{"TASKS", 5},  false},
    {{"COUNT", 5},  true },
    {{"BLOCK", 5},  true }
};

static int read_fetch(struct fq_call *call, struct fetch *fetch) {
    int rc = 0;
    for (size_t at = 1; at < call->arg_count && rc == 0;) {
        fq_str value;
        rc = fq_take_option(call, fetch_words, FETCH_WORDS, &at, &value);
        if (rc < 0)
            return rc;
        switch (rc) {
        case FETCH_WORKER:
            fetch->worker = value;
            rc = fq_take_name(call, "WORKER", value);
            break;
        case FETCH_TASKS:
            fetch->names = &call->args[at];
            fetch->name_count = fq_list_length(call, fetch_words, FETCH_WORDS, at);
            at += fetch->name_count;
            rc = fetch->name_count > 0 ? 0 : fq_call_refuse(call, FQ_ESYNTAX, "TASKS names no task");
            break;
        case FETCH_COUNT:
            rc = fq_take_integer(call, "COUNT", value, 1, FQ_FETCH_COUNT_MAX, &fetch->count);
            break;
        default: rc = fq_take_integer(call, "BLOCK", value, 0, BLOCK_MS_MAX, &fetch->block_ms);
        }
    }
    for (size_t i = 0; i < fetch->name_count && rc == 0; i++)
        rc = fq_take_name(call, "TASKS", fetch->names[i]);
    return rc;
}

// One decision for `count` tasks; what it leases is written to core->grant_text as it is applied.
static int grant_chunk(fq_core *core, struct fq_command *command, uint32_t count, struct fq_now now) {
    command->fetch.count = count;
    core->is_granting = true;
    int rc = fq_commit_command(core, command, now);
    core->is_granting = false;
    return rc;
}

int fq_fetch_grant(fq_core *core, fq_connection *connection, fq_str worker, const fq_str *names,
                   size_t name_count, uint32_t count, struct fq_now now) {
    struct fq_command command = {.type = FQ_COMMAND_FETCH};
    command.fetch.worker = worker;
    command.fetch.names = names;
    command.fetch.name_count = name_count;
    core->grant_count = 0;
    fq_buf_clear(&core->grant_text);
    core->grant_writer =
        (struct fq_resp_writer){.out = &core->grant_text, .protocol = connection->reply.protocol};
    uint64_t most = core->options->payload_bytes_max + GRANT_EXTRA; // one task at its largest
    uint64_t room = core->options->output_bytes_max - fq_buf_len(&connection->output);
    bool is_more = true;
    while (is_more && core->grant_count < count) {
        uint64_t used = fq_buf_len(&core->grant_text);
        uint64_t fitting = used < room ? (room - used) / most : 0;
        size_t before = core->grant_count;
        if (fitting == 0 && before > 0)
            break;
        uint64_t chunk = fitting > 0 ? fitting : 1; // one is tried even where the largest would not fit
        if (chunk > count - before)
            chunk = count - before;
        int rc = grant_chunk(core, &command, (uint32_t)chunk, now);
        if (rc < 0)
            return before > 0 ? (int)before : rc;
        is_more = fitting > 0 && core->grant_count - before == chunk;
    }
    return (int)core->grant_count;
}

void fq_fetch_reply(fq_core *core, fq_connection *connection) {
    struct fq_resp_writer *writer = fq_connection_writer(connection);
    fq_resp_write_array(writer, core->grant_count);
    fq_resp_write_raw(writer, fq_buf_str(&core->grant_text));
    if (core->grant_writer.failed < 0) // then the connection is cut, and its leases end by time
        writer->failed = core->grant_writer.failed;
    fq_connection_touch(connection);
    fq_connection_replied(connection);
    if (core->grant_text.capacity > GRANT_TEXT_KEPT)
        fq_buf_done(&core->grant_text);
}

int fq_command_fetch(struct fq_call *call) {
    fq_core *core = call->core;
    struct fetch fetch = {.count = 1};
    char made_up[32];
    int rc = read_fetch(call, &fetch);
    if (rc < 0)
        return rc;
    // Names without a worker: the fetch stands for itself, whatever connection of a client's pool it came by.
    if (fetch.worker.len == 0 && fetch.name_count == 0)
        fetch.worker = fq_presence_worker_of(call->connection);
    if (fetch.worker.len == 0) {
        if (fetch.name_count == 0)
            return fq_call_refuse(call, FQ_ESYNTAX,
                                  "FQ.FETCH needs TASKS name..., or a worker that was registered");
        fetch.worker = (fq_str){made_up, (size_t)snprintf(made_up, sizeof made_up, "connection-%llu",
                                                          (unsigned long long)call->connection->id)};
    }
    rc = fq_fetch_grant(core, call->connection, fetch.worker, fetch.names, fetch.name_count,
                        (uint32_t)fetch.count, call->now);
    if (rc < 0)
        return fq_call_refuse(call, rc, "%s", core->reason);
    if (rc == 0 && fetch.block_ms > 0 && !core->draining) {
        int64_t until_us = fq_time_add(call->now.boot_us, fetch.block_ms * FQ_US_PER_MS);
        rc = fq_parked_add(core, call->connection, fetch.worker, fetch.names, fetch.name_count,
                           (uint32_t)fetch.count, until_us);
        if (rc == 0 && fq_decision_is_partial(core->decision))
            fq_parked_mark_wait(core, call->connection);
        return rc < 0 ? rc : FQ_CALL_BLOCKED;
    }
    fq_fetch_reply(core, call->connection);
    return FQ_CALL_BLOCKED; // the reply is counted already
}

// --- COMPLETE, FAIL -------------------------------------------------------------------------------------------------------
enum { REPORT_STARTED, REPORT_RUN, REPORT_TRACEPARENT, REPORT_SPECIAL };
struct report {
    int64_t started_us, run_us;
    fq_str traceparent;
};

// The options that COMPLETE and FAIL share.
static int read_report(struct fq_call *call, int word, fq_str value, struct report *report) {
    int64_t number = 0;
    int rc;
    switch (word) {
    case REPORT_STARTED:
        rc = fq_take_integer(call, "STARTED", value, 0, INT64_MAX / FQ_US_PER_MS, &number);
        report->started_us = number * FQ_US_PER_MS;
        return rc;
    case REPORT_RUN: return fq_take_integer(call, "RUN", value, 0, INT64_MAX / 4, &report->run_us);
    default: report->traceparent = value; return fq_take_header(call, "TRACEPARENT", value, 128);
    }
}

static const struct fq_option_word complete_words[] = {
    {{"STARTED", 7},      true},
    {{"RUN", 3},          true},
    {{"TRACEPARENT", 11}, true},
    {{"ENCODING", 8},     true}
};

int fq_command_complete(struct fq_call *call) {
    fq_core *core = call->core;
    struct fq_command command = {.type = FQ_COMMAND_COMPLETE};
    struct report report = {.run_us = -1};
    command.complete.result = call->args[3];
    int rc = fq_take_uuid(call, call->args[1], &command.complete.id);
    if (rc == 0)
        rc = fq_take_token(call, call->args[2], &command.complete.token);
    for (size_t at = 4; at < call->arg_count && rc == 0;) {
        fq_str value;
        rc = fq_take_option(call, complete_words, 4, &at, &value);
        if (rc == REPORT_SPECIAL) {
            command.complete.encoding = value;
            rc = fq_take_encoding(call, value);
        } else if (rc >= 0) {
            rc = read_report(call, rc, value, &report);
        }
    }
    if (rc == 0 && call->args[3].len > core->options->result_bytes_max)
        rc = fq_call_refuse(call, FQ_ETOOBIG, "the result has %zu bytes; at most %llu are taken",
                            call->args[3].len, (unsigned long long)core->options->result_bytes_max);
    if (rc < 0)
        return rc;
    command.complete.started_us = report.started_us;
    command.complete.run_us = report.run_us;
    command.complete.traceparent = report.traceparent;
    core->has_report = true;
    core->report_id = command.complete.id;
    core->report_result = command.complete.result;
    core->report_encoding = command.complete.encoding;
    rc = commit(call, &command);
    core->has_report = false;
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
}

enum { FAIL_STACK = REPORT_SPECIAL, FAIL_NORETRY, FAIL_CRASH, FAIL_WORDS };
static const struct fq_option_word fail_words[] = {
    {{"STARTED", 7},      true },
    {{"RUN", 3},          true },
    {{"TRACEPARENT", 11}, true },
    {{"STACK", 5},        true },
    {{"NORETRY", 7},      false},
    {{"CRASH", 5},        false}
};

static int read_fail(struct fq_call *call, struct fq_command *command, struct report *report) {
    command->fail.type = call->args[3];
    command->fail.message = call->args[4];
    int rc = fq_take_uuid(call, call->args[1], &command->fail.id);
    if (rc == 0)
        rc = fq_take_token(call, call->args[2], &command->fail.token);
    if (rc == 0 && (call->args[3].len == 0 || call->args[3].len > 255))
        rc = fq_call_refuse(call, FQ_EINVALID, "type: the error's type in 1 to 255 bytes");
    for (size_t at = 5; at < call->arg_count && rc == 0;) {
        fq_str value;
        rc = fq_take_option(call, fail_words, FAIL_WORDS, &at, &value);
        if (rc < 0)
            return rc;
        if (rc == FAIL_STACK)
            command->fail.stack = value;
        else if (rc == FAIL_NORETRY)
            command->fail.no_retry = true;
        else if (rc == FAIL_CRASH)
            command->fail.crash = true;
        else if (read_report(call, rc, value, report) < 0)
            return FQ_EINVALID;
        rc = 0;
    }
    return rc;
}

int fq_command_fail(struct fq_call *call) {
    struct fq_command command = {.type = FQ_COMMAND_FAIL};
    struct report report = {.run_us = -1};
    int rc = read_fail(call, &command, &report);
    uint64_t bytes = command.fail.message.len + command.fail.stack.len;
    if (rc == 0 && bytes > call->core->options->result_bytes_max)
        rc = fq_call_refuse(call, FQ_ETOOBIG, "message and stack have %llu bytes; at most %llu are taken",
                            (unsigned long long)bytes,
                            (unsigned long long)call->core->options->result_bytes_max);
    if (rc < 0)
        return rc;
    command.fail.started_us = report.started_us;
    command.fail.run_us = report.run_us;
    command.fail.traceparent = report.traceparent;
    rc = commit(call, &command);
    if (rc == 0)
        fq_resp_write_status(call->reply, "OK");
    return rc;
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
        rc = commit(call, &command);
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
            rc = commit(call, &command);
        if (rc == 0)
            released++;
        else if (count == 1 || (rc != FQ_ESTALELEASE && rc != FQ_EUNKNOWNTASK && rc != FQ_EBADSTATE))
            return rc;
    }
    fq_resp_write_integer(call->reply, released);
    return 0;
}
