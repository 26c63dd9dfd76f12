// SPDX-License-Identifier: Apache-2.0
// The control plane without I/O: engine, journal and connections composed. It is fed bytes and time and gives bytes and
// deadlines back; it owns no socket and reads no clock, so that the event loop, the admin HTTP and a simulator drive the
// same code.
//
// A loop does, for each turn:
//     for each readable transport:  fq_connection_feed(connection, bytes, len, now)
//     fq_core_turn(core, now)                          time, matching, append to and commit of the journal
//     when the storage woke the loop:  fq_core_on_durable(core, now)        after fq_journal_poll
//     while ((connection = fq_core_next_ready(core)))  look at its output, at wants_read and at should_close
//     sleep until fq_core_deadline(core, now)
//
// Nothing that a peer can observe leaves before it is durable: fq_connection_output() gives only bytes whose journal
// records are. Without a journal everything is released by fq_core_turn. One thread owns a core and all that is in it.
#ifndef FQ_SERVER_CORE_H
#define FQ_SERVER_CORE_H

#include "base/buf.h"
#include "base/shard_map.h"
#include "base/str.h"
#include "base/time.h"
#include "engine/engine.h"
#include "journal/journal.h"
#include "server/server.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fq_core fq_core;
typedef struct fq_connection fq_connection;
typedef struct fq_credentials fq_credentials; // credentials.h

// What a credential may do. A row of the command table names the roles of which one is needed.
enum fq_role {
    FQ_ROLE_SUBMIT = 1,
    FQ_ROLE_WORK = 2,
    FQ_ROLE_READ = 4,
    FQ_ROLE_ADMIN = 8,
    FQ_ROLE_ALL = 15,
};

// Called beside apply, for metrics and telemetry; it changes nothing. `after` is the task as the event left it, NULL for
// events without a task or whose task is gone; slices are valid during the call.
struct fq_core_observer {
    void (*on_event)(void *context, const fq_engine *engine, const struct fq_event *event,
                     const struct fq_task_view *after);
    void *context;
};

// What the core tells the owner's telemetry. All zero: nobody.
struct fq_core_telemetry {
    /** A submission is about to be decided; may add a context to its options, which must be valid until `submitted`. */
    void (*submitting)(void *context, struct fq_submit *submit);
    /** How that ended: 0 or the error; not new: the id was known, no task was made. */
    void (*submitted)(void *context, const fq_uuid *id, int error, bool is_new);
    /** Appends INFO's lines. */
    int (*info)(void *context, fq_buf *out);
    void *context;
};

struct fq_core_config {
    const struct fq_server_options *options; // borrowed for the core's life
    fq_engine *engine;                       // borrowed, recovered
    fq_journal *journal;                     // borrowed; NULL = memory only
    const fq_credentials *credentials;       // borrowed; NULL or empty = everybody has all roles
    uint64_t seed;                           // ids that the server makes, jitter, hash tables
    struct fq_core_observer observer;        // on_event NULL = none
    struct fq_core_telemetry telemetry;
    /** CPU time of the process so far, for INFO; NULL = not told. */
    void (*cpu_use)(double *ret_user_s, double *ret_system_s);
    bool is_standby; // until fq_core_activate: all that needs state is refused with -NOTACTIVE
    const struct fq_shard_map *shards; // borrowed, changes between calls; NULL: this queue has no shards
    uint32_t shard;                    // which of them this is
    const char *server_id;             // borrowed; shown by HELLO, INFO and FQ.REGISTER; NULL = "fastqueue"
};

/** What an answer stands for: "sync", "relaxed", "replicated" (most of the log's servers have it) or "none". */
const char *fq_core_durability(const fq_core *core);

/** Owned by the caller; NULL when out of memory. */
fq_core *fq_core_new(const struct fq_core_config *config);
/** Closes what connections are left. NULL is fine. Returns NULL. */
fq_core *fq_core_free(fq_core *core);

/** Feeds every record of the journal into the engine, in order. 0 or what fq_journal_recover or the engine said. */
FQ_MUST_USE int fq_core_recover(fq_engine *engine, fq_journal *journal);
/** After fq_core_recover: the records that another writer has added since. */
FQ_MUST_USE int fq_core_follow(fq_engine *engine, fq_journal *journal);
/** After recovery and fq_journal_start, once: the boot's epoch and new deadlines for what was leased. A standby's engine stays as it is. */
FQ_MUST_USE int fq_core_start(fq_core *core, struct fq_now now);

/** A standby becomes the active one: `engine` and `journal` are recovered and started, borrowed from now on. */
FQ_MUST_USE int fq_core_activate(fq_core *core, fq_engine *engine, fq_journal *journal, struct fq_now now);
/** Whom a standby names: "host:port", copied; "" = nobody. */
void fq_core_set_leader(fq_core *core, const char *address);
bool fq_core_is_standby(const fq_core *core);

// --- a loop turn ------------------------------------------------------------------------------------------------------
/** Does what time asks for, matches waiting fetches with eligible tasks, resumes connections that were held back, commits
 *  the journal and releases what is durable. */
void fq_core_turn(fq_core *core, struct fq_now now);
/** The journal's durable sequence may have moved: releases, and hands over the next batch. */
void fq_core_on_durable(fq_core *core, struct fq_now now);
/** Boot time at which fq_core_turn wants to be called again without traffic; FQ_NEVER_US if never. <= now: at once. */
int64_t fq_core_deadline(const fq_core *core, struct fq_now now);
/** A connection that has new output, closes, or changed its mind about reading; each once until it changes again. NULL
 *  when there is none. */
fq_connection *fq_core_next_ready(fq_core *core);
/** The journal failed, or state and journal may differ: nothing more is released; exit with 74. */
bool fq_core_failed(const fq_core *core);
/** Submits get -DRAINING, fetches nothing, heartbeats `drain`; workers that understand pushes are told. */
void fq_core_drain(fq_core *core, struct fq_now now);
/** Users were read anew: logged-in connections get their user's new roles, those whose user is gone are cut off. Borrowed
 *  like the ones in the configuration, which may be freed afterwards. */
void fq_core_set_credentials(fq_core *core, const fq_credentials *credentials, struct fq_now now);
/** No lease is out and every connection's output was taken: the process may end. */
bool fq_core_is_drained(const fq_core *core, struct fq_now now);

struct fq_core_stats {
    uint64_t connections, connections_total, connections_refused_total, connections_cut_total;
    uint64_t commands_total, command_errors_total, auth_failures_total, protocol_errors_total;
    uint64_t headers_ignored_total; // trace contexts and baggage that could not be used
    uint64_t bytes_in_total, bytes_out_total;
    uint64_t blocked_fetches, watched_ids; // watched: by WAIT or WATCH
    bool submits_blocked;                  // journal space is low
    bool draining;
};
void fq_core_stats(const fq_core *core, struct fq_core_stats *ret_stats);
fq_engine *fq_core_engine(fq_core *core);
fq_journal *fq_core_journal(fq_core *core); // NULL = memory only

// --- connections ------------------------------------------------------------------------------------------------------
struct fq_peer_info {
    fq_str text;   // "192.0.2.7:4711", "unix:/run/fastqueue.sock"; copied
    fq_str source; // what login failures are counted by: the address without port; copied; "" = text
    fq_str
        tls_subject; // name that a verified client certificate gave; a user of that name is logged in. "" = none
    bool is_local; // loopback or unix socket
};
/** NULL when refused: *ret_refusal is then a whole error line to be sent before the transport is closed (static). */
fq_connection *fq_core_accept(fq_core *core, const struct fq_peer_info *peer, struct fq_now now,
                              const char **ret_refusal);
/** Bytes from the peer. 0, or a negative error: no more reading; close when the output is sent. */
FQ_MUST_USE int fq_connection_feed(fq_connection *connection, const void *bytes, size_t len,
                                   struct fq_now now);
/** What may be sent now; empty if nothing. Valid until the next call on the core or any of its connections. */
fq_str fq_connection_output(const fq_connection *connection);
/** What may be sent is short and its peer waits for a FETCH or a RESULT behind it: it may be kept for that, if not for
 *  long. */
bool fq_connection_awaits_more(const fq_connection *connection);
/** The first `len` bytes of the output were taken by the transport. */
void fq_connection_sent(fq_connection *connection, size_t len);
/** False while the peer is to be held back: too many replies unsent, or too much waits for the disk. */
bool fq_connection_wants_read(const fq_connection *connection);
/** Close the transport now (all output that will ever be sent was given, or the peer is cut off). */
bool fq_connection_should_close(const fq_connection *connection);
/** Cut off: what was taken and is still unsent is worth no wait either. */
bool fq_connection_is_cut(const fq_connection *connection);
/** The transport is closed: forgets the connection. Its leases live on (presence.h says when they return). */
void fq_connection_close(fq_connection *connection, struct fq_now now);
/** How long a login from `source` has to wait before it is looked at, and that one was wrong (counted, logged now and
 *  then): for doors whose connections are not the core's. */
int64_t fq_core_login_delay_us(const fq_core *core, fq_str source, struct fq_now now);
void fq_core_login_failed(fq_core *core, fq_str source, size_t user_bytes, struct fq_now now);
/** The owner's own pointer. */
void fq_connection_set_context(fq_connection *connection, void *context);
void *fq_connection_context(const fq_connection *connection);
/** Never repeats in a core's life; starts at 1. */
uint64_t fq_connection_id(const fq_connection *connection);

// --- requests from inside the process (admin HTTP, tests) ---------------------------------------------------------------
/**
 * Runs one row of the command table with the rights `roles` (a mask of enum fq_role), RESP3, through the same gate:
 * `on_reply(context, reply)` is called once, out of fq_core_turn, fq_core_on_durable or fq_core_free (then with an empty
 * reply), never out of this call; the reply's bytes are valid during the call. WAIT and BLOCK work.
 * Returns a handle for fq_core_request_cancel, valid until on_reply; NULL when out of memory or at a limit.
 */
typedef struct fq_request fq_request;
fq_request *fq_core_request(fq_core *core, unsigned roles, const fq_str *args, size_t arg_count,
                            struct fq_now now, void (*on_reply)(void *context, fq_str reply), void *context);
/** The asker went away: on_reply is not called any more. */
void fq_core_request_cancel(fq_core *core, fq_request *request);

#endif
