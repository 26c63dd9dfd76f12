// SPDX-License-Identifier: Apache-2.0
// Watchers: from the answer to their watch, or a pushed result, to where their event comes from.
#include "client/session_state.h"

static struct fq_session_watcher *watcher_by_id(const fq_session *session, const fq_uuid *id) {
    fq_session_index_link *link =
        fq_session_index_find(&session->watchers_by_id, fq_session_hash_id(session, id));
    for (; link != NULL; link = fq_session_index_next(link)) {
        struct fq_session_watcher *watcher = FQ_ELEMENT(link, struct fq_session_watcher, by_id);
        if (fq_uuid_equal(&watcher->id, id))
            return watcher;
    }
    return NULL;
}

// An error means the watch that was sent. One that was answered before its submit says nothing about the task: it is asked
// again behind the submit's answer.
static bool outlives_error(fq_session *session, struct fq_session_watcher *watcher) {
    if (watcher->sent && watcher->submit == NULL)
        return false;
    if (watcher->submit != NULL)
        watcher->submit->watch_later = true;
    watcher->sent = false;
    fq_session_watcher_index(session, watcher);
    fq_list_move(watcher->submit != NULL ? &session->watch_held : &session->watch_unsent, &watcher->queue);
    return true;
}

// Takes every watcher of the task to where its event comes from: its result, or its error.
static void resolve(fq_session *session, const fq_uuid *id, int error, uint32_t result_at) {
    fq_list_link found;
    fq_list_init(&found);
    struct fq_session_watcher *watcher;
    while ((watcher = watcher_by_id(session, id)) != NULL) {
        fq_session_index_remove(&session->watchers_by_id, &watcher->by_id);
        fq_list_move(&found, &watcher->queue);
    }
    while (!fq_list_is_empty(&found)) {
        watcher = FQ_ELEMENT(found.next, struct fq_session_watcher, queue);
        watcher->error = error;
        watcher->result_at = result_at;
        if (error == 0)
            fq_list_move(&session->deliver, &watcher->queue);
        else if (!outlives_error(session, watcher))
            fq_list_move(&session->watch_dead, &watcher->queue);
    }
}

bool fq_session_id_from(const struct fq_value *value, fq_uuid *ret_id) {
    return value->type == FQ_VALUE_TEXT &&
           fq_uuid_parse((fq_str){value->text.ptr, value->text.len}, ret_id) == 0;
}

// A map that describes a task in its final state; false for anything else.
static bool resolve_map(fq_session *session, uint32_t at) {
    struct fq_task_result result;
    fq_uuid id;
    if (fq_session_read_result(session->values, at, &result) < 0 ||
        fq_uuid_parse((fq_str){result.id, FQ_UUID_TEXT}, &id) < 0)
        return false;
    resolve(session, &id, 0, at);
    return true;
}

// What the answer says about one watched id: a map is its result, nil, false, 0, an error or "unknown" that there is
// no such task; anything else that it is watched.
static void handle_watched(fq_session *session, const fq_uuid *id, uint32_t at) {
    const struct fq_value *value = &session->values[at];
    fq_slice message;
    int error = FQ_EUNKNOWNTASK;
    switch (value->type) {
    case FQ_VALUE_MAP: (void)resolve_map(session, at); return;
    case FQ_VALUE_ERROR: error = fq_session_wire_error(value, &message); break;
    case FQ_VALUE_INTEGER:
    case FQ_VALUE_BOOLEAN:
        if (value->integer != 0)
            return;
        break;
    case FQ_VALUE_TEXT:
        if (!fq_str_equal((fq_str){value->text.ptr, value->text.len}, FQ_STR("unknown")))
            return;
        break;
    case FQ_VALUE_NIL: break;
    default: return;
    }
    resolve(session, id, error, 0);
}

void fq_session_watch_reply(fq_session *session, const struct fq_session_request *request) {
    const struct fq_value *root = &session->values[0];
    bool each = root->type == FQ_VALUE_ARRAY && root->child_count == request->id_count;
    bool refused = root->type == FQ_VALUE_ERROR;
    if (!each && !refused)
        return;
    uint32_t at = each ? 1 : 0;
    for (uint32_t i = 0; i < request->id_count; i++) {
        fq_uuid id = fq_session_watch_id(request, i);
        handle_watched(session, &id, at);
        if (each)
            at = session->values[at].next;
    }
}

// The watcher of an answered submit: gone with a refusal, else watching the id that the answer names.
void fq_session_watch_settle(fq_session *session, struct fq_session_request *request, int error,
                             const fq_uuid *id) {
    struct fq_session_watcher *watcher = request->watcher;
    if (watcher == NULL)
        return;
    watcher->submit = NULL;
    request->watcher = NULL;
    if (error < 0) {
        fq_session_watcher_free(session, watcher);
        return;
    }
    if (request->watch_later || !fq_uuid_equal(&watcher->id, id)) {
        watcher->id = *id;
        watcher->sent = false;
        fq_session_watcher_index(session, watcher);
        fq_list_move(&session->watch_unsent, &watcher->queue);
    }
}

// `fq.result map`, or `fq.result id map`, the map nil if nobody knows the task.
void fq_session_watch_push(fq_session *session) {
    const struct fq_value *values = session->values;
    uint32_t count = values[0].child_count;
    uint32_t at = 2;
    fq_uuid id;
    if (count == 2) {
        (void)resolve_map(session, at);
    } else if (count >= 3 && fq_session_id_from(&values[at], &id)) {
        uint32_t outcome = values[at].next;
        fq_slice message;
        if (values[outcome].type == FQ_VALUE_NIL)
            resolve(session, &id, FQ_EUNKNOWNTASK, 0);
        else if (values[outcome].type == FQ_VALUE_ERROR)
            resolve(session, &id, fq_session_wire_error(&values[outcome], &message), 0);
        else
            (void)resolve_map(session, outcome);
    }
}
