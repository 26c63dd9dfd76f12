// SPDX-License-Identifier: Apache-2.0
// Who watches over the queue: a keeper that looks at the counters all the time, by which the others know how full the queue
// is and when everything is done; and administrators that pause, resume, purge, requeue, drain, restart and change users.
#ifndef FQ_SIM_ADMIN_H
#define FQ_SIM_ADMIN_H

#include "sim/cast_state.h"

/** The first one is the keeper and changes nothing. */
sim_admin *sim_admin_new(sim_cast *cast, bool is_keeper);
sim_admin *sim_admin_free(sim_admin *admin);
void sim_admin_leave(sim_admin *admin);
/** Who has left comes back, pauses a name, resumes it and leaves again. */
void sim_admin_touch(sim_admin *admin);
bool sim_admin_is_touching(const sim_admin *admin);

#endif
