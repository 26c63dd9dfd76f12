// SPDX-License-Identifier: Apache-2.0
// Inside the network: links with a pipe each way, and what the server's end of them needs (transport.c).
#ifndef FQ_SIM_NETWORK_STATE_H
#define FQ_SIM_NETWORK_STATE_H

#include "base/buf.h"
#include "base/list.h"
#include "server/core.h"
#include "sim/network.h"

// Bytes on their way in one direction.
struct sim_pipe {
    fq_buf bytes;
    bool is_moving; // an event will deliver
    bool has_ended; // the sender is done: what is in `bytes` still arrives, then the end
};

enum sim_end {       // the server's end of a link
    SIM_END_NONE,    // not there yet, refused, or gone
    SIM_END_WAITING, // connected by the kernel, not yet accepted
    SIM_END_OPEN,
    SIM_END_LEAVING, // no more reading; closed once its output is sent and what it rests on is durable
};

struct sim_link {
    sim_network *network;
    uint64_t id, generation; // of the slot: events of earlier links in it are void
    struct sim_link *next_free;
    const struct sim_peer_ops *ops;
    void *context;
    struct sim_peer_origin origin;
    bool has_peer;   // the peer holds it: it is told what happens
    bool is_told;    // on_connected was called
    bool is_calling; // inside a callback: the slot must stay
    bool is_deaf;    // the peer takes nothing
    bool is_silent;  // half-open: nothing passes any more
    int64_t frozen_until_us;
    struct sim_pipe up, down;
    size_t arrived;   // of up.bytes: has reached the server's kernel
    bool end_arrived; // and so has its end
    bool was_reset;   // the server's kernel knows that the connection broke
    bool is_blocked;  // the server has more output than the pipe takes
    enum sim_end end;
    fq_connection *connection;
    fq_list_link attention; // in the network's list of those that the server's next turn looks at
    fq_list_link leaving;
    uint64_t leave_after_seq;
    int64_t leave_until_us;
};

enum { SIM_SLOTS_A_PIECE = 64, SIM_WINDOW = 1 << 17, SIM_FEED_PER_TURN = 1 << 16 };

struct sim_network {
    sim_world *world;
    const struct sim_options *options;
    void (*wake)(void *context);
    void (*on_product)(void *context, bool runs);
    void *context;
    struct sim_link **pieces; // of SIM_SLOTS_A_PIECE links; freed with the network only
    size_t piece_count;
    struct sim_link *free;
    uint64_t id_last;
    bool is_reachable;   // the machine is on
    bool no_descriptors; // for another connection
    fq_core *core;       // listens; NULL = nobody does
    fq_list_link attention, leaving;
};

/** `wake`: the server's loop has something to do; `on_product`: the server's own code begins and ends. */
sim_network *sim_network_new(sim_world *world, const struct sim_options *options, void (*wake)(void *context),
                             void (*on_product)(void *context, bool runs), void *context);
/** Links that peers still hold are gone without a word. */
sim_network *sim_network_free(sim_network *network);

/** The process listens with `core`, from now on. */
void sim_network_open(sim_network *network, fq_core *core);
/** Nobody listens any more; connections are lost. `power`: not even the kernel says so at once. The core is gone. */
void sim_network_die(sim_network *network, bool power);
/** The machine is on again, without a process that listens. */
void sim_network_power_on(sim_network *network);
/** From now on callers are turned away for want of descriptors, or not any more. */
void sim_network_exhaust(sim_network *network, bool is_exhausted);
/** Freezes all links one by one; they thaw in another order. */
void sim_network_swizzle(sim_network *network);
/** What is half-open or frozen ends soon. */
void sim_network_heal(sim_network *network);

/** First half of a turn of the loop: accepts, reads, takes notice of ends. */
void sim_network_receive(sim_network *network, struct fq_now now);
/** Second half: sends what may leave, closes what is to be closed. */
void sim_network_flush(sim_network *network, struct fq_now now);

// --- between network.c and transport.c ---------------------------------------------------------------------------------
/** The server's turn is to look at the link. */
void sim_link_attend(struct sim_link *link);
/** Bytes were put into a pipe, or it has room again, or it has ended: see to it that it moves. */
void sim_link_move_up(struct sim_link *link);
void sim_link_move_down(struct sim_link *link);
/** The server's end is gone. `broken`: the peer gets nothing more but the end. */
void sim_link_server_left(struct sim_link *link, bool broken);
/** Gives the slot back if neither side holds it. */
void sim_link_release(struct sim_link *link);

#endif
