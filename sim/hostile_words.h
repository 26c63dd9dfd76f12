// SPDX-License-Identifier: Apache-2.0
// Requests that must be refused, as words; private to hostile*.c.
#ifndef FQ_SIM_HOSTILE_WORDS_H
#define FQ_SIM_HOSTILE_WORDS_H

#include "sim/exchange.h"

#include <stddef.h>

struct sim_wrong_words {
    const char *words; // separated by a blank; "%" stands for an id that is new
    enum sim_verb verb;
    unsigned role; // enum fq_role that the command asks for; 0 = any
};

/** Wrong in itself: refused whoever sends it. */
const struct sim_wrong_words *sim_malformed(size_t *ret_count);
/** Right in itself, for those who have the role. */
const struct sim_wrong_words *sim_privileged(size_t *ret_count);

#endif
