// SPDX-License-Identifier: Apache-2.0
#include "server/figures.h"

#include <stdlib.h>

enum { WORKER_PAGE = 64, EXEMPLARS = FQ_DURATION_BOUNDS + 1 };

// Calls `visit` for each active worker.
static void each_worker(const fq_engine *engine, struct fq_now now, void (*visit)(void *context, fq_str id),
                        void *context) {
    struct fq_worker_view views[WORKER_PAGE];
    uint64_t cursor = 0;
    do {
        size_t count = fq_engine_workers(engine, now, &cursor, views, WORKER_PAGE);
        for (size_t i = 0; i < count; i++) {
            if (views[i].active)
                visit(context, views[i].id);
        }
    } while (cursor != 0);
}

// --- how much there is ----------------------------------------------------------------------------------------------------
struct needs {
    size_t cells, workers, text, exemplars;
};

static int grow(void **memory, size_t *room, size_t need, size_t size) {
    if (need <= *room)
        return 0;
    void *grown = realloc(*memory, need * size);
    if (grown == NULL)
        return FQ_ENOMEM;
    *memory = grown;
    *room = need;
    return 0;
}

static int make_room(struct fq_figures *figures, const struct needs *needs) {
    void *cells = figures->cells, *workers = figures->workers, *text = figures->text,
         *exemplars = figures->exemplars;
    int rc = grow(&cells, &figures->cell_room, needs->cells, sizeof *figures->cells);
    if (rc == 0)
        rc = grow(&workers, &figures->worker_room, needs->workers, sizeof *figures->workers);
    if (rc == 0)
        rc = grow(&text, &figures->text_room, needs->text, 1);
    if (rc == 0)
        rc = grow(&exemplars, &figures->exemplar_room, needs->exemplars, sizeof *figures->exemplars);
    figures->cells = cells;
    figures->workers = workers;
    figures->text = text;
    figures->exemplars = exemplars;
    return rc;
}

// The cells that count, then those that have ended. `at`: how many were visited; NULL behind the last.
static const struct fq_metrics_cell *next_cell(const fq_metrics *metrics, size_t at,
                                               const struct fq_metrics_cell *before) {
    const struct fq_metrics_cell *cell = fq_metrics_cell_at(metrics, at);
    if (cell != NULL)
        return cell;
    return before != NULL && before->ended_left > 0 ? before->next_ended : fq_metrics_first_ended(metrics);
}

static void measure_cells(const fq_metrics *metrics, struct needs *needs) {
    const struct fq_metrics_cell *cell = NULL;
    while ((cell = next_cell(metrics, needs->cells, cell)) != NULL) {
        needs->text += cell->name.len + cell->worker.len + 2;
        needs->exemplars += cell->exemplars != NULL ? EXEMPLARS : 0;
        needs->cells++;
    }
}

static void measure_worker(void *context, fq_str id) {
    struct needs *needs = context;
    needs->workers++;
    needs->text += id.len + 1;
}

// --- copying --------------------------------------------------------------------------------------------------------------
static fq_str keep(char **at, fq_str text) {
    fq_str kept = {*at, text.len};
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    (*at)[text.len] = '\0';
    *at += text.len + 1;
    return kept;
}

static void copy_cells(struct fq_figures *figures, const fq_metrics *metrics, char **text) {
    struct fq_metrics_exemplar *exemplars = figures->exemplars;
    const struct fq_metrics_cell *from = NULL;
    for (size_t i = 0; (from = next_cell(metrics, i, from)) != NULL; i++) {
        struct fq_metrics_cell *cell = &figures->cells[i];
        *cell = *from;
        cell->name = keep(text, from->name);
        cell->worker = keep(text, from->worker);
        if (from->exemplars != NULL) {
            memcpy(exemplars, from->exemplars, EXEMPLARS * sizeof *exemplars);
            cell->exemplars = exemplars;
            exemplars += EXEMPLARS;
        }
        figures->cell_count++;
    }
}

static void copy_stats(struct fq_figures *figures, fq_core *core, const fq_metrics *metrics) {
    const fq_journal *journal = fq_core_journal(core);
    fq_engine_stats(fq_core_engine(core), figures->taken, &figures->engine);
    fq_core_stats(core, &figures->core);
    figures->has_journal = journal != NULL;
    figures->undurable_records = 0;
    if (journal != NULL) {
        fq_journal_stats(journal, &figures->journal);
        figures->undurable_records = fq_journal_last_seq(journal) - fq_journal_durable_seq(journal);
    }
    for (int i = 0; i < FQ_PRIORITY_COUNT; i++)
        figures->waits[i] = *fq_metrics_wait_of(metrics, (enum fq_priority)i);
    figures->overflowed = fq_metrics_overflowed(metrics);
}

struct copy {
    struct fq_figures *figures;
    char *text;
};

static void copy_worker(void *context, fq_str id) {
    struct copy *copy = context;
    copy->figures->workers[copy->figures->worker_count++] = keep(&copy->text, id);
}

int fq_figures_take(struct fq_figures *figures, fq_core *core, fq_metrics *metrics, struct fq_now now) {
    const fq_engine *engine = fq_core_engine(core);
    struct needs needs = {0};
    figures->taken = now;
    figures->cell_count = 0;
    figures->worker_count = 0;
    measure_cells(metrics, &needs);
    each_worker(engine, now, measure_worker, &needs);
    int rc = make_room(figures, &needs);
    if (rc < 0)
        return rc;
    struct copy copy = {figures, figures->text};
    copy_cells(figures, metrics, &copy.text);
    each_worker(engine, now, copy_worker, &copy);
    copy_stats(figures, core, metrics);
    fq_metrics_ended_told(metrics);
    return 0;
}

void fq_figures_done(struct fq_figures *figures) {
    free(figures->cells);
    free(figures->workers);
    free(figures->text);
    free(figures->exemplars);
    *figures = (struct fq_figures){.cell_count = 0};
}
