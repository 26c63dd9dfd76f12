// SPDX-License-Identifier: Apache-2.0
// How tasks stand: RESULT, STATUS, WATCH.
#include "server/arguments.h"
#include "server/core_state.h"
#include "server/reply.h"

enum { WAIT_MS_MAX = 3600000 };
static const struct fq_option_word result_words[] = {
    {{"WAIT", 4}, true}
};

static int wait_for(struct fq_call *call, const fq_uuid *id, int64_t wait_ms) {
    fq_core *core = call->core;
    fq_connection *connection = call->connection;
    int rc = fq_watchers_add(core, connection, id, FQ_WATCH_WAIT);
    if (rc < 0)
        return rc;
    int64_t until_us = fq_time_add(call->now.boot_us, wait_ms * FQ_US_PER_MS);
    rc = fq_timer_set(&core->timers, &connection->timer, until_us);
    if (rc < 0) {
        fq_watchers_remove(core, connection, true);
        return rc;
    }
    connection->wait_id = *id;
    connection->block = FQ_BLOCK_RESULT;
    return FQ_CALL_BLOCKED;
}

int fq_command_result(struct fq_call *call) {
    fq_uuid id;
    int64_t wait_ms = 0;
    int rc = fq_take_uuid(call, call->args[1], &id);
    if (rc == 0 && call->arg_count > 2) {
        size_t at = 2;
        fq_str value;
        rc = fq_take_option(call, result_words, 1, &at, &value);
        if (rc == 0)
            rc = fq_take_integer(call, "WAIT", value, 0, WAIT_MS_MAX, &wait_ms);
    }
    if (rc < 0)
        return rc;
    struct fq_task_view view;
    rc = fq_engine_result(call->core->engine, &id, &view);
    if (rc == FQ_EUNKNOWNTASK) {
        fq_resp_write_nil(call->reply);
        return 0;
    }
    if (rc < 0)
        return rc;
    if (wait_ms > 0 && !fq_task_state_is_final(view.state))
        return wait_for(call, &id, wait_ms);
    fq_reply_task(call->reply, &view, true);
    return 0;
}

void fq_command_result_timeout(fq_connection *connection) {
    fq_core *core = connection->core;
    fq_watchers_remove(core, connection, true);
    struct fq_resp_writer *writer = fq_connection_writer(connection);
    struct fq_task_view view;
    if (fq_engine_task(core->engine, &connection->wait_id, &view) == 0)
        fq_reply_task(writer, &view, true);
    else
        fq_resp_write_nil(writer);
    fq_connection_touch(connection);
    fq_connection_replied(connection);
    fq_connection_unblock(connection);
}

int fq_command_status(struct fq_call *call) {
    fq_uuid id;
    int rc = fq_take_uuid(call, call->args[1], &id);
    if (rc < 0)
        return rc;
    struct fq_task_view view;
    rc = fq_engine_task(call->core->engine, &id, &view);
    if (rc == 0)
        fq_reply_task(call->reply, &view, false);
    else if (rc == FQ_EUNKNOWNTASK)
        fq_resp_write_nil(call->reply);
    return rc == FQ_EUNKNOWNTASK ? 0 : rc;
}

// One word an id, then the pushes of those that have ended already, so that the reply comes first.
static int watch_all(struct fq_call *call) {
    fq_core *core = call->core;
    fq_resp_write_array(call->reply, call->arg_count - 1);
    for (size_t i = 1; i < call->arg_count; i++) {
        fq_uuid id;
        struct fq_task_view view;
        int rc = fq_take_uuid(call, call->args[i], &id);
        if (rc == 0)
            rc = fq_engine_task(core->engine, &id, &view);
        if (rc < 0)
            fq_resp_write_string(call->reply, FQ_STR("unknown"));
        else
            fq_resp_write_string(call->reply,
                                 fq_task_state_is_final(view.state) ? FQ_STR("done") : FQ_STR("watching"));
    }
    fq_connection_touch(call->connection);
    fq_connection_replied(call->connection);
    for (size_t i = 1; i < call->arg_count && !call->connection->is_closing; i++) {
        fq_uuid id;
        struct fq_task_view view;
        if (fq_take_uuid(call, call->args[i], &id) < 0 || fq_engine_result(core->engine, &id, &view) < 0 ||
            !fq_task_state_is_final(view.state))
            continue;
        // More than the output takes at once must not cut off a client that has come back for many results.
        if (!fq_connection_is_stuffed(call->connection) ||
            fq_watchers_add(core, call->connection, &id, FQ_WATCH_DUE) < 0)
            fq_watchers_push(call->connection, &view);
    }
    return FQ_CALL_BLOCKED; // the reply is counted already
}

int fq_command_watch(struct fq_call *call) {
    fq_core *core = call->core;
    if (call->reply->protocol < 3 || call->connection->request != NULL)
        return fq_call_refuse(
            call, FQ_EINVALID,
            "FQ.WATCH pushes results and needs RESP3: send HELLO 3 first, or use FQ.RESULT id WAIT ms");
    for (size_t i = 1; i < call->arg_count; i++) {
        fq_uuid id;
        int rc = fq_take_uuid(call, call->args[i], &id);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 1; i < call->arg_count; i++) {
        fq_uuid id;
        struct fq_task_view view;
        int rc = fq_take_uuid(call, call->args[i], &id);
        if (rc == 0 && fq_engine_task(core->engine, &id, &view) == 0 && !fq_task_state_is_final(view.state))
            rc = fq_watchers_add(core, call->connection, &id, FQ_WATCH_PUSH);
        if (rc == FQ_EFULL)
            return fq_call_refuse(call, rc, "this connection watches %d tasks already", FQ_WATCH_MAX);
        if (rc < 0)
            return rc;
    }
    return watch_all(call);
}
