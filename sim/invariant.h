// SPDX-License-Identifier: Apache-2.0
// The invariants: what each says and how the simulator checks it (invariant.def is the table).
#ifndef FQ_SIM_INVARIANT_H
#define FQ_SIM_INVARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sim_invariant {
#define SIM_INVARIANT(label, sentence, how) SIM_##label,
#define SIM_ELSEWHERE(label, sentence, why) SIM_##label,
#include "sim/invariant.def"
    SIM_INVARIANT_COUNT
};

struct sim_invariant_row {
    const char *label, *sentence, *how;
    bool in_model; // the model counts its checks; otherwise `how` says who looks, or why nobody can
};
extern const struct sim_invariant_row sim_invariant_rows[SIM_INVARIANT_COUNT];

#endif
