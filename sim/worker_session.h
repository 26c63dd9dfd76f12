// SPDX-License-Identifier: Apache-2.0
// Workers that speak through the product's own session: register again after each reconnection, fetch, beat, report; every
// request is answered once, or told to be lost. They neither die nor lie.
#ifndef FQ_SIM_WORKER_SESSION_H
#define FQ_SIM_WORKER_SESSION_H

#include "sim/cast_state.h"

sim_session_worker *sim_session_worker_new(sim_cast *cast, unsigned number);
sim_session_worker *sim_session_worker_free(sim_session_worker *worker);
void sim_session_worker_leave(sim_session_worker *worker);

#endif
