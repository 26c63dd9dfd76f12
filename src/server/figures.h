// SPDX-License-Identifier: Apache-2.0
// A copy of what the queue counts and how it stands, taken by the loop for another thread to read.
#ifndef FQ_SERVER_FIGURES_H
#define FQ_SERVER_FIGURES_H

#include "engine/view.h"
#include "server/core.h"
#include "server/metrics.h"

// All zero is an empty one. Everything that it points at is its own.
struct fq_figures {
    struct fq_now taken;
    size_t cell_count, worker_count;
    struct fq_metrics_cell *cells; // those that have ended, too: ended_left
    fq_str *workers;               // ids of the active ones, each followed by a NUL
    struct fq_metrics_wait waits[FQ_PRIORITY_COUNT];
    struct fq_engine_stats engine;
    struct fq_core_stats core;
    struct fq_journal_stats journal; // all zero without a journal
    uint64_t undurable_records, overflowed;
    bool has_journal;
    // Memory, kept from one time to the next.
    size_t cell_room, worker_room, text_room, exemplar_room;
    char *text;
    struct fq_metrics_exemplar *exemplars;
};

/** Replaces what it held; the ended cells count as told. 0 or FQ_ENOMEM (then it is empty). About a millisecond for 2,000 cells. */
FQ_MUST_USE int fq_figures_take(struct fq_figures *figures, fq_core *core, fq_metrics *metrics,
                                struct fq_now now);
void fq_figures_done(struct fq_figures *figures);

#endif
