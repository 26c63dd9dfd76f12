// SPDX-License-Identifier: Apache-2.0
// The server's machine: disk, boots, the control plane as a process that runs, crashes and comes back, the compactor as a
// process beside it. What runs in it is the product: engine, journal with its files, core with command table and
// connections. It tells the model what it does, and the model alone judges.
#ifndef FQ_SIM_SERVER_H
#define FQ_SIM_SERVER_H

#include "sim/model.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/users.h"
#include "sim/world.h"

typedef struct sim_server sim_server;

/** All borrowed. The machine is switched on by the first event. */
sim_server *sim_server_new(sim_world *world, const struct sim_options *options, sim_model *model);
sim_server *sim_server_free(sim_server *server);

sim_network *sim_server_network(sim_server *server);

/** Whether the process serves. */
bool sim_server_is_up(const sim_server *server);
/** Kills the process now; it is started again after a while. */
void sim_server_kill(sim_server *server);
void sim_server_cut_power(sim_server *server);
/** SIGTERM: drains, ends, is started again. */
void sim_server_drain(sim_server *server);
/** The whole machine stands still for `us`: its boot clock goes on, nothing runs. */
void sim_server_pause(sim_server *server, int64_t us);
/** Users are read anew (SIGHUP): file of users `set` (users.h), modulo their number. Nothing without options.credentials. */
void sim_server_reload_users(sim_server *server, unsigned set);
/** Copies the data directory as `fastqueue journal backup` would, restores it aside and hands what comes up to the model. */
void sim_server_backup(sim_server *server);

/** Orders a compaction, due or not; whether it has been carried out. */
void sim_server_compact(sim_server *server);
bool sim_server_has_compacted(const sim_server *server);
/** Snapshots installed in this life. */
uint64_t sim_server_installs(const sim_server *server);
/** Bytes in all files of the data directory. */
uint64_t sim_server_used(const sim_server *server);

/** What runs, NULL while the process is down. */
fq_core *sim_server_core(sim_server *server);
/** Faults ended: the disk has room, rotten bits are put right, what hangs goes on. */
void sim_server_heal(sim_server *server);

/** `set_memory(world, n)` makes one in n of the allocations that follow fail, none for 0; a program that cannot do so gives
 *  none. It is on only while the server's own code runs. */
void sim_server_set_memory(sim_server *server, void (*set_memory)(sim_world *world, uint64_t one_in));

struct sim_server_stats {
    uint64_t boots, kills, power_cuts, failures, refusals, compactions, disk_calls, commands;
};
void sim_server_stats(const sim_server *server, struct sim_server_stats *ret_stats);

#endif
