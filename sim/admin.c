// SPDX-License-Identifier: Apache-2.0
#include "sim/admin.h"

#include "base/assert.h"
#include "sim/wire_peer.h"

#include <stdlib.h>

enum {
    LOOKS_A_LIST = 128,
    LOOK_US = 50 * FQ_US_PER_MS,
    ACT_US = 20 * FQ_US_PER_MS,
    WAVE_US = 2 * FQ_US_PER_S, // how long a level is wanted
    ROWS = 50,
    FAR_MS = 60000, // due later than this, a task is cancelled when everything has to end
};

enum tag { TAG_OTHER, TAG_COUNTS, TAG_SCHEDULED };

struct sim_admin {
    sim_cast *cast;
    struct sim_wire wire;
    bool is_keeper, is_leaving;
    bool wants_touch; // back for one change, then it leaves again
    bool has_resumed; // everything was resumed since the end began
    unsigned looks;   // of the keeper, under way
    int64_t wave_until_us;
    uint64_t generation;
};

// --- requests ---------------------------------------------------------------------------------------------------------
static void ask_words(sim_admin *admin, enum sim_verb verb, const char *const *words, size_t count,
                      fq_str name, uint32_t tag) {
    struct sim_request request;
    sim_request_begin(&request, &admin->wire.output);
    for (size_t i = 0; i < count; i++)
        sim_request_word(&request, words[i]);
    if (name.len > 0)
        sim_request_text(&request, name);
    sim_request_end(&request);
    sim_cast_exchange(admin->cast, verb)->name = name;
    sim_wire_ask(&admin->wire, tag);
}
#define ASK(admin, verb, name, tag, ...)                                                                     \
    ask_words(admin, verb, (const char *const[]){__VA_ARGS__},                                               \
              sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), name, tag)

static const fq_str nothing = {"", 0};

static fq_str some_name(sim_cast *cast, struct sim_dice *dice) {
    return sim_dice_rare(dice, 3) ? nothing : sim_name(sim_dice_below(dice, cast->names));
}

static void look_around(sim_admin *admin, struct sim_dice *dice) {
    fq_str none = nothing;
    unsigned what = sim_dice_bits(dice, 3);
    if ((what == 4 || what == 5) && !sim_dice_rare(dice, 5))
        what = 7; // lists are dear
    switch (what) {
    case 0: ASK(admin, SIM_STATS, none, TAG_OTHER, SIM_WORD(9, "FQ.QUEUES")); break;
    case 1: ASK(admin, SIM_STATS, none, TAG_OTHER, SIM_WORD(10, "FQ.WORKERS")); break;
    case 2: ASK(admin, SIM_STATS, none, TAG_OTHER, SIM_WORD(4, "INFO")); break;
    case 3:
        ASK(admin, SIM_LIST, none, TAG_OTHER, SIM_WORD(7, "FQ.DEAD"), SIM_WORD(4, "LIST"),
            SIM_WORD(5, "COUNT"), SIM_WORD(2, "20"));
        break;
    case 4:
        if (!sim_dice_rare(dice, 4)) // it looks at every task
            break;
        ASK(admin, SIM_LIST, none, TAG_OTHER, SIM_WORD(7, "FQ.LIST"), SIM_WORD(6, "STATUS"),
            SIM_WORD(7, "pending"), SIM_WORD(5, "COUNT"), SIM_WORD(2, "20"));
        break;
    case 5:
        ASK(admin, SIM_LIST, none, TAG_OTHER, SIM_WORD(7, "FQ.LIST"), SIM_WORD(5, "COUNT"),
            SIM_WORD(2, "20"));
        break;
    default: ASK(admin, SIM_STATS, none, TAG_OTHER, SIM_WORD(8, "FQ.STATS"));
    }
}

static void ask_counts(sim_admin *admin) {
    ASK(admin, SIM_STATS, nothing, TAG_COUNTS, SIM_WORD(8, "FQ.STATS"));
}

static void ask_scheduled(sim_admin *admin) {
    ASK(admin, SIM_LIST, nothing, TAG_SCHEDULED, SIM_WORD(7, "FQ.LIST"), SIM_WORD(6, "STATUS"),
        SIM_WORD(9, "scheduled"), SIM_WORD(5, "COUNT"), SIM_WORD(3, "100"));
}

static void resume(sim_admin *admin) {
    ASK(admin, SIM_RESUME, nothing, TAG_OTHER, SIM_WORD(9, "FQ.RESUME"));
    for (unsigned i = 0; i < admin->cast->names; i++)
        ASK(admin, SIM_RESUME, sim_name(i), TAG_OTHER, SIM_WORD(9, "FQ.RESUME"));
}

// --- what changes the queue ---------------------------------------------------------------------------------------------
static void change_dead(sim_admin *admin, struct sim_dice *dice) {
    fq_str none = nothing;
    switch (sim_dice_bits(dice, 2)) {
    case 0:
        ASK(admin, SIM_DEAD_REQUEUE, none, TAG_OTHER, SIM_WORD(7, "FQ.DEAD"), SIM_WORD(7, "REQUEUE"),
            SIM_WORD(3, "ALL"));
        break;
    case 1:
        ASK(admin, SIM_DEAD_PURGE, none, TAG_OTHER, SIM_WORD(7, "FQ.DEAD"), SIM_WORD(5, "PURGE"),
            SIM_WORD(3, "ALL"));
        break;
    default:
        ASK(admin, SIM_DEAD_PURGE, sim_name(sim_dice_below(dice, admin->cast->names)), TAG_OTHER,
            SIM_WORD(7, "FQ.DEAD"), SIM_WORD(5, "PURGE"), SIM_WORD(4, "NAME"));
    }
}

static void change(sim_admin *admin, struct sim_dice *dice) {
    sim_cast *cast = admin->cast;
    fq_str name = some_name(cast, dice);
    unsigned kind = sim_dice_bits(dice, 5);
    sim_world_count(cast->world, "administrator acted", 1);
    if (kind < 10) {
        ASK(admin, SIM_PAUSE, name, TAG_OTHER, SIM_WORD(8, "FQ.PAUSE"));
    } else if (kind < 24) {
        if (name.len == 0)
            resume(admin);
        else
            ASK(admin, SIM_RESUME, name, TAG_OTHER, SIM_WORD(9, "FQ.RESUME"));
    } else if (kind < 29) {
        change_dead(admin, dice);
    } else if (kind == 29 && sim_dice_rare(dice, 1)) {
        sim_server_drain(cast->server);
    } else if (cast->options->credentials) {
        sim_server_reload_users(cast->server, sim_dice_below(dice, SIM_USER_SETS));
    }
}

// --- turns ----------------------------------------------------------------------------------------------------------------
static void draw_level(sim_admin *admin, int64_t now_us) {
    static const int64_t levels[] = {10, 40, 150, 500, 1500, 4000, 100, 20};
    sim_cast *cast = admin->cast;
    if (now_us < admin->wave_until_us)
        return;
    cast->level_wanted = levels[sim_cast_below(cast, 8)];
    admin->wave_until_us = now_us + sim_cast_below(cast, WAVE_US);
}

static void keep_watch(sim_admin *admin) {
    bool lists = admin->cast->is_winding && sim_cast_chance(admin->cast, LOOKS_A_LIST); // they are dear
    admin->looks = 1 + lists;
    if (lists) {
        ASK(admin, SIM_RESUME, nothing, TAG_OTHER, SIM_WORD(9, "FQ.RESUME")); // a pause may have come late
        ask_scheduled(admin);
    }
    ask_counts(admin);
}

// Leaves everything as it was, and two records in the journal.
static void touch(sim_admin *admin) {
    ASK(admin, SIM_PAUSE, sim_name(0), TAG_OTHER, SIM_WORD(8, "FQ.PAUSE"));
    ASK(admin, SIM_RESUME, sim_name(0), TAG_OTHER, SIM_WORD(9, "FQ.RESUME"));
    sim_wire_flush(&admin->wire);
    admin->wants_touch = false;
    admin->is_leaving = true;
}

static void turn(void *context, uint64_t generation) {
    sim_admin *admin = context;
    sim_cast *cast = admin->cast;
    if (generation != admin->generation || admin->is_leaving)
        return;
    int64_t now_us = sim_world_time(cast->world);
    sim_world_at(cast->world, now_us + 1 + sim_cast_below(cast, admin->is_keeper ? LOOK_US : ACT_US), turn,
                 admin, generation);
    if (sim_wire_room(&admin->wire) < SIM_WIRE_ASKS_MAX / 2)
        return;
    if (admin->wants_touch) {
        touch(admin);
        return;
    }
    struct sim_dice dice = sim_dice_of(cast);
    if (admin->is_keeper) {
        draw_level(admin, now_us);
        if (admin->looks == 0)
            keep_watch(admin);
    } else if (cast->is_winding) {
        if (!admin->has_resumed)
            resume(admin);
    } else if (sim_cast_chance(cast, cast->options->admin_rate / 64 + (cast->options->admin_rate > 0))) {
        change(admin, &dice);
    } else if (sim_dice_rare(&dice, 1)) {
        look_around(admin, &dice);
    }
    sim_wire_flush(&admin->wire);
}

// --- answers --------------------------------------------------------------------------------------------------------------
static int64_t count_of(const struct fq_resp_node *nodes, uint32_t at, fq_str key) {
    const struct fq_resp_node *node = fq_resp_map_get(nodes, at, key);
    return node != NULL && node->type == FQ_RESP_INTEGER ? node->integer : 0;
}

// How many tasks wait or run: that is how full the queue is.
static void take_counts(sim_admin *admin, const struct fq_resp_node *nodes) {
    sim_cast *cast = admin->cast;
    const struct fq_resp_node *states =
        sim_reply_failed(nodes) ? NULL : fq_resp_map_get(nodes, 0, FQ_STR("states"));
    if (states == NULL)
        return;
    uint32_t at = (uint32_t)(states - nodes);
    cast->level = count_of(nodes, at, FQ_STR("scheduled")) + count_of(nodes, at, FQ_STR("pending")) +
                  count_of(nodes, at, FQ_STR("started"));
    bool was_still = cast->is_still; // twice in a row: the first count may have been on its way for long
    cast->is_still = cast->is_winding && cast->level == 0 && cast->submits_open == 0 && cast->lost == 0;
    cast->is_quiet = was_still && cast->is_still;
}

// Tasks that a jump of the clock has put beyond reach are cancelled when everything has to end.
static void take_scheduled(sim_admin *admin, const struct fq_resp_node *nodes) {
    int64_t now_ms = sim_world_server_now(admin->cast->world).wall_us / FQ_US_PER_MS;
    if (nodes[0].type != FQ_RESP_ARRAY || nodes[0].child_count != 2)
        return;
    uint32_t rows = nodes[1].next, at = rows + 1;
    for (uint32_t i = 0; i < nodes[rows].child_count; i++, at = nodes[at].next) {
        const struct fq_resp_node *id = fq_resp_map_get(nodes, at, FQ_STR("id"));
        if (count_of(nodes, at, FQ_STR("due_at")) < now_ms + FAR_MS || id == NULL ||
            sim_wire_room(&admin->wire) == 0)
            continue;
        struct sim_request request;
        sim_request_begin(&request, &admin->wire.output);
        sim_request_word(&request, SIM_WORD(9, "FQ.CANCEL"));
        sim_request_text(&request, id->text);
        sim_request_end(&request);
        struct sim_exchange *asked = sim_cast_exchange(admin->cast, SIM_CANCEL);
        if (fq_uuid_parse(id->text, &asked->id) == 0)
            sim_wire_ask(&admin->wire, TAG_OTHER);
    }
}

static void on_reply(void *context, const struct sim_ask *ask, const struct fq_resp_node *nodes) {
    sim_admin *admin = context;
    if (ask->tag != TAG_OTHER)
        admin->looks--;
    if (ask->tag == TAG_COUNTS)
        take_counts(admin, nodes);
    else if (ask->tag == TAG_SCHEDULED)
        take_scheduled(admin, nodes);
    else if (ask->verb == SIM_RESUME && admin->cast->is_winding && !sim_reply_failed(nodes))
        admin->has_resumed = true;
    if (admin->is_leaving && admin->wire.ask_count == 0)
        sim_wire_close(&admin->wire);
}

static void on_up(void *context) {
    sim_admin *admin = context;
    sim_cast *cast = admin->cast;
    sim_world_at(cast->world, sim_world_time(cast->world), turn, admin, ++admin->generation);
}

static void on_push(void *context, const struct fq_resp_node *nodes) {
    (void)context, (void)nodes;
}

static void on_lost(void *context, const struct sim_ask *ask) {
    (void)context, (void)ask;
}

static void on_down(void *context) {
    sim_admin *admin = context;
    admin->generation++;
    admin->looks = 0;
    if (admin->is_leaving)
        sim_wire_close(&admin->wire);
}

static const struct sim_wire_ops wire_ops = {on_up, on_reply, on_push, on_lost, on_down};

// --- life -----------------------------------------------------------------------------------------------------------------
void sim_admin_leave(sim_admin *admin) {
    admin->is_leaving = true;
    if (admin->wire.ask_count == 0)
        sim_wire_close(&admin->wire);
}

void sim_admin_touch(sim_admin *admin) {
    admin->wants_touch = true;
    admin->is_leaving = false;
    sim_wire_open(&admin->wire);
}

bool sim_admin_is_touching(const sim_admin *admin) {
    return admin->wants_touch || admin->wire.ask_count > 0;
}

sim_admin *sim_admin_new(sim_cast *cast, bool is_keeper) {
    sim_admin *admin = calloc(1, sizeof *admin);
    FQ_ASSERT(admin != NULL);
    admin->cast = cast;
    admin->is_keeper = is_keeper;
    sim_wire_init(&admin->wire, cast, &wire_ops, admin, SIM_USER_BOSS);
    admin->wire.protocol = sim_cast_below(cast, 2) == 0 ? 2 : 3;
    sim_wire_open(&admin->wire);
    return admin;
}

sim_admin *sim_admin_free(sim_admin *admin) {
    if (admin != NULL)
        sim_wire_done(&admin->wire);
    free(admin);
    return NULL;
}
