// SPDX-License-Identifier: Apache-2.0
// A worker's inside, private to worker*.c.
#ifndef FQ_SIM_WORKER_STATE_H
#define FQ_SIM_WORKER_STATE_H

#include "sim/wire_peer.h"
#include "sim/worker.h"

enum { SIM_LEASES = SIM_BEATS_MAX, SIM_PAST = 16, SIM_WORKER_ID = 16 };

enum sim_fate { // what becomes of a task that is run
    SIM_FATE_SUCCESS,
    SIM_FATE_FAIL,
    SIM_FATE_FAIL_FOR_GOOD,
    SIM_FATE_CRASH,   // its process dies, the worker says so
    SIM_FATE_RELEASE, // given back unstarted
    SIM_FATE_DEATH,   // kills the worker
};

struct sim_lease {
    fq_uuid id;
    uint64_t token;             // 0 = this place is free
    int64_t granted_us, due_us; // due: when it has run, once it runs
    enum sim_fate fate;
    uint16_t serial; // tells the leases of a place apart
    bool runs, is_reported, is_cancelled;
    bool strikes;   // a poison that kills before a heartbeat can say that it runs
    bool is_told;   // a heartbeat said that it runs
    bool is_secret; // no heartbeats, and reported beyond the lease
    bool is_unsure; // it may have ended without the worker knowing
};

// What a worker is like, for its life.
struct sim_worker_style {
    int64_t run_us; // longest usual task
    uint32_t count; // asked for at once
    uint32_t slots; // run at once
    bool registers, has_instance, names_itself, blocks;
    bool beats_apart;           // on a second connection
    uint32_t names, some_names; // some: of those, asked for now and then
};

struct sim_worker {
    sim_cast *cast;
    struct sim_wire wire, beats;
    unsigned number;
    char id[SIM_WORKER_ID];
    uint32_t life; // instance
    struct sim_worker_style style;
    struct sim_lease leases[SIM_LEASES];
    uint32_t lease_count;
    uint16_t last_serial;
    struct { // leases that are over
        fq_uuid id;
        uint64_t token;
    } past[SIM_PAST];
    uint32_t past_count;
    // the heartbeat under way: places and their serials
    uint32_t beat_count;
    uint8_t beat_place[SIM_BEATS_MAX];
    uint16_t beat_serial[SIM_BEATS_MAX];
    bool is_beating, is_fetching, is_registering, is_registered, is_draining, is_leaving;
    bool is_dead;
    int64_t still_until_us; // stands still
    int64_t beat_at_us, fetch_at_us;
    int64_t step_at_us; // of the next step that counts
    uint64_t generation;
};

enum sim_worker_tag { // with the place in the low 8 bits and the serial in the high 16
    SIM_TAG_REPORT = 1 << 8,
    SIM_TAG_LIE = 2 << 8,
    SIM_TAG_OTHER = 3 << 8,
    SIM_TAG_KIND = 3 << 8,
};

// --- worker.c -------------------------------------------------------------------------------------------------------------
/** Steps at the latest at `at_us`. */
void sim_worker_wake(sim_worker *worker, int64_t at_us);
/** The process is gone, with all it held; another one comes up later. */
void sim_worker_die(sim_worker *worker);

// --- worker_lease.c -------------------------------------------------------------------------------------------------------
/** Takes the tasks of an answer to FETCH. */
void sim_worker_take(sim_worker *worker, const struct fq_resp_node *nodes);
void sim_worker_drop(sim_worker *worker, struct sim_lease *lease);
/** Starts what may run; when the next of those that run has run. */
int64_t sim_worker_run(sim_worker *worker, int64_t now_us);
bool sim_worker_may_beat(sim_worker *worker);
void sim_worker_beat(sim_worker *worker, int64_t now_us);
void sim_worker_beaten(sim_worker *worker, const struct fq_resp_node *nodes);
void sim_worker_cancel(sim_worker *worker, const struct fq_resp_node *nodes);

// --- worker_report.c ------------------------------------------------------------------------------------------------------
/** Reports what has run by now. False when the worker died of it. */
bool sim_worker_report(sim_worker *worker, int64_t now_us);
/** The answer to a report. */
void sim_worker_reported(sim_worker *worker, const struct sim_ask *ask, const struct fq_resp_node *nodes);
void sim_worker_report_lost(sim_worker *worker, const struct sim_ask *ask);
/** Gives back what does not run yet. */
void sim_worker_release_held(sim_worker *worker);

#endif
