// SPDX-License-Identifier: Apache-2.0
// FETCH … BLOCK: connections that wait for tasks, matched by name. Each name has a queue of who waits for it, oldest first;
// a task that becomes eligible marks its name, and once a turn fq_parked_match serves who has waited longest for a marked
// name, so that a pipeline of submits is handed out in one go and nobody is overtaken.
#ifndef FQ_SERVER_PARKED_H
#define FQ_SERVER_PARKED_H

#include "base/heap.h"
#include "base/list.h"
#include "base/time.h"
#include "server/core.h"
#include "server/index.h"

// Names that all waits hold together, each counted once a wait.
enum { FQ_PARKED_ROOM_MAX = 1 << 20 };

struct fq_parked_name;
struct fq_parked {
    struct fq_index names;
    fq_heap marked;                // names with something eligible, by the arrival of who waits first
    fq_list_link fetches;          // all that wait, in order of arrival
    struct fq_parked_name **by_id; // by the engine's name id, owned; NULL = not waited for, or not looked up
    size_t by_id_room;
    size_t count;
    size_t name_count;
    size_t room; // of entries in all connections
    uint64_t arrivals;
    fq_str *list; // names of the wait that is being served
    size_t list_room;
};

void fq_parked_init(struct fq_parked *parked);
void fq_parked_done(struct fq_parked *parked);

/** Lets the connection wait for tasks of `names`; none: those that `worker` registered. It becomes FQ_BLOCK_FETCH until
 *  `until_us`. 0, FQ_ENOMEM, or FQ_EBUSY above FQ_PARKED_ROOM_MAX. */
FQ_MUST_USE int fq_parked_add(fq_core *core, fq_connection *connection, fq_str worker, const fq_str *names,
                              size_t name_count, uint32_t count, int64_t until_us);
/** Frees what a connection kept for its waits; it waits no more. */
void fq_parked_forget(fq_core *core, fq_connection *connection);
/** Ends the wait without a reply. Not waiting is fine. */
void fq_parked_remove(fq_core *core, fq_connection *connection);
/** Ends the wait with an empty reply. */
void fq_parked_end(fq_core *core, fq_connection *connection);
/** There may be something for the fetch that waits here: it is served with the next turn. */
void fq_parked_mark_wait(fq_core *core, fq_connection *connection);
/** A task of the name is eligible. */
void fq_parked_mark(fq_core *core, uint32_t name_id);
/** Anything may have become eligible: a pause ended. */
void fq_parked_mark_all(fq_core *core);
/** The worker registered (again): its waits follow its new names; those that named tasks themselves end empty. */
void fq_parked_rename(fq_core *core, fq_str worker);
/** Serves marked names. */
void fq_parked_match(fq_core *core, struct fq_now now);

#endif
