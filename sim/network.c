// SPDX-License-Identifier: Apache-2.0
#include "sim/network.h"

#include "base/assert.h"
#include "sim/network_state.h"

#include <stdlib.h>

enum { TO_CONNECT, TO_MOVE_UP, TO_MOVE_DOWN, TO_END, KINDS };
enum { LEAST_DELAY_US = 5, UNREACHABLE_US = FQ_US_PER_S, SILENCE_MAX_S = 60, STALL_MAX_US = 2 * FQ_US_PER_S };

static void on_event(void *context, uint64_t argument);

static uint64_t below(struct sim_network *network, uint64_t bound) {
    return sim_world_below(network->world, SIM_STREAM_NETWORK, bound);
}

static bool strikes(struct sim_network *network, uint64_t one_in) {
    return sim_world_chance(network->world, SIM_STREAM_NETWORK, one_in);
}

static void later(struct sim_link *link, unsigned kind, int64_t at_us) {
    sim_world_at(link->network->world, at_us, on_event, link, link->generation * KINDS + kind);
}

// Mostly short, now and then as long as it may be.
static int64_t delay(struct sim_network *network) {
    uint64_t random = sim_world_random(network->world, SIM_STREAM_NETWORK);
    uint64_t most = network->options->delay_max_us >> (random & 7);
    return LEAST_DELAY_US + (int64_t)(most == 0 ? 0 : (random >> 3) % most);
}

static int64_t soon(struct sim_network *network) {
    return sim_world_time(network->world) + delay(network);
}

// --- slots ------------------------------------------------------------------------------------------------------------
static void add_piece(struct sim_network *network) {
    network->pieces = realloc(network->pieces, (network->piece_count + 1) * sizeof *network->pieces);
    FQ_ASSERT(network->pieces != NULL);
    struct sim_link *piece = calloc(SIM_SLOTS_A_PIECE, sizeof *piece);
    FQ_ASSERT(piece != NULL);
    network->pieces[network->piece_count++] = piece;
    for (size_t i = SIM_SLOTS_A_PIECE; i-- > 0;) {
        piece[i].network = network;
        piece[i].next_free = network->free;
        network->free = &piece[i];
    }
}

static struct sim_link *take_slot(struct sim_network *network) {
    if (network->free == NULL)
        add_piece(network);
    struct sim_link *link = network->free;
    network->free = link->next_free;
    fq_buf up = link->up.bytes, down = link->down.bytes;
    fq_buf_clear(&up);
    fq_buf_clear(&down);
    *link =
        (struct sim_link){.network = network, .generation = link->generation + 1, .id = ++network->id_last};
    link->up.bytes = up;
    link->down.bytes = down;
    fq_list_init(&link->attention);
    fq_list_init(&link->leaving);
    return link;
}

void sim_link_release(struct sim_link *link) {
    if (link->has_peer || link->is_calling || link->end != SIM_END_NONE || link->id == 0)
        return;
    fq_list_remove(&link->attention);
    link->generation++;
    link->id = 0;
    link->next_free = link->network->free;
    link->network->free = link;
}

// --- what the peer is told ----------------------------------------------------------------------------------------------
static void tell_closed(struct sim_link *link) {
    if (!link->has_peer)
        return;
    link->has_peer = false;
    link->is_calling = true;
    link->ops->on_closed(link->context, link);
    link->is_calling = false;
}

static void tell_connected(struct sim_link *link) {
    link->is_told = true;
    link->is_calling = true;
    link->ops->on_connected(link->context, link);
    link->is_calling = false;
    sim_link_release(link);
}

// --- faults -----------------------------------------------------------------------------------------------------------
// The connection breaks: both sides get to know, each when its kernel says so.
static void reset(struct sim_link *link) {
    sim_world_count(link->network->world, "connection reset", 1);
    sim_world_say(link->network->world, "link %llu breaks", (unsigned long long)link->id);
    if (link->end != SIM_END_NONE) {
        link->was_reset = true;
        sim_link_attend(link);
    }
    tell_closed(link);
    sim_link_release(link);
}

static void go_silent(struct sim_link *link, int64_t longest_us) {
    link->is_silent = true;
    later(link, TO_END,
          sim_world_time(link->network->world) + 1 + (int64_t)below(link->network, (uint64_t)longest_us));
}

// Whether the message moves now. If not, whoever stopped it has seen to what follows.
static bool may_pass(struct sim_link *link, unsigned kind) {
    struct sim_network *network = link->network;
    int64_t now_us = sim_world_time(network->world);
    if (link->is_silent)
        return false;
    if (link->frozen_until_us > now_us) {
        later(link, kind, link->frozen_until_us + (int64_t)below(network, 100));
        return false;
    }
    if (strikes(network, network->options->reset_rate)) {
        reset(link);
        return false;
    }
    if (strikes(network, network->options->half_open_rate)) {
        sim_world_count(network->world, "connection half-open", 1);
        go_silent(link, (int64_t)SILENCE_MAX_S * FQ_US_PER_S);
        return false;
    }
    if (strikes(network, network->options->stall_rate)) {
        sim_world_count(network->world, "connection stalled", 1);
        link->frozen_until_us = now_us + (int64_t)below(network, STALL_MAX_US);
        later(link, kind, link->frozen_until_us);
        return false;
    }
    return true;
}

// Most messages arrive whole; some in pieces.
static size_t piece_of(struct sim_network *network, size_t len) {
    if (len < 2 || below(network, 8) != 0)
        return len;
    size_t piece = 1 + (size_t)below(network, network->options->chunk_max);
    return piece < len ? piece : len;
}

// --- moving -----------------------------------------------------------------------------------------------------------
void sim_link_attend(struct sim_link *link) {
    if (fq_list_is_linked(&link->attention))
        return;
    fq_list_append(&link->network->attention, &link->attention);
    link->network->wake(link->network->context);
}

void sim_link_move_up(struct sim_link *link) {
    size_t waiting = fq_buf_len(&link->up.bytes) - link->arrived;
    bool has_work = waiting > 0 ? link->arrived < SIM_WINDOW : link->up.has_ended && !link->end_arrived;
    if (link->up.is_moving || !has_work || !link->is_told)
        return;
    link->up.is_moving = true;
    later(link, TO_MOVE_UP, soon(link->network));
}

void sim_link_move_down(struct sim_link *link) {
    bool has_work = (fq_buf_len(&link->down.bytes) > 0 && !link->is_deaf) || link->down.has_ended;
    if (link->down.is_moving || !has_work)
        return;
    link->down.is_moving = true;
    later(link, TO_MOVE_DOWN, soon(link->network));
}

static void move_up(struct sim_link *link) {
    if (!may_pass(link, TO_MOVE_UP))
        return;
    link->up.is_moving = false;
    if (link->end == SIM_END_NONE) // the server is gone: there is nobody to get it
        return;
    size_t waiting = fq_buf_len(&link->up.bytes) - link->arrived;
    size_t room = link->arrived < SIM_WINDOW ? SIM_WINDOW - link->arrived : 0;
    size_t piece = piece_of(link->network, waiting < room ? waiting : room);
    sim_world_trace(link->network->world, link->id * 2, fq_buf_str(&link->up.bytes).ptr + link->arrived,
                    piece);
    link->arrived += piece;
    if (link->up.has_ended && link->arrived == fq_buf_len(&link->up.bytes))
        link->end_arrived = true;
    sim_link_attend(link);
    sim_link_move_up(link);
}

static void deliver(struct sim_link *link, size_t len) {
    fq_str bytes = {fq_buf_str(&link->down.bytes).ptr, len};
    sim_world_trace(link->network->world, link->id * 2 + 1, bytes.ptr, len);
    if (!link->has_peer)
        return;
    link->is_calling = true;
    link->ops->on_bytes(link->context, link, bytes);
    link->is_calling = false;
}

static void move_down(struct sim_link *link) {
    if (!may_pass(link, TO_MOVE_DOWN))
        return;
    link->down.is_moving = false;
    size_t waiting = fq_buf_len(&link->down.bytes);
    if (waiting > 0 && link->is_deaf && !link->down.has_ended)
        return;
    if (waiting > 0 && !(link->is_deaf && link->down.has_ended)) {
        size_t piece = piece_of(link->network, waiting);
        deliver(link, piece);
        fq_buf_consume(&link->down.bytes, piece);
        waiting -= piece;
    } else {
        waiting = 0;
    }
    if (waiting == 0 && link->down.has_ended) {
        tell_closed(link);
    } else {
        if (link->is_blocked)
            sim_link_attend(link);
        sim_link_move_down(link);
    }
    sim_link_release(link);
}

static void arrive(struct sim_link *link) {
    struct sim_network *network = link->network;
    if (!link->has_peer) { // closed before it stood
        sim_link_release(link);
        return;
    }
    if (!network->is_reachable || network->core == NULL) {
        link->is_silent = true;
        later(link, TO_END,
              network->is_reachable ? soon(network) : sim_world_time(network->world) + UNREACHABLE_US);
        return;
    }
    link->end = SIM_END_WAITING;
    sim_link_attend(link);
    tell_connected(link);
}

static void end(struct sim_link *link) {
    if (link->end != SIM_END_NONE) {
        link->was_reset = true;
        sim_link_attend(link);
    }
    tell_closed(link);
    sim_link_release(link);
}

static void on_event(void *context, uint64_t argument) {
    struct sim_link *link = context;
    if (argument / KINDS != link->generation)
        return;
    switch (argument % KINDS) {
    case TO_CONNECT: arrive(link); break;
    case TO_MOVE_UP: move_up(link); break;
    case TO_MOVE_DOWN: move_down(link); break;
    default: end(link); break;
    }
}

// --- for peers ----------------------------------------------------------------------------------------------------------
sim_link *sim_network_connect(sim_network *network, const struct sim_peer_origin *origin,
                              const struct sim_peer_ops *ops, void *context) {
    struct sim_link *link = take_slot(network);
    link->ops = ops;
    link->context = context;
    link->origin = *origin;
    link->has_peer = true;
    later(link, TO_CONNECT, soon(network));
    return link;
}

void sim_link_send(sim_link *link, fq_str bytes) {
    if (bytes.len == 0 || link->is_silent || (link->is_told && link->end == SIM_END_NONE))
        return;
    int rc = fq_buf_append_str(&link->up.bytes, bytes);
    FQ_ASSERT(rc == 0);
    sim_link_move_up(link);
}

void sim_link_close(sim_link *link) {
    link->has_peer = false;
    link->up.has_ended = true;
    if (link->is_silent && link->end == SIM_END_NONE)
        link->generation++; // nobody is left to hear of its end
    sim_link_move_up(link);
    sim_link_release(link);
}

void sim_link_set_deaf(sim_link *link, bool is_deaf) {
    link->is_deaf = is_deaf;
    sim_link_move_down(link);
}

uint64_t sim_link_id(const sim_link *link) {
    return link->id;
}

// --- for the server -----------------------------------------------------------------------------------------------------
void sim_link_server_left(struct sim_link *link, bool broken) {
    link->end = SIM_END_NONE;
    link->connection = NULL;
    link->arrived = 0;
    fq_list_remove(&link->leaving);
    fq_list_remove(&link->attention);
    if (broken)
        fq_buf_clear(&link->down.bytes);
    link->down.has_ended = true;
    sim_link_move_down(link);
    sim_link_release(link);
}

void sim_network_open(sim_network *network, fq_core *core) {
    network->core = core;
    network->is_reachable = true;
}

static void each(struct sim_network *network, void (*visit)(struct sim_link *link, bool flag), bool flag) {
    for (size_t i = 0; i < network->piece_count; i++)
        for (size_t j = 0; j < SIM_SLOTS_A_PIECE; j++)
            if (network->pieces[i][j].id != 0)
                visit(&network->pieces[i][j], flag);
}

// What left the process still arrives, in part or as a whole; a machine without power says nothing any more.
static void lose_server(struct sim_link *link, bool power) {
    if (link->end == SIM_END_NONE)
        return;
    struct sim_network *network = link->network;
    size_t len = fq_buf_len(&link->down.bytes);
    if (len > 0 && below(network, 2) == 0)
        link->down.bytes.end -= (size_t)below(network, len + 1);
    if (!power) {
        sim_link_server_left(link, false);
        return;
    }
    link->end = SIM_END_NONE;
    link->connection = NULL;
    link->arrived = 0;
    fq_list_remove(&link->leaving);
    fq_list_remove(&link->attention);
    if (link->has_peer)
        later(link, TO_END, sim_world_time(network->world) + 1 + (int64_t)below(network, 3 * FQ_US_PER_S));
    else
        sim_link_release(link);
}

void sim_network_die(sim_network *network, bool power) {
    network->core = NULL;
    network->is_reachable = !power;
    each(network, lose_server, power);
}

void sim_network_power_on(sim_network *network) {
    network->is_reachable = true;
}

void sim_network_exhaust(sim_network *network, bool is_exhausted) {
    network->no_descriptors = is_exhausted;
}

static void freeze(struct sim_link *link, bool flag) {
    (void)flag;
    int64_t until_us = sim_world_time(link->network->world) + (int64_t)below(link->network, STALL_MAX_US);
    if (until_us > link->frozen_until_us)
        link->frozen_until_us = until_us;
}

void sim_network_swizzle(sim_network *network) {
    sim_world_count(network->world, "swizzle", 1);
    each(network, freeze, false);
}

static void heal(struct sim_link *link, bool flag) {
    (void)flag;
    link->frozen_until_us = 0;
    if (link->is_silent)
        go_silent(link, FQ_US_PER_S);
}

void sim_network_heal(sim_network *network) {
    each(network, heal, false);
}

sim_network *sim_network_new(sim_world *world, const struct sim_options *options, void (*wake)(void *context),
                             void (*on_product)(void *context, bool runs), void *context) {
    struct sim_network *network = calloc(1, sizeof *network);
    FQ_ASSERT(network != NULL);
    *network = (struct sim_network){.world = world,
                                    .options = options,
                                    .wake = wake,
                                    .on_product = on_product,
                                    .context = context,
                                    .is_reachable = true};
    fq_list_init(&network->attention);
    fq_list_init(&network->leaving);
    return network;
}

sim_network *sim_network_free(sim_network *network) {
    if (network == NULL)
        return NULL;
    for (size_t i = 0; i < network->piece_count; i++) {
        for (size_t j = 0; j < SIM_SLOTS_A_PIECE; j++) {
            fq_buf_done(&network->pieces[i][j].up.bytes);
            fq_buf_done(&network->pieces[i][j].down.bytes);
        }
        free(network->pieces[i]);
    }
    free(network->pieces);
    free(network);
    return NULL;
}
