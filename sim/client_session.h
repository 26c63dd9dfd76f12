// SPDX-License-Identifier: Apache-2.0
// Clients of the product's own making: what they are promised is checked from their side. Each submit is answered once,
// by the id that was told at once unless a unique key was held, and each result that was wanted comes once, whatever
// happens to connections and servers.
#ifndef FQ_SIM_CLIENT_SESSION_H
#define FQ_SIM_CLIENT_SESSION_H

#include "sim/cast_state.h"

sim_session_client *sim_session_client_new(sim_cast *cast);
sim_session_client *sim_session_client_free(sim_session_client *client);
void sim_session_client_leave(sim_session_client *client);
/** Answers and results that it still waits for. */
size_t sim_session_client_open(const sim_session_client *client);

#endif
