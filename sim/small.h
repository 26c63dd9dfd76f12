// SPDX-License-Identifier: Apache-2.0
// Small worlds, all of them: every script of a few commands by one client and two workers, and for each script a crash at
// every call to the disk, by kill and by power cut. What a random seed may take years to meet is met here in minutes.
#ifndef FQ_SIM_SMALL_H
#define FQ_SIM_SMALL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim_small_plan {
    unsigned depth;  // longest script
    unsigned jobs;   // processes
    int64_t seconds; // stop after so long; 0 = never
    const char *
        script; // one world alone: "sfc", "sfc:a" at once instead of one by one, "sfc:w:p:17" power cut at call 17
};

struct sim_small_totals {
    uint64_t scripts, worlds, kills, power_cuts, operations, checks;
    double seconds;
    bool is_complete; // nothing was left out for lack of time
    char failed[64];  // the world that broke an invariant, as `script` takes it; "" = none
    char failure[512];
};

/** 0, or FQ_EINVALID for a script that is none. */
int sim_small_run(const struct sim_small_plan *plan, struct sim_small_totals *ret_totals);
void sim_small_print(const struct sim_small_totals *totals, FILE *out);
/** The figures as JSON. 0 or -1. */
int sim_small_write(const struct sim_small_totals *totals, const char *path, const char *commit);

#endif
