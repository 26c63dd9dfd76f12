// SPDX-License-Identifier: Apache-2.0
#include "server/request.h"

#include "server/core_state.h"

#include <stdlib.h>

struct fq_request {
    fq_connection connection;
    fq_list_link all; // in core->requests
    void (*on_reply)(void *context, fq_str reply);
    void *context;
};

fq_request *fq_core_request(fq_core *core, unsigned roles, const fq_str *args, size_t arg_count,
                            struct fq_now now, void (*on_reply)(void *context, fq_str reply), void *context) {
    core->now = now;
    fq_request *request = core->request_count < FQ_REQUEST_MAX ? malloc(sizeof *request) : NULL;
    if (request == NULL)
        return NULL;
    fq_connection *connection = &request->connection;
    if (fq_connection_init(connection, core) < 0) {
        fq_connection_done(connection, now);
        free(request);
        return NULL;
    }
    request->on_reply = on_reply;
    request->context = context;
    connection->request = request;
    connection->reply.protocol = 3;
    connection->roles = roles;
    connection->is_authenticated = true;
    connection->is_local = true;
    connection->user[0] = '\0';
    fq_list_init(&request->all);
    fq_list_append(&core->requests, &request->all);
    core->request_count++;
    if (arg_count == 0) {
        fq_reply_error(fq_connection_writer(connection), FQ_ESYNTAX, "an empty request");
        fq_connection_replied(connection);
    } else if (fq_command_execute(connection, args, arg_count, now) == FQ_CALL_AGAIN) {
        fq_reply_error(fq_connection_writer(connection), FQ_EBADSTATE, "not from inside the process");
        fq_connection_unblock(connection);
        fq_connection_replied(connection);
    }
    return request;
}

static void drop(fq_request *request) {
    fq_core *core = request->connection.core;
    fq_list_remove(&request->all);
    core->request_count--;
    fq_connection_done(&request->connection, core->now);
    free(request);
}

void fq_core_request_cancel(fq_core *core, fq_request *request) {
    (void)core;
    drop(request);
}

static void answer(fq_request *request, fq_str reply) {
    fq_list_remove(&request->all); // what the callback asks for is another request
    request->on_reply(request->context, reply);
    drop(request);
}

void fq_requests_answer(fq_core *core) {
    fq_list_link list;
    fq_list_init(&list);
    fq_list_splice_before(&list, &core->answered);
    fq_list_link *link;
    while ((link = fq_list_pop(&list)) != NULL) {
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, ready);
        if (connection->is_cut)
            answer(connection->request, FQ_STR("-TOOBIG the reply is larger than its limit\r\n"));
        else if (connection->mark_count == 0)
            answer(connection->request, fq_buf_str(&connection->output));
    }
}

void fq_requests_end(fq_core *core) {
    while (!fq_list_is_empty(&core->requests))
        answer(FQ_ELEMENT(core->requests.next, fq_request, all), FQ_STR(""));
}
