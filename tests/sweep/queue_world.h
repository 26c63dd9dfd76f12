// SPDX-License-Identifier: Apache-2.0
// The whole queue in one process, for sweeps: a client's session, the server's core, journal and engine, a simulated disk.
// Nothing here knows what is made to fail; each function says how it went.
#ifndef FQ_SWEEP_QUEUE_WORLD_H
#define FQ_SWEEP_QUEUE_WORLD_H

#include "engine/engine.h"
#include "fastqueue/session.h"
#include "server/core.h"
#include "sim/disk.h"

struct queue_world {
    sim_disk *sim;
    struct fq_server_options options;
    struct fq_now now;
    fq_session *session;
    bool is_connected; // the session's side
    // The server, while it is up.
    fq_engine *engine;
    fq_journal *journal;
    fq_core *core;
    fq_connection *connection;
    uint64_t deaths; // servers that ended because of a failure, as with exit code 74
    uint64_t next_tag;
};

void queue_world_init(struct queue_world *world);
void queue_world_done(struct queue_world *world);

/** Starts a server on the disk if none is up. False: it refused, and all is given back. */
bool queue_world_boot(struct queue_world *world);
/** Ends it as a kill does. */
void queue_world_kill(struct queue_world *world);
/** Boots and connects what is not. */
bool queue_world_ready(struct queue_world *world);
/** Turns for `ms` of simulated time. */
void queue_world_pass(struct queue_world *world, int64_t ms);

/** Sends words (NULL at the end) and waits for the answer: its first integer or 1, or a negative error when there was none or
 *  it was a refusal. */
int64_t queue_world_ask(struct queue_world *world, ...) __attribute__((sentinel));
/** 0 when the submission was acknowledged. */
int queue_world_submit(struct queue_world *world, const char *id, const struct fq_submit_options *options);
/** A whole compaction. False: nothing has changed. */
bool queue_world_compact(struct queue_world *world);

#endif
