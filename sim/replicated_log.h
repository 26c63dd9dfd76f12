// SPDX-License-Identifier: Apache-2.0
// The replicated log that a server of the simulator writes instead of files (options.stream): sim/log.h with what goes wrong between a
// control plane and the servers that keep it. What the log has taken it keeps, whatever happens to the machine.
#ifndef FQ_SIM_REPLICATED_LOG_H
#define FQ_SIM_REPLICATED_LOG_H

#include "journal/stream.h"
#include "sim/disk.h"
#include "sim/options.h"

typedef struct sim_replicated_log sim_replicated_log;

/** All borrowed. Each call to the log counts as one to the disk: it is what the process may die at. */
sim_replicated_log *sim_replicated_log_new(sim_world *world, const struct sim_options *options,
                                           sim_disk *disk);
sim_replicated_log *sim_replicated_log_free(sim_replicated_log *log);

/** A handle of the process. */
fq_stream *sim_replicated_log_open(sim_replicated_log *log);
/** From now on the calls are those of a process beside, which is killed by the `calls`-th (0: never); until sim_replicated_log_back. */
void sim_replicated_log_beside(sim_replicated_log *log, uint64_t calls);
void sim_replicated_log_back(sim_replicated_log *log);
/** Faults are over. */
void sim_replicated_log_heal(sim_replicated_log *log);

#endif
