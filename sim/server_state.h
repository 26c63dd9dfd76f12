// SPDX-License-Identifier: Apache-2.0
// Inside the machine: its disk with what is wrong with it, the process that runs or not, the compactor beside it.
#ifndef FQ_SIM_SERVER_STATE_H
#define FQ_SIM_SERVER_STATE_H

#include "journal/executor.h"
#include "server/credentials.h"
#include "sim/disk.h"
#include "sim/network_state.h"
#include "sim/replicated_log.h"
#include "sim/server.h"

enum sim_death {
    SIM_DEATH_KILL,
    SIM_DEATH_POWER,
    SIM_DEATH_FAILURE, // the process ended itself: its journal failed
    SIM_DEATH_STOP,    // in order, after a drain
};

enum { SIM_JOBS_MAX = 16, SIM_ROTS_MAX = 8, SIM_PATH_MAX = 64, SIM_SECTOR = 512 };
enum { SIM_RESERVE_BYTES = 1 << 17, SIM_LOW_WATER_BYTES = 1 << 18 };

// The journal's thread: each job takes simulated time, has its effect within it, and wakes the loop at its end.
struct sim_executor {
    fq_executor base;
    struct {
        void (*work)(void *argument);
        void *argument;
    } jobs[SIM_JOBS_MAX];
    size_t first, count;
    bool is_running;
    bool is_put_off; // the first job, because the machine stands still
    sim_server *server;
};

struct sim_rot { // a bit that flipped, or a sector that holds what it should not
    char path[SIM_PATH_MAX];
    uint64_t offset;
    size_t len;
    unsigned char was[SIM_SECTOR], is[SIM_SECTOR];
};

struct sim_compactor {
    bool is_busy, is_ordered;
    uint64_t batch_seq;
    int64_t not_before_us, retry_us; // boot
    bool ok;
};

struct sim_server {
    sim_world *world;
    const struct sim_options *options;
    sim_model *model;
    sim_network *network;
    sim_disk *disk;
    sim_replicated_log *log; // NULL: the journal lies on the disk
    struct fq_server_options config;
    struct sim_server_stats stats;
    uint64_t life; // number of the present life or death: events of earlier ones are void
    bool is_healed;
    bool is_inside; // the server's own code runs

    // The process.
    fq_engine *engine;
    fq_journal *journal;
    fq_core *core; // NULL = down
    fq_credentials *credentials;
    struct fq_core_observer judge; // the model's
    struct sim_executor executor;
    struct sim_compactor compactor;
    bool is_draining;
    int64_t drain_until_us;

    // Its loop.
    bool has_turn; // an event is under way
    int64_t turn_at_us;
    uint64_t turn_number;
    int64_t busy_until_us, paused_until_us;

    // What is wrong with the machine.
    enum sim_death crash_kind; // of the call that the disk dies at
    uint64_t boot_deaths;      // starts in a row that died
    struct sim_rot rots[SIM_ROTS_MAX];
    size_t rot_count;
    bool has_bad_sector; // among them
    bool has_rotted;     // ever: what is written over may be such a bit
    bool
        cache_lies; // a sync failed since the power was last off: what programs read need not be on the medium
    int64_t slow_since_us, slow_us; // a slow call is under way (0: none), time that such calls took
    int64_t stopped_us, brisk_us;   // time stood still; the clock without both
    uint64_t tenant_bytes;          // of the disk, taken by somebody else
    bool no_descriptors;            // that are free
    uint64_t shortages;             // of them so far
    /** Makes one in so many of the server's allocations fail, 0 = none; NULL = cannot be done in this program. */
    void (*set_memory)(sim_world *world, uint64_t one_in);
};

// --- server.c
/** The loop wants a turn by true time `at_us`. */
void sim_server_want_turn(sim_server *server, int64_t at_us);
/** The process ends as `kind` says and is started again later. */
void sim_server_die(sim_server *server, enum sim_death kind);
/** After disk calls: dies if one of them was the last. True if so. */
bool sim_server_died(sim_server *server);
/** The server's own code runs between the two: there allocations may fail. */
void sim_server_enter(sim_server *server);
void sim_server_leave(sim_server *server);
/** Around what the simulator does when the server's code calls it; sim_server_step_in takes what step_out gave. */
bool sim_server_step_out(sim_server *server);
void sim_server_step_in(sim_server *server, bool was_inside);

// --- boot.c
enum sim_boot { SIM_BOOT_UP, SIM_BOOT_DIED, SIM_BOOT_REFUSED };
/** One start of the process; on anything but UP all of it is closed again. */
enum sim_boot sim_server_boot(sim_server *server);
/** Frees what a life left. */
void sim_server_forget(sim_server *server);

// --- executor.c
fq_executor *sim_executor_open(sim_server *server);
void sim_executor_heal(sim_server *server);

// --- machine.c
void sim_machine_init(sim_server *server);
/** When this life ends by a call to the disk. */
void sim_machine_arm(sim_server *server, bool is_booting);
/** How long a job on the disk takes. */
int64_t sim_machine_disk_us(sim_server *server);
/** A job that is to take so long begins, a job ends. */
void sim_machine_job_begins(sim_server *server, int64_t us);
void sim_machine_job_ends(sim_server *server);
/** Tells the model. */
void sim_machine_tell(sim_server *server);

// --- usurper.c
/** Another control plane takes the log over. */
void sim_usurper_strike(sim_server *server);

// --- rot.c
/** Bits rot and sectors go astray while the process is down. True if any is wrong now. */
bool sim_machine_rot(sim_server *server);
/** All are right again. */
void sim_machine_unrot(sim_server *server);

// --- compactor.c
/** None is under way; the last one's snapshot is installed, or could not be. */
bool sim_compactor_rests(const sim_server *server);
/** Once a turn: begins a compaction if one is due. */
void sim_compactor_step(sim_server *server, struct fq_now now);

#endif
