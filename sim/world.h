// SPDX-License-Identifier: Apache-2.0
// The simulated world: one thread, one event queue, one seed. Time passes only from event to event; what happens in the
// same microsecond happens in an order that the seed chooses. Whoever needs chance asks the world, each for a purpose of
// its own, so that switching one fault off leaves the other choices as they were.
#ifndef FQ_SIM_WORLD_H
#define FQ_SIM_WORLD_H

#include "base/time.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim_world sim_world;

enum sim_stream { // of randomness
    SIM_STREAM_OPTIONS,
    SIM_STREAM_SCHEDULE, // order of what happens at once
    SIM_STREAM_NETWORK,
    SIM_STREAM_DISK,
    SIM_STREAM_CRASH,
    SIM_STREAM_CLOCK,
    SIM_STREAM_ACTOR, // what clients, workers and administrators do
    SIM_STREAM_HOSTILE,
    SIM_STREAM_COUNT
};

sim_world *sim_world_new(uint64_t seed);
sim_world *sim_world_free(sim_world *world);

/** True time since the world began, in microseconds: never jumps, drifts or pauses. Actors live by it. */
int64_t sim_world_time(const sim_world *world);
/** The server machine's clocks, with their jumps and drift. */
struct fq_now sim_world_server_now(const sim_world *world);
/** The wall clock of that machine moves by `us`, either way, but not to before 1970: no kernel sets it so. */
void sim_world_jump_wall(sim_world *world, int64_t us);
/** From now on that machine's clocks run faster by `ppm` millionths (slower if negative). */
void sim_world_set_drift(sim_world *world, int64_t ppm);
/** The power was off: the machine's boot clock begins anew at 0, its wall clock goes on. */
void sim_world_restart_boot_clock(sim_world *world);
/** First true time at which that machine's boot clock shows `boot_us` or more; FQ_NEVER_US stays FQ_NEVER_US. */
int64_t sim_world_when(const sim_world *world, int64_t boot_us);

uint64_t sim_world_random(sim_world *world, enum sim_stream stream);
/** 0 … bound-1; 0 for bound 0. */
uint64_t sim_world_below(sim_world *world, enum sim_stream stream, uint64_t bound);
/** True once in `one_in` on average; never for 0. */
bool sim_world_chance(sim_world *world, enum sim_stream stream, uint64_t one_in);

/** Runs `run(context, argument)` at true time `at_us`, at once if that has passed. Cannot be taken back: what may have
 *  become pointless carries a generation in `argument`, and `context` outlives the world. */
void sim_world_at(sim_world *world, int64_t at_us, void (*run)(void *context, uint64_t argument),
                  void *context, uint64_t argument);
/** Runs the next event; false when there is none or the world has failed. */
bool sim_world_step(sim_world *world);

/** Folds what happened into the run's hash; two runs of a seed give the same hash or something is not deterministic. */
void sim_world_trace(sim_world *world, uint64_t what, const void *bytes, size_t len);
uint64_t sim_world_trace_hash(const sim_world *world);
/** One line about what happens, for people. Costs next to nothing unless lines are kept: a run that failed is run again
 *  with its lines kept, which is what determinism is good for. */
void sim_world_say(sim_world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Keeps the last `count` lines from now on; `aloud`: prints them to stderr as they come, too. */
void sim_world_keep_lines(sim_world *world, size_t count, bool aloud);
/** Calls `on_line` for each line that was kept, oldest first. */
void sim_world_each_line(const sim_world *world, void (*on_line)(void *context, const char *line),
                         void *context);

/** An invariant is broken: the first one is kept and ends the run. `invariant` is its label: "S4", "L2". */
void sim_world_fail(sim_world *world, const char *invariant, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool sim_world_failed(const sim_world *world);
/** "" or the broken invariant and its sentence. */
const char *sim_world_failure(const sim_world *world);

/** Counts an occurrence by name, for the report: faults injected, rare states reached. `name` is a literal. */
void sim_world_count(sim_world *world, const char *name, uint64_t times);
/** Calls `on_count` for each name in no particular order; a name that stands twice in the program may come twice. */
void sim_world_each_count(const sim_world *world,
                          void (*on_count)(void *context, const char *name, uint64_t times), void *context);
/** Events run so far. */
uint64_t sim_world_events(const sim_world *world);

#endif
