// SPDX-License-Identifier: Apache-2.0
#include "sim/client.h"

#include "base/assert.h"
#include "sim/client_order.h"
#include "sim/wire_peer.h"

#include <stdlib.h>

enum {
    ORDERS = 64,          // remembered
    CONFLICTING = 1 << 8, // flag of a tag: submitted with another body
    IDLE_US = 10000,
    WINDING_US = 2000000,
    WAIT_MS_MAX = 4000,
    WATCHED_MAX = 8,
};

struct sim_client {
    sim_cast *cast;
    struct sim_wire wire;
    struct sim_order orders[ORDERS];
    uint32_t next_order;
    uint32_t lost; // orders in SIM_ORDER_LOST
    bool is_timed; // a turn is on its way
    bool is_leaving;
    uint64_t generation;
};

static void forget_lost(sim_client *client) {
    client->lost--;
    client->cast->lost--;
}

// --- one request each -----------------------------------------------------------------------------------------------------
static void submit(sim_client *client, uint32_t index, bool other_body) {
    struct sim_order *order = &client->orders[index];
    sim_order_write(order, client->cast, &client->wire.output, other_body);
    sim_order_describe(order, client->cast, other_body);
    if (!other_body) {
        if (order->state == SIM_ORDER_LOST)
            forget_lost(client);
        order->state = SIM_ORDER_ASKED;
        client->cast->submits_open++;
    }
    sim_wire_ask(&client->wire, index | (other_body ? CONFLICTING : 0));
}

static void submit_new(sim_client *client, struct sim_dice *dice) {
    uint32_t index = client->next_order;
    for (uint32_t i = 0; i < ORDERS; i++) { // not one that is still open
        index = client->next_order;
        client->next_order = (client->next_order + 1) % ORDERS;
        enum sim_order_state state = client->orders[index].state;
        if (state != SIM_ORDER_ASKED && (state != SIM_ORDER_LOST || i > ORDERS / 2))
            break;
    }
    if (client->orders[index].state == SIM_ORDER_ASKED)
        return;
    if (client->orders[index].state == SIM_ORDER_LOST)
        forget_lost(client);
    sim_order_draw(&client->orders[index], client->cast, dice);
    submit(client, index, false);
}

// An order that is known under an id, or NULL.
static struct sim_order *known_order(sim_client *client, struct sim_dice *dice) {
    struct sim_order *order = &client->orders[sim_dice_bits(dice, 6) % ORDERS];
    return order->state == SIM_ORDER_KNOWN || order->state == SIM_ORDER_DONE ? order : NULL;
}

static void ask_about(sim_client *client, const char *command, enum sim_verb verb,
                      const struct sim_order *order, int64_t wait_ms) {
    struct sim_request request;
    sim_request_begin(&request, &client->wire.output);
    sim_request_word(&request, command);
    sim_request_id(&request, &order->id);
    if (wait_ms > 0) {
        sim_request_word(&request, SIM_WORD(4, "WAIT"));
        sim_request_number(&request, (uint64_t)wait_ms);
    }
    sim_request_end(&request);
    struct sim_exchange *asked = sim_cast_exchange(client->cast, verb);
    asked->id = order->id;
    asked->waits = wait_ms > 0;
    sim_wire_ask(&client->wire, (uint32_t)(order - client->orders));
}

static void watch(sim_client *client, struct sim_dice *dice) {
    struct sim_request request;
    const struct sim_order *watched[WATCHED_MAX];
    size_t count = 0, wanted = 1 + sim_dice_below(dice, WATCHED_MAX);
    for (size_t i = 0; i < wanted; i++) {
        const struct sim_order *order = known_order(client, dice);
        bool is_new = order != NULL;
        for (size_t k = 0; k < count && is_new; k++)
            is_new = watched[k] != order;
        if (is_new)
            watched[count++] = order;
    }
    if (count == 0 || client->wire.protocol < 3)
        return;
    sim_request_begin(&request, &client->wire.output);
    sim_request_word(&request, SIM_WORD(8, "FQ.WATCH"));
    for (size_t i = 0; i < count; i++)
        sim_request_id(&request, &watched[i]->id);
    sim_request_end(&request);
    struct sim_exchange *asked = sim_cast_exchange(client->cast, SIM_WATCH);
    asked->id = watched[0]->id;
    asked->beats.count = count;
    for (size_t i = 0; i < count; i++)
        asked->beats.id[i] = watched[i]->id;
    sim_wire_ask(&client->wire, 0);
}

// Looks at, waits for or cancels one of the tasks it knows.
static void look(sim_client *client, struct sim_dice *dice) {
    struct sim_order *order = known_order(client, dice);
    if (order == NULL)
        return;
    unsigned kind = sim_dice_bits(dice, 5);
    if (kind < 12)
        ask_about(client, SIM_WORD(9, "FQ.RESULT"), SIM_RESULT, order, 0);
    else if (kind < 24)
        ask_about(client, SIM_WORD(9, "FQ.STATUS"), SIM_RESULT, order, 0);
    else if (kind < 28)
        ask_about(client, SIM_WORD(9, "FQ.CANCEL"), SIM_CANCEL, order, 0);
    else
        watch(client, dice);
}

static void submit_again(sim_client *client, struct sim_dice *dice) {
    uint32_t index = sim_dice_bits(dice, 6) % ORDERS;
    struct sim_order *order = &client->orders[index];
    if (!order->has_id || order->state == SIM_ORDER_NONE || order->state == SIM_ORDER_ASKED)
        return;
    submit(client, index, sim_dice_rare(dice, 1));
}

// What was lost is asked for once more: the same task, however often.
static void repeat_lost(sim_client *client) {
    for (uint32_t i = 0; i < ORDERS && client->lost > 0 && sim_wire_room(&client->wire) > 0; i++) {
        struct sim_order *order = &client->orders[i];
        if (order->state != SIM_ORDER_LOST)
            continue;
        if (order->has_id) {
            submit(client, i, false);
        } else { // the server made the id: who asks again would make a second task
            order->state = SIM_ORDER_DONE;
            forget_lost(client);
        }
    }
}

// --- turns ----------------------------------------------------------------------------------------------------------------
static void turn(void *context, uint64_t generation);

static int64_t pause_us(sim_client *client) {
    sim_cast *cast = client->cast;
    if (cast->level < cast->level_wanted && !cast->is_winding)
        return 0;
    return 1 + sim_cast_below(cast, cast->is_winding ? WINDING_US : IDLE_US);
}

static void turn_later(sim_client *client, int64_t wait_us) {
    if (client->is_timed)
        return;
    client->is_timed = true;
    sim_world *world = client->cast->world;
    sim_world_at(world, sim_world_time(world) + wait_us, turn, client, client->generation);
}

static void fill(sim_client *client, struct sim_dice *dice, uint32_t count) {
    sim_cast *cast = client->cast;
    bool submits = cast->level < cast->level_wanted && !cast->is_winding;
    if (!submits)
        count = count < 4 ? count : 4;
    for (uint32_t i = 0; i < count; i++) {
        unsigned kind = sim_dice_bits(dice, 6);
        if (submits && kind < 44)
            submit_new(client, dice);
        else if (kind >= 44 && kind < 46 && !cast->is_winding)
            submit_again(client, dice);
        else
            look(client, dice);
    }
    struct sim_order *order = known_order(client, dice);
    if (order != NULL && sim_dice_rare(dice, 5))
        ask_about(client, SIM_WORD(9, "FQ.RESULT"), SIM_RESULT, order, 1 + sim_dice_below(dice, WAIT_MS_MAX));
}

static void turn(void *context, uint64_t generation) {
    sim_client *client = context;
    if (generation != client->generation)
        return;
    client->is_timed = false;
    if (client->is_leaving || !client->wire.is_up)
        return;
    sim_cast *cast = client->cast;
    struct sim_dice dice = sim_dice_of(cast);
    repeat_lost(client);
    uint64_t most = cast->options->pipeline < 1 ? 1 : cast->options->pipeline;
    uint32_t room = most > client->wire.ask_count ? (uint32_t)most - client->wire.ask_count : 0;
    uint32_t count = room < sim_wire_room(&client->wire) ? room : sim_wire_room(&client->wire) / 2;
    fill(client, &dice, count);
    sim_wire_flush(&client->wire);
    if (client->wire.ask_count == 0)
        turn_later(client, 1 + pause_us(client));
}

// --- answers --------------------------------------------------------------------------------------------------------------
static void on_submitted(sim_client *client, struct sim_order *order, const struct fq_resp_node *nodes) {
    client->cast->submits_open--;
    fq_uuid id;
    if (sim_reply_failed(nodes) || fq_uuid_parse(nodes[0].text, &id) < 0) {
        order->state = SIM_ORDER_DONE;
        order->has_id = false;
        return;
    }
    order->state = SIM_ORDER_KNOWN;
    client->cast->level++;
    if (order->has_id && !fq_uuid_equal(&id, &order->id))
        order->has_id = false; // the key was held by another: this one is not to be repeated
    order->id = id;
}

static void on_reply(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    sim_client *client = context;
    struct sim_order *order = &client->orders[ask->tag % ORDERS];
    if (ask->verb == SIM_SUBMIT && (ask->tag & CONFLICTING) == 0)
        on_submitted(client, order, nodes);
    else if (ask->verb == SIM_CANCEL && nodes[0].type == FQ_RESP_INTEGER && nodes[0].integer == 1)
        client->cast->level--;
    if (client->is_leaving && client->wire.ask_count == 0)
        sim_wire_close(&client->wire);
    else if (client->wire.ask_count <= client->cast->options->pipeline / 4)
        turn_later(client, pause_us(client));
}

static void on_lost(void *context, const struct sim_ask *ask) {
    sim_client *client = context;
    if (ask->verb != SIM_SUBMIT || (ask->tag & CONFLICTING) != 0)
        return;
    struct sim_order *order = &client->orders[ask->tag % ORDERS];
    client->cast->submits_open--;
    if (order->state == SIM_ORDER_ASKED) {
        order->state = SIM_ORDER_LOST;
        client->lost++;
        client->cast->lost++;
    }
}

static void on_up(void *context) {
    sim_client *client = context;
    turn_later(client, 0);
}

static void on_push(void *context, const struct fq_resp_node *nodes) {
    (void)context, (void)nodes;
}

static void on_down(void *context) {
    sim_client *client = context;
    client->generation++;
    client->is_timed = false;
    if (client->is_leaving)
        sim_wire_close(&client->wire);
}

static const struct sim_wire_ops wire_ops = {on_up, on_reply, on_push, on_lost, on_down};

// --- life -----------------------------------------------------------------------------------------------------------------
void sim_client_leave(sim_client *client) {
    client->is_leaving = true;
    if (client->wire.ask_count == 0)
        sim_wire_close(&client->wire);
}

sim_client *sim_client_new(sim_cast *cast) {
    sim_client *client = calloc(1, sizeof *client);
    FQ_ASSERT(client != NULL);
    client->cast = cast;
    bool is_guest = sim_cast_below(cast, 6) == 0;
    sim_wire_init(&client->wire, cast, &wire_ops, client, is_guest ? SIM_USER_GUEST : SIM_USER_CLIENT);
    client->wire.protocol = sim_cast_below(cast, 3) == 0 ? 2 : 3;
    sim_wire_open(&client->wire);
    return client;
}

sim_client *sim_client_free(sim_client *client) {
    if (client != NULL)
        sim_wire_done(&client->wire);
    free(client);
    return NULL;
}
