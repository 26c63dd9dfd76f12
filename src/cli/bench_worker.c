// SPDX-License-Identifier: Apache-2.0
// The working side of a run: fetches many tasks at once and completes each with "null".
#include "cli/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_REGISTER = 1, TAG_FETCH, TAG_COMPLETE, TAG_LEAVE };
enum { NUMBER_MAX = 24 };

static fq_slice slice_of(const char *text) {
    return (fq_slice){text, strlen(text)};
}

static void command(struct fq_bench_connection *connection, const fq_slice *args, size_t count,
                    bool repeatable, uint64_t tag) {
    fq_session *session = fq_uv_driver_session(connection->driver);
    int rc = fq_session_command(session, args, count, repeatable, tag);
    if (rc < 0)
        fq_bench_fail(connection->run, rc, slice_of(fq_strerror(rc)));
    else
        connection->under_way++;
}

// The nonce is the worker's own id: a connection that breaks gives its leases back within a second.
static void send_register(struct fq_bench_connection *connection) {
    const struct fq_bench_target *target = connection->run->target;
    fq_slice *args = calloc(5 + target->name_count, sizeof *args);
    size_t count = 0;
    if (args == NULL) {
        fq_bench_fail(connection->run, FQ_ENOMEM, slice_of(fq_strerror(FQ_ENOMEM)));
        return;
    }
    args[count++] = slice_of("FQ.REGISTER");
    args[count++] = slice_of(connection->worker_id);
    args[count++] = slice_of("INSTANCE");
    args[count++] = slice_of(connection->worker_id);
    args[count++] = slice_of("TASKS");
    for (size_t i = 0; i < target->name_count; i++)
        args[count++] = slice_of(target->names[i]);
    command(connection, args, count, true, TAG_REGISTER);
    free(args);
}

static void send_fetch(struct fq_bench_connection *connection) {
    struct fq_bench_run *run = connection->run;
    const struct fq_bench_plan *plan = run->plan;
    char count[NUMBER_MAX];
    uint64_t left = plan->goal > run->granted ? plan->goal - run->granted : 0;
    if (left == 0 && !plan->waits)
        return;
    snprintf(count, sizeof count, "%u", left > 0 && left < plan->batch ? (unsigned)left : plan->batch);
    const fq_slice args[] = {slice_of("FQ.FETCH"), slice_of("WORKER"), slice_of(connection->worker_id),
                             slice_of("COUNT"),    slice_of(count),    slice_of("BLOCK"),
                             slice_of("1000")};
    connection->fetches++;
    command(connection, args, plan->waits ? 7 : 5, false, TAG_FETCH);
}

void fq_bench_worker_begin(struct fq_bench_connection *connection) {
    if (connection->fetches == 0)
        send_fetch(connection);
}

void fq_bench_worker_leave(struct fq_bench_connection *connection) {
    const fq_slice args[] = {slice_of("FQ.UNREGISTER"), slice_of(connection->worker_id), slice_of("INSTANCE"),
                             slice_of(connection->worker_id)};
    if (connection->has_left)
        return;
    connection->has_left = true;
    command(connection, args, 4, true, TAG_LEAVE);
}

static bool read_text(const struct fq_value *values, uint32_t at, const char *key, char number[NUMBER_MAX],
                      fq_slice *ret_text) {
    const struct fq_value *value = fq_value_get(values, at, key);
    if (value == NULL)
        return false;
    *ret_text = value->text;
    if (value->type == FQ_VALUE_INTEGER)
        *ret_text =
            (fq_slice){number, (size_t)snprintf(number, NUMBER_MAX, "%lld", (long long)value->integer)};
    return value->type == FQ_VALUE_INTEGER || value->type == FQ_VALUE_TEXT;
}

static void complete_all(struct fq_bench_connection *connection, const struct fq_value *values) {
    uint32_t at = 1;
    for (uint32_t i = 0; i < values[0].child_count; i++, at = values[at].next) {
        char number[NUMBER_MAX];
        fq_slice args[4] = {slice_of("FQ.COMPLETE"), {0}, {0}, slice_of("null")};
        if (!read_text(values, at, "id", number, &args[1]) ||
            !read_text(values, at, "token", number, &args[2])) {
            fq_bench_fail(connection->run, FQ_EPROTOCOL, slice_of("a fetched task has no id or no token"));
            return;
        }
        command(connection, args, 4, true, TAG_COMPLETE);
    }
}

// A second fetch goes out behind the completions of a full batch, so that the control plane never waits for the worker;
// without work it would only end the wait of the first.
static void on_fetched(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    struct fq_bench_run *run = connection->run;
    connection->fetches--;
    if (event->error == FQ_EDISCONNECTED)
        return; // it fetches again when it is registered again
    if (event->error < 0) {
        fq_bench_fail(run, event->error, event->message);
        return;
    }
    uint32_t count = event->values[0].child_count;
    run->granted += count;
    complete_all(connection, event->values);
    if (run->is_stopping)
        return;
    if (count == 0 && !run->plan->waits) {
        if (connection->fetches == 0)
            fq_bench_worker_leave(connection);
        return;
    }
    uint32_t depth = count >= run->plan->batch ? 2 : 1;
    while (connection->fetches < depth) {
        uint32_t before = connection->fetches;
        send_fetch(connection);
        if (connection->fetches == before)
            break;
    }
}

static void on_completed(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    struct fq_bench_run *run = connection->run;
    if (event->error == 0) {
        run->figures->completed++;
        fq_bench_advance(run);
    } else if (!run->is_stopping || event->error != FQ_ESTALELEASE) {
        fq_bench_count_error(run, event->error, event->message);
    }
}

void fq_bench_worker_event(struct fq_bench_connection *connection, const struct fq_session_event *event) {
    struct fq_bench_run *run = connection->run;
    if (event->type == FQ_SESSION_READY) {
        send_register(connection);
        return;
    }
    if (event->type != FQ_SESSION_REPLY)
        return;
    connection->under_way--;
    switch (event->tag) {
    case TAG_REGISTER:
        if (event->error < 0)
            fq_bench_fail(run, event->error, event->message);
        else
            fq_bench_ready(connection);
        break;
    case TAG_FETCH: on_fetched(connection, event); break;
    case TAG_COMPLETE: on_completed(connection, event); break;
    default: break;
    }
    if (connection->has_left)
        fq_bench_check_idle(run);
}
