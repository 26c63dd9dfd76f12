// SPDX-License-Identifier: Apache-2.0
// The product's own protocol session over a simulated link. What it writes and reads is overheard and told to the model
// request by request; the session itself does as it likes: connects again, repeats, pings, gives up.
#ifndef FQ_SIM_SESSION_PEER_H
#define FQ_SIM_SESSION_PEER_H

#include "fastqueue/session.h"
#include "resp/reader.h"
#include "sim/cast_state.h"

enum { SIM_SESSION_ASKS_MAX = 4096 };

struct sim_session_peer {
    sim_cast *cast;
    void (*on_event)(void *context, const struct fq_session_event *event);
    void *context;
    const struct sim_user *user;
    const char *worker_id; // NULL = no worker
    uint32_t actor;
    fq_session *session;
    sim_link *link; // NULL = none
    uint64_t link_id;
    bool is_open, is_logged_in;
    bool is_pumping;     // inside pump
    uint64_t generation; // of the connection's timers
    int64_t tick_at_us;
    char source[24];
    // overheard
    fq_resp_request_reader *requests;
    fq_resp_reply_reader *replies;
    fq_buf said, heard;
    uint64_t *asks; // ring of exchanges under way
    uint32_t ask_first, ask_count;
};

/** `peer` must stay where it is. Connects at once and for ever until closed. */
void sim_session_open(struct sim_session_peer *peer, sim_cast *cast, enum sim_user_name user,
                      void (*on_event)(void *context, const struct fq_session_event *event), void *context);
/** Closes the connection for good. */
void sim_session_close(struct sim_session_peer *peer);
void sim_session_done(struct sim_session_peer *peer);
/** Something was asked of `session`: sends it. */
void sim_session_pump(struct sim_session_peer *peer);

#endif
