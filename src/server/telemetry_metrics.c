// SPDX-License-Identifier: Apache-2.0
// The queue's figures as OTLP points: names, units and attributes that dashboards rely on stand in telemetry/names.h. Runs in
// the threads of the SDK's readers, on figures that the loop has copied.
#include "server/telemetry_state.h"

#include "telemetry/names.h"

#include <stdlib.h>
#include <time.h>

enum { HANDOVER_LIMIT_S = 2 };

// --- getting the figures ------------------------------------------------------------------------------------------------
static bool wait_for_loop(fq_server_telemetry *telemetry) {
    struct timespec until;
    int wanted = FQ_HANDOVER_WANTED;
    atomic_store(&telemetry->handover, FQ_HANDOVER_WANTED);
    telemetry->wake(telemetry->wake_context);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += HANDOVER_LIMIT_S;
    if (sem_clockwait(&telemetry->ready, CLOCK_MONOTONIC, &until) != 0) {
        if (atomic_compare_exchange_strong(&telemetry->handover, &wanted, FQ_HANDOVER_IDLE))
            return false; // the loop is held up: these points come with the next collection
        while (sem_wait(&telemetry->ready) != 0) // it is copying now
            continue;
    }
    return atomic_exchange(&telemetry->handover, FQ_HANDOVER_IDLE) == FQ_HANDOVER_READY;
}

static bool get_figures(fq_server_telemetry *telemetry) {
    if (atomic_load(&telemetry->is_detached))
        return true;
    return atomic_load(&telemetry->is_attached) && wait_for_loop(telemetry);
}

// A gauge's point. The last ones of a process that ends say that there is no value any more: its successor has another
// instance id, and a backend would else add up both until it forgets these.
static void write_gauge(const fq_server_telemetry *telemetry, otel_point_writer *writer,
                        const struct otel_attribute *attributes, size_t count, double value) {
    if (atomic_load(&telemetry->is_detached))
        otel_point_ended(writer, attributes, count);
    else
        otel_point_double(writer, attributes, count, 0, value);
}

static void write_gauge_int(const fq_server_telemetry *telemetry, otel_point_writer *writer,
                            const struct otel_attribute *attributes, size_t count, uint64_t value) {
    if (atomic_load(&telemetry->is_detached))
        otel_point_ended(writer, attributes, count);
    else
        otel_point_int(writer, attributes, count, 0, (int64_t)value);
}

// --- what is counted for each task name, priority and worker ------------------------------------------------------------
enum { CELL_ATTRIBUTES = 3 };

static size_t cell_attributes(const struct fq_metrics_cell *cell, bool with_worker,
                              struct otel_attribute attributes[CELL_ATTRIBUTES]) {
    if (cell->is_overflow) {
        attributes[0] = otel_bool("otel.metric.overflow", true);
        return 1;
    }
    attributes[0] = otel_text_len(FQ_ATTR_TASK_NAME, cell->name.ptr, cell->name.len);
    attributes[1] = otel_text(FQ_ATTR_TASK_PRIORITY, fq_priority_name(cell->priority));
    attributes[2] = otel_text_len(FQ_ATTR_WORKER_ID, cell->worker.ptr, cell->worker.len);
    return with_worker ? 3 : 2;
}

static int64_t start_of(const fq_server_telemetry *telemetry, const struct fq_metrics_cell *cell) {
    return cell->began_us != 0 ? cell->began_us * 1000 : telemetry->began_unix_ns;
}

struct cell_counter {
    const char *name, *description;
    size_t field; // offset in the cell
    bool with_worker;
};

static void write_counter(const fq_server_telemetry *telemetry, otel_point_writer *writer,
                          const struct cell_counter *counter) {
    const struct fq_figures *figures = &telemetry->figures;
    otel_point_metric(writer, OTEL_COUNTER, counter->name, "{task}", counter->description,
                      OTEL_TEMPORALITY_CUMULATIVE);
    for (size_t i = 0; i < figures->cell_count; i++) {
        const struct fq_metrics_cell *cell = &figures->cells[i];
        struct otel_attribute attributes[CELL_ATTRIBUTES];
        uint64_t value;
        memcpy(&value, (const char *)cell + counter->field, sizeof value);
        if (value == 0)
            continue;
        size_t count = cell_attributes(cell, counter->with_worker, attributes);
        if (cell->ended_left > 0)
            otel_point_ended(writer, attributes, count);
        else
            otel_point_int(writer, attributes, count, start_of(telemetry, cell), (int64_t)value);
    }
}

static void write_counters(const fq_server_telemetry *telemetry, otel_point_writer *writer) {
    static const struct cell_counter counters[] = {
        {FQ_METRIC_SUBMITTED, "Tasks submitted.",                      offsetof(struct fq_metrics_cell, submitted), false},
        {FQ_METRIC_COMPLETED, "Tasks completed.",                      offsetof(struct fq_metrics_cell, completed), true },
        {FQ_METRIC_FAILED,    "Tasks failed for good.",                offsetof(struct fq_metrics_cell, failed),    true },
        {FQ_METRIC_RETRIED,   "Failed attempts that are tried again.",
         offsetof(struct fq_metrics_cell,                                                               retried),   true },
    };
    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        write_counter(telemetry, writer, &counters[i]);
}

static void write_durations(const fq_server_telemetry *telemetry, otel_point_writer *writer) {
    const struct fq_figures *figures = &telemetry->figures;
    otel_point_metric(writer, OTEL_HISTOGRAM, FQ_METRIC_DURATION, "{millisecond}",
                      "Run time of ended tasks in milliseconds.", OTEL_TEMPORALITY_CUMULATIVE);
    for (size_t i = 0; i < figures->cell_count; i++) {
        const struct fq_metrics_cell *cell = &figures->cells[i];
        struct otel_point_exemplar exemplars[FQ_DURATION_BOUNDS + 1] = {{.value = 0}};
        struct otel_attribute attributes[CELL_ATTRIBUTES];
        if (cell->completed + cell->failed == 0)
            continue;
        for (size_t k = 0; cell->exemplars != NULL && k <= FQ_DURATION_BOUNDS; k++) {
            const struct fq_metrics_exemplar *from = &cell->exemplars[k];
            exemplars[k].value = from->value_ms;
            exemplars[k].unix_ns = from->wall_us * 1000;
            memcpy(exemplars[k].trace_id, from->trace_id, sizeof from->trace_id);
            memcpy(exemplars[k].span_id, from->span_id, sizeof from->span_id);
        }
        const struct otel_point_histogram histogram = {.bounds = fq_metrics_duration_bounds_ms,
                                                       .buckets = cell->buckets,
                                                       .bound_count = FQ_DURATION_BOUNDS,
                                                       .sum = cell->sum_ms,
                                                       .exemplars = exemplars};
        size_t count = cell_attributes(cell, true, attributes);
        if (cell->ended_left > 0)
            otel_point_ended(writer, attributes, count);
        else
            otel_point_histogram(writer, attributes, count, start_of(telemetry, cell), &histogram);
    }
}

static void write_waits(const fq_server_telemetry *telemetry, otel_point_writer *writer) {
    otel_point_metric(writer, OTEL_HISTOGRAM, FQ_METRIC_WAIT, "s",
                      "Time that tasks waited for a worker, from being eligible.",
                      OTEL_TEMPORALITY_CUMULATIVE);
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        const struct fq_metrics_wait *wait = &telemetry->figures.waits[priority];
        const struct otel_attribute attribute =
            otel_text(FQ_ATTR_TASK_PRIORITY, fq_priority_name((enum fq_priority)priority));
        const struct otel_point_histogram histogram = {.bounds = fq_metrics_wait_bounds_s,
                                                       .buckets = wait->buckets,
                                                       .bound_count = FQ_WAIT_BOUNDS,
                                                       .sum = wait->sum_s};
        otel_point_histogram(writer, &attribute, 1, telemetry->began_unix_ns, &histogram);
    }
}

// --- workers: 1 for each that is active; without any, one series of 0, so that `== 0` holds exactly then ----------------
static bool is_shown_now(const struct fq_figures *figures, const char *server_id, const char *worker) {
    for (size_t i = 0; i < figures->worker_count; i++) {
        if (strcmp(figures->workers[i].ptr, worker) == 0)
            return true;
    }
    return figures->worker_count == 0 && strcmp(server_id, worker) == 0;
}

// Those of the last collection that are no longer there begin to end.
static void find_ended(fq_server_telemetry *telemetry) {
    const char *worker = telemetry->shown;
    for (size_t i = 0; i < telemetry->shown_count; i++, worker += strlen(worker) + 1) {
        if (is_shown_now(&telemetry->figures, telemetry->server_id, worker))
            continue;
        size_t size = strlen(worker) + 1;
        struct fq_ended_series *series = malloc(sizeof *series + size);
        if (series == NULL)
            continue;
        memcpy(series->worker, worker, size);
        series->left = FQ_ENDED_COLLECTIONS;
        series->next = telemetry->ended;
        telemetry->ended = series;
    }
}

static void write_ended(fq_server_telemetry *telemetry, otel_point_writer *writer) {
    struct fq_ended_series **link = &telemetry->ended, *series;
    while ((series = *link) != NULL) {
        bool is_back = is_shown_now(&telemetry->figures, telemetry->server_id, series->worker);
        if (!is_back) {
            const struct otel_attribute attribute = otel_text(FQ_ATTR_WORKER_ID, series->worker);
            otel_point_ended(writer, &attribute, 1);
        }
        if (is_back || --series->left == 0) {
            *link = series->next;
            free(series);
        } else {
            link = &series->next;
        }
    }
}

static void remember_shown(fq_server_telemetry *telemetry) {
    const struct fq_figures *figures = &telemetry->figures;
    const fq_str none = fq_str_of(telemetry->server_id);
    const fq_str *shown = figures->worker_count > 0 ? figures->workers : &none;
    size_t count = figures->worker_count > 0 ? figures->worker_count : 1, size = 0;
    for (size_t i = 0; i < count; i++)
        size += shown[i].len + 1;
    telemetry->shown_count = 0;
    if (size > telemetry->shown_room) {
        char *grown = realloc(telemetry->shown, size);
        if (grown == NULL)
            return; // then their end is not told; a backend forgets them by itself
        telemetry->shown = grown;
        telemetry->shown_room = size;
    }
    char *at = telemetry->shown;
    for (size_t i = 0; i < count; i++) {
        memcpy(at, shown[i].ptr, shown[i].len + 1);
        at += shown[i].len + 1;
    }
    telemetry->shown_count = count;
}

static void write_workers(fq_server_telemetry *telemetry, otel_point_writer *writer) {
    const struct fq_figures *figures = &telemetry->figures;
    otel_point_metric(writer, OTEL_GAUGE, FQ_METRIC_WORKERS, "{worker}",
                      "1 for each worker that is alive; one series of 0 when there is none.",
                      OTEL_TEMPORALITY_CUMULATIVE);
    for (size_t i = 0; i < figures->worker_count; i++) {
        const struct otel_attribute attribute =
            otel_text_len(FQ_ATTR_WORKER_ID, figures->workers[i].ptr, figures->workers[i].len);
        write_gauge_int(telemetry, writer, &attribute, 1, 1);
    }
    if (figures->worker_count == 0) {
        const struct otel_attribute attribute = otel_text(FQ_ATTR_WORKER_ID, telemetry->server_id);
        write_gauge_int(telemetry, writer, &attribute, 1, 0);
    }
    find_ended(telemetry);
    write_ended(telemetry, writer);
    remember_shown(telemetry);
}

// --- the queue ------------------------------------------------------------------------------------------------------------
static void write_queue(const fq_server_telemetry *telemetry, otel_point_writer *writer) {
    const struct fq_engine_stats *stats = &telemetry->figures.engine;
    otel_point_metric(writer, OTEL_GAUGE, FQ_METRIC_QUEUE, "{task}", "Tasks that wait for a worker.",
                      OTEL_TEMPORALITY_CUMULATIVE);
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        const struct otel_attribute attributes[] = {
            otel_text(FQ_ATTR_WORKER_ID, telemetry->server_id),
            otel_text(FQ_ATTR_QUEUE_PRIORITY, fq_priority_name((enum fq_priority)priority))};
        write_gauge_int(telemetry, writer, attributes, 2, stats->pending_count[priority]);
    }
    otel_point_metric(writer, OTEL_GAUGE, FQ_METRIC_TASKS, "{task}", "Tasks that the queue holds, by state.",
                      OTEL_TEMPORALITY_CUMULATIVE);
    for (int state = 0; state < FQ_TASK_STATE_COUNT; state++) {
        const struct otel_attribute attribute =
            otel_text(FQ_ATTR_STATE, fq_task_state_name((enum fq_task_state)state));
        write_gauge_int(telemetry, writer, &attribute, 1, stats->state_count[state]);
    }
    int64_t waits_since_us = stats->oldest_pending_us, now_us = telemetry->figures.taken.wall_us;
    double oldest_s =
        waits_since_us > 0 && now_us > waits_since_us ? (double)(now_us - waits_since_us) / FQ_US_PER_S : 0;
    otel_point_metric(writer, OTEL_GAUGE, FQ_METRIC_OLDEST, "s", "Age of the task that has waited longest.",
                      OTEL_TEMPORALITY_CUMULATIVE);
    write_gauge(telemetry, writer, NULL, 0, oldest_s);
}

// --- the control plane's health -------------------------------------------------------------------------------------------
struct figure {
    enum otel_instrument_kind kind;
    const char *name, *unit, *description;
    double value;
};

static void write_figures(const fq_server_telemetry *telemetry, otel_point_writer *writer,
                          const struct figure *figures, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct figure *figure = &figures[i];
        otel_point_metric(writer, figure->kind, figure->name, figure->unit, figure->description,
                          OTEL_TEMPORALITY_CUMULATIVE);
        if (figure->kind == OTEL_COUNTER)
            otel_point_double(writer, NULL, 0, telemetry->began_unix_ns, figure->value);
        else
            write_gauge(telemetry, writer, NULL, 0, figure->value);
    }
}

static void write_health(const fq_server_telemetry *telemetry, otel_point_writer *writer) {
    const struct fq_core_stats *core = &telemetry->figures.core;
    const struct fq_journal_stats *journal = &telemetry->figures.journal;
    const struct figure figures[] = {
        {OTEL_GAUGE,   "fastqueue.connections",               "{connection}",  "Open connections.",                             (double)core->connections            },
        {OTEL_COUNTER, "fastqueue.commands",                  "{command}",     "Commands executed.",                            (double)core->commands_total         },
        {OTEL_COUNTER, "fastqueue.command.errors",            "{command}",     "Commands answered with an error.",
         (double)core->command_errors_total                                                                                                                          },
        {OTEL_COUNTER, "fastqueue.auth.failures",             "{login}",       "Logins refused.",
         (double)core->auth_failures_total                                                                                                                           },
        {OTEL_GAUGE,   "fastqueue.submits.blocked",           "{state}",       "1: journal space is low, submits are refused.",
         core->submits_blocked ? 1 : 0                                                                                                                               },
        {OTEL_COUNTER, "fastqueue.metrics.overflow",          "{measurement}",
         "Measurements counted without their attributes.",                                                                      (double)telemetry->figures.overflowed},
 // Of the journal:
        {OTEL_COUNTER, "fastqueue.journal.syncs",             "{sync}",        "Syncs of the disk.",
         (double)journal->syncs_total                                                                                                                                },
        {OTEL_COUNTER, "fastqueue.journal.written",           "By",            "Bytes written.",                                (double)journal->bytes_total         },
        {OTEL_GAUGE,   "fastqueue.journal.sync_last",         "s",             "Latest hand-over until durable.",
         (double)journal->sync_us_last / FQ_US_PER_S                                                                                                                 },
        {OTEL_GAUGE,   "fastqueue.journal.undurable_records", "{record}",      "Records that are not durable yet.",
         (double)telemetry->figures.undurable_records                                                                                                                },
    };
    enum { OF_JOURNAL = 4 };
    size_t count = sizeof figures / sizeof figures[0];
    write_figures(telemetry, writer, figures, telemetry->figures.has_journal ? count : count - OF_JOURNAL);
}

void fq_server_telemetry_produce(void *context, otel_point_writer *writer, int64_t now_unix_ns) {
    fq_server_telemetry *telemetry = context;
    (void)now_unix_ns;
    pthread_mutex_lock(&telemetry->collecting);
    if (get_figures(telemetry)) {
        write_counters(telemetry, writer);
        write_durations(telemetry, writer);
        write_waits(telemetry, writer);
        write_workers(telemetry, writer);
        write_queue(telemetry, writer);
        write_health(telemetry, writer);
    }
    pthread_mutex_unlock(&telemetry->collecting);
}

int fq_server_telemetry_metrics_init(fq_server_telemetry *telemetry) {
    telemetry->shown = strdup(telemetry->server_id);
    if (telemetry->shown == NULL)
        return FQ_ENOMEM;
    telemetry->shown_room = strlen(telemetry->server_id) + 1;
    telemetry->shown_count = 1;
    return 0;
}

void fq_server_telemetry_metrics_done(fq_server_telemetry *telemetry) {
    for (struct fq_ended_series *series = telemetry->ended, *next; series != NULL; series = next) {
        next = series->next;
        free(series);
    }
    free(telemetry->shown);
    fq_figures_done(&telemetry->figures);
}
