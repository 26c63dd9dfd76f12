// SPDX-License-Identifier: Apache-2.0
// Byte streams between peers and the server, with delay, pieces, stalls, resets, silence and readers that do not read.
// Within a stream nothing is reordered; between streams everything may be. One side is a peer with callbacks, the other a
// connection of the server's core (server.c).
#ifndef FQ_SIM_NETWORK_H
#define FQ_SIM_NETWORK_H

#include "base/str.h"
#include "sim/options.h"
#include "sim/world.h"

typedef struct sim_network sim_network;
typedef struct sim_link sim_link; // the peer's end of a connection

struct sim_peer_ops {
    /** The connection stands; or, after a refusal, error bytes follow and then on_closed. */
    void (*on_connected)(void *context, sim_link *link);
    /** Bytes that arrived; borrowed for the call. */
    void (*on_bytes)(void *context, sim_link *link, fq_str bytes);
    /** Gone: the link is invalid after this call. Not called after sim_link_close. */
    void (*on_closed)(void *context, sim_link *link);
};

struct sim_peer_origin {
    const char *source; // address that login failures are counted by
    bool is_local;
};

/** Begins to connect; on_connected or on_closed follows, never out of this call. */
sim_link *sim_network_connect(sim_network *network, const struct sim_peer_origin *origin,
                              const struct sim_peer_ops *ops, void *context);
/** Sends; never refuses (what a peer may have under way is its own business). Copies. */
void sim_link_send(sim_link *link, fq_str bytes);
/** Closes in order: what was sent still arrives. Invalid afterwards. */
void sim_link_close(sim_link *link);
/** While deaf the peer takes no bytes; the server feels it once `window` bytes are on their way. */
void sim_link_set_deaf(sim_link *link, bool is_deaf);
/** Never repeats in a world; starts at 1. */
uint64_t sim_link_id(const sim_link *link);

#endif
