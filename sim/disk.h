// SPDX-License-Identifier: Apache-2.0
// A disk in memory that loses what was not synced. Each file has what programs see and what the medium holds, in sectors
// of 512 bytes; directory entries likewise. A power cut keeps any subset of the difference, chosen by a seed. One counter
// numbers all calls, so that its owner can crash or fail the n-th.
#ifndef FQ_SIM_DISK_H
#define FQ_SIM_DISK_H

#include "journal/disk.h"

typedef struct sim_disk sim_disk;

enum sim_call { // bits
    SIM_OPEN = 1,
    SIM_READ = 2,
    SIM_WRITE = 4,
    SIM_SYNC = 8,
    SIM_SYNC_DIRECTORY = 16,
    SIM_RENAME = 32,
    SIM_REMOVE = 64,
    SIM_REST = 128,
    SIM_ANY = 255
};

sim_disk *sim_disk_new(uint64_t seed);
void sim_disk_free(sim_disk *sim);

/** A view for one process; its close_disk releases the lock it holds. Views share the files. */
fq_disk *sim_disk_attach(sim_disk *sim);
/** A view for a process beside, which is killed by the `calls`-th call it makes (0 = never). Unless 0 it is spared the
 *  judge's errors. */
fq_disk *sim_disk_attach_mortal(sim_disk *sim, uint64_t calls);

/** A call that is none to the disk, but counts as one. False: the machine is dead, or has died by it. */
bool sim_disk_tick(sim_disk *sim);
/** Calls so far. */
uint64_t sim_disk_calls(const sim_disk *sim);
/** From call number `call` on the machine is dead: that call happens in part or not at all, all later ones fail. 0 = never. */
void sim_disk_crash_at(sim_disk *sim, uint64_t call);
/** It is dead at once. */
void sim_disk_crash_now(sim_disk *sim);
bool sim_disk_is_dead(const sim_disk *sim);
/** Power comes back: of what was not synced any subset is there; with `garbage`, sectors in flight may hold noise. */
void sim_disk_restart(sim_disk *sim, bool garbage);
/** As a killed process leaves it: nothing is lost. */
void sim_disk_revive(sim_disk *sim);

/** The next `times` calls of the kinds in `mask`, after `skip` of them, fail with -error. A failed sync loses the data and
 *  the file looks clean afterwards. error 0: writes come out short. */
void sim_disk_fail(sim_disk *sim, unsigned mask, uint64_t skip, uint64_t times, int error);
/** Asked for each call that would happen: 0 lets it happen, -errno makes it fail. As with sim_disk_fail a failed sync loses
 *  the data. NULL = nobody. */
void sim_disk_set_judge(sim_disk *sim, int (*judge)(void *context, enum sim_call kind), void *context);
/** As if the disk had so many bytes; 0 = endless. */
void sim_disk_set_capacity(sim_disk *sim, uint64_t bytes);
void sim_disk_set_volatile(sim_disk *sim, bool is_volatile);

bool sim_disk_exists(const sim_disk *sim, const char *path);
uint64_t sim_disk_size(const sim_disk *sim, const char *path);
/** Both what programs see and what the medium holds. */
void sim_disk_flip(sim_disk *sim, const char *path, uint64_t offset, unsigned char mask);
void sim_disk_truncate(sim_disk *sim, const char *path, uint64_t size);
void sim_disk_zero(sim_disk *sim, const char *path, uint64_t offset, uint64_t len);
void sim_disk_peek(const sim_disk *sim, const char *path, uint64_t offset, void *ret_bytes, size_t len);
void sim_disk_poke(sim_disk *sim, const char *path, uint64_t offset, const void *bytes, size_t len);
/** Whether what programs see there is what the medium holds. */
bool sim_disk_is_synced(const sim_disk *sim, const char *path, uint64_t offset, size_t len);
/** Durably, at once. */
void sim_disk_remove(sim_disk *sim, const char *path);
/** Writes that changed bytes which were durable and not zero: an append-only log has none. */
uint64_t sim_disk_rewrites(const sim_disk *sim);
/** Of all that programs see: names and bytes, without those below `except` and leftovers (.tmp). */
uint64_t sim_disk_hash(const sim_disk *sim, const char *except);
/** The free bytes that the process was told when it last asked; UINT64_MAX = it never did. */
uint64_t sim_disk_told_free(const sim_disk *sim);
/** Calls of that process that failed though the machine was alive: a judge's errors, no room. */
uint64_t sim_disk_refused(const sim_disk *sim);
/** Bytes in all files. */
uint64_t sim_disk_used(const sim_disk *sim);
/** Calls `on_path` for each file. */
void sim_disk_each(const sim_disk *sim, void (*on_path)(void *context, const char *path), void *context);

/** An independent copy, as it stands. */
sim_disk *sim_disk_clone(const sim_disk *sim);

#endif
