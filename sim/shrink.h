// SPDX-License-Identifier: Apache-2.0
// Makes a failing run smaller: fewer operations, faults off one by one, fewer peers, while the same invariant breaks.
#ifndef FQ_SIM_SHRINK_H
#define FQ_SIM_SHRINK_H

#include "sim/run.h"

enum { SIM_PINS_MAX = 128, SIM_PIN_NAME = 40, SIM_PIN_SIZE = SIM_PIN_NAME + 24 };

struct sim_pins {
    char texts[SIM_PINS_MAX][SIM_PIN_SIZE];
    const char *list[SIM_PINS_MAX];
    size_t count;
};

/** Adds or replaces the pin of one option. */
void sim_pins_set(struct sim_pins *pins, const char *name, uint64_t value);

/** `plan` fails with `failure`. Changes its operations, and its pins to those in `pins`, as far as it still does; tries for
 *  about `seconds`. */
void sim_shrink(struct sim_plan *plan, const char *failure, struct sim_pins *pins, int64_t seconds);

#endif
