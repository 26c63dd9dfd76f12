// SPDX-License-Identifier: Apache-2.0
// Bytes in, bytes out: one connection.
#include "server/connection.h"

#include "base/assert.h"
#include "base/uuid.h"
#include "engine/engine.h"
#include "server/commit.h"
#include "server/core_state.h"

#include <stdlib.h>
#include <string.h>

enum {
    INPUT_KEPT_MAX = 65536,  // what a held connection may still send before its transport is not read
    BUFFER_KEPT_MAX = 65536, // an empty buffer larger than this is given back
    UNAUTHENTICATED_ARGS = 9,
    UNAUTHENTICATED_ARG_BYTES = 512,
    UNAUTHENTICATED_BYTES = 2048,
    ARGS_MAX = 65536,
    EXTRA_BYTES = 65536,         // of a request beyond its largest argument
    COMPANY_BYTES_MAX = 512,     // of replies that may wait for the one that is waited for
    STALL_US = 10 * FQ_US_PER_S, // how long output above the soft limit may lie without a byte being taken
};

// --- output -----------------------------------------------------------------------------------------------------------
static uint64_t output_end(const fq_connection *connection) {
    return connection->output_base + fq_buf_len(&connection->output);
}

// Above the soft limit nothing more is executed, so that only one reply and pushes can reach the hard one.
bool fq_connection_is_stuffed(const fq_connection *connection) {
    return fq_buf_len(&connection->output) > connection->core->options->output_bytes_max / 4;
}

void fq_connection_touch(fq_connection *connection) {
    uint64_t seq = fq_commit_seq(connection->core);
    if (seq > connection->fresh_seq)
        connection->fresh_seq = seq;
}

static void note_fresh(fq_connection *connection) {
    if (connection->reply.failed < 0) {
        connection->core->stats.connections_cut_total++;
        fq_connection_cut(connection);
        return;
    }
    fq_list_append_once(&connection->core->touched, &connection->touched);
}

void fq_connection_replied(fq_connection *connection) {
    connection->fresh_commands++;
    connection->in_flight++;
    connection->commands_total++;
    note_fresh(connection);
}

void fq_connection_pushed(fq_connection *connection) {
    fq_connection_touch(connection);
    note_fresh(connection);
}

// What the connection's buffers hold of the memory that all peers share.
static void count_memory(fq_connection *connection) {
    size_t bytes = connection->input.capacity + connection->output.capacity;
    connection->core->client_bytes += bytes - connection->counted_bytes;
    connection->counted_bytes = bytes;
}

// A logged-in connection's deadline runs while its peer leaves too much untaken.
static void watch_stall(fq_connection *connection, bool has_moved) {
    struct fq_timers *timers = &connection->core->timers;
    if (!connection->is_authenticated || connection->request != NULL)
        return;
    if (!fq_connection_is_stuffed(connection))
        fq_timer_clear(timers, &connection->deadline);
    else if (has_moved || !fq_timer_is_set(&connection->deadline)) {
        int64_t until_us = fq_time_add(connection->core->now.boot_us, STALL_US);
        if (fq_timer_set(timers, &connection->deadline, until_us) < 0)
            fq_connection_cut(connection);
    }
}

void fq_connection_seal(fq_connection *connection) {
    count_memory(connection);
    watch_stall(connection, false);
    struct fq_output_mark mark = {output_end(connection), connection->fresh_seq, connection->fresh_commands};
    connection->fresh_commands = 0;
    if (connection->mark_count == FQ_MARK_COUNT) {
        struct fq_output_mark *last = &connection->marks[FQ_MARK_COUNT - 1];
        mark.commands += last->commands;
        if (last->seq > mark.seq)
            mark.seq = last->seq;
        *last = mark;
    } else {
        connection->marks[connection->mark_count++] = mark;
    }
}

bool fq_connection_release(fq_connection *connection, uint64_t durable_seq) {
    unsigned done = 0;
    while (done < connection->mark_count && connection->marks[done].seq <= durable_seq) {
        connection->released_end = connection->marks[done].end;
        connection->released_commands += connection->marks[done].commands;
        done++;
    }
    if (done == 0)
        return connection->mark_count == 0;
    connection->mark_count -= done;
    memmove(connection->marks, connection->marks + done,
            connection->mark_count * sizeof connection->marks[0]);
    if (connection->request != NULL)
        fq_list_append_once(&connection->core->answered, &connection->ready);
    else if (connection->was_blocked && !fq_list_is_linked(&connection->ready))
        fq_list_insert_before(connection->core->ready.next, &connection->ready);
    else
        fq_list_append_once(&connection->core->ready, &connection->ready);
    connection->was_blocked = false;
    return connection->mark_count == 0;
}

fq_str fq_connection_output(const fq_connection *connection) {
    if (connection->is_cut || connection->core->failed)
        return FQ_STR("");
    fq_str all = fq_buf_str(&connection->output);
    return (fq_str){all.ptr, (size_t)(connection->released_end - connection->output_base)};
}

bool fq_connection_awaits_more(const fq_connection *connection) {
    bool is_blocked = connection->block == FQ_BLOCK_FETCH || connection->block == FQ_BLOCK_RESULT;
    size_t len = fq_connection_output(connection).len;
    return is_blocked && !connection->is_closing && len > 0 && len <= COMPANY_BYTES_MAX;
}

void fq_connection_trim(fq_connection *connection) {
    if (fq_buf_len(&connection->input) == 0)
        fq_buf_done(&connection->input);
    if (fq_buf_len(&connection->output) == 0)
        fq_buf_done(&connection->output);
    count_memory(connection);
}

void fq_connection_evict(fq_connection *connection) {
    connection->core->stats.connections_cut_total++;
    fq_connection_cut(connection);
    fq_list_remove(&connection->touched);
    fq_list_remove(&connection->gated);
    connection->mark_count = 0;
    fq_buf_done(&connection->input);
    fq_buf_done(&connection->output);
    count_memory(connection);
}

static void give_back(fq_buf *buf) {
    if (buf->capacity > BUFFER_KEPT_MAX && fq_buf_len(buf) == 0)
        fq_buf_done(buf);
}

void fq_connection_sent(fq_connection *connection, size_t len) {
    FQ_ASSERT(len <= connection->released_end - connection->output_base);
    fq_core *core = connection->core;
    fq_buf_consume(&connection->output, len);
    connection->output_base += len;
    core->stats.bytes_out_total += len;
    if (len > 0 && fq_timer_is_set(&connection->deadline))
        watch_stall(connection, true);
    if (connection->output_base < connection->released_end)
        return;
    connection->in_flight -= connection->released_commands;
    connection->released_commands = 0;
    give_back(&connection->output);
    fq_watchers_push_due(core, connection);
    count_memory(connection);
    bool may_go_on = connection->block == FQ_BLOCK_NONE || connection->block == FQ_BLOCK_FETCH;
    if (may_go_on && fq_buf_len(&connection->input) > 0)
        fq_list_append_once(&core->held, &connection->held);
}

bool fq_connection_should_close(const fq_connection *connection) {
    if (connection->is_cut)
        return true;
    return connection->is_closing && fq_buf_len(&connection->output) == 0;
}

bool fq_connection_is_cut(const fq_connection *connection) {
    return connection->is_cut;
}

void fq_connection_cut(fq_connection *connection) {
    fq_parked_remove(connection->core, connection); // nothing is leased to who cannot be told
    connection->is_cut = true;
    connection->is_closing = true;
    if (connection->request != NULL)
        fq_list_append_once(&connection->core->answered, &connection->ready);
    else
        fq_list_append_once(&connection->core->ready, &connection->ready);
}

void fq_connection_end(fq_connection *connection) {
    connection->is_closing = true;
    fq_buf_done(&connection->input);
    fq_list_remove(&connection->held);
    if (connection->request == NULL)
        fq_list_append_once(&connection->core->ready, &connection->ready);
}

// --- input ------------------------------------------------------------------------------------------------------------
static struct fq_resp_limits limits_of(const fq_connection *connection) {
    if (!connection->is_authenticated)
        return (struct fq_resp_limits){.args_max = UNAUTHENTICATED_ARGS,
                                       .arg_bytes_max = UNAUTHENTICATED_ARG_BYTES,
                                       .total_bytes_max = UNAUTHENTICATED_BYTES};
    const struct fq_server_options *options = connection->core->options;
    uint64_t largest = options->payload_bytes_max > options->result_bytes_max ? options->payload_bytes_max
                                                                              : options->result_bytes_max;
    return (struct fq_resp_limits){.args_max = ARGS_MAX,
                                   .arg_bytes_max = largest,
                                   .total_bytes_max = largest + ARGS_MAX * 64 + EXTRA_BYTES};
}

// Replies that are not taken hold further requests back; before login, one at a time.
static bool has_room(const fq_connection *connection) {
    uint32_t most = connection->is_authenticated ? connection->core->options->pipeline_max : 1;
    return connection->in_flight < most && !fq_connection_is_stuffed(connection) &&
           !connection->core->backlogged;
}

bool fq_connection_wants_read(const fq_connection *connection) {
    if (connection->is_closing)
        return false;
    bool is_held =
        connection->block == FQ_BLOCK_RESULT || connection->block == FQ_BLOCK_DELAY || !has_room(connection);
    return !is_held || fq_buf_len(&connection->input) < INPUT_KEPT_MAX;
}

static void refuse_input(fq_connection *connection, int error) {
    connection->core->stats.protocol_errors_total++;
    fq_reply_error(fq_connection_writer(connection), error, fq_resp_request_error(connection->reader));
    fq_connection_replied(connection);
    fq_connection_end(connection);
}

// Clients report outcomes in rows: where the next request begins as this one does, up to the task's id, the place of that task
// is on its way from memory while this one is executed.
static void look_ahead(const fq_connection *connection, const fq_buf *input,
                       const struct fq_resp_request *request, size_t consumed) {
    if (request->arg_count < 2 || request->args[1].len != FQ_UUID_TEXT)
        return;
    fq_str bytes = fq_buf_str(input);
    uintptr_t begin = (uintptr_t)bytes.ptr, at = (uintptr_t)request->args[1].ptr;
    if (at < begin || at >= begin + consumed) // an inline command's arguments are copies
        return;
    size_t before_id = (size_t)(at - begin);
    const char *next = bytes.ptr + consumed;
    fq_uuid id;
    if (bytes.len < consumed + before_id + FQ_UUID_TEXT || memcmp(next, bytes.ptr, before_id) != 0)
        return;
    if (fq_uuid_parse((fq_str){next + before_id, FQ_UUID_TEXT}, &id) == 0)
        fq_engine_expect(connection->core->engine, &id);
}

// Executes requests at the front of `input` until it is used up or the connection has to wait.
static void execute_all(fq_connection *connection, fq_buf *input, struct fq_now now) {
    struct fq_resp_limits limits = limits_of(connection);
    bool was_authenticated = connection->is_authenticated;
    while (!connection->is_closing && has_room(connection)) {
        if (connection->block != FQ_BLOCK_NONE && connection->block != FQ_BLOCK_FETCH)
            return;
        struct fq_resp_request request;
        size_t consumed;
        int rc = fq_resp_request_next(connection->reader, input, &limits, &request, &consumed);
        if (rc == 0)
            return;
        if (rc < 0) {
            refuse_input(connection, rc);
            return;
        }
        if (connection->block == FQ_BLOCK_FETCH)
            fq_parked_end(connection->core, connection);
        look_ahead(connection, input, &request, consumed);
        if (request.arg_count > 0)
            rc = fq_command_execute(connection, request.args, request.arg_count, now);
        if (rc == FQ_CALL_AGAIN)
            return;
        if (connection->is_closing) // the input is gone already if it was the connection's own
            return;
        fq_buf_consume(input, consumed);
        if (connection->is_authenticated != was_authenticated) {
            limits = limits_of(connection);
            was_authenticated = connection->is_authenticated;
        }
    }
}

void fq_connection_resume(fq_connection *connection, struct fq_now now) {
    connection->core->now = now;
    fq_list_remove(&connection->held);
    execute_all(connection, &connection->input, now);
    if (connection->is_closing)
        return;
    give_back(&connection->input);
    count_memory(connection);
    if (connection->request == NULL) // it may want to read again
        fq_list_append_once(&connection->core->ready, &connection->ready);
}

int fq_connection_feed(fq_connection *connection, const void *bytes, size_t len, struct fq_now now) {
    fq_core *core = connection->core;
    core->now = now;
    core->stats.bytes_in_total += len;
    connection->heard_us = now.boot_us;
    if (connection->is_closing)
        return FQ_ECLOSED;
    if (fq_buf_len(&connection->input) == 0) { // the usual case: executed from where the transport put it
        fq_buf view = {.data = (char *)(uintptr_t)bytes, .end = len, .capacity = len};
        execute_all(connection, &view, now);
        if (!connection->is_closing && fq_buf_append_str(&connection->input, fq_buf_str(&view)) < 0)
            fq_connection_cut(connection);
    } else {
        if (fq_buf_append(&connection->input, bytes, len) < 0)
            fq_connection_cut(connection);
        else
            execute_all(connection, &connection->input, now);
    }
    if (connection->is_closing)
        return FQ_ECLOSED;
    give_back(&connection->input);
    count_memory(connection);
    if (core->journal != NULL && fq_journal_backlog_bytes(core->journal) > FQ_BACKLOG_HIGH)
        core->backlogged = true;
    if (core->backlogged && fq_buf_len(&connection->input) > 0)
        fq_list_append_once(&core->held, &connection->held);
    return 0;
}

// --- waiting ----------------------------------------------------------------------------------------------------------
void fq_connection_unblock(fq_connection *connection) {
    fq_core *core = connection->core;
    fq_timer_clear(&core->timers, &connection->timer);
    connection->block = FQ_BLOCK_NONE;
    connection->was_blocked = true;
    if (fq_buf_len(&connection->input) > 0)
        fq_list_append_once(&core->held, &connection->held);
}

static void block_is_over(struct fq_timer *timer, struct fq_now now) {
    fq_connection *connection = (fq_connection *)((char *)timer - offsetof(fq_connection, timer));
    fq_core *core = connection->core;
    core->now = now;
    switch (connection->block) {
    case FQ_BLOCK_FETCH: fq_parked_end(core, connection); break;
    case FQ_BLOCK_RESULT: fq_command_result_timeout(connection); break;
    case FQ_BLOCK_DELAY:
        connection->delay_served = true;
        fq_connection_unblock(connection);
        break;
    case FQ_BLOCK_NONE: break;
    }
}

// Not logged in in time, or output that nobody takes.
static void deadline_is_over(struct fq_timer *timer, struct fq_now now) {
    fq_connection *connection = (fq_connection *)((char *)timer - offsetof(fq_connection, deadline));
    connection->core->now = now;
    connection->core->stats.connections_cut_total++;
    fq_connection_cut(connection);
}

// --- life -------------------------------------------------------------------------------------------------------------
int fq_connection_init(fq_connection *connection, fq_core *core) {
    memset(connection, 0, sizeof *connection);
    connection->core = core;
    fq_list_link *links[] = {&connection->all,   &connection->ready,       &connection->touched,
                             &connection->gated, &connection->held,        &connection->watches,
                             &connection->due,   &connection->memberships, &connection->waiting};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        fq_list_init(links[i]);
    fq_list_init(&connection->fetch.link);
    connection->timer.fire = block_is_over;
    connection->deadline.fire = deadline_is_over;
    connection->id = ++core->last_connection_id;
    connection->opened_us = core->now.wall_us;
    connection->heard_us = core->now.boot_us;
    connection->reader = fq_resp_request_reader_new();
    fq_buf_init(&connection->output, core->options->output_bytes_max);
    connection->reply = (struct fq_resp_writer){.out = &connection->output, .protocol = 2};
    return connection->reader != NULL ? 0 : FQ_ENOMEM;
}

void fq_connection_done(fq_connection *connection, struct fq_now now) {
    fq_core *core = connection->core;
    fq_parked_forget(core, connection);
    fq_watchers_remove(core, connection, false);
    fq_presence_leave(core, connection, now);
    fq_timer_clear(&core->timers, &connection->timer);
    fq_timer_clear(&core->timers, &connection->deadline);
    fq_list_link *links[] = {&connection->all, &connection->ready, &connection->touched, &connection->gated,
                             &connection->held};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        fq_list_remove(links[i]);
    fq_resp_request_reader_free(connection->reader);
    fq_buf_done(&connection->input);
    fq_buf_done(&connection->output);
    count_memory(connection);
    free(connection->peer);
    free(connection->source);
}

void fq_connection_set_context(fq_connection *connection, void *context) {
    connection->context = context;
}

void *fq_connection_context(const fq_connection *connection) {
    return connection->context;
}

uint64_t fq_connection_id(const fq_connection *connection) {
    return connection->id;
}
