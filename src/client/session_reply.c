// SPDX-License-Identifier: Apache-2.0
// Replies and pushes from the input, matched with the requests in flight, to events.
#include "client/session_state.h"

#include <stdio.h>

static const fq_slice NO_TEXT = {"", 0};

// --- reading ------------------------------------------------------------------------------------------------------------
// Whole replies move with the input they stand in.
void fq_session_rebase_values(fq_session *session, const char *old_front) {
    const char *front = fq_buf_str(&session->in).ptr;
    if (session->reply_len == 0 || front == old_front)
        return;
    for (size_t i = 0; i < session->value_count; i++) {
        fq_slice *text = &session->values[i].text;
        if (text->len > 0)
            text->ptr = front + (text->ptr - old_front);
    }
}

// The next reply into session->values: 1, 0 if it is not complete, or the error that ends the connection.
static int read_reply(fq_session *session) {
    if (session->reader == NULL)
        return 0;
    fq_buf_consume(&session->in, session->reply_len);
    session->reply_len = 0;
    const struct fq_resp_node *nodes;
    size_t len;
    int rc = fq_resp_reply_next(session->reader, &session->in, &session->limits, &nodes, &len);
    if (rc < 0)
        return fq_session_fail(session, rc, "malformed reply: %s", fq_resp_reply_error(session->reader));
    if (rc == 0)
        return 0;
    session->reply_is_push = nodes[0].type == FQ_RESP_PUSH;
    session->reply_len = len;
    rc = fq_session_take_values(session, nodes);
    if (rc < 0)
        return fq_session_fail(session, rc, "%s", fq_strerror(rc));
    return 1;
}

// The error that an error reply stands for, and its sentence without the code.
int fq_session_wire_error(const struct fq_value *value, fq_slice *ret_message) {
    fq_slice text = value->text;
    size_t word = 0;
    while (word < text.len && text.ptr[word] >= 'A' && text.ptr[word] <= 'Z')
        word++;
    bool has_code = word > 0 && word < text.len && text.ptr[word] == ' ';
    *ret_message = has_code ? (fq_slice){text.ptr + word + 1, text.len - word - 1} : text;
    return fq_error_from_wire(text.ptr, text.len);
}

// How much of a peer's sentence is repeated in ours.
static int printable(fq_slice text) {
    return text.len < 200 ? (int)text.len : 200;
}

static struct fq_session_event event_for(enum fq_session_event_type type, uint64_t tag) {
    return (struct fq_session_event){.type = type, .tag = tag, .message = NO_TEXT};
}

static void set_id(struct fq_session_event *event, const fq_uuid *id) {
    fq_uuid_format(id, event->id);
    event->id[FQ_UUID_TEXT] = '\0';
}

static void set_error(struct fq_session_event *event, int error) {
    event->error = error;
    const char *text = fq_strerror(error);
    event->message = (fq_slice){text, strlen(text)};
}

// --- login --------------------------------------------------------------------------------------------------------------
static bool is_final(int error) {
    return error == FQ_EWRONGPASS || error == FQ_ENOAUTH || error == FQ_ENOPERM || error == FQ_ENOPROTO;
}

// A control plane that does not lead takes no requests; it says who does.
static bool is_standby(fq_session *session) {
    const struct fq_value *role = fq_value_get(session->values, 0, "role");
    if (role == NULL || role->type != FQ_VALUE_TEXT ||
        !fq_str_equal((fq_str){role->text.ptr, role->text.len}, FQ_STR("replica")))
        return false;
    const struct fq_value *leader = fq_value_get(session->values, 0, "leader");
    bool named = leader != NULL && leader->type == FQ_VALUE_TEXT && leader->text.len < sizeof session->leader;
    snprintf(session->leader, sizeof session->leader, "%.*s", named ? (int)leader->text.len : 0,
             named ? leader->text.ptr : "");
    session->on_standby = true;
    (void)fq_session_fail(session, FQ_ENOTACTIVE, "it is a standby; %s%s",
                          session->leader[0] != '\0' ? "the active one is " : "nobody leads yet",
                          session->leader);
    return true;
}

static void handle_login(fq_session *session) {
    const struct fq_value *value = &session->values[0];
    if (value->type == FQ_VALUE_ERROR) {
        fq_slice message;
        int error = fq_session_wire_error(value, &message);
        if (is_final(error))
            session->refused = error;
        (void)fq_session_fail(session, error, "login refused: %.*s", printable(message), message.ptr);
        return;
    }
    const struct fq_value *protocol = fq_value_get(session->values, 0, "proto");
    if (protocol == NULL || protocol->integer != 3) {
        (void)fq_session_fail(session, FQ_EPROTOCOL, "the peer is no FastQueue control plane");
        return;
    }
    if (is_standby(session))
        return;
    const struct fq_value *shard = fq_value_get(session->values, 0, "shard");
    bool is_shard =
        shard != NULL && shard->type == FQ_VALUE_INTEGER && shard->integer >= 0 && shard->integer < INT32_MAX;
    session->shard = is_shard ? (int32_t)shard->integer : -1;
    session->ready = session->connected;
    session->ready_at_us = session->now_us;
    session->ready_due = true;
}

// --- replies ------------------------------------------------------------------------------------------------------------
static int handle_submitted(fq_session *session, struct fq_session_request *request,
                            struct fq_session_event *ret_event) {
    const struct fq_value *value = &session->values[0];
    struct fq_session_event event = event_for(FQ_SESSION_SUBMITTED, request->tag);
    fq_uuid id = request->id;
    if (value->type == FQ_VALUE_ERROR)
        event.error = fq_session_wire_error(value, &event.message);
    else if (!fq_session_id_from(value, &id))
        return fq_session_fail(session, FQ_EPROTOCOL, "the answer to a submit is no id");
    set_id(&event, &id);
    fq_session_watch_settle(session, request, event.error, &id);
    *ret_event = event;
    return 1;
}

static int handle_command(fq_session *session, const struct fq_session_request *request,
                          struct fq_session_event *ret_event) {
    struct fq_session_event event = event_for(FQ_SESSION_REPLY, request->tag);
    if (session->values[0].type == FQ_VALUE_ERROR)
        event.error = fq_session_wire_error(&session->values[0], &event.message);
    else
        event.values = session->values;
    *ret_event = event;
    return 1;
}

// The reply belongs to the oldest request in flight. 1 with an event, 0 without, or an error.
static int handle_reply(fq_session *session, struct fq_session_event *ret_event) {
    if (fq_list_is_empty(&session->in_flight))
        return fq_session_fail(session, FQ_EPROTOCOL, "a reply that nobody asked for: %.*s",
                               printable(session->values[0].text), session->values[0].text.ptr);
    struct fq_session_request *request =
        FQ_ELEMENT(session->in_flight.next, struct fq_session_request, queue);
    int rc = 0;
    switch (request->kind) {
    case FQ_REQUEST_LOGIN: handle_login(session); break;
    case FQ_REQUEST_PING: break;
    case FQ_REQUEST_WATCH: fq_session_watch_reply(session, request); break;
    case FQ_REQUEST_SUBMIT: rc = handle_submitted(session, request, ret_event); break;
    case FQ_REQUEST_COMMAND: rc = handle_command(session, request, ret_event); break;
    }
    if (rc >= 0) {
        rc = request->forgotten ? 0 : rc;
        fq_session_request_free(session, request);
    }
    return rc;
}

// --- pushes -------------------------------------------------------------------------------------------------------------
// Tokens travel as text, they need all 64 bits. 0 if there is none.
static uint64_t token_from(const struct fq_value *push) {
    uint64_t token = 0;
    if (push[0].child_count >= 3 && push[3].type == FQ_VALUE_TEXT)
        (void)fq_str_to_uint64((fq_str){push[3].text.ptr, push[3].text.len}, &token);
    else if (push[0].child_count >= 3 && push[3].type == FQ_VALUE_INTEGER && push[3].integer > 0)
        token = (uint64_t)push[3].integer;
    return token;
}

// Pushes that are not ours are skipped: a newer server may have more of them.
static int handle_push(fq_session *session, struct fq_session_event *ret_event) {
    const struct fq_value *values = session->values;
    if (values[0].child_count == 0 || values[1].type != FQ_VALUE_TEXT)
        return 0;
    fq_str kind = {values[1].text.ptr, values[1].text.len};
    if (fq_str_equal(kind, FQ_STR("fq.result"))) {
        fq_session_watch_push(session);
    } else if (fq_str_equal(kind, FQ_STR("fq.ping"))) {
        session->ping_wanted = session->ready && !session->ping_in_flight;
    } else if (fq_str_equal(kind, FQ_STR("fq.drain"))) {
        *ret_event = event_for(FQ_SESSION_DRAIN, 0);
        return 1;
    } else if (fq_str_equal(kind, FQ_STR("fq.cancel"))) {
        fq_uuid id;
        if (values[0].child_count < 2 || !fq_session_id_from(&values[2], &id))
            return 0;
        *ret_event = event_for(FQ_SESSION_CANCEL, 0);
        set_id(ret_event, &id);
        ret_event->token = token_from(values);
        return 1;
    }
    return 0;
}

// --- events -------------------------------------------------------------------------------------------------------------
// A result that overtook the answer to its submit: SUBMITTED comes first all the same.
static void submitted_early(fq_session *session, struct fq_session_watcher *watcher,
                            struct fq_session_event *ret_event) {
    struct fq_session_request *request = watcher->submit;
    *ret_event = event_for(FQ_SESSION_SUBMITTED, request->tag);
    set_id(ret_event, &watcher->id);
    request->forgotten = true;
    request->watcher = NULL;
    watcher->submit = NULL;
    fq_session_index_remove(&session->requests_by_tag, &request->by_tag);
}

static bool next_delivery(fq_session *session, struct fq_session_event *ret_event) {
    if (fq_list_is_empty(&session->deliver))
        return false;
    struct fq_session_watcher *watcher = FQ_ELEMENT(session->deliver.next, struct fq_session_watcher, queue);
    if (watcher->submit != NULL) {
        submitted_early(session, watcher, ret_event);
        return true;
    }
    *ret_event = event_for(FQ_SESSION_RESULT, watcher->tag);
    set_id(ret_event, &watcher->id);
    ret_event->error = fq_session_read_result(session->values, watcher->result_at, &ret_event->result);
    fq_session_watcher_free(session, watcher);
    return true;
}

// What ended without a reply.
static bool next_ended(fq_session *session, struct fq_session_event *ret_event) {
    if (!fq_list_is_empty(&session->finished)) {
        struct fq_session_request *request =
            FQ_ELEMENT(session->finished.next, struct fq_session_request, queue);
        bool submit = request->kind == FQ_REQUEST_SUBMIT;
        *ret_event = event_for(submit ? FQ_SESSION_SUBMITTED : FQ_SESSION_REPLY, request->tag);
        set_error(ret_event, request->error);
        if (submit)
            set_id(ret_event, &request->id);
        fq_session_request_free(session, request);
        return true;
    }
    if (fq_list_is_empty(&session->watch_dead))
        return false;
    struct fq_session_watcher *watcher =
        FQ_ELEMENT(session->watch_dead.next, struct fq_session_watcher, queue);
    *ret_event = event_for(FQ_SESSION_RESULT, watcher->tag);
    set_error(ret_event, watcher->error);
    set_id(ret_event, &watcher->id);
    fq_session_watcher_free(session, watcher);
    return true;
}

// One reply further: 1 with an event, 0 if there may be more replies, negative if there are none for now.
static int advance(fq_session *session, struct fq_session_event *ret_event) {
    if (session->failed < 0)
        return session->failed;
    int rc = read_reply(session);
    if (rc <= 0)
        return rc < 0 ? rc : FQ_EAGAIN;
    if (session->reply_is_push)
        return handle_push(session, ret_event);
    return handle_reply(session, ret_event);
}

void fq_session_read_login(fq_session *session) {
    struct fq_session_event none;
    while (!session->ready && advance(session, &none) >= 0)
        continue;
}

int fq_session_next_event(fq_session *session, struct fq_session_event *ret_event) {
    for (;;) {
        if (session->ready_due) {
            session->ready_due = false;
            *ret_event = event_for(FQ_SESSION_READY, 0);
            return 1;
        }
        if (next_delivery(session, ret_event) || next_ended(session, ret_event))
            return 1;
        int rc = advance(session, ret_event);
        if (rc == 1)
            return 1;
        if (rc == 0)
            continue;
        if (!session->closing)
            return 0;
        fq_session_finish_disconnect(session);
    }
}
