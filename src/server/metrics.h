// SPDX-License-Identifier: Apache-2.0
// What the queue did, counted beside apply: one cell for each (task name, priority, worker), so that whatever client or
// worker took part, a transition is counted once, here. A bounded number of cells: when they are used up, those that were
// idle for an hour make room, and without such the rest is counted in one overflow cell. What is submitted and what is done
// by workers are bounded apart: names that nobody works never cost the figures of those that are.
#ifndef FQ_SERVER_METRICS_H
#define FQ_SERVER_METRICS_H

#include "server/core.h"

enum { FQ_METRICS_CELLS_DEFAULT = 2000, FQ_DURATION_BOUNDS = 19, FQ_WAIT_BOUNDS = 17 };

/** Upper bounds of buckets, ascending: run time in milliseconds, waiting time in seconds. */
extern const double fq_metrics_duration_bounds_ms[FQ_DURATION_BOUNDS];
extern const double fq_metrics_wait_bounds_s[FQ_WAIT_BOUNDS];

// The slowest witness of a bucket is of no use if it is old: the latest one is kept.
struct fq_metrics_exemplar {
    double value_ms;
    int64_t wall_us; // 0 = none yet
    uint8_t trace_id[16];
    uint8_t span_id[8];
};

struct fq_metrics_cell {
    fq_str name;   // owned by the cell
    fq_str worker; // "" : counts of what happens before a worker is known
    enum fq_priority priority;
    bool is_overflow;   // stands for all that found no cell; name and worker are empty
    int64_t began_us;   // wall; from when it counts; 0 = since the process began
    int64_t touched_us; // wall
    uint64_t submitted, completed, failed, retried;
    uint64_t buckets[FQ_DURATION_BOUNDS + 1]; // of completed and failed
    double sum_ms;
    struct fq_metrics_exemplar *exemplars; // one a bucket; NULL until a trace is seen
    struct fq_metrics_cell *next_ended;
    int ended_left; // made room for others: how often that is still to be told; 0 = it counts
};

struct fq_metrics_wait {
    uint64_t buckets[FQ_WAIT_BOUNDS + 1];
    double sum_s;
};

typedef struct fq_metrics fq_metrics;

/** At most `cell_max` cells without a worker and as many with one. NULL when out of memory. */
fq_metrics *fq_metrics_new(uint32_t cell_max);
fq_metrics *fq_metrics_free(fq_metrics *metrics);
/** To be given to the core; allocation failures make it count in the overflow cell, never fail. */
struct fq_core_observer fq_metrics_observer(fq_metrics *metrics);
/** One event; what the observer does. */
void fq_metrics_count(fq_metrics *metrics, enum fq_event_type type, const struct fq_task_view *after);

/** Cell `index`, NULL past the last. A cell with worker "" and one with a worker may share name and priority. */
const struct fq_metrics_cell *fq_metrics_cell_at(const fq_metrics *metrics, size_t index);
/** From now on cells that made room are kept until their end was told `times` times; 0 (the default) = they are not. */
void fq_metrics_keep_ended(fq_metrics *metrics, int times);
/** The first of them, NULL if there is none; the others by `next_ended`. */
const struct fq_metrics_cell *fq_metrics_first_ended(const fq_metrics *metrics);
/** Their end was told once. */
void fq_metrics_ended_told(fq_metrics *metrics);
/** Time between eligible and granted. */
const struct fq_metrics_wait *fq_metrics_wait_of(const fq_metrics *metrics, enum fq_priority priority);
/** Measurements that went into the overflow cell. */
uint64_t fq_metrics_overflowed(const fq_metrics *metrics);

#endif
