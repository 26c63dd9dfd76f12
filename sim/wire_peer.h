// SPDX-License-Identifier: Apache-2.0
// A connection spoken by hand: requests are written into `output`, announced to the model one by one and sent together;
// answers come back in order with what was announced. It logs in by itself and, while wanted, connects again when the
// connection is gone or silent.
#ifndef FQ_SIM_WIRE_PEER_H
#define FQ_SIM_WIRE_PEER_H

#include "base/buf.h"
#include "resp/reader.h"
#include "sim/cast_state.h"
#include "sim/request.h"

enum { SIM_WIRE_ASKS_MAX = 1024 };

struct sim_ask {
    uint64_t exchange;
    uint32_t tag;
    enum sim_verb verb;
};

struct sim_wire_ops {
    /** Logged in, or about to be: requests may be sent. */
    void (*on_up)(void *context);
    /** The answer to the oldest request; nodes as reader.h gives them. */
    void (*on_reply)(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes);
    void (*on_push)(void *context, const struct fq_resp_node *nodes);
    /** No answer will come; once for each request under way, oldest first. */
    void (*on_lost)(void *context, const struct sim_ask *ask);
    /** All were lost, the connection is gone. Connecting again is not this function's business. */
    void (*on_down)(void *context);
};

struct sim_wire {
    sim_cast *cast;
    const struct sim_wire_ops *ops;
    void *context;
    const struct sim_user *user; // who logs in when credentials are in force
    int protocol;                // 2 or 3
    bool skips_login;            // up at once, with no right to anything where credentials are in force
    char source[24];             // address that it comes from
    uint32_t actor;
    sim_link *link;   // NULL = none
    uint64_t link_id; // of the link, 0 = none
    bool is_wanted, is_up, is_deaf, is_frozen;
    unsigned failures;   // to connect, in a row
    int64_t heard_us;    // when bytes came, or the first request since was sent
    int64_t patience_us; // silence after which the connection is given up
    uint64_t generation; // of timers
    uint64_t looks;      // times that somebody began to look for silence
    fq_resp_reply_reader *reader;
    fq_buf input, output;
    struct sim_ask *asks; // ring
    uint32_t ask_first, ask_count;
};

/** `wire` must stay where it is. `user`, `source`, `skips_login` and `protocol` may be changed while it is closed. */
void sim_wire_init(struct sim_wire *wire, sim_cast *cast, const struct sim_wire_ops *ops, void *context,
                   enum sim_user_name user);
void sim_wire_done(struct sim_wire *wire);
/** Connects, now and whenever the connection is gone, until closed. */
void sim_wire_open(struct sim_wire *wire);
/** Closes in order; what was asked and not answered is lost. No on_down. */
void sim_wire_close(struct sim_wire *wire);
/** As if the connection had broken: on_lost, on_down, and it connects again. */
void sim_wire_break(struct sim_wire *wire);

/** The process that holds it stands still, or goes on: meanwhile it neither reads nor connects nor loses patience. */
void sim_wire_freeze(struct sim_wire *wire, bool is_frozen);

/** Requests that may still be under way. */
static inline uint32_t sim_wire_room(const struct sim_wire *wire) {
    return wire->is_up ? SIM_WIRE_ASKS_MAX - wire->ask_count : 0;
}
/** What may be done there: enum fq_role. */
static inline unsigned sim_wire_roles(const struct sim_wire *wire) {
    if (!wire->cast->options->credentials)
        return FQ_ROLE_ALL;
    return wire->skips_login ? 0 : wire->user->roles;
}
/** Announces the request that was just written to `output`, as the cast's exchange says; `tag` comes back. */
void sim_wire_ask(struct sim_wire *wire, uint32_t tag);
/** Sends what was written. */
void sim_wire_flush(struct sim_wire *wire);

/** Whether the answer is an error with this code. */
bool sim_reply_is_error(const struct fq_resp_node *nodes, const char *code);
static inline bool sim_reply_failed(const struct fq_resp_node *nodes) {
    return nodes[0].type == FQ_RESP_ERROR;
}

#endif
