// SPDX-License-Identifier: Apache-2.0
#include "server/exposition.h"

#include "engine/view.h"
#include "fastqueue/version.h"

#include <stddef.h>

enum { WORKER_PAGE = 64 };

typedef struct otel_prometheus_writer writer;
typedef struct otel_prometheus_label label;

// --- the queue's six ------------------------------------------------------------------------------------------------------

// Labels of a cell, `worker` only where it is part of the series. Returns how many.
static size_t cell_labels(const struct fq_metrics_cell *cell, bool with_worker, label labels[3]) {
    if (cell->is_overflow) {
        labels[0] = (label){"otel_metric_overflow", FQ_STR("true")};
        return 1;
    }
    labels[0] = (label){"task_name", cell->name};
    labels[1] = (label){"task_priority", fq_str_of(fq_priority_name(cell->priority))};
    labels[2] = (label){"worker_id", cell->worker};
    return with_worker ? 3 : 2;
}

static void write_cell_counter(writer *out, const fq_metrics *metrics, const char *name, const char *help,
                               size_t field, bool with_worker) {
    otel_prometheus_family(out, name, OTEL_PROMETHEUS_COUNTER, NULL, help);
    const struct fq_metrics_cell *cell;
    for (size_t i = 0; (cell = fq_metrics_cell_at(metrics, i)) != NULL; i++) {
        label labels[3];
        uint64_t value = *(const uint64_t *)(const void *)((const char *)cell + field);
        if (value == 0)
            continue;
        size_t count = cell_labels(cell, with_worker, labels);
        otel_prometheus_sample_count(out, labels, count, value);
    }
}

static void write_durations(writer *out, const fq_metrics *metrics) {
    otel_prometheus_family(out, "fastqueue_tasks_duration", OTEL_PROMETHEUS_HISTOGRAM, NULL,
                           "Run time of ended tasks in milliseconds.");
    const struct fq_metrics_cell *cell;
    for (size_t i = 0; (cell = fq_metrics_cell_at(metrics, i)) != NULL; i++) {
        struct otel_prometheus_exemplar exemplars[FQ_DURATION_BOUNDS + 1];
        label labels[3];
        if (cell->completed + cell->failed == 0)
            continue;
        for (size_t k = 0; cell->exemplars != NULL && k <= FQ_DURATION_BOUNDS; k++) {
            const struct fq_metrics_exemplar *from = &cell->exemplars[k];
            exemplars[k].value = from->value_ms;
            exemplars[k].wall_us = from->wall_us;
            memcpy(exemplars[k].trace_id, from->trace_id, sizeof from->trace_id);
            memcpy(exemplars[k].span_id, from->span_id, sizeof from->span_id);
        }
        struct otel_prometheus_histogram histogram = {
            .bounds = fq_metrics_duration_bounds_ms,
            .buckets = cell->buckets,
            .bound_count = FQ_DURATION_BOUNDS,
            .sum = cell->sum_ms,
            .exemplars = cell->exemplars != NULL ? exemplars : NULL,
        };
        otel_prometheus_write_histogram(out, labels, cell_labels(cell, true, labels), &histogram);
    }
}

// One series of value 1 for each active worker; without any, one of value 0, so that `== 0` fires exactly then.
static void write_workers(writer *out, const fq_engine *engine, struct fq_now now, const char *server_id) {
    otel_prometheus_family(out, "fastqueue_workers_active", OTEL_PROMETHEUS_GAUGE, NULL,
                           "1 for each worker that is alive; one series of 0 when there is none.");
    struct fq_worker_view views[WORKER_PAGE];
    uint64_t cursor = 0;
    bool any = false;
    do {
        size_t count = fq_engine_workers(engine, now, &cursor, views, WORKER_PAGE);
        for (size_t i = 0; i < count; i++) {
            if (!views[i].active)
                continue;
            label worker = {"worker_id", views[i].id};
            otel_prometheus_sample_count(out, &worker, 1, 1);
            any = true;
        }
    } while (cursor != 0);
    label self = {"worker_id", fq_str_of(server_id)};
    if (!any)
        otel_prometheus_sample_count(out, &self, 1, 0);
}

static void write_queue_size(writer *out, const struct fq_engine_stats *stats, const char *server_id) {
    otel_prometheus_family(out, "fastqueue_queue_size", OTEL_PROMETHEUS_GAUGE, NULL,
                           "Tasks that wait for a worker.");
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        label labels[] = {
            {"worker_id",      fq_str_of(server_id)                                   },
            {"queue_priority", fq_str_of(fq_priority_name((enum fq_priority)priority))}
        };
        otel_prometheus_sample_count(out, labels, 2, stats->pending_count[priority]);
    }
}

// --- single figures --------------------------------------------------------------------------------------------------------

struct figure {
    const char *name, *unit, *help;
    enum otel_prometheus_type type;
    double value;
};

static void write_figures(writer *out, const struct figure *figures, size_t count) {
    for (size_t i = 0; i < count; i++) {
        otel_prometheus_family(out, figures[i].name, figures[i].type, figures[i].unit, figures[i].help);
        otel_prometheus_sample(out, NULL, 0, figures[i].value);
    }
}

#define COUNTER OTEL_PROMETHEUS_COUNTER
#define GAUGE   OTEL_PROMETHEUS_GAUGE

static void write_engine(writer *out, const struct fq_engine_stats *stats, struct fq_now now) {
    double oldest_s = 0;
    if (stats->oldest_pending_us > 0 && now.wall_us > stats->oldest_pending_us)
        oldest_s = (double)(now.wall_us - stats->oldest_pending_us) / FQ_US_PER_S;
    otel_prometheus_family(out, "fastqueue_tasks", GAUGE, NULL, "Tasks that the queue holds, by status.");
    for (int state = 0; state < FQ_TASK_STATE_COUNT; state++) {
        label status = {"status", fq_str_of(fq_task_state_name((enum fq_task_state)state))};
        otel_prometheus_sample_count(out, &status, 1, stats->state_count[state]);
    }
    const struct figure figures[] = {
        {"fastqueue_queue_oldest_age_seconds", "seconds", "Wait so far of the longest waiting task.",            GAUGE,
         oldest_s                                                                                                                                       },
        {"fastqueue_tasks_running",            NULL,      "Tasks known to be running.",                          GAUGE,   (double)stats->running_count  },
        {"fastqueue_tasks_dead",               NULL,      "Tasks in the dead list.",                             GAUGE,   (double)stats->dead_count     },
        {"fastqueue_tasks_granted",            NULL,      "Leases handed out.",                                  COUNTER, (double)stats->granted_total  },
        {"fastqueue_tasks_returned",           NULL,      "Leases that ended without charge.",                   COUNTER,
         (double)stats->returned_total                                                                                                                  },
        {"fastqueue_tasks_crashed",            NULL,      "Attempts that ended in the death of their process.",  COUNTER,
         (double)stats->crashed_total                                                                                                                   },
        {"fastqueue_tasks_cancelled",          NULL,      "Tasks cancelled.",                                    COUNTER, (double)stats->cancelled_total},
        {"fastqueue_tasks_expired",            NULL,      "Tasks that expired before they started.",             COUNTER,
         (double)stats->expired_total                                                                                                                   },
        {"fastqueue_tasks_stale",              NULL,      "Reports refused because the lease was gone.",         COUNTER,
         (double)stats->stale_total                                                                                                                     },
        {"fastqueue_results_evicted",          NULL,      "Results dropped before their time for want of room.", COUNTER,
         (double)stats->evicted_total                                                                                                                   },
        {"fastqueue_results_bytes",            "bytes",   "Bytes of stored results.",                            GAUGE,   (double)stats->result_bytes   },
        {"fastqueue_tasks_bytes",              "bytes",   "Bytes of payloads and options of live tasks.",        GAUGE,
         (double)stats->task_bytes                                                                                                                      },
        {"fastqueue_task_names",               NULL,      "Distinct task names.",                                GAUGE,   (double)stats->name_count     },
    };
    write_figures(out, figures, sizeof figures / sizeof figures[0]);
}

static void write_waits(writer *out, const fq_metrics *metrics) {
    otel_prometheus_family(out, "fastqueue_task_wait_time_seconds", OTEL_PROMETHEUS_HISTOGRAM, "seconds",
                           "Time from eligible to handed out.");
    for (int priority = 0; priority < FQ_PRIORITY_COUNT; priority++) {
        const struct fq_metrics_wait *wait = fq_metrics_wait_of(metrics, (enum fq_priority)priority);
        label labels[] = {
            {"task_priority", fq_str_of(fq_priority_name((enum fq_priority)priority))}
        };
        struct otel_prometheus_histogram histogram = {fq_metrics_wait_bounds_s, wait->buckets, FQ_WAIT_BOUNDS,
                                                      wait->sum_s, NULL};
        otel_prometheus_write_histogram(out, labels, 1, &histogram);
    }
}

static void write_journal(writer *out, const fq_journal *journal) {
    struct fq_journal_stats stats;
    fq_journal_stats(journal, &stats);
    uint64_t lag = fq_journal_last_seq(journal) - fq_journal_durable_seq(journal);
    const struct figure figures[] = {
        {"fastqueue_journal_records",              NULL,      "Records appended.",                        COUNTER, (double)stats.records_total            },
        {"fastqueue_journal_batches",              NULL,      "Batches written.",                         COUNTER, (double)stats.batches_total            },
        {"fastqueue_journal_written_bytes",        "bytes",   "Bytes written.",                           COUNTER, (double)stats.bytes_total              },
        {"fastqueue_journal_syncs",                NULL,      "Syncs of the disk.",                       COUNTER, (double)stats.syncs_total              },
        {"fastqueue_journal_sync_last_seconds",    "seconds", "Latest hand-over until durable.",          GAUGE,
         (double)stats.sync_us_last / FQ_US_PER_S                                                                                                         },
        {"fastqueue_journal_sync_longest_seconds", "seconds",
         "Longest hand-over until durable since the start.",                                              GAUGE,   (double)stats.sync_us_max / FQ_US_PER_S},
        {"fastqueue_journal_undurable_records",    NULL,      "Records that are not durable yet.",        GAUGE,
         (double)lag                                                                                                                                      },
        {"fastqueue_journal_segments",             NULL,      "Segments on disk.",                        GAUGE,   (double)stats.segment_count            },
        {"fastqueue_journal_snapshot_bytes",       "bytes",   "Size of the snapshot.",                    GAUGE,
         (double)stats.snapshot_bytes                                                                                                                     },
        {"fastqueue_journal_since_snapshot_bytes", "bytes",   "Bytes written since the snapshot.",        GAUGE,
         (double)stats.bytes_since_snapshot                                                                                                               },
        {"fastqueue_journal_compactions",          NULL,      "Snapshots installed.",                     COUNTER,
         (double)stats.compactions_total                                                                                                                  },
        {"fastqueue_journal_torn_tails",           NULL,      "Unacknowledged tails cut off at a start.", COUNTER,
         (double)stats.torn_tails                                                                                                                         },
        {"fastqueue_journal_recovered_ambiguous",  NULL,
         "1: the last batch was cut though it may have been acknowledged.",                               GAUGE,
         stats.recovered_ambiguous ? 1 : 0                                                                                                                },
    };
    write_figures(out, figures, sizeof figures / sizeof figures[0]);
}

static void write_server(writer *out, const struct fq_exposition *page) {
    struct fq_core_stats stats;
    fq_core_stats(page->core, &stats);
    const struct fq_process_figures *process = &page->process;
    const struct figure figures[] = {
        {"fastqueue_connections",            NULL,      "Open connections.",                                  GAUGE,   (double)stats.connections          },
        {"fastqueue_connections_accepted",   NULL,      "Connections accepted.",                              COUNTER,
         (double)stats.connections_total                                                                                                                  },
        {"fastqueue_connections_refused",    NULL,      "Connections refused at a limit.",                    COUNTER,
         (double)stats.connections_refused_total                                                                                                          },
        {"fastqueue_connections_cut",        NULL,      "Connections cut off.",                               COUNTER,
         (double)stats.connections_cut_total                                                                                                              },
        {"fastqueue_commands",               NULL,      "Commands executed.",                                 COUNTER, (double)stats.commands_total       },
        {"fastqueue_command_errors",         NULL,      "Commands answered with an error.",                   COUNTER,
         (double)stats.command_errors_total                                                                                                               },
        {"fastqueue_auth_failures",          NULL,      "Logins refused.",                                    COUNTER, (double)stats.auth_failures_total  },
        {"fastqueue_protocol_errors",        NULL,      "Connections ended for malformed input.",             COUNTER,
         (double)stats.protocol_errors_total                                                                                                              },
        {"fastqueue_trace_contexts_ignored", NULL,      "Trace contexts and baggage that could not be used.",
         COUNTER,                                                                                                      (double)stats.headers_ignored_total},
        {"fastqueue_received_bytes",         "bytes",   "Bytes read from connections.",                       COUNTER,
         (double)stats.bytes_in_total                                                                                                                     },
        {"fastqueue_sent_bytes",             "bytes",   "Bytes written to connections.",                      COUNTER,
         (double)stats.bytes_out_total                                                                                                                    },
        {"fastqueue_submits_blocked",        NULL,      "1: journal space is low, submits are refused.",      GAUGE,
         stats.submits_blocked ? 1 : 0                                                                                                                    },
        {"fastqueue_metrics_overflow",       NULL,      "Measurements counted without their labels.",         COUNTER,
         (double)fq_metrics_overflowed(page->metrics)                                                                                                     },
        {"process_cpu_seconds",              "seconds", "User and system time.",                              COUNTER, process->cpu_s                     },
        {"process_resident_memory_bytes",    "bytes",   "Resident memory.",                                   GAUGE,
         (double)process->resident_bytes                                                                                                                  },
        {"process_open_fds",                 NULL,      "Open file descriptors.",                             GAUGE,   (double)process->open_files        },
        {"process_max_fds",                  NULL,      "Limit of open file descriptors.",                    GAUGE,   (double)process->open_files_max    },
        {"process_start_time_seconds",       "seconds", "Start of the process, unix time.",                   GAUGE,
         process->start_time_s                                                                                                                            },
    };
    write_figures(out, figures, sizeof figures / sizeof figures[0]);
    label version = {"version", FQ_STR(FQ_VERSION)};
    otel_prometheus_family(out, "fastqueue_build", GAUGE, NULL, "The running version.");
    otel_prometheus_sample_count(out, &version, 1, 1);
}

static void write_doors(writer *out, const fq_transports *transports) {
    struct fq_transports_stats stats;
    fq_transports_stats(transports, &stats);
    const struct figure figures[] = {
        {"fastqueue_tls_handshakes",          NULL, "TLS handshakes under way.",                              GAUGE,   (double)stats.handshakes       },
        {"fastqueue_tls_handshakes_failed",   NULL, "TLS handshakes that failed or took too long.",           COUNTER,
         (double)stats.handshakes_failed_total                                                                                                        },
        {"fastqueue_tls_handshakes_evicted",  NULL, "TLS handshakes that gave way to newer ones.",            COUNTER,
         (double)stats.handshakes_evicted_total                                                                                                       },
        {"fastqueue_connections_turned_away", NULL, "Callers turned away for want of descriptors or memory.",
         COUNTER,                                                                                                      (double)stats.turned_away_total},
    };
    write_figures(out, figures, sizeof figures / sizeof figures[0]);
}

// --- what became of telemetry ----------------------------------------------------------------------------------------------
struct telemetry_figure {
    const char *name, *help;
    enum otel_prometheus_type type;
    size_t field; // offset in otel_signal_stats
};

static void write_telemetry(writer *out, const otel_sdk *sdk) {
    static const char *const signals[OTEL_SIGNAL_COUNT] = {"traces", "metrics", "logs"};
    static const struct telemetry_figure figures[] = {
        {"fastqueue_telemetry_exported",           "Spans, points and log records that a backend took.", COUNTER,
         offsetof(struct otel_signal_stats, exported)          },
        {"fastqueue_telemetry_dropped_queue_full", "Records that found the export queue full.",          COUNTER,
         offsetof(struct otel_signal_stats, dropped_queue_full)},
        {"fastqueue_telemetry_dropped_failed",     "Records lost by exports that failed.",               COUNTER,
         offsetof(struct otel_signal_stats, dropped_failed)    },
        {"fastqueue_telemetry_dropped_rejected",   "Records that a backend refused.",                    COUNTER,
         offsetof(struct otel_signal_stats, dropped_rejected)  },
        {"fastqueue_telemetry_failed_exports",     "Export calls that failed.",                          COUNTER,
         offsetof(struct otel_signal_stats, export_failures)   },
        {"fastqueue_telemetry_queued",             "Records that wait for export.",                      GAUGE,
         offsetof(struct otel_signal_stats, queue_len)         },
    };
    for (size_t i = 0; sdk != NULL && i < sizeof figures / sizeof figures[0]; i++) {
        otel_prometheus_family(out, figures[i].name, figures[i].type, NULL, figures[i].help);
        for (int signal = 0; signal < OTEL_SIGNAL_COUNT; signal++) {
            struct otel_signal_stats stats;
            uint64_t value;
            otel_sdk_stats(sdk, (enum otel_signal)signal, &stats);
            memcpy(&value, (const char *)&stats + figures[i].field, sizeof value);
            label which = {"signal", fq_str_of(signals[signal])};
            otel_prometheus_sample_count(out, &which, 1, value);
        }
    }
}

int fq_exposition_write(const struct fq_exposition *page, struct fq_now now,
                        enum otel_prometheus_format format, fq_buf *out_bytes) {
    writer out;
    otel_prometheus_begin(&out, out_bytes, format);
    const fq_engine *engine = fq_core_engine(page->core);
    struct fq_engine_stats stats;
    fq_engine_stats(engine, now, &stats);
    write_cell_counter(&out, page->metrics, "fastqueue_tasks_submitted", "Tasks submitted.",
                       offsetof(struct fq_metrics_cell, submitted), false);
    write_cell_counter(&out, page->metrics, "fastqueue_tasks_completed", "Tasks completed.",
                       offsetof(struct fq_metrics_cell, completed), true);
    write_cell_counter(&out, page->metrics, "fastqueue_tasks_failed", "Tasks failed for good.",
                       offsetof(struct fq_metrics_cell, failed), true);
    write_cell_counter(&out, page->metrics, "fastqueue_tasks_retried",
                       "Failed attempts that are tried again.", offsetof(struct fq_metrics_cell, retried),
                       true);
    write_durations(&out, page->metrics);
    write_workers(&out, engine, now, page->server_id);
    write_queue_size(&out, &stats, page->server_id);
    write_waits(&out, page->metrics);
    write_engine(&out, &stats, now);
    if (fq_core_journal(page->core) != NULL)
        write_journal(&out, fq_core_journal(page->core));
    write_server(&out, page);
    if (page->transports != NULL)
        write_doors(&out, page->transports);
    write_telemetry(&out, page->telemetry);
    return otel_prometheus_end(&out);
}
