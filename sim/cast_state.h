// SPDX-License-Identifier: Apache-2.0
// What all who take part share. Private to the actors.
#ifndef FQ_SIM_CAST_STATE_H
#define FQ_SIM_CAST_STATE_H

#include "sim/actor.h"
#include "sim/users.h"

typedef struct sim_client sim_client;
typedef struct sim_worker sim_worker;
typedef struct sim_admin sim_admin;
typedef struct sim_hostile sim_hostile;
typedef struct sim_session_client sim_session_client;
typedef struct sim_session_worker sim_session_worker;

enum { SIM_KEY_TEXT = 8 };

struct sim_cast {
    sim_world *world;
    const struct sim_options *options;
    sim_server *server;
    sim_model *model;
    sim_network *network;
    uint64_t operations;
    uint32_t last_actor;
    uint32_t names; // task names in use
    bool is_winding;
    bool is_quiet;             // winding, and nothing is left: everybody leaves
    bool is_still;             // so it looked the last time
    size_t lost;               // submits that connections took with them and that are to be asked again
    bool has_left;             // everybody
    int64_t level;             // tasks believed to wait or run
    int64_t level_wanted;      // clients submit below it
    uint64_t submits_open;     // asked, not yet answered or lost, or to be repeated
    char *bytes;               // what payloads and results are cut from
    struct sim_exchange asked; // filled anew for each request
    char key[SIM_KEY_TEXT];    // its unique key
    sim_client **clients;
    size_t client_count;
    sim_session_client **sessions; // clients of the product's making
    size_t session_count;
    sim_worker **workers;
    size_t worker_count;
    sim_session_worker **session_workers; // workers of the product's making
    size_t session_worker_count;
    sim_admin **admins; // the first is the keeper
    size_t admin_count;
    sim_hostile **hostiles;
    size_t hostile_count;
};

enum {
    SIM_BYTES_STEP = 64, // pieces begin at a multiple of it, each with the canary in its first bytes
    SIM_BYTES_COUNT = 256,
    SIM_POISON = 255, // the piece that kills who runs it
};

/** A piece of the cast's bytes: `len` from piece number `piece` on; the same numbers give the same bytes. */
static inline fq_str sim_cast_piece(const sim_cast *cast, unsigned piece, size_t len) {
    return (fq_str){cast->bytes + (size_t)piece * SIM_BYTES_STEP, len};
}
/** Whether a payload is the piece SIM_POISON. */
bool sim_cast_is_poison(fq_str payload);

// Chance by small portions of one random number, so that a decision costs little.
struct sim_dice {
    sim_world *world;
    uint64_t bits;
    unsigned left;
};
static inline struct sim_dice sim_dice_of(const sim_cast *cast) {
    return (struct sim_dice){.world = cast->world};
}
/** 0 … 2^count - 1; count <= 32. */
static inline uint32_t sim_dice_bits(struct sim_dice *dice, unsigned count) {
    if (dice->left < count) {
        dice->bits = sim_world_random(dice->world, SIM_STREAM_ACTOR);
        dice->left = 64;
    }
    uint32_t taken = (uint32_t)(dice->bits & ((UINT64_C(1) << count) - 1));
    dice->bits >>= count;
    dice->left -= count;
    return taken;
}
/** 0 … bound - 1 for a bound of up to 65,536, evenly enough. */
static inline uint32_t sim_dice_below(struct sim_dice *dice, uint32_t bound) {
    return bound == 0 ? 0 : (uint32_t)((uint64_t)sim_dice_bits(dice, 24) * bound >> 24);
}
/** True once in 2^`bits`. */
static inline bool sim_dice_rare(struct sim_dice *dice, unsigned bits) {
    return sim_dice_bits(dice, bits) == 0;
}
static inline bool sim_cast_chance(sim_cast *cast, uint64_t one_in) {
    return one_in != 0 && sim_world_chance(cast->world, SIM_STREAM_ACTOR, one_in);
}
static inline int64_t sim_cast_below(sim_cast *cast, int64_t bound) {
    return (int64_t)sim_world_below(cast->world, SIM_STREAM_ACTOR, (uint64_t)bound);
}

/** The exchange that is to be filled for the next request: everything is "not given". */
struct sim_exchange *sim_cast_exchange(sim_cast *cast, enum sim_verb verb);

#endif
