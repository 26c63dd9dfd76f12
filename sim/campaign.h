// SPDX-License-Identifier: Apache-2.0
// Many seeds in several processes.
#ifndef FQ_SIM_CAMPAIGN_H
#define FQ_SIM_CAMPAIGN_H

#include "sim/totals.h"

struct sim_campaign {
    struct sim_plan plan; // for each seed; its seed and what it tells are set here
    uint64_t first, last; // seeds, both included
    unsigned jobs;        // processes
    int64_t seconds;      // stop after so long; 0 = when all seeds were run
    uint64_t repeat;      // every so many-th seed is run twice, over other garbage in fresh memory; 0 = none
    bool reports;         // says every minute how far it is
};

/** 0 with the totals, which say whether an invariant is broken; or FQ_ENOMEM. */
int sim_campaign_run(const struct sim_campaign *campaign, struct sim_totals *ret_totals);

#endif
