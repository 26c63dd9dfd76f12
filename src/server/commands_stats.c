// SPDX-License-Identifier: Apache-2.0
// FQ.STATS: counters of the queue, what waits and runs, times taken lately, the journal.
#include "engine/view.h"
#include "fastqueue/version.h"
#include "server/core_state.h"
#include "server/reply.h"

enum { JOURNAL_ROWS = 5 };

static void reply_about_server(struct fq_call *call) {
    const fq_core *core = call->core;
    fq_resp_write_text(call->reply, "version");
    fq_resp_write_text(call->reply, FQ_VERSION);
    fq_resp_write_text(call->reply, "durability");
    fq_resp_write_text(call->reply, fq_core_durability(core));
    fq_reply_key_integer(call->reply, "now", call->now.wall_us / FQ_US_PER_MS);
    fq_reply_key_integer(call->reply, "started_at", core->started.wall_us / FQ_US_PER_MS);
}

static void reply_journal(struct fq_call *call) {
    struct fq_journal_stats stats = {.records_total = 0};
    if (call->core->journal != NULL)
        fq_journal_stats(call->core->journal, &stats);
    fq_reply_key_integer(call->reply, "journal_records", (int64_t)stats.records_total);
    fq_reply_key_integer(call->reply, "journal_syncs", (int64_t)stats.syncs_total);
    fq_reply_key_integer(call->reply, "journal_sync_us", stats.sync_us_last);
    fq_reply_key_integer(call->reply, "journal_bytes_since_snapshot", (int64_t)stats.bytes_since_snapshot);
    fq_reply_key_integer(call->reply, "journal_segments", (int64_t)stats.segment_count);
}

static void reply_latency(struct fq_call *call, const char *key, struct fq_latency *latency) {
    int64_t now_us = call->now.boot_us;
    fq_resp_write_text(call->reply, key);
    fq_resp_write_map(call->reply, 4);
    fq_reply_key_integer(call->reply, "count", (int64_t)fq_latency_total(latency, now_us));
    fq_reply_key_integer(call->reply, "p50", fq_latency_percentile(latency, 50, now_us));
    fq_reply_key_integer(call->reply, "p95", fq_latency_percentile(latency, 95, now_us));
    fq_reply_key_integer(call->reply, "p99", fq_latency_percentile(latency, 99, now_us));
}

int fq_command_stats(struct fq_call *call) {
    struct fq_engine_stats stats;
    fq_engine_stats(call->core->engine, call->now, &stats);
    const struct {
        const char *key;
        uint64_t value;
    } rows[] = {
        {"submitted",      stats.submitted_total                             },
        {"granted",        stats.granted_total                               },
        {"completed",      stats.completed_total                             },
        {"failed",         stats.failed_total                                },
        {"retried",        stats.retried_total                               },
        {"returned",       stats.returned_total                              },
        {"crashed",        stats.crashed_total                               },
        {"cancelled",      stats.cancelled_total                             },
        {"expired",        stats.expired_total                               },
        {"evicted",        stats.evicted_total                               },
        {"stale",          stats.stale_total                                 },
        {"repeated",       stats.repeat_total                                },
        {"running",        stats.running_count                               },
        {"dead",           stats.dead_count                                  },
        {"results",        stats.result_count                                },
        {"result_bytes",   stats.result_bytes                                },
        {"task_bytes",     stats.task_bytes                                  },
        {"ledger",         stats.ledger_count                                },
        {"names",          stats.name_count                                  },
        {"workers",        stats.worker_count                                },
        {"workers_active", stats.active_worker_count                         },
        {"oldest_at",      (uint64_t)(stats.oldest_pending_us / FQ_US_PER_MS)},
        {"paused",         fq_engine_all_paused(call->core->engine)          },
        {"connections",    call->core->connection_count                      },
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    fq_resp_write_map(call->reply, ROWS + JOURNAL_ROWS + 8);
    for (size_t i = 0; i < ROWS; i++)
        fq_reply_key_integer(call->reply, rows[i].key, (int64_t)rows[i].value);
    reply_about_server(call);
    reply_journal(call);
    reply_latency(call, "wait_us", &call->core->waits);
    reply_latency(call, "run_us", &call->core->runs);
    fq_resp_write_text(call->reply, "states");
    fq_resp_write_map(call->reply, FQ_TASK_STATE_COUNT);
    for (unsigned i = 0; i < FQ_TASK_STATE_COUNT; i++)
        fq_reply_key_integer(call->reply, fq_task_state_name((enum fq_task_state)i),
                             (int64_t)stats.state_count[i]);
    fq_resp_write_text(call->reply, "pending");
    fq_resp_write_map(call->reply, FQ_PRIORITY_COUNT);
    for (unsigned i = 0; i < FQ_PRIORITY_COUNT; i++)
        fq_reply_key_integer(call->reply, fq_priority_name((enum fq_priority)i),
                             (int64_t)stats.pending_count[i]);
    return 0;
}
