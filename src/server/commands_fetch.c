// SPDX-License-Identifier: Apache-2.0
// FETCH: leases tasks at once, or waits for them.
#include "server/commands_fetch.h"

#include "server/arguments.h"
#include "server/commit.h"
#include "server/core_state.h"
#include "server/reply.h"

#include <stdio.h>

enum {
    GRANT_EXTRA = 32768, // of a task beyond its payload: options, keys
    GRANT_TEXT_KEPT = 1 << 20,
    BLOCK_MS_MAX = 3600000,
};

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
        command.fetch.follows = before > 0;
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
        if (rc == FQ_EBUSY)
            return fq_call_refuse(call, rc,
                                  "fetches that wait name %d tasks together, the limit; name fewer, or "
                                  "fetch without BLOCK",
                                  FQ_PARKED_ROOM_MAX);
        return rc < 0 ? rc : FQ_CALL_BLOCKED;
    }
    fq_fetch_reply(core, call->connection);
    return FQ_CALL_BLOCKED; // the reply is counted already
}
