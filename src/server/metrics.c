// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include "otel/context.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { IDLE_BEFORE_RECYCLING_S = 3600, RECYCLE_INTERVAL_S = 60, EXEMPLAR_EVERY_US = 1000 };

// Beyond the usual 10 s, because a p95 over long tasks must not saturate there.
const double fq_metrics_duration_bounds_ms[FQ_DURATION_BOUNDS] = {
    1, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000, 30000, 60000, 300000, 3600000};
const double fq_metrics_wait_bounds_s[FQ_WAIT_BOUNDS] = {
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600};

struct slot {
    uint32_t index; // into cells, plus 1; 0 = free
    uint32_t hash;  // its upper half: most cells that are not meant are not looked at
};

// Of a name, by priority: its cell without a worker, and the one used last with a worker; NULL = none.
struct latest {
    struct fq_metrics_cell *cells[2][FQ_PRIORITY_COUNT];
};

struct fq_metrics {
    struct fq_metrics_cell **cells; // in order of first use; [0] is the overflow cell
    size_t cell_count, cell_max;
    size_t used[2];     // cells without and with a worker
    struct slot *table; // open addressing
    size_t table_mask;
    struct fq_metrics_wait waits[FQ_PRIORITY_COUNT];
    struct latest *latest; // by the number of the name, one line of memory each: most cells are found here
    size_t latest_count;
    uint64_t overflowed;
    int64_t recycled_us;
    struct fq_metrics_cell *ended;
    size_t ended_count;
    int ended_times;
};

static uint64_t hash_of(fq_str name, enum fq_priority priority, fq_str worker) {
    uint64_t hash = XXH3_64bits_withSeed(name.ptr, name.len, (uint64_t)priority + 1);
    return worker.len > 0 ? XXH3_64bits_withSeed(worker.ptr, worker.len, hash) : hash;
}

static bool is_cell_of(const struct fq_metrics_cell *cell, fq_str name, enum fq_priority priority,
                       fq_str worker) {
    return cell->priority == priority && !cell->is_overflow && fq_str_equal(cell->name, name) &&
           fq_str_equal(cell->worker, worker);
}

static void put_in_table(fq_metrics *metrics, size_t index) {
    const struct fq_metrics_cell *cell = metrics->cells[index];
    uint64_t hash = hash_of(cell->name, cell->priority, cell->worker);
    size_t slot = (size_t)hash & metrics->table_mask;
    while (metrics->table[slot].index != 0)
        slot = (slot + 1) & metrics->table_mask;
    metrics->table[slot] = (struct slot){(uint32_t)index + 1, (uint32_t)(hash >> 32)};
}

// Name and worker live behind the cell in one allocation.
static struct fq_metrics_cell *new_cell(fq_str name, enum fq_priority priority, fq_str worker) {
    struct fq_metrics_cell *cell = calloc(1, sizeof *cell + name.len + worker.len);
    if (cell == NULL)
        return NULL;
    char *text = (char *)(cell + 1);
    if (name.len > 0)
        memcpy(text, name.ptr, name.len);
    if (worker.len > 0)
        memcpy(text + name.len, worker.ptr, worker.len);
    cell->name = (fq_str){text, name.len};
    cell->worker = (fq_str){text + name.len, worker.len};
    cell->priority = priority;
    return cell;
}

static struct fq_metrics_cell *free_cell(struct fq_metrics_cell *cell) {
    if (cell != NULL)
        free(cell->exemplars);
    free(cell);
    return NULL;
}

static void end_cell(fq_metrics *metrics, struct fq_metrics_cell *cell) {
    // Where nobody collects, nobody is told either.
    if (metrics->ended_times == 0 || metrics->ended_count >= metrics->cell_max) {
        free_cell(cell);
        return;
    }
    metrics->ended_count++;
    cell->ended_left = metrics->ended_times;
    cell->next_ended = metrics->ended;
    metrics->ended = cell;
}

// Of the ended cells those that `is_over` says are forgotten.
static void forget_ended(fq_metrics *metrics, bool (*is_over)(struct fq_metrics_cell *cell, const void *like),
                         const void *like) {
    struct fq_metrics_cell **link = &metrics->ended, *cell;
    while ((cell = *link) != NULL) {
        if (is_over(cell, like)) {
            *link = cell->next_ended;
            metrics->ended_count--;
            free_cell(cell);
        } else {
            link = &cell->next_ended;
        }
    }
}

static bool is_same(struct fq_metrics_cell *cell, const void *like) {
    const struct fq_metrics_cell *other = like;
    return is_cell_of(cell, other->name, other->priority, other->worker);
}

static bool is_told(struct fq_metrics_cell *cell, const void *like) {
    (void)like;
    return --cell->ended_left <= 0;
}

void fq_metrics_keep_ended(fq_metrics *metrics, int times) {
    metrics->ended_times = times;
}

const struct fq_metrics_cell *fq_metrics_first_ended(const fq_metrics *metrics) {
    return metrics->ended;
}

void fq_metrics_ended_told(fq_metrics *metrics) {
    forget_ended(metrics, is_told, NULL);
}

static bool is_recycling_due(const fq_metrics *metrics, int64_t now_us) {
    return now_us - metrics->recycled_us >= (int64_t)RECYCLE_INTERVAL_S * FQ_US_PER_S;
}

// Series of workers that left would else fill the table for good.
static void recycle(fq_metrics *metrics, int64_t now_us) {
    if (!is_recycling_due(metrics, now_us))
        return;
    metrics->recycled_us = now_us;
    metrics->used[false] = metrics->used[true] = 0;
    if (metrics->latest_count > 0)
        memset(metrics->latest, 0, metrics->latest_count * sizeof *metrics->latest);
    size_t kept = 1;
    for (size_t i = 1; i < metrics->cell_count; i++) {
        struct fq_metrics_cell *cell = metrics->cells[i];
        if (now_us - cell->touched_us > (int64_t)IDLE_BEFORE_RECYCLING_S * FQ_US_PER_S)
            end_cell(metrics, cell);
        else {
            metrics->cells[kept++] = cell;
            metrics->used[cell->worker.len > 0]++;
        }
    }
    metrics->cell_count = kept;
    memset(metrics->table, 0, (metrics->table_mask + 1) * sizeof *metrics->table);
    for (size_t i = 1; i < kept; i++)
        put_in_table(metrics, i);
}

static bool grow_latest(fq_metrics *metrics, size_t least) {
    size_t count = 2 * least;
    struct latest *latest = aligned_alloc(sizeof *latest, count * sizeof *latest);
    if (latest == NULL)
        return false;
    size_t kept = metrics->latest_count;
    if (kept > 0)
        memcpy(latest, metrics->latest, kept * sizeof *latest);
    memset(latest + kept, 0, (count - kept) * sizeof *latest);
    free(metrics->latest);
    metrics->latest = latest;
    metrics->latest_count = count;
    return true;
}

static struct fq_metrics_cell *overflow_cell(fq_metrics *metrics) {
    metrics->overflowed++;
    return metrics->cells[0];
}

static struct fq_metrics_cell *look_up(const fq_metrics *metrics, fq_str name, enum fq_priority priority,
                                       fq_str worker) {
    uint64_t hash = hash_of(name, priority, worker);
    for (size_t at = (size_t)hash & metrics->table_mask; metrics->table[at].index != 0;
         at = (at + 1) & metrics->table_mask) {
        struct fq_metrics_cell *cell = metrics->cells[metrics->table[at].index - 1];
        if (metrics->table[at].hash == (uint32_t)(hash >> 32) && is_cell_of(cell, name, priority, worker))
            return cell;
    }
    return NULL;
}

static struct fq_metrics_cell *add_cell(fq_metrics *metrics, const struct fq_task_view *task, fq_str worker,
                                        int64_t now_us) {
    size_t *used = &metrics->used[worker.len > 0];
    if (*used >= metrics->cell_max)
        recycle(metrics, now_us);
    if (*used >= metrics->cell_max)
        return overflow_cell(metrics);
    struct fq_metrics_cell *cell = new_cell(task->name, task->priority, worker);
    if (cell == NULL)
        return overflow_cell(metrics);
    cell->began_us = now_us;
    forget_ended(metrics, is_same, cell); // the series goes on, from zero
    metrics->cells[metrics->cell_count] = cell;
    put_in_table(metrics, metrics->cell_count++);
    ++*used;
    return cell;
}

// Where the cell may be remembered; NULL = nowhere, and it is looked for.
static struct fq_metrics_cell **latest_of(fq_metrics *metrics, uint32_t name_number,
                                          enum fq_priority priority, fq_str worker) {
    if (name_number > metrics->latest_count && !grow_latest(metrics, name_number))
        return NULL;
    return name_number > 0 ? &metrics->latest[name_number - 1].cells[worker.len > 0][priority] : NULL;
}

// The overflow cell is remembered until room may be made again, and for no worker: another may have a cell.
static bool is_still_of(const fq_metrics *metrics, const struct fq_metrics_cell *cell, fq_str worker,
                        int64_t now_us) {
    return cell->is_overflow ? !is_recycling_due(metrics, now_us) : fq_str_equal(cell->worker, worker);
}

static struct fq_metrics_cell *find_cell(fq_metrics *metrics, const struct fq_task_view *task, fq_str worker,
                                         int64_t now_us) {
    struct fq_metrics_cell **latest = latest_of(metrics, task->name_number, task->priority, worker);
    if (latest != NULL && *latest != NULL && is_still_of(metrics, *latest, worker, now_us))
        return (*latest)->is_overflow ? overflow_cell(metrics) : *latest;
    struct fq_metrics_cell *cell = look_up(metrics, task->name, task->priority, worker);
    if (cell == NULL)
        cell = add_cell(metrics, task, worker, now_us);
    if (latest != NULL && !(cell->is_overflow && worker.len > 0))
        *latest = cell;
    return cell;
}

static size_t bucket_of(const double *bounds, size_t count, double value) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (value <= bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void keep_exemplar(struct fq_metrics_cell *cell, size_t bucket, double value_ms, fq_str traceparent,
                          int64_t wall_us) {
    struct otel_span_context span;
    const struct fq_metrics_exemplar *last = cell->exemplars != NULL ? &cell->exemplars[bucket] : NULL;
    if (last != NULL && wall_us >= last->wall_us && wall_us - last->wall_us < EXEMPLAR_EVERY_US)
        return; // a collection takes one of thousands
    if (otel_traceparent_parse(traceparent.ptr, traceparent.len, &span) < 0 || (span.flags & 1) == 0)
        return;
    if (cell->exemplars == NULL)
        cell->exemplars = calloc(FQ_DURATION_BOUNDS + 1, sizeof *cell->exemplars);
    if (cell->exemplars == NULL)
        return;
    struct fq_metrics_exemplar *exemplar = &cell->exemplars[bucket];
    exemplar->value_ms = value_ms;
    exemplar->wall_us = wall_us;
    memcpy(exemplar->trace_id, span.trace_id, sizeof exemplar->trace_id);
    memcpy(exemplar->span_id, span.span_id, sizeof exemplar->span_id);
}

static void count_end(fq_metrics *metrics, const struct fq_task_view *task, bool succeeded) {
    struct fq_metrics_cell *cell = find_cell(metrics, task, task->worker, task->completed_us);
    cell->touched_us = task->completed_us;
    *(succeeded ? &cell->completed : &cell->failed) += 1;
    double run_ms = task->run_us > 0 ? (double)task->run_us / FQ_US_PER_MS : 0;
    size_t bucket = bucket_of(fq_metrics_duration_bounds_ms, FQ_DURATION_BOUNDS, run_ms);
    cell->buckets[bucket]++;
    cell->sum_ms += run_ms;
    if (task->run_traceparent.len > 0)
        keep_exemplar(cell, bucket, run_ms, task->run_traceparent, task->completed_us);
}

static void count_wait(fq_metrics *metrics, const struct fq_task_view *task) {
    struct fq_metrics_wait *wait = &metrics->waits[task->priority];
    double wait_s = task->wait_us > 0 ? (double)task->wait_us / FQ_US_PER_S : 0;
    wait->buckets[bucket_of(fq_metrics_wait_bounds_s, FQ_WAIT_BOUNDS, wait_s)]++;
    wait->sum_s += wait_s;
}

void fq_metrics_count(fq_metrics *metrics, enum fq_event_type type, const struct fq_task_view *after) {
    if (after == NULL)
        return;
    struct fq_metrics_cell *cell;
    switch (type) {
    case FQ_EVENT_SUBMITTED:
        cell = find_cell(metrics, after, FQ_STR(""), after->submitted_us);
        cell->touched_us = after->submitted_us;
        cell->submitted++;
        break;
    case FQ_EVENT_GRANTED: count_wait(metrics, after); break;
    case FQ_EVENT_COMPLETED: count_end(metrics, after, true); break;
    case FQ_EVENT_FAILED: count_end(metrics, after, false); break;
    case FQ_EVENT_RETRIED:
        cell = find_cell(metrics, after, after->worker, after->granted_us);
        cell->touched_us = after->granted_us;
        cell->retried++;
        break;
    default: break;
    }
}

static void on_event(void *context, const fq_engine *engine, const struct fq_event *event,
                     const struct fq_task_view *after) {
    (void)engine;
    fq_metrics_count(context, fq_event_type_of(event), after);
}

struct fq_core_observer fq_metrics_observer(fq_metrics *metrics) {
    return (struct fq_core_observer){.on_event = on_event, .context = metrics};
}

const struct fq_metrics_cell *fq_metrics_cell_at(const fq_metrics *metrics, size_t index) {
    return index < metrics->cell_count ? metrics->cells[index] : NULL;
}

const struct fq_metrics_wait *fq_metrics_wait_of(const fq_metrics *metrics, enum fq_priority priority) {
    return &metrics->waits[priority];
}

uint64_t fq_metrics_overflowed(const fq_metrics *metrics) {
    return metrics->overflowed;
}

fq_metrics *fq_metrics_new(uint32_t cell_max) {
    fq_metrics *metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL)
        return NULL;
    size_t slots = 64;
    while (slots < (size_t)cell_max * 4)
        slots *= 2;
    metrics->cell_max = cell_max;
    metrics->table_mask = slots - 1;
    metrics->table = calloc(slots, sizeof *metrics->table);
    metrics->cells = calloc((size_t)cell_max * 2 + 1, sizeof *metrics->cells);
    struct fq_metrics_cell *overflow = new_cell(FQ_STR(""), FQ_PRIORITY_NORMAL, FQ_STR(""));
    if (metrics->table == NULL || metrics->cells == NULL || overflow == NULL) {
        free_cell(overflow);
        return fq_metrics_free(metrics);
    }
    overflow->is_overflow = true;
    metrics->cells[metrics->cell_count++] = overflow;
    return metrics;
}

fq_metrics *fq_metrics_free(fq_metrics *metrics) {
    if (metrics == NULL)
        return NULL;
    for (size_t i = 0; i < metrics->cell_count; i++)
        free_cell(metrics->cells[i]);
    while (metrics->ended != NULL) {
        struct fq_metrics_cell *next = metrics->ended->next_ended;
        free_cell(metrics->ended);
        metrics->ended = next;
    }
    free(metrics->cells);
    free(metrics->table);
    free(metrics->latest);
    free(metrics);
    return NULL;
}
