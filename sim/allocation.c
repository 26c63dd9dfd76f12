// SPDX-License-Identifier: Apache-2.0
// The program's allocations, some of which fail while the simulated server runs. The linker leads every call here.
#include "sim/allocation.h"

#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

// The one place that every allocation passes has nowhere else to keep this.
static struct {
    sim_world *world;
    uint64_t one_in;
} failing;

void sim_allocation_fail(sim_world *world, uint64_t one_in) {
    failing.world = world;
    failing.one_in = one_in;
}

static bool fails(void) {
    if (failing.one_in == 0)
        return false;
    uint64_t one_in = failing.one_in;
    failing.one_in = 0; // the world's own allocations do not fail
    bool strikes = sim_world_chance(failing.world, SIM_STREAM_CRASH, one_in);
    if (strikes)
        sim_world_count(failing.world, "allocation failed", 1);
    failing.one_in = one_in;
    return strikes;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}
