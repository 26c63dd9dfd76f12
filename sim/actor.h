// SPDX-License-Identifier: Apache-2.0
// Who takes part: clients, workers, administrators and hostile peers. Clients and most workers speak through the
// product's own protocol session (fastqueue/session.h); some speak RESP by hand, as a foreign client would.
#ifndef FQ_SIM_ACTOR_H
#define FQ_SIM_ACTOR_H

#include "sim/model.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/server.h"
#include "sim/world.h"

typedef struct sim_cast sim_cast;

/** All borrowed; everybody begins within the first simulated second. */
sim_cast *sim_cast_new(sim_world *world, const struct sim_options *options, sim_server *server,
                       sim_model *model);
sim_cast *sim_cast_free(sim_cast *cast);
/** No new tasks; workers go on until everything is done, paused names are resumed. */
void sim_cast_wind_down(sim_cast *cast);
/** Wound down, and everybody has got what was promised to them and has left. */
bool sim_cast_is_done(const sim_cast *cast);
/** When everybody has left, the keeper comes back for one change that leaves everything as it was: the log goes on. */
void sim_cast_touch(sim_cast *cast);
bool sim_cast_is_touching(const sim_cast *cast);
/** Operations begun so far: requests sent. */
uint64_t sim_cast_operations(const sim_cast *cast);

#endif
