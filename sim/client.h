// SPDX-License-Identifier: Apache-2.0
// Clients that submit, look, wait and cancel, by hand and pipelined.
#ifndef FQ_SIM_CLIENT_H
#define FQ_SIM_CLIENT_H

#include "sim/cast_state.h"

sim_client *sim_client_new(sim_cast *cast);
sim_client *sim_client_free(sim_client *client);
/** Nothing is left to do: asks no more and closes when everything is answered. */
void sim_client_leave(sim_client *client);

#endif
