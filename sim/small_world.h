// SPDX-License-Identifier: Apache-2.0
// One small world: a script, and where the server dies in it.
#ifndef FQ_SIM_SMALL_WORLD_H
#define FQ_SIM_SMALL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIM_SMALL_MAX = 8 }; // commands of a script

enum sim_small_crash { SIM_SMALL_NONE, SIM_SMALL_KILL, SIM_SMALL_POWER };

struct sim_small_world {
    char script[SIM_SMALL_MAX + 1];
    bool at_once; // commands are not held back for the answers before them
    enum sim_small_crash crash;
    uint64_t call; // to the disk, counted from the first boot on
    bool aloud;    // says what happens
};

struct sim_small_outcome {
    char failure[512];          // "" or the invariant and its sentence
    uint64_t first_call, calls; // to the disk: when the script began and when it was through
    uint64_t operations, checks;
};

/** The letters that scripts are made of; those that make a script begin with something come first. */
extern const char sim_small_letters[];
enum { SIM_SMALL_BEGINNINGS = 2 };

void sim_small_world_run(const struct sim_small_world *small, struct sim_small_outcome *ret_outcome);

#endif
