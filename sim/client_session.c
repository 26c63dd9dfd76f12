// SPDX-License-Identifier: Apache-2.0
#include "sim/client_session.h"

#include "base/assert.h"
#include "sim/client_order.h"
#include "sim/session_peer.h"

#include <stdlib.h>

enum {
    ORDERS = 128,
    PAUSE_US = 20000,
    WINDING_US = 500000,
    AT_ONCE = 8,
};

enum kind { KIND_SUBMIT, KIND_WATCH, KIND_COMMAND };

struct kept {
    struct sim_order order;
    char id[FQ_UUID_TEXT + 1];
    uint32_t use;      // times that the place was used: tells old events from new ones
    bool wants_answer; // SUBMITTED has not come
    bool wants_result; // RESULT of the submit has not come
    bool wants_watch;  // RESULT of the watch has not come
    uint32_t wants_replies;
};

struct sim_session_client {
    sim_cast *cast;
    struct sim_session_peer peer;
    struct kept kept[ORDERS];
    uint32_t next;
    size_t open;  // answers and results that have not come
    bool is_full; // no place was free, and no event has come since
    bool is_leaving;
};

static uint64_t tag_of(const sim_session_client *client, const struct kept *kept, enum kind kind) {
    return (uint64_t)kept->use << 32 | (uint64_t)(kept - client->kept) << 4 | (uint64_t)kind;
}

static bool is_open(const struct kept *kept) {
    return kept->wants_answer || kept->wants_result || kept->wants_watch || kept->wants_replies > 0;
}

static void broken(sim_session_client *client, const char *what, const struct kept *kept) {
    sim_world_fail(client->cast->world, "S32", "session of actor %u: %s for task %s", client->peer.actor,
                   what, kept->id);
}

// --- asking -----------------------------------------------------------------------------------------------------------------
static void fill_options(const struct sim_order *order, sim_cast *cast, struct fq_submit_options *options) {
    static const char *const priorities[] = {"critical", "high", "normal", "low"};
    fq_submit_options_init(options);
    options->priority = order->priority == FQ_PRIORITY_NORMAL ? NULL : priorities[order->priority];
    options->delay_ms = order->delay_ms > 0 ? order->delay_ms : 0;
    options->at_unix_ms = order->at_ms > 0 ? order->at_ms : 0;
    options->expires_ms = order->expires_ms > 0 ? order->expires_ms : 0;
    options->timeout_ms = order->timeout_ms > 0 ? order->timeout_ms : 0;
    options->retries = order->retries;
    options->backoff_ms = order->backoff_ms > 0 ? order->backoff_ms : 0;
    options->result_ttl_ms = order->result_ttl_ms;
    options->encoding = order->is_raw ? "raw" : NULL;
    if (order->unique >= 0)
        options->unique = sim_order_key(order, cast);
}

static void submit(sim_session_client *client, struct kept *kept, struct sim_dice *dice) {
    sim_cast *cast = client->cast;
    uint32_t use = kept->use + 1;
    *kept = (struct kept){.use = use};
    struct sim_order *order = &kept->order;
    sim_order_draw(order, cast, dice);
    struct fq_submit_options options;
    fill_options(order, cast, &options);
    options.want_result = sim_dice_rare(dice, 1);
    char id[FQ_UUID_TEXT + 1] = "";
    if (order->has_id) {
        fq_uuid_format(&order->id, id);
        options.id = id;
    }
    fq_str name = sim_name(order->name), payload = sim_cast_piece(cast, order->piece, order->length);
    int rc = fq_session_submit(client->peer.session, (fq_slice){name.ptr, name.len},
                               (fq_slice){payload.ptr, payload.len}, &options,
                               tag_of(client, kept, KIND_SUBMIT), kept->id);
    FQ_ASSERT(rc == 0);
    if (order->has_id && memcmp(id, kept->id, FQ_UUID_TEXT) != 0)
        broken(client, "the id that was given is not the one told", kept);
    kept->wants_answer = true;
    kept->wants_result = options.want_result;
    client->open += 1u + kept->wants_result;
    cast->submits_open++;
}

static void watch(sim_session_client *client, struct kept *kept) {
    if (kept->wants_watch || kept->wants_answer)
        return;
    int rc = fq_session_watch(client->peer.session, kept->id, tag_of(client, kept, KIND_WATCH));
    FQ_ASSERT(rc == 0);
    kept->wants_watch = true;
    client->open++;
}

static void command(sim_session_client *client, struct kept *kept, const char *word, bool repeatable) {
    fq_slice args[] = {
        {word,     strlen(word)},
        {kept->id, FQ_UUID_TEXT}
    };
    if (kept->wants_replies > 0)
        return;
    int rc =
        fq_session_command(client->peer.session, args, 2, repeatable, tag_of(client, kept, KIND_COMMAND));
    FQ_ASSERT(rc == 0);
    kept->wants_replies++;
    client->open++;
}

static void look(sim_session_client *client, struct sim_dice *dice) {
    struct kept *kept = &client->kept[sim_dice_bits(dice, 7)];
    if (kept->use == 0)
        return;
    switch (sim_dice_bits(dice, 3)) {
    case 0:
    case 1: watch(client, kept); break;
    case 2: command(client, kept, "FQ.CANCEL", false); break;
    case 3:
    case 4: command(client, kept, "FQ.STATUS", true); break;
    default: command(client, kept, "FQ.RESULT", true);
    }
}

static void submit_some(sim_session_client *client, struct sim_dice *dice) {
    for (uint32_t i = 0; i < ORDERS && !client->is_full; i++) {
        struct kept *kept = &client->kept[client->next];
        client->next = (client->next + 1) % ORDERS;
        if (is_open(kept))
            continue;
        submit(client, kept, dice);
        return;
    }
    client->is_full = true;
}

static void turn(void *context, uint64_t unused) {
    sim_session_client *client = context;
    sim_cast *cast = client->cast;
    (void)unused;
    if (client->is_leaving)
        return;
    struct sim_dice dice = sim_dice_of(cast);
    bool submits = !cast->is_winding && cast->level < cast->level_wanted;
    for (uint32_t i = cast->is_winding ? 1 : 1 + sim_dice_bits(&dice, 3); i > 0; i--) {
        if (submits && !sim_dice_rare(&dice, 2))
            submit_some(client, &dice);
        else if (sim_dice_rare(&dice, 2))
            look(client, &dice);
    }
    sim_session_pump(&client->peer);
    int64_t pause_us = sim_cast_below(cast, cast->is_winding ? WINDING_US : PAUSE_US);
    sim_world_at(cast->world, sim_world_time(cast->world) + 1 + pause_us, turn, client, 0);
}

// --- being answered -----------------------------------------------------------------------------------------------------
static void on_submitted(sim_session_client *client, struct kept *kept,
                         const struct fq_session_event *event) {
    if (!kept->wants_answer) {
        broken(client, "a second answer to one submit", kept);
        return;
    }
    kept->wants_answer = false;
    client->open--;
    client->cast->submits_open--;
    if (event->error < 0) { // then no result follows
        client->open -= kept->wants_result;
        kept->wants_result = false;
        if (event->error == FQ_EDISCONNECTED || event->error == FQ_EIDCONFLICT)
            broken(client, "a submit failed that was to be repeated", kept);
        return;
    }
    client->cast->level++;
    if (kept->order.unique < 0 && memcmp(event->id, kept->id, FQ_UUID_TEXT) != 0)
        broken(client, "another id than the one told", kept);
    memcpy(kept->id, event->id, FQ_UUID_TEXT);
}

static void on_result(sim_session_client *client, struct kept *kept, const struct fq_session_event *event,
                      enum kind kind) {
    bool *wants = kind == KIND_SUBMIT ? &kept->wants_result : &kept->wants_watch;
    if (!*wants) {
        broken(client, "a result that was not asked for, or came before", kept);
        return;
    }
    *wants = false;
    client->open--;
    if (event->error == 0 && memcmp(event->result.id, kept->id, FQ_UUID_TEXT) != 0)
        broken(client, "the result of another task", kept);
    if (event->error == 0 && event->result.completed_at == 0)
        broken(client, "a result of what has not ended", kept);
}

static void on_event(void *context, const struct fq_session_event *event) {
    sim_session_client *client = context;
    if (event->type == FQ_SESSION_READY || event->type == FQ_SESSION_CANCEL ||
        event->type == FQ_SESSION_DRAIN)
        return;
    client->is_full = false;
    struct kept *kept = &client->kept[event->tag >> 4 & (ORDERS - 1)];
    enum kind kind = (enum kind)(event->tag & 15);
    if (kept->use != event->tag >> 32) {
        broken(client, "an event of what was over", kept);
        return;
    }
    if (event->type == FQ_SESSION_SUBMITTED) {
        on_submitted(client, kept, event);
    } else if (event->type == FQ_SESSION_RESULT) {
        on_result(client, kept, event, kind);
    } else if (kept->wants_replies == 0) {
        broken(client, "a second reply to one command", kept);
    } else {
        kept->wants_replies--;
        client->open--;
    }
}

// --- life -------------------------------------------------------------------------------------------------------------------
size_t sim_session_client_open(const sim_session_client *client) {
    return client->open;
}

void sim_session_client_leave(sim_session_client *client) {
    client->is_leaving = true;
    sim_session_close(&client->peer);
}

sim_session_client *sim_session_client_new(sim_cast *cast) {
    sim_session_client *client = calloc(1, sizeof *client);
    FQ_ASSERT(client != NULL);
    client->cast = cast;
    sim_session_open(&client->peer, cast, SIM_USER_CLIENT, on_event, client);
    turn(client, 0);
    return client;
}

sim_session_client *sim_session_client_free(sim_session_client *client) {
    if (client != NULL)
        sim_session_done(&client->peer);
    free(client);
    return NULL;
}
