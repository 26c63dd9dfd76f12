// SPDX-License-Identifier: Apache-2.0
#include "sim/client_order.h"

#include <stdio.h>

enum { KEYS = 48, USUAL_PAYLOAD = 96 };

static const char *const priority_words[] = {SIM_WORD(8, "critical"), SIM_WORD(4, "high"),
                                             SIM_WORD(6, "normal"), SIM_WORD(3, "low")};

static fq_str key_text(int number, char text[SIM_KEY_TEXT]) {
    return (fq_str){text, (size_t)snprintf(text, SIM_KEY_TEXT, "key-%02d", number % 100)};
}

const char *sim_order_key(const struct sim_order *order, sim_cast *cast) {
    return key_text(order->unique, cast->key).ptr;
}

// --- drawing ----------------------------------------------------------------------------------------------------------------
static uint32_t draw_length(sim_cast *cast, struct sim_dice *dice) {
    uint64_t most = cast->options->payload_max;
    if (most > USUAL_PAYLOAD && !sim_dice_rare(dice, 7))
        most = USUAL_PAYLOAD;
    return (uint32_t)(sim_dice_below(dice, 65536) * (most + 1) / 65536);
}

// What the server names itself can be told apart by what its event shows, and so has no options that an event does not show.
static void draw_times(struct sim_order *order, sim_cast *cast, struct sim_dice *dice) {
    unsigned kind = sim_dice_bits(dice, 5);
    if (kind < 3)
        order->delay_ms = sim_dice_below(dice, kind == 0 ? 15000 : 500);
    else if (kind == 3 && order->has_id)
        order->at_ms = sim_world_server_now(cast->world).wall_us / FQ_US_PER_MS - 1000 +
                       (int64_t)sim_dice_below(dice, 6000);
    if (sim_dice_rare(dice, 5))
        order->expires_ms = 1 + sim_dice_below(dice, 5000);
    if (sim_dice_rare(dice, 5))
        order->timeout_ms = 20 + sim_dice_below(dice, sim_dice_rare(dice, 1) ? 500 : 60000);
    if (order->has_id && sim_dice_rare(dice, 5))
        order->result_ttl_ms = sim_dice_below(dice, 2) * sim_dice_below(dice, 10000);
}

void sim_order_draw(struct sim_order *ret_order, sim_cast *cast, struct sim_dice *dice) {
    *ret_order = (struct sim_order){.unique = -1,
                                    .delay_ms = -1,
                                    .at_ms = -1,
                                    .expires_ms = -1,
                                    .timeout_ms = -1,
                                    .backoff_ms = -1,
                                    .result_ttl_ms = -1};
    ret_order->has_id = !sim_dice_rare(dice, 3);
    if (ret_order->has_id)
        ret_order->id = fq_uuid_v7(sim_world_server_now(cast->world).wall_us / FQ_US_PER_MS,
                                   sim_world_random(cast->world, SIM_STREAM_ACTOR),
                                   sim_world_random(cast->world, SIM_STREAM_ACTOR));
    ret_order->name = (uint8_t)sim_dice_below(dice, cast->names);
    ret_order->priority = (uint8_t)(sim_dice_rare(dice, 1) ? 2 : sim_dice_bits(dice, 2));
    ret_order->piece = (uint8_t)sim_dice_below(dice, SIM_POISON);
    ret_order->length = draw_length(cast, dice);
    draw_times(ret_order, cast, dice);
    if (ret_order->has_id && sim_dice_rare(dice, 2)) {
        ret_order->retries = sim_dice_bits(dice, 2);
        if (!sim_dice_rare(dice, 3))
            ret_order->backoff_ms = sim_dice_below(dice, 1500);
    }
    if (sim_dice_rare(dice, 4))
        ret_order->unique = (int8_t)sim_dice_below(dice, KEYS);
    ret_order->is_raw = sim_dice_rare(dice, 5);
    ret_order->is_traced = sim_dice_rare(dice, 5);
    if (sim_cast_chance(cast, cast->options->poison_rate)) {
        ret_order->piece = SIM_POISON;
        ret_order->length = SIM_BYTES_STEP;
    }
}

// --- writing ------------------------------------------------------------------------------------------------------------
static fq_str payload_of(const struct sim_order *order, const sim_cast *cast, bool other_body) {
    if (!other_body)
        return sim_cast_piece(cast, order->piece, order->length);
    return sim_cast_piece(cast, (order->piece + 1u) % SIM_POISON, order->length < 40 ? 40 : order->length);
}

static void put_number(struct sim_request *request, const char *word, int64_t number) {
    if (number < 0)
        return;
    sim_request_word(request, word);
    sim_request_number(request, (uint64_t)number);
}

static void put_times(struct sim_request *request, const struct sim_order *order) {
    put_number(request, SIM_WORD(5, "DELAY"), order->delay_ms);
    put_number(request, SIM_WORD(2, "AT"), order->at_ms);
    put_number(request, SIM_WORD(7, "EXPIRES"), order->expires_ms);
    put_number(request, SIM_WORD(7, "TIMEOUT"), order->timeout_ms);
    put_number(request, SIM_WORD(7, "BACKOFF"), order->backoff_ms);
    put_number(request, SIM_WORD(10, "RESULT-TTL"), order->result_ttl_ms);
    if (order->retries > 0)
        put_number(request, SIM_WORD(7, "RETRIES"), order->retries);
}

void sim_order_write(const struct sim_order *order, sim_cast *cast, fq_buf *out, bool other_body) {
    struct sim_request request;
    char text[SIM_KEY_TEXT];
    sim_request_begin(&request, out);
    sim_request_word(&request, SIM_WORD(9, "FQ.SUBMIT"));
    sim_request_text(&request, sim_name(order->name));
    sim_request_text(&request, payload_of(order, cast, other_body));
    if (order->has_id) {
        sim_request_word(&request, SIM_WORD(2, "ID"));
        sim_request_id(&request, &order->id);
    }
    if (order->priority != 2) {
        sim_request_word(&request, SIM_WORD(8, "PRIORITY"));
        sim_request_word(&request, priority_words[order->priority]);
    }
    put_times(&request, order);
    if (order->unique >= 0) {
        sim_request_word(&request, SIM_WORD(6, "UNIQUE"));
        sim_request_text(&request, key_text(order->unique, text));
    }
    if (order->is_raw) {
        sim_request_word(&request, SIM_WORD(8, "ENCODING"));
        sim_request_word(&request, SIM_WORD(3, "raw"));
    }
    if (order->is_traced) {
        sim_request_word(&request, SIM_WORD(11, "TRACEPARENT"));
        sim_request_word(&request, SIM_WORD(55, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    }
    sim_request_end(&request);
}

void sim_order_describe(const struct sim_order *order, sim_cast *cast, bool other_body) {
    struct sim_exchange *asked = sim_cast_exchange(cast, SIM_SUBMIT);
    if (order->has_id)
        asked->id = order->id;
    asked->name = sim_name(order->name);
    asked->body = payload_of(order, cast, other_body);
    if (order->unique >= 0)
        asked->unique = key_text(order->unique, cast->key);
    asked->submit.priority = order->priority;
    asked->submit.delay_ms = order->delay_ms;
    asked->submit.at_ms = order->at_ms;
    asked->submit.expires_ms = order->expires_ms;
    asked->submit.timeout_ms = order->timeout_ms;
    asked->submit.backoff_ms = order->backoff_ms;
    asked->submit.result_ttl_ms = order->result_ttl_ms;
    asked->submit.retries = order->retries;
}
