// SPDX-License-Identifier: Apache-2.0
// The server's end of links: what its transports do with sockets, done with pipes.
#include "base/assert.h"
#include "sim/network_state.h"

#include <stdio.h>

enum { LEAVE_US = 30 * FQ_US_PER_S };

static void close_connection(struct sim_link *link, bool broken, struct fq_now now) {
    if (link->connection != NULL)
        fq_connection_close(link->connection, now);
    sim_link_server_left(link, broken);
}

static void send_output(struct sim_link *link) {
    link->is_blocked = false;
    for (;;) {
        fq_str output = fq_connection_output(link->connection);
        if (output.len == 0)
            return;
        size_t held = fq_buf_len(&link->down.bytes);
        size_t room = held < SIM_WINDOW ? SIM_WINDOW - held : 0;
        link->is_blocked = room < output.len;
        if (room == 0)
            return;
        size_t len = room < output.len ? room : output.len;
        if (link->has_peer) { // else the bytes go nowhere
            int rc = fq_buf_append(&link->down.bytes, output.ptr, len);
            FQ_ASSERT(rc == 0);
        }
        fq_connection_sent(link->connection, len);
        sim_link_move_down(link);
        if (link->is_blocked)
            return;
    }
}

static void leave(struct sim_link *link, struct fq_now now) {
    const fq_journal *journal = fq_core_journal(link->network->core);
    link->end = SIM_END_LEAVING;
    link->leave_after_seq = journal != NULL ? fq_journal_last_seq(journal) : 0;
    link->leave_until_us = fq_time_add(now.boot_us, LEAVE_US);
    fq_list_append_once(&link->network->leaving, &link->leaving);
}

static void serve(struct sim_link *link, struct fq_now now) {
    bool was_blocked = link->is_blocked;
    send_output(link);
    if (!fq_connection_should_close(link->connection))
        return;
    if (was_blocked && fq_connection_is_cut(link->connection))
        sim_world_count(link->network->world, "slow reader cut off", 1);
    if (fq_connection_output(link->connection).len == 0)
        close_connection(link, false, now);
    else if (link->end == SIM_END_OPEN)
        leave(link, now);
}

static void accept_link(struct sim_link *link, struct fq_now now) {
    char text[64];
    int len = snprintf(text, sizeof text, "%s:%llu", link->origin.source, (unsigned long long)link->id);
    struct fq_peer_info info = {
        .text = {text, (size_t)len},
        .source = fq_str_of(link->origin.source),
        .tls_subject = FQ_STR(""),
        .is_local = link->origin.is_local
    };
    const char *refusal = "";
    struct sim_network *network = link->network;
    if (network->no_descriptors) {
        sim_world_count(network->world, "caller turned away", 1);
        sim_link_server_left(link, true);
        return;
    }
    network->on_product(network->context, true);
    link->connection = fq_core_accept(network->core, &info, now, &refusal);
    network->on_product(network->context, false);
    if (link->connection == NULL) {
        sim_world_count(link->network->world, "connection refused", 1);
        int rc = fq_buf_append_str(&link->down.bytes, fq_str_of(refusal));
        FQ_ASSERT(rc == 0);
        sim_link_server_left(link, false);
        return;
    }
    fq_connection_set_context(link->connection, link);
    link->end = SIM_END_OPEN;
}

// False once the connection takes no more for now.
static bool feed(struct sim_link *link, struct fq_now now) {
    size_t len = link->arrived < SIM_FEED_PER_TURN ? link->arrived : SIM_FEED_PER_TURN;
    if (len == 0)
        return true;
    if (!fq_connection_wants_read(link->connection))
        return false;
    struct sim_network *network = link->network;
    network->on_product(network->context, true);
    int rc = fq_connection_feed(link->connection, fq_buf_str(&link->up.bytes).ptr, len, now);
    network->on_product(network->context, false);
    fq_buf_consume(&link->up.bytes, len);
    link->arrived -= len;
    sim_link_move_up(link);
    return rc == 0;
}

static void look_at(struct sim_link *link, struct fq_now now) {
    if (link->was_reset) {
        close_connection(link, true, now);
        return;
    }
    if (link->end == SIM_END_WAITING)
        accept_link(link, now);
    if (link->end == SIM_END_OPEN && feed(link, now)) {
        if (link->arrived > 0)
            sim_link_attend(link); // the others have their turn first
        else if (link->end_arrived)
            leave(link, now);
    }
}

void sim_network_receive(sim_network *network, struct fq_now now) {
    fq_list_link list;
    fq_list_init(&list);
    fq_list_splice_before(&list, &network->attention);
    fq_list_link *each;
    while ((each = fq_list_pop(&list)) != NULL) {
        struct sim_link *link = FQ_ELEMENT(each, struct sim_link, attention);
        if (link->is_blocked && link->connection != NULL && !link->was_reset)
            serve(link, now);
        if (link->end != SIM_END_NONE)
            look_at(link, now);
    }
}

static void sweep(sim_network *network, struct fq_now now) {
    const fq_journal *journal = fq_core_journal(network->core);
    uint64_t durable = journal != NULL ? fq_journal_durable_seq(journal) : UINT64_MAX;
    for (fq_list_link *each = network->leaving.next; each != &network->leaving;) {
        struct sim_link *link = FQ_ELEMENT(each, struct sim_link, leaving);
        each = each->next;
        bool is_over = now.boot_us >= link->leave_until_us;
        bool has_said_all =
            durable >= link->leave_after_seq && fq_connection_output(link->connection).len == 0;
        if (is_over || has_said_all || (!link->has_peer && fq_connection_output(link->connection).len > 0))
            close_connection(link, is_over, now);
    }
}

void sim_network_flush(sim_network *network, struct fq_now now) {
    fq_connection *connection;
    while ((connection = fq_core_next_ready(network->core)) != NULL) {
        struct sim_link *link = fq_connection_context(connection);
        if (link == NULL)
            continue;
        serve(link, now);
        if (link->end == SIM_END_OPEN && (link->arrived > 0 || link->end_arrived) &&
            fq_connection_wants_read(link->connection))
            sim_link_attend(link);
    }
    if (!fq_list_is_empty(&network->leaving))
        sweep(network, now);
}
