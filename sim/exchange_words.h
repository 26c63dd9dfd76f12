// SPDX-License-Identifier: Apache-2.0
// A request's words, as an exchange: for peers that do not make their requests themselves.
#ifndef FQ_SIM_EXCHANGE_WORDS_H
#define FQ_SIM_EXCHANGE_WORDS_H

#include "sim/exchange.h"

#include <stddef.h>

/** Fills all but `actor`, `connection` and `roles`; what is no command of the queue becomes SIM_OTHER. Texts are borrowed
 *  from `words`. A worker that is not named is not known here: `work.worker` is "". */
void sim_exchange_of_words(const fq_str *words, size_t count, struct sim_exchange *ret_exchange);

#endif
