// SPDX-License-Identifier: Apache-2.0
// What many runs come to: figures, counts by name, the first failure. Lies in memory that processes share, one each.
#ifndef FQ_SIM_TOTALS_H
#define FQ_SIM_TOTALS_H

#include "sim/run.h"

#include <stdio.h>

enum { SIM_TOTAL_NAMES = 256, SIM_TOTAL_NAME = 64 };

// X(field, what it is)
#define SIM_TOTALS(X)                                                                                        \
    X(seeds, "seeds")                                                                                        \
    X(repeated, "seeds run twice with the same hash")                                                        \
    X(operations, "operations")                                                                              \
    X(events, "events")                                                                                      \
    X(simulated_us, "simulated microseconds")                                                                \
    X(cpu_us, "microseconds of processors")                                                                  \
    X(clock_us, "microseconds of processes by the clock")                                                    \
    X(boots, "boots")                                                                                        \
    X(kills, "kills")                                                                                        \
    X(power_cuts, "power cuts")                                                                              \
    X(failures, "ends by a failed journal")                                                                  \
    X(refusals, "starts refused")                                                                            \
    X(compactions, "compactions installed")                                                                  \
    X(disk_calls, "calls to the disk")                                                                       \
    X(commands, "commands answered")                                                                         \
    X(acknowledged, "tasks acknowledged")                                                                    \
    X(executed, "tasks executed")                                                                            \
    X(executed_twice, "tasks executed more than once")                                                       \
    X(stale, "stale tokens refused")                                                                         \
    X(recoveries, "recoveries compared")                                                                     \
    X(checks, "checks of invariants")

struct sim_totals {
#define X(field, what) uint64_t field;
    SIM_TOTALS(X)
#undef X
    struct {
        char name[SIM_TOTAL_NAME];
        uint64_t times;
    } counts[SIM_TOTAL_NAMES];
    size_t count_count;
    uint64_t seed; // under way; of the failure if there is one
    bool has_failed;
    bool is_whole; // nothing was pinned: every fault may come up
    char failure[1024];
};

// From so many seeds on, every fault and every check has to have come up.
enum { SIM_TOTALS_WHOLE_SEEDS = 300 };

void sim_totals_add_run(struct sim_totals *totals, const struct sim_outcome *outcome);
void sim_totals_count(struct sim_totals *totals, const char *name, uint64_t times);
/** Adds `part` to `totals`; a failure of an earlier part stays. */
void sim_totals_add(struct sim_totals *totals, const struct sim_totals *part);
uint64_t sim_totals_times(const struct sim_totals *totals, const char *name);
/** Operations a second and core: of the processor's time, not of the clock's. */
double sim_totals_speed(const struct sim_totals *totals);
/** Calls `on_name` for each fault and each check of the model that never came up; returns how many. */
size_t sim_totals_missing(const struct sim_totals *totals, void (*on_name)(void *context, const char *name),
                          void *context);
/** For people. */
void sim_totals_print(const struct sim_totals *totals, FILE *out);
/** As evidence: one JSON object. 0 or FQ_EIO. */
int sim_totals_write(const struct sim_totals *totals, const char *path, const char *commit);

#endif
