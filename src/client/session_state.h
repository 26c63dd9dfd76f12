// SPDX-License-Identifier: Apache-2.0
// What is inside a session; shared by the session_*.c files only.
//
// A request lives in one of three lists: `waiting` (its bytes were not given to the transport), `in_flight` (they were;
// replies come in this order) and `finished` (it ended without a reply; an event tells). A watcher is somebody's wish
// for one result: `watch_held` until its submit tells the id, `watch_unsent` until FQ.WATCH is written, `watch_sent`,
// then `deliver` (its result is the reply being read) or `watch_dead` (it ends with an error).
#ifndef FQ_CLIENT_SESSION_STATE_H
#define FQ_CLIENT_SESSION_STATE_H

#include "base/buf.h"
#include "base/list.h"
#include "base/random.h"
#include "base/time.h"
#include "base/uuid.h"
#include "client/session_index.h"
#include "fastqueue/session.h"
#include "resp/reader.h"
#include "resp/writer.h"

enum fq_session_request_kind {
    FQ_REQUEST_LOGIN,
    FQ_REQUEST_PING,
    FQ_REQUEST_SUBMIT,
    FQ_REQUEST_WATCH, // the ids stand in its bytes
    FQ_REQUEST_COMMAND,
};

struct fq_session_watcher {
    fq_list_link queue;
    fq_session_index_link by_tag, by_id;
    uint64_t tag;
    fq_uuid id;
    bool sent;                         // FQ.WATCH was written for it on this connection
    int error;                         // while it is in `watch_dead`
    uint32_t result_at;                // while it is in `deliver`: the map in the session's values
    struct fq_session_request *submit; // not answered yet
};

struct fq_session_request {
    fq_list_link queue;
    fq_session_index_link by_tag;
    enum fq_session_request_kind kind;
    enum { FQ_REQUEST_WAITS, FQ_REQUEST_FLIES, FQ_REQUEST_ENDED } place;
    bool repeatable;
    bool forgotten;   // no event for its answer
    bool watch_later; // SUBMIT: its task is watched behind the answer, which may name another id
    int error;        // while it is in `finished`
    uint64_t tag;
    fq_uuid id;                         // SUBMIT
    struct fq_session_watcher *watcher; // SUBMIT with want_result
    uint32_t id_count;                  // WATCH
    uint64_t start;                     // position of its first byte in the connection's output
    size_t len;
    char bytes[];
};

struct fq_session {
    struct fq_session_options options; // its strings are the copies below
    char *user, *token, *client_name;
    struct fq_resp_limits limits;
    fq_random random;
    uint64_t hash_seed;
    int64_t now_us;

    // connection
    bool connected, ready, closing;
    bool ready_due;   // the READY event is to come
    bool ping_wanted; // PING goes out with the next output
    bool is_short;    // of memory: what waits for the output is to be tried again soon
    bool ping_in_flight;
    int failed;  // this connection is of no use any more
    int refused; // the credential is: do not connect again
    bool on_standby;
    char leader[FQ_SESSION_LEADER_MAX]; // whom a standby named; "" = nobody
    int32_t shard;                      // which the peer is; -1 = its queue has none
    uint32_t failures;
    int64_t ready_at_us, reconnect_delay_us;
    int64_t received_at_us;   // last byte from the peer
    int64_t waiting_since_us; // since when in_flight is not empty; FQ_NEVER_US = not known yet
    char error[256];

    // requests
    fq_list_link waiting, in_flight, finished;
    uint32_t in_flight_count;
    uint64_t held_bytes; // of requests not answered
    fq_session_index requests_by_tag;
    struct fq_session_request *ping; // reused; in `in_flight` or nowhere

    // watchers
    fq_list_link watch_held, watch_unsent, watch_sent, watch_dead, deliver;
    fq_session_index watchers_by_tag, watchers_by_id;

    // bytes
    fq_buf out, scratch, in;
    uint64_t sent; // bytes of this connection that the transport took
    fq_resp_reply_reader *reader;

    // the reply being read: its bytes stay in front of `in` until the next one is wanted
    size_t reply_len;
    struct fq_value *values;
    size_t value_count, value_capacity;
    bool reply_is_push;
};

// session.c
/** Remembers why the connection is of no use; the sentence is printf's. Returns `error`. */
int fq_session_fail(fq_session *session, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** After the last whole reply of a closed connection: requeues what is repeatable, finishes the rest. */
void fq_session_finish_disconnect(fq_session *session);

// session_request.c
/** An empty scratch buffer to write one request into … */
struct fq_resp_writer fq_session_encode(fq_session *session);
/** … and the request around what was written; in no list yet. FQ_ENOMEM, FQ_EFULL. */
FQ_MUST_USE int fq_session_request_new(fq_session *session, const struct fq_resp_writer *writer,
                                       enum fq_session_request_kind kind,
                                       struct fq_session_request **ret_request);
void fq_session_request_free(fq_session *session, struct fq_session_request *request);
void fq_session_watcher_free(fq_session *session, struct fq_session_watcher *watcher);
uint64_t fq_session_hash_tag(const fq_session *session, uint64_t tag);
uint64_t fq_session_hash_id(const fq_session *session, const fq_uuid *id);
/** Files a watcher under its id, again if the id has changed. */
void fq_session_watcher_index(fq_session *session, struct fq_session_watcher *watcher);

// session_output.c
/** Writes HELLO with the credential into the empty output of a new connection. */
FQ_MUST_USE int fq_session_login(fq_session *session);
FQ_MUST_USE int fq_session_ping_new(fq_session *session);
/** Moves waiting requests, a due PING and unsent watches into the output. */
void fq_session_fill_output(fq_session *session);
/** All requests and watchers end with `error`. */
void fq_session_end_all(fq_session *session, int error);
/** What a lost connection does to requests and watchers. */
void fq_session_requeue(fq_session *session);
/** Id number `index` of a WATCH request. */
fq_uuid fq_session_watch_id(const struct fq_session_request *request, uint32_t index);

// session_reply.c
/** Reads replies until the login has been answered or there are none. */
void fq_session_read_login(fq_session *session);
/** The input is about to move: keeps what events borrow from it right. */
void fq_session_rebase_values(fq_session *session, const char *old_front);

/** The error that an error reply stands for, and its sentence without the code. */
int fq_session_wire_error(const struct fq_value *value, fq_slice *ret_message);

// session_watch.c
bool fq_session_id_from(const struct fq_value *value, fq_uuid *ret_id);
/** The reply being read answers the watch `request`. */
void fq_session_watch_reply(fq_session *session, const struct fq_session_request *request);
/** The push being read brings a result. */
void fq_session_watch_push(fq_session *session);
/** A submit was answered with `error` or with `id`: its watcher, if it has one, is gone or watches that id. */
void fq_session_watch_settle(fq_session *session, struct fq_session_request *request, int error,
                             const fq_uuid *id);

// session_value.c
/** Copies a parsed reply into session->values. */
FQ_MUST_USE int fq_session_take_values(fq_session *session, const struct fq_resp_node *nodes);
/** As fq_task_result_read, for the map at values[at]. */
FQ_MUST_USE int fq_session_read_result(const struct fq_value *values, uint32_t at,
                                       struct fq_task_result *ret_result);

#endif
