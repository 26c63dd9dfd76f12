// SPDX-License-Identifier: Apache-2.0
// One of several control planes on one replicated log: follows the log with a warm state until nobody leads, takes over, and goes on
// telling the others that it lives. A thread of its own does all of it, so that the loop answers meanwhile.
//
// What keeps two leaders from harming each other is the log's fence (journal/stream.h); who leads by the register may be late.
#ifndef FQ_SERVER_LEADERSHIP_H
#define FQ_SERVER_LEADERSHIP_H

#include "base/shard_map.h"
#include "journal/leader.h"
#include "server/server.h"
#include "server/store.h"

enum fq_leadership_state {
    FQ_LEADERSHIP_FOLLOWING,
    FQ_LEADERSHIP_WON,    // the store is recovered and writable, to be taken
    FQ_LEADERSHIP_LOST,   // another took over: end at once
    FQ_LEADERSHIP_FAILED, // told in the log; `exit_code` says how to end
};

struct fq_leadership_config {
    const struct fq_server_options *options; // borrowed, as are the texts
    const char *address;                     // where clients reach this one: host:port
    const char *id;
    /** Called from the thread when fq_leadership_look or fq_leadership_shards tells something new. */
    void (*wake)(void *context);
    void *context;
};

typedef struct fq_leadership fq_leadership;

/** NULL: out of memory or threads. */
fq_leadership *fq_leadership_start(const struct fq_leadership_config *config);
/** How it stands. `ret_leader`: who leads, as far as known. */
enum fq_leadership_state fq_leadership_look(fq_leadership *leadership, struct fq_leader *ret_leader);
/** With a shard: the map of all of them, in place of `map`, which came with `revision` (at first empty and 0). True: it is another. */
bool fq_leadership_shards(fq_leadership *leadership, struct fq_shard_map *map, uint64_t *revision);
/** FQ_LEADERSHIP_FAILED: how the process is to end. */
int fq_leadership_exit_code(fq_leadership *leadership);
/** FQ_LEADERSHIP_WON: hands the store over, once. */
void fq_leadership_take(fq_leadership *leadership, struct fq_store *ret_store);
/** Says that it leaves, if it leads, so that another takes over at once. NULL is fine. Returns NULL. */
fq_leadership *fq_leadership_end(fq_leadership *leadership);

#endif
