// SPDX-License-Identifier: Apache-2.0
#include <stdbool.h>

#include "sim/invariant.h"

const struct sim_invariant_row sim_invariant_rows[SIM_INVARIANT_COUNT] = {
#define SIM_INVARIANT(label, sentence, how) {#label, sentence, how, true},
#define SIM_ELSEWHERE(label, sentence, why) {#label, sentence, why, false},
#include "sim/invariant.def"
};
