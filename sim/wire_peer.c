// SPDX-License-Identifier: Apache-2.0
#include "sim/wire_peer.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PATIENCE_US = 30 * FQ_US_PER_S,
    LOOK_US = 5 * FQ_US_PER_S, // how often silence is looked for
    RETRY_FIRST_US = 5 * FQ_US_PER_MS,
    DEAF_MAX_US = 2 * FQ_US_PER_S,
    RETRY_SHIFT_MAX = 8, // times that the wait is doubled
    LOGIN_TAG = UINT32_MAX,
};

// --- what is under way ------------------------------------------------------------------------------------------------
static struct sim_ask take_ask(struct sim_wire *wire) {
    struct sim_ask ask = wire->asks[wire->ask_first];
    wire->ask_first = (wire->ask_first + 1) % SIM_WIRE_ASKS_MAX;
    wire->ask_count--;
    return ask;
}

void sim_wire_ask(struct sim_wire *wire, uint32_t tag) {
    sim_cast *cast = wire->cast;
    struct sim_exchange *asked = &cast->asked;
    FQ_ASSERT(wire->ask_count < SIM_WIRE_ASKS_MAX && wire->link != NULL);
    asked->actor = wire->actor;
    asked->connection = wire->link_id;
    asked->roles = tag == LOGIN_TAG && cast->options->credentials ? 0 : sim_wire_roles(wire);
    if (wire->ask_count == 0)
        wire->heard_us = sim_world_time(cast->world);
    wire->asks[(wire->ask_first + wire->ask_count++) % SIM_WIRE_ASKS_MAX] =
        (struct sim_ask){sim_model_asked(cast->model, asked), tag, asked->verb};
    cast->operations++;
}

void sim_wire_flush(struct sim_wire *wire) {
    if (wire->link == NULL || fq_buf_len(&wire->output) == 0)
        return;
    sim_link_send(wire->link, fq_buf_str(&wire->output));
    fq_buf_clear(&wire->output);
}

// The link is gone or no longer wanted.
static void forget_link(struct sim_wire *wire) {
    wire->link = NULL;
    wire->link_id = 0;
    wire->is_up = false;
    wire->is_deaf = false;
    wire->generation++;
    fq_buf_clear(&wire->input);
    fq_buf_clear(&wire->output);
    fq_resp_reply_reader_free(wire->reader);
    wire->reader = fq_resp_reply_reader_new();
    FQ_ASSERT(wire->reader != NULL);
    while (wire->ask_count > 0) {
        struct sim_ask ask = take_ask(wire);
        sim_model_lost(wire->cast->model, ask.exchange);
        if (ask.tag != LOGIN_TAG)
            wire->ops->on_lost(wire->context, &ask);
    }
}

// --- connecting ---------------------------------------------------------------------------------------------------------
static const struct sim_peer_ops link_ops;

static void connect_later(struct sim_wire *wire);

static void connect_now(void *context, uint64_t generation) {
    struct sim_wire *wire = context;
    if (generation != wire->generation || !wire->is_wanted || wire->link != NULL)
        return;
    if (wire->is_frozen) {
        connect_later(wire);
        return;
    }
    const struct sim_peer_origin origin = {.source = wire->source};
    wire->link = sim_network_connect(wire->cast->network, &origin, &link_ops, wire);
    wire->link_id = sim_link_id(wire->link);
    wire->heard_us = sim_world_time(wire->cast->world);
}

static void connect_later(struct sim_wire *wire) {
    sim_cast *cast = wire->cast;
    unsigned shift = wire->failures < RETRY_SHIFT_MAX ? wire->failures : RETRY_SHIFT_MAX;
    int64_t wait_us = 1 + sim_cast_below(cast, (int64_t)RETRY_FIRST_US << shift);
    wire->failures++;
    sim_world_at(cast->world, sim_world_time(cast->world) + wait_us, connect_now, wire, wire->generation);
}

static void look_for_silence(void *context, uint64_t look) {
    struct sim_wire *wire = context;
    if (!wire->is_wanted || look != wire->looks)
        return;
    int64_t now_us = sim_world_time(wire->cast->world);
    bool waits = wire->ask_count > 0 || !wire->is_up;
    if (wire->link != NULL && waits && !wire->is_deaf && !wire->is_frozen &&
        now_us - wire->heard_us > wire->patience_us) {
        sim_world_count(wire->cast->world, "peer gave up a silent connection", 1);
        sim_wire_break(wire);
    }
    sim_world_at(wire->cast->world, now_us + LOOK_US, look_for_silence, wire, look);
}

static void say_hello(struct sim_wire *wire) {
    bool logs_in = wire->cast->options->credentials != 0;
    if (wire->skips_login || (!logs_in && wire->protocol == 2))
        return;
    struct sim_request request;
    sim_request_begin(&request, &wire->output);
    if (wire->protocol == 2) {
        sim_request_word(&request, SIM_WORD(4, "AUTH"));
    } else {
        sim_request_word(&request, SIM_WORD(5, "HELLO"));
        sim_request_number(&request, (uint64_t)wire->protocol);
        if (logs_in)
            sim_request_word(&request, SIM_WORD(4, "AUTH"));
    }
    if (logs_in) {
        sim_request_text(&request, fq_str_of(wire->user->name));
        sim_request_text(&request, fq_str_of(wire->user->token));
    }
    sim_request_end(&request);
    sim_cast_exchange(wire->cast, SIM_OTHER);
    sim_wire_ask(wire, LOGIN_TAG);
    sim_wire_flush(wire);
}

static void on_connected(void *context, sim_link *link) {
    struct sim_wire *wire = context;
    FQ_ASSERT(link == wire->link);
    say_hello(wire);
    // Without a login, or now and then with one, nobody waits for the answer.
    if (wire->ask_count > 0 && sim_cast_below(wire->cast, 4) != 0)
        return;
    wire->is_up = true;
    wire->ops->on_up(wire->context);
}

static void on_closed(void *context, sim_link *link) {
    struct sim_wire *wire = context;
    FQ_ASSERT(link == wire->link);
    forget_link(wire);
    wire->ops->on_down(wire->context);
    if (wire->is_wanted)
        connect_later(wire);
}

void sim_wire_open(struct sim_wire *wire) {
    if (wire->is_wanted)
        return;
    wire->is_wanted = true;
    sim_world *world = wire->cast->world;
    sim_world_at(world, sim_world_time(world), connect_now, wire, wire->generation);
    sim_world_at(world, sim_world_time(world) + LOOK_US, look_for_silence, wire, ++wire->looks);
}

void sim_wire_close(struct sim_wire *wire) {
    wire->is_wanted = false;
    if (wire->link != NULL)
        sim_link_close(wire->link);
    forget_link(wire);
}

void sim_wire_break(struct sim_wire *wire) {
    if (wire->link == NULL)
        return;
    sim_link_close(wire->link);
    forget_link(wire);
    wire->ops->on_down(wire->context);
    if (wire->is_wanted)
        connect_later(wire);
}

// --- answers --------------------------------------------------------------------------------------------------------------
static void hear_again(void *context, uint64_t generation) {
    struct sim_wire *wire = context;
    if (generation != wire->generation || wire->link == NULL || !wire->is_deaf)
        return;
    wire->is_deaf = false;
    wire->heard_us = sim_world_time(wire->cast->world);
    if (!wire->is_frozen)
        sim_link_set_deaf(wire->link, false);
}

void sim_wire_freeze(struct sim_wire *wire, bool is_frozen) {
    wire->is_frozen = is_frozen;
    wire->heard_us = sim_world_time(wire->cast->world);
    if (wire->link != NULL && !wire->is_deaf)
        sim_link_set_deaf(wire->link, is_frozen);
}

static void go_deaf(struct sim_wire *wire) {
    sim_world *world = wire->cast->world;
    wire->is_deaf = true;
    sim_link_set_deaf(wire->link, true);
    sim_world_count(world, "peer stopped reading", 1);
    sim_world_at(world, sim_world_time(world) + sim_cast_below(wire->cast, DEAF_MAX_US), hear_again, wire,
                 wire->generation);
}

static void logged_in(struct sim_wire *wire, const struct fq_resp_node *nodes) {
    if (sim_reply_failed(nodes)) { // the user may be in the next file of users
        wire->failures = RETRY_SHIFT_MAX;
        sim_wire_break(wire);
        return;
    }
    wire->failures = 0;
    if (wire->is_up)
        return;
    wire->is_up = true;
    wire->ops->on_up(wire->context);
}

static void take_reply(struct sim_wire *wire, const struct fq_resp_node *nodes) {
    sim_cast *cast = wire->cast;
    if (nodes[0].type == FQ_RESP_PUSH) {
        sim_model_pushed(cast->model, wire->actor, nodes);
        wire->ops->on_push(wire->context, nodes);
        return;
    }
    if (wire->ask_count == 0) { // a refusal at the door
        if (!sim_reply_failed(nodes))
            sim_world_fail(cast->world, "S32", "an answer came to actor %u, who had asked nothing",
                           wire->actor);
        return;
    }
    struct sim_ask ask = take_ask(wire);
    sim_model_answered(cast->model, ask.exchange, nodes);
    if (ask.tag == LOGIN_TAG)
        logged_in(wire, nodes);
    else
        wire->ops->on_reply(wire->context, &ask, nodes);
}

// Takes whole answers from the front of `input`; false when the link they came by is no more.
static bool take_replies(struct sim_wire *wire, fq_buf *input) {
    static const struct fq_resp_limits limits = {0};
    uint64_t link_id = wire->link_id;
    for (;;) {
        const struct fq_resp_node *nodes;
        size_t consumed;
        int rc = fq_resp_reply_next(wire->reader, input, &limits, &nodes, &consumed);
        if (rc == 0)
            return true;
        if (rc < 0) {
            sim_world_fail(wire->cast->world, "S32", "the server sent malformed RESP: %s",
                           fq_resp_reply_error(wire->reader));
            return false;
        }
        take_reply(wire, nodes);
        if (wire->link_id != link_id)
            return false;
        fq_buf_consume(input, consumed);
        if (sim_cast_chance(wire->cast, wire->cast->options->slow_reader_rate) && !wire->is_deaf)
            go_deaf(wire);
    }
}

static void on_bytes(void *context, sim_link *link, fq_str bytes) {
    struct sim_wire *wire = context;
    FQ_ASSERT(link == wire->link);
    wire->heard_us = sim_world_time(wire->cast->world);
    if (wire->is_up)
        wire->failures = 0;
    if (fq_buf_len(&wire->input) > 0) {
        int rc = fq_buf_append_str(&wire->input, bytes);
        FQ_ASSERT(rc == 0);
        take_replies(wire, &wire->input);
    } else {
        fq_buf view = {.data = (char *)(uintptr_t)bytes.ptr, .end = bytes.len, .capacity = bytes.len};
        if (take_replies(wire, &view) && fq_buf_len(&view) > 0) {
            int rc = fq_buf_append_str(&wire->input, fq_buf_str(&view));
            FQ_ASSERT(rc == 0);
        }
    }
    sim_wire_flush(wire);
}

static const struct sim_peer_ops link_ops = {on_connected, on_bytes, on_closed};

bool sim_reply_is_error(const struct fq_resp_node *nodes, const char *code) {
    size_t len = strlen(code);
    return sim_reply_failed(nodes) && nodes[0].text.len >= len && memcmp(nodes[0].text.ptr, code, len) == 0;
}

// --- life -----------------------------------------------------------------------------------------------------------------
void sim_wire_init(struct sim_wire *wire, sim_cast *cast, const struct sim_wire_ops *ops, void *context,
                   enum sim_user_name user) {
    *wire = (struct sim_wire){.cast = cast,
                              .ops = ops,
                              .context = context,
                              .user = sim_user(user),
                              .protocol = 3,
                              .actor = ++cast->last_actor,
                              .patience_us = PATIENCE_US};
    snprintf(wire->source, sizeof wire->source, "192.0.2.%u", wire->actor % 250);
    wire->reader = fq_resp_reply_reader_new();
    wire->asks = calloc(SIM_WIRE_ASKS_MAX, sizeof *wire->asks);
    FQ_ASSERT(wire->reader != NULL && wire->asks != NULL);
}

void sim_wire_done(struct sim_wire *wire) {
    fq_resp_reply_reader_free(wire->reader);
    fq_buf_done(&wire->input);
    fq_buf_done(&wire->output);
    free(wire->asks);
}
