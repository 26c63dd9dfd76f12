// SPDX-License-Identifier: Apache-2.0
#include "sim/session_peer.h"

#include "base/assert.h"
#include "sim/exchange_words.h"

#include <stdio.h>
#include <stdlib.h>

static int64_t now_of(const struct sim_session_peer *peer) {
    return sim_world_time(peer->cast->world);
}

// --- overhearing ----------------------------------------------------------------------------------------------------------
static void tell_request(struct sim_session_peer *peer, const struct fq_resp_request *request) {
    sim_cast *cast = peer->cast;
    sim_exchange_of_words(request->args, request->arg_count, &cast->asked);
    struct sim_exchange *asked = &cast->asked;
    asked->actor = peer->actor;
    asked->connection = peer->link_id;
    if (peer->worker_id != NULL)
        asked->work.worker = peer->worker_id;
    asked->roles = FQ_ROLE_ALL;
    if (cast->options->credentials)
        asked->roles = peer->is_logged_in ? peer->user->roles : 0;
    peer->is_logged_in = true; // the first request of a connection is its login
    FQ_ASSERT(peer->ask_count < SIM_SESSION_ASKS_MAX);
    peer->asks[(peer->ask_first + peer->ask_count++) % SIM_SESSION_ASKS_MAX] =
        sim_model_asked(cast->model, asked);
    cast->operations++;
}

static void overhear_requests(struct sim_session_peer *peer, fq_slice bytes) {
    static const struct fq_resp_limits limits = {0};
    int rc = fq_buf_append(&peer->said, bytes.ptr, bytes.len);
    FQ_ASSERT(rc == 0);
    struct fq_resp_request request;
    size_t consumed;
    while ((rc = fq_resp_request_next(peer->requests, &peer->said, &limits, &request, &consumed)) == 1) {
        tell_request(peer, &request);
        fq_buf_consume(&peer->said, consumed);
    }
    if (rc < 0)
        sim_world_fail(peer->cast->world, "S32", "the session sends malformed RESP: %s",
                       fq_resp_request_error(peer->requests));
}

static void overhear_replies(struct sim_session_peer *peer, fq_str bytes) {
    static const struct fq_resp_limits limits = {0};
    int rc = fq_buf_append_str(&peer->heard, bytes);
    FQ_ASSERT(rc == 0);
    const struct fq_resp_node *nodes;
    size_t consumed;
    while (fq_resp_reply_next(peer->replies, &peer->heard, &limits, &nodes, &consumed) == 1) {
        if (nodes[0].type == FQ_RESP_PUSH) {
            sim_model_pushed(peer->cast->model, peer->actor, nodes);
        } else if (peer->ask_count > 0) {
            sim_model_answered(peer->cast->model, peer->asks[peer->ask_first], nodes);
            peer->ask_first = (peer->ask_first + 1) % SIM_SESSION_ASKS_MAX;
            peer->ask_count--;
        }
        fq_buf_consume(&peer->heard, consumed);
    }
}

static void forget_link(struct sim_session_peer *peer) {
    peer->link = NULL;
    peer->link_id = 0;
    peer->is_logged_in = false;
    peer->generation++;
    peer->tick_at_us = INT64_MAX;
    fq_buf_clear(&peer->said);
    fq_buf_clear(&peer->heard);
    fq_resp_request_reader_free(peer->requests);
    fq_resp_reply_reader_free(peer->replies);
    peer->requests = fq_resp_request_reader_new();
    peer->replies = fq_resp_reply_reader_new();
    FQ_ASSERT(peer->requests != NULL && peer->replies != NULL);
    for (; peer->ask_count > 0; peer->ask_count--) {
        sim_model_lost(peer->cast->model, peer->asks[peer->ask_first]);
        peer->ask_first = (peer->ask_first + 1) % SIM_SESSION_ASKS_MAX;
    }
}

// --- driving --------------------------------------------------------------------------------------------------------------
static const struct sim_peer_ops link_ops;

static void connect_now(void *context, uint64_t generation) {
    struct sim_session_peer *peer = context;
    if (generation != peer->generation || !peer->is_open || peer->link != NULL)
        return;
    const struct sim_peer_origin origin = {.source = peer->source};
    peer->link = sim_network_connect(peer->cast->network, &origin, &link_ops, peer);
    peer->link_id = sim_link_id(peer->link);
}

static void take_events(struct sim_session_peer *peer) {
    struct fq_session_event event;
    while (fq_session_next_event(peer->session, &event) == 1)
        peer->on_event(peer->context, &event);
}

static void connect_later(struct sim_session_peer *peer) {
    int64_t delay_us = fq_session_reconnect_delay_us(peer->session);
    if (delay_us == INT64_MAX) // the credential was refused; somebody sets it right one day
        delay_us = FQ_US_PER_S;
    sim_world_at(peer->cast->world, now_of(peer) + delay_us + 1, connect_now, peer, peer->generation);
}

static void lose_connection(struct sim_session_peer *peer) {
    forget_link(peer);
    fq_session_disconnected(peer->session, now_of(peer));
    take_events(peer);
    if (peer->is_open)
        connect_later(peer);
}

static void give_up_link(struct sim_session_peer *peer) {
    sim_link_close(peer->link);
    sim_world_count(peer->cast->world, "session gave up a connection", 1);
    lose_connection(peer);
}

static void on_tick(void *context, uint64_t generation) {
    struct sim_session_peer *peer = context;
    if (generation != peer->generation || peer->link == NULL)
        return;
    peer->tick_at_us = INT64_MAX;
    sim_session_pump(peer);
}

static void tick_later(struct sim_session_peer *peer) {
    int64_t at_us = fq_session_deadline(peer->session);
    if (at_us >= peer->tick_at_us)
        return;
    peer->tick_at_us = at_us;
    sim_world_at(peer->cast->world, at_us > now_of(peer) ? at_us : now_of(peer) + 1, on_tick, peer,
                 peer->generation);
}

static void send_output(struct sim_session_peer *peer) {
    fq_slice output;
    while (peer->link != NULL && (output = fq_session_output(peer->session)).len > 0) {
        overhear_requests(peer, output);
        sim_link_send(peer->link, (fq_str){output.ptr, output.len});
        fq_session_sent(peer->session, output.len);
    }
}

void sim_session_pump(struct sim_session_peer *peer) {
    if (peer->is_pumping || !peer->is_open)
        return;
    peer->is_pumping = true;
    take_events(peer);
    if (peer->link != NULL && peer->is_open) {
        int rc = fq_session_tick(peer->session, now_of(peer));
        if (rc == 0)
            send_output(peer);
        else
            give_up_link(peer);
    }
    if (peer->link != NULL)
        tick_later(peer);
    peer->is_pumping = false;
}

static void on_connected(void *context, sim_link *link) {
    struct sim_session_peer *peer = context;
    FQ_ASSERT(link == peer->link);
    int rc = fq_session_connected(peer->session, now_of(peer));
    FQ_ASSERT(rc == 0);
    sim_session_pump(peer);
}

static void on_bytes(void *context, sim_link *link, fq_str bytes) {
    struct sim_session_peer *peer = context;
    FQ_ASSERT(link == peer->link);
    overhear_replies(peer, bytes);
    int rc = fq_session_feed(peer->session, bytes.ptr, bytes.len, now_of(peer));
    if (rc < 0)
        give_up_link(peer);
    else
        sim_session_pump(peer);
}

static void on_closed(void *context, sim_link *link) {
    struct sim_session_peer *peer = context;
    FQ_ASSERT(link == peer->link);
    lose_connection(peer);
}

static const struct sim_peer_ops link_ops = {on_connected, on_bytes, on_closed};

// --- life -----------------------------------------------------------------------------------------------------------------
void sim_session_open(struct sim_session_peer *peer, sim_cast *cast, enum sim_user_name user,
                      void (*on_event)(void *context, const struct fq_session_event *event), void *context) {
    *peer = (struct sim_session_peer){.cast = cast,
                                      .on_event = on_event,
                                      .context = context,
                                      .user = sim_user(user),
                                      .actor = ++cast->last_actor,
                                      .is_open = true,
                                      .tick_at_us = INT64_MAX};
    snprintf(peer->source, sizeof peer->source, "192.0.2.%u", peer->actor % 250);
    struct fq_session_options options;
    fq_session_options_init(&options);
    options.seed = sim_world_random(cast->world, SIM_STREAM_ACTOR);
    options.reply_timeout_us = (int64_t)(5 + sim_cast_below(cast, 25)) * FQ_US_PER_S;
    options.user = peer->user->name;
    options.token = cast->options->credentials ? peer->user->token : NULL;
    peer->session = fq_session_new(&options);
    peer->requests = fq_resp_request_reader_new();
    peer->replies = fq_resp_reply_reader_new();
    peer->asks = calloc(SIM_SESSION_ASKS_MAX, sizeof *peer->asks);
    FQ_ASSERT(peer->session != NULL && peer->requests != NULL && peer->replies != NULL && peer->asks != NULL);
    sim_world_at(cast->world, sim_world_time(cast->world), connect_now, peer, peer->generation);
}

void sim_session_close(struct sim_session_peer *peer) {
    peer->is_open = false;
    if (peer->link != NULL)
        sim_link_close(peer->link);
    forget_link(peer);
}

void sim_session_done(struct sim_session_peer *peer) {
    fq_session_free(peer->session);
    fq_resp_request_reader_free(peer->requests);
    fq_resp_reply_reader_free(peer->replies);
    fq_buf_done(&peer->said);
    fq_buf_done(&peer->heard);
    free(peer->asks);
}
