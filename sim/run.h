// SPDX-License-Identifier: Apache-2.0
// One run of one seed: the world is made, everybody acts under faults until so many operations were asked, then the faults
// end and all must come to an end within a bounded time.
#ifndef FQ_SIM_RUN_H
#define FQ_SIM_RUN_H

#include "sim/model.h"
#include "sim/options.h"
#include "sim/server.h"

struct sim_plan {
    uint64_t seed;
    uint64_t operations;     // of the first phase
    const char *const *pins; // "name=value", applied to what the seed draws
    size_t pin_count;
    size_t kept_lines; // 0 = none
    bool aloud;
    void (*set_memory)(sim_world *world, uint64_t one_in); // NULL = allocations do not fail
    /** Called at the end, before the world is freed, with every count and every kept line. NULL = nobody. */
    void (*on_count)(void *context, const char *name, uint64_t times);
    void (*on_line)(void *context, const char *line);
    void *context;
};

struct sim_outcome {
    char failure[1024]; // "" or the broken invariant and its sentence
    uint64_t trace;     // hash of all that happened
    uint64_t operations, events;
    int64_t simulated_us;
    struct sim_options options; // as drawn and pinned
    struct sim_server_stats server;
    struct sim_model_stats model;
};

void sim_run(const struct sim_plan *plan, struct sim_outcome *ret_outcome);
/** What the seed draws, and the pins. 0, or FQ_EINVALID with the pin that is none in *ret_bad. */
int sim_plan_options(const struct sim_plan *plan, struct sim_options *ret_options, const char **ret_bad);

#endif
