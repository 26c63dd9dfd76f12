// SPDX-License-Identifier: Apache-2.0
// A connection from the inside of the core: what it may do, what it waits for, what it has still to be sent.
//
// Output is one buffer. What the commands of a turn append is `fresh` until fq_connection_seal() gives it a mark: the
// journal sequence that it rests on. Marks are released in order when that sequence is durable; only released bytes are
// shown to the transport. Marks that find no room merge into the last one, which can only delay a release.
#ifndef FQ_SERVER_CONNECTION_H
#define FQ_SERVER_CONNECTION_H

#include "base/buf.h"
#include "base/list.h"
#include "resp/reader.h"
#include "resp/writer.h"
#include "server/census.h"
#include "server/core.h"
#include "server/timers.h"

enum { FQ_MARK_COUNT = 4, FQ_CLIENT_NAME_MAX = 64 };

struct fq_output_mark {
    uint64_t end; // position in the stream of output bytes behind the last byte it covers
    uint64_t seq;
    uint32_t commands;
};

// Why the next request of a connection is not looked at.
enum fq_block {
    FQ_BLOCK_NONE,
    FQ_BLOCK_FETCH,  // a FETCH waits for tasks; a request behind it ends that
    FQ_BLOCK_RESULT, // a RESULT WAIT waits for the task's end
    FQ_BLOCK_DELAY,  // a login is held back; it is executed again when the time is over
};

// A waiting FETCH (parked.h).
struct fq_parked_name;
struct fq_parked_entry {
    fq_list_link link; // in the name's queue
    struct fq_parked_name *name;
    fq_connection *connection;
};
struct fq_fetch_wait {
    fq_list_link link;               // in the core's list of waiting fetches
    struct fq_parked_entry *entries; // one a name
    size_t entry_count, entry_room;
    char *worker;   // owned; NUL terminated
    bool own_names; // TASKS was given; else the names are those that the worker registered
    uint32_t count;
    uint64_t arrival; // order among all waits
};

struct fq_connection {
    fq_core *core;
    uint64_t id;
    void *context;
    fq_list_link all, ready, touched, gated, held, waiting;
    char *peer;                                 // owned
    char *source;                               // owned; what login failures are counted by
    fq_census_entry *source_entry, *user_entry; // it counts there; NULL = nowhere
    bool is_local;
    int64_t opened_us; // wall
    int64_t heard_us;  // boot

    unsigned roles;
    bool is_authenticated;
    char user[FQ_CLIENT_NAME_MAX + 1];
    char name[FQ_CLIENT_NAME_MAX + 1];
    char library[FQ_CLIENT_NAME_MAX + 1];
    char library_version[FQ_CLIENT_NAME_MAX + 1];
    const struct fq_command_row *last_row; // of the command run last; NULL = none

    fq_resp_request_reader *reader;
    fq_buf input; // what is not consumed
    struct fq_resp_writer reply;

    fq_buf output;
    uint64_t output_base;  // position of its first byte in the stream
    uint64_t released_end; // position up to which bytes may be sent
    struct fq_output_mark marks[FQ_MARK_COUNT];
    unsigned mark_count;
    uint64_t fresh_seq;
    uint32_t fresh_commands;
    uint32_t released_commands;
    uint32_t in_flight; // commands whose replies were not taken by the transport
    uint64_t commands_total;
    size_t counted_bytes; // of core->client_bytes

    enum fq_block block;
    bool was_blocked;         // its next output ends a wait: it goes first
    bool delay_served;        // the login that is executed again has waited its time
    struct fq_timer timer;    // of the block
    struct fq_timer deadline; // cut then: not logged in, or output that is not taken
    struct fq_fetch_wait fetch;
    fq_uuid wait_id;      // of FQ_BLOCK_RESULT
    fq_list_link watches; // of struct fq_watch
    fq_list_link due;     // of struct fq_watch, for tasks that have ended
    size_t watch_count;
    fq_list_link memberships; // of struct fq_membership: workers that it registered
    size_t membership_count;

    bool is_closing;     // no more reading; closed when all output is sent
    bool is_cut;         // closed at once, unsent output is dropped
    fq_request *request; // runs for the inside of the process
};

/** All but the peer's texts; NULL when out of memory. Not yet in the core's lists. */
int fq_connection_init(fq_connection *connection, fq_core *core);
/** Leaves every list, drops waits, watches and memberships, frees what it owns but not itself. */
void fq_connection_done(fq_connection *connection, struct fq_now now);

/** A reply or push was appended: it rests on all that has been journaled up to now. */
void fq_connection_touch(fq_connection *connection);
/** Above the soft limit of its output: nothing more is to be written for now. */
bool fq_connection_is_stuffed(const fq_connection *connection);
/** Ends the run of fresh output with a mark. */
void fq_connection_seal(fq_connection *connection);
/** Releases what is durable; true when nothing waits any more. */
bool fq_connection_release(fq_connection *connection, uint64_t durable_seq);
/** Executes what is complete in the input, as far as the connection may go now. */
void fq_connection_resume(fq_connection *connection, struct fq_now now);
/** Stops reading; closes when all output is sent. */
void fq_connection_end(fq_connection *connection);
/** Closes at once. */
void fq_connection_cut(fq_connection *connection);
/** Gives back the memory of buffers that are empty. */
void fq_connection_trim(fq_connection *connection);
/** Closes at once to make room: its buffers are freed now. */
void fq_connection_evict(fq_connection *connection);
/** The wait of `block` is over; the reply has been written. */
void fq_connection_unblock(fq_connection *connection);

/** The writer for one reply or push, its failure cleared. */
static inline struct fq_resp_writer *fq_connection_writer(fq_connection *connection) {
    connection->reply.failed = 0;
    return &connection->reply;
}
/** Counts the reply of one command and notes what it rests on; cuts the connection if the reply did not fit. */
void fq_connection_replied(fq_connection *connection);
/** As above for a push: no command is counted. */
void fq_connection_pushed(fq_connection *connection);

#endif
