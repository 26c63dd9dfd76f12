// SPDX-License-Identifier: Apache-2.0
// What a queue must do, written down a second time and naively: arrays and scans, no code of the engine's. It is told what
// peers asked and were answered, what the server decided (its events), when it died and what came back; and says when
// one contradicts the other. Labels of invariants: S1-S40 for safety, L1-L9 for liveness (docs/reliability.md).
#ifndef FQ_SIM_MODEL_H
#define FQ_SIM_MODEL_H

#include "engine/engine.h"
#include "journal/journal.h"
#include "resp/reader.h"
#include "server/core.h"
#include "sim/exchange.h"
#include "sim/options.h"
#include "sim/world.h"

typedef struct sim_model sim_model;

sim_model *sim_model_new(sim_world *world, const struct sim_options *options);
sim_model *sim_model_free(sim_model *model);

// --- from the peers' side: nothing but what went over the wire --------------------------------------------------------
/** A request leaves a peer. The exchange is copied; its number comes back with the answer. */
uint64_t sim_model_asked(sim_model *model, const struct sim_exchange *exchange);
/** Its answer arrived (nodes as reader.h gives them: valid during the call). The same number twice is a failure. */
void sim_model_answered(sim_model *model, uint64_t exchange, const struct fq_resp_node *nodes);
/** No answer will come: the connection is gone. It may or may not have happened. */
void sim_model_lost(sim_model *model, uint64_t exchange);
/** A push arrived at `actor`. */
void sim_model_pushed(sim_model *model, uint32_t actor, const struct fq_resp_node *nodes);
/** The server closed the connection after it had answered with a protocol error, or because the peer was over a limit. */
void sim_model_cut_off(sim_model *model, uint32_t actor);

// --- from the server's side -------------------------------------------------------------------------------------------
/** To be given to the core of each boot. */
struct fq_core_observer sim_model_observer(sim_model *model);
/** Recovered, not started: what is there must be what a prefix of the events gives that holds everything peers know of. */
void sim_model_recovered(sim_model *model, const fq_engine *engine, const fq_journal *journal);
/** Started: the first commands may come. The connections of earlier lives are gone. */
void sim_model_booted(sim_model *model, fq_core *core);
/** A turn of the server's loop is over; looks at what is cheap each time, at everything now and then. */
void sim_model_turned(sim_model *model, fq_core *core, struct fq_now now);
/** The machine as a turn begins, before the server looks at what its disk has done. */
struct sim_space {
    uint64_t told_free;                                 // free bytes, as the process was told last
    uint64_t low_water;                                 // below, submits are refused
    uint64_t segment_bytes, spare_bytes, reserve_bytes; // files there: the one being written, prepared, kept
    uint64_t refused;                                   // calls to the disk that failed so far
    int64_t
        brisk_us; // true time without that in which the machine stood still or a call to the disk was slow
};
void sim_model_space(sim_model *model, const struct sim_space *space);
/** The process died; a power cut may take what was not synced. */
void sim_model_crashed(sim_model *model, bool power_cut);
/** It refused to start; `damaged`: a synced byte had been changed before, which makes a refusal legal. */
void sim_model_refused(sim_model *model, int error, const char *text, bool damaged);
/** A backup that was taken when `durable_seq` records were durable, and what a restore made of it. */
struct sim_restored {
    uint64_t durable_seq;
    uint64_t last_seq, hash;        // of the backup's state
    uint64_t restored_hash;         // of what the restore wrote: leases are over
    uint64_t found_seq, found_hash; // of what a start found of it
    const fq_engine *engine;        // started
    uint32_t old_epoch, epoch;      // of the running server, of that start
    bool is_same_instance;
};
void sim_model_restored(sim_model *model, const struct sim_restored *restored, struct fq_now now);
/** The compactor's process ended with a state whose hash it wrote into the snapshot. */
void sim_model_compacted(sim_model *model, uint64_t last_seq, uint64_t state_hash);

// --- the end ----------------------------------------------------------------------------------------------------------
/** Faults are off from now on: the clocks of the liveness invariants start. */
void sim_model_healed(sim_model *model);
/** Nothing is left to do: every accepted task is final and every request was answered or lost. */
bool sim_model_is_done(const sim_model *model);
/** Two compactions are behind each other in a quiet time: the files take `used` bytes. */
void sim_model_compacted_twice(sim_model *model, uint64_t used);
/** Counts and whole state for the last time. */
void sim_model_finish(sim_model *model, fq_core *core, struct fq_now now);

struct sim_model_stats {
    uint64_t operations, events, acknowledged, executed, executed_twice, stale, recoveries, checks;
};
void sim_model_stats(const sim_model *model, struct sim_model_stats *ret_stats);
/** How often an invariant (sim/invariant.h) was checked. */
uint64_t sim_model_checked(const sim_model *model, unsigned invariant);

#endif
