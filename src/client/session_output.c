// SPDX-License-Identifier: Apache-2.0
// From the queues to the output, and back into the queues when the connection is lost.
#include "base/assert.h"
#include "client/session_state.h"

enum {
    IN_FLIGHT_MAX = 8192, // requests whose answer is awaited; more wait here instead of in the server
    OUTPUT_CHUNK = 4 * 1024 * 1024,    // bytes copied for one write
    WATCH_IDS_MAX = 256,               // of one FQ.WATCH
    WATCH_ID_BYTES = FQ_UUID_TEXT + 7, // $36 CRLF id CRLF
    WATCH_ID_OFFSET = 5,
};

fq_uuid fq_session_watch_id(const struct fq_session_request *request, uint32_t index) {
    size_t first = request->len - (size_t)request->id_count * WATCH_ID_BYTES;
    fq_uuid id;
    fq_str text = {request->bytes + first + (size_t)index * WATCH_ID_BYTES + WATCH_ID_OFFSET, FQ_UUID_TEXT};
    int rc = fq_uuid_parse(text, &id);
    FQ_ASSERT(rc == 0);
    return id;
}

int fq_session_ping_new(fq_session *session) {
    struct fq_resp_writer writer = fq_session_encode(session);
    fq_resp_write_request(&writer, 1);
    fq_resp_write_string(&writer, FQ_STR("PING"));
    int rc = fq_session_request_new(session, &writer, FQ_REQUEST_PING, &session->ping);
    session->held_bytes = 0;
    return rc;
}

// Copies the bytes into the output; the request is in flight from here on. On failure it stays where it is.
static int launch(fq_session *session, struct fq_session_request *request) {
    size_t position = fq_buf_len(&session->out);
    int rc = fq_buf_append(&session->out, request->bytes, request->len);
    if (rc < 0)
        return rc;
    if (fq_list_is_empty(&session->in_flight))
        session->waiting_since_us = FQ_NEVER_US;
    request->start = session->sent + position;
    request->place = FQ_REQUEST_FLIES;
    session->in_flight_count++;
    fq_list_move(&session->in_flight, &request->queue);
    return 0;
}

int fq_session_login(fq_session *session) {
    const struct fq_session_options *options = &session->options;
    bool auth = options->token != NULL;
    bool name = options->client_name != NULL && options->client_name[0] != '\0';
    struct fq_resp_writer writer = fq_session_encode(session);
    fq_resp_write_request(&writer, 2 + (auth ? 3u : 0u) + (name ? 2u : 0u));
    fq_resp_write_string(&writer, FQ_STR("HELLO"));
    fq_resp_write_string(&writer, FQ_STR("3"));
    if (auth) {
        fq_resp_write_string(&writer, FQ_STR("AUTH"));
        fq_resp_write_string(&writer, fq_str_of(options->user != NULL ? options->user : "default"));
        fq_resp_write_string(&writer, fq_str_of(options->token));
    }
    if (name) {
        fq_resp_write_string(&writer, FQ_STR("SETNAME"));
        fq_resp_write_string(&writer, fq_str_of(options->client_name));
    }
    struct fq_session_request *request;
    int rc = fq_session_request_new(session, &writer, FQ_REQUEST_LOGIN, &request);
    if (session->scratch.data != NULL)
        explicit_bzero(session->scratch.data, session->scratch.capacity);
    if (rc < 0)
        return rc;
    rc = launch(session, request);
    if (rc < 0)
        fq_session_request_free(session, request);
    return rc;
}

// --- watches ------------------------------------------------------------------------------------------------------------
static uint32_t count_unsent(const fq_session *session) {
    uint32_t count = 0;
    const fq_list_link *head = &session->watch_unsent;
    for (const fq_list_link *link = head->next; link != head && count < WATCH_IDS_MAX; link = link->next)
        count++;
    return count;
}

static int launch_watch(fq_session *session, uint32_t count) {
    struct fq_resp_writer writer = fq_session_encode(session);
    fq_resp_write_request(&writer, 1 + (size_t)count);
    fq_resp_write_string(&writer, FQ_STR("FQ.WATCH"));
    fq_list_link *link = session->watch_unsent.next;
    for (uint32_t i = 0; i < count; i++, link = link->next) {
        char id[FQ_UUID_TEXT];
        fq_uuid_format(&FQ_ELEMENT(link, struct fq_session_watcher, queue)->id, id);
        fq_resp_write_string(&writer, (fq_str){id, sizeof id});
    }
    struct fq_session_request *request;
    int rc = fq_session_request_new(session, &writer, FQ_REQUEST_WATCH, &request);
    if (rc < 0)
        return rc;
    request->id_count = count;
    rc = launch(session, request);
    if (rc < 0) {
        fq_session_request_free(session, request);
        return rc;
    }
    for (uint32_t i = 0; i < count; i++) {
        link = session->watch_unsent.next;
        FQ_ELEMENT(link, struct fq_session_watcher, queue)->sent = true;
        fq_list_move(&session->watch_sent, link);
    }
    return 0;
}

// --- output -------------------------------------------------------------------------------------------------------------
// The watch of a task goes out right behind its submit, unless the answer must tell the id first.
static int launch_next(fq_session *session) {
    struct fq_session_request *request = FQ_ELEMENT(session->waiting.next, struct fq_session_request, queue);
    int rc = launch(session, request);
    if (rc == 0 && request->watcher != NULL && !request->watch_later)
        fq_list_move(&session->watch_unsent, &request->watcher->queue);
    return rc;
}

static int launch_all(fq_session *session) {
    if (session->ping_wanted) {
        int rc = launch(session, session->ping);
        if (rc < 0)
            return rc;
        session->ping_wanted = false;
        session->ping_in_flight = true;
    }
    while (!fq_list_is_empty(&session->waiting) && session->in_flight_count < IN_FLIGHT_MAX &&
           fq_buf_len(&session->out) < OUTPUT_CHUNK) {
        int rc = launch_next(session);
        if (rc < 0)
            return rc;
    }
    for (uint32_t count; (count = count_unsent(session)) > 0;) {
        int rc = launch_watch(session, count);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// Running out of memory on the way is no error: what was not moved waits for the next turn, which the deadline makes come.
void fq_session_fill_output(fq_session *session) {
    if (session->ready)
        session->is_short = launch_all(session) < 0;
}

// --- the end of a connection --------------------------------------------------------------------------------------------
static void end_request(fq_session *session, struct fq_session_request *request, int error) {
    bool callers = request->kind == FQ_REQUEST_SUBMIT || request->kind == FQ_REQUEST_COMMAND;
    if (!callers || request->forgotten) {
        fq_session_request_free(session, request);
        return;
    }
    if (request->watcher != NULL)
        fq_session_watcher_free(session, request->watcher);
    request->place = FQ_REQUEST_ENDED;
    request->error = error;
    fq_list_move(&session->finished, &request->queue);
}

static struct fq_session_request *first_request(fq_list_link *head) {
    return FQ_ELEMENT(head->next, struct fq_session_request, queue);
}

void fq_session_end_all(fq_session *session, int error) {
    while (!fq_list_is_empty(&session->in_flight))
        end_request(session, first_request(&session->in_flight), error);
    session->in_flight_count = 0;
    while (!fq_list_is_empty(&session->waiting))
        end_request(session, first_request(&session->waiting), error);
    fq_list_link *lists[] = {&session->deliver, &session->watch_sent, &session->watch_unsent,
                             &session->watch_held};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (!fq_list_is_empty(lists[i])) {
            fq_list_link *link = lists[i]->next;
            FQ_ELEMENT(link, struct fq_session_watcher, queue)->error = error;
            fq_list_move(&session->watch_dead, link);
        }
    }
}

// The transport has not taken all of it, so the peer cannot have acted on it.
static bool is_unsent(const fq_session *session, const struct fq_session_request *request) {
    return request->start + request->len > session->sent;
}

static void requeue_watchers(fq_session *session) {
    fq_list_link *lists[] = {&session->deliver, &session->watch_sent, &session->watch_unsent};
    fq_list_link again;
    fq_list_init(&again);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        while (!fq_list_is_empty(lists[i])) {
            fq_list_link *link = lists[i]->next;
            struct fq_session_watcher *watcher = FQ_ELEMENT(link, struct fq_session_watcher, queue);
            watcher->sent = false;
            fq_session_watcher_index(session, watcher);
            fq_list_move(watcher->submit != NULL ? &session->watch_held : &again, link);
        }
    }
    fq_list_splice_before(session->watch_unsent.next, &again);
}

void fq_session_requeue(fq_session *session) {
    fq_list_link again;
    fq_list_init(&again);
    while (!fq_list_is_empty(&session->in_flight)) {
        struct fq_session_request *request = first_request(&session->in_flight);
        bool callers = request->kind == FQ_REQUEST_SUBMIT || request->kind == FQ_REQUEST_COMMAND;
        if (callers && !request->forgotten && (request->repeatable || is_unsent(session, request))) {
            request->place = FQ_REQUEST_WAITS;
            fq_list_move(&again, &request->queue);
        } else {
            end_request(session, request, FQ_EDISCONNECTED);
        }
    }
    session->in_flight_count = 0;
    fq_list_splice_before(session->waiting.next, &again);
    requeue_watchers(session);
}
