// SPDX-License-Identifier: Apache-2.0
// What one run consists of, drawn from its seed: which faults are on and how often they strike (each class with an even
// chance, its rate evenly over the orders of magnitude), how the server is configured, who takes part. A command line may
// pin any of them, which is how a failing run is made smaller.
#ifndef FQ_SIM_OPTIONS_H
#define FQ_SIM_OPTIONS_H

#include "sim/world.h"

// X(field, type, what it is). Rates are "once in so many", 0 = never; times are microseconds.
#define SIM_OPTIONS(X)                                                                                       \
    X(clients, uint64_t, "clients that submit and wait")                                                     \
    X(workers, uint64_t, "workers")                                                                          \
    X(admins, uint64_t, "administrators")                                                                    \
    X(hostiles, uint64_t, "hostile peers")                                                                   \
    X(names, uint64_t, "task names")                                                                         \
    X(pipeline, uint64_t, "requests that a client has under way at most")                                    \
    X(payload_max, uint64_t, "largest payload in bytes")                                                     \
    X(lease_us, uint64_t, "lease of a task")                                                                 \
    X(result_ttl_us, uint64_t, "time that results are kept")                                                 \
    X(segment_bytes, uint64_t, "segment of the journal")                                                     \
    X(batch_bytes_max, uint64_t, "largest batch")                                                            \
    X(compact_bytes, uint64_t, "journal that asks for compaction")                                           \
    X(turn_us, uint64_t, "least time between two turns of the server's loop")                                \
    X(disk_bytes, uint64_t, "size of the disk; 0 = endless")                                                 \
    X(relaxed, uint64_t, "relaxed durability")                                                               \
    X(output_bytes_max, uint64_t, "output that may wait for a peer")                                         \
    X(credentials, uint64_t, "users and roles are in force")                                                 \
    X(kill_rate, uint64_t, "server is killed, per call to the disk")                                         \
    X(power_rate, uint64_t, "power cut, per call to the disk")                                               \
    X(boot_crash_rate, uint64_t, "crash while it boots, per boot")                                           \
    X(garbage_rate, uint64_t, "sectors in flight hold noise, per power cut")                                 \
    X(sync_error_rate, uint64_t, "sync fails")                                                               \
    X(write_error_rate, uint64_t, "write fails or comes out short")                                          \
    X(rot_rate, uint64_t, "a bit of a synced file flips, per boot")                                          \
    X(slow_disk_rate, uint64_t, "sync takes up to 5 s")                                                      \
    X(memory_rate, uint64_t, "allocation fails")                                                             \
    X(reset_rate, uint64_t, "connection breaks, per message")                                                \
    X(half_open_rate, uint64_t, "connection dies silently, per message")                                     \
    X(stall_rate, uint64_t, "connection stands still for a while, per message")                              \
    X(slow_reader_rate, uint64_t, "peer stops reading for a while, per reply")                               \
    X(chunk_max, uint64_t, "largest piece that the network delivers")                                        \
    X(delay_max_us, uint64_t, "longest delay of a message")                                                  \
    X(swizzle_rate, uint64_t, "all connections freeze one by one and thaw in another order, per second")     \
    X(wall_jump_rate, uint64_t, "wall clock jumps, per second")                                              \
    X(drift_ppm, uint64_t, "drift of the server's clock")                                                    \
    X(server_pause_rate, uint64_t, "server stands still, per second")                                        \
    X(worker_pause_rate, uint64_t, "worker stands still beyond its lease, per task")                         \
    X(worker_death_rate, uint64_t, "worker dies with what it holds, per task")                               \
    X(poison_rate, uint64_t, "task that kills every worker, per task")                                       \
    X(failure_rate, uint64_t, "task fails, per task")                                                        \
    X(lie_rate, uint64_t, "worker reports with another token, twice or late, per task")                      \
    X(admin_rate, uint64_t, "pause, purge, requeue, drain, new users, per operation")                        \
    X(crash_call, uint64_t, "server dies at this call to the disk of the run; 0 = never")                    \
    X(crash_power, uint64_t, "… by a power cut")                                                             \
    X(backup_rate, uint64_t, "backup is taken and restored aside, per second")                               \
    X(loss_max, uint64_t, "workers that a task may lose before it was known to run, uncharged")              \
    X(sector_rate, uint64_t, "a synced sector holds another's bytes, or what it held before, per boot")      \
    X(descriptor_rate, uint64_t, "no descriptors are left for a while, per second")                          \
    X(stream, uint64_t, "the journal is a replicated log instead of files")                                  \
    X(log_rate, uint64_t, "a call to the log is lost, unanswered, delayed or in another's way, per call")    \
    X(log_outage_rate, uint64_t, "the log's servers have no quorum for a while, per call")                   \
    X(log_full_rate, uint64_t, "they have no room for a while, per publication")                             \
    X(usurper_rate, uint64_t, "another control plane takes the log over, per second")

struct sim_options {
#define X(field, type, help) type field;
    SIM_OPTIONS(X)
#undef X
};

/** Draws everything from the world's seed; to be settled when nothing more is pinned. */
void sim_options_draw(struct sim_options *ret_options, sim_world *world);
/** Pins one: "name=value". 0 or FQ_EINVALID. */
int sim_options_set(struct sim_options *options, const char *assignment);
/** Turns off what has no meaning beside the rest: of a disk where there is none, of a log where there are files. */
void sim_options_settle(struct sim_options *options);
/** Calls `on_option` for each in the order of SIM_OPTIONS. */
void sim_options_each(const struct sim_options *options,
                      void (*on_option)(void *context, const char *name, uint64_t value), void *context);
/** No fault strikes any more: the second half of a run, in which everything must come to an end. */
void sim_options_heal(struct sim_options *options);

#endif
