// SPDX-License-Identifier: Apache-2.0
// The server about itself: INFO and CONFIG GET.
#include "engine/view.h"
#include "fastqueue/version.h"
#include "server/arguments.h"
#include "server/core_state.h"

#include <inttypes.h>
#include <stdio.h>

// --- INFO -------------------------------------------------------------------------------------------------------------------
static int info_server(struct fq_call *call, fq_buf *text) {
    fq_core *core = call->core;
    const char *state = core->is_standby ? "standby" : core->draining ? "draining" : "running";
    int rc = fq_buf_printf(text,
                           "# Server\r\nfastqueue_version:%s\r\nserver_id:%s\r\nredis_mode:standalone\r\n"
                           "boot_epoch:%" PRIu32 "\r\nuptime_in_seconds:%" PRId64 "\r\nstate:%s\r\n",
                           FQ_VERSION, core->server_id, core->boot_epoch,
                           (call->now.boot_us - core->started.boot_us) / FQ_US_PER_S, state);
    if (rc == 0 && core->is_standby)
        rc = fq_buf_printf(text, "leader:%s\r\n", core->leader);
    if (rc == 0 && core->shards != NULL)
        rc = fq_buf_printf(text, "shard:%" PRIu32 "\r\nshard_map_version:%" PRIu32 "\r\n", core->shard,
                           core->shards->version);
    return rc;
}

static int info_clients(struct fq_call *call, fq_buf *text) {
    struct fq_core_stats stats;
    fq_core_stats(call->core, &stats);
    return fq_buf_printf(
        text,
        "# Clients\r\nconnected_clients:%" PRIu64 "\r\nclient_bytes:%zu\r\nmaxclients:%" PRIu32
        "\r\nblocked_clients:%" PRIu64 "\r\nwatched_ids:%" PRIu64 "\r\ntotal_connections_received:%" PRIu64
        "\r\nrejected_connections:%" PRIu64 "\r\ncut_connections:%" PRIu64 "\r\nauth_failures:%" PRIu64
        "\r\nprotocol_errors:%" PRIu64 "\r\ntrace_contexts_ignored:%" PRIu64 "\r\n",
        stats.connections, call->core->client_bytes, call->core->options->connection_max,
        stats.blocked_fetches, stats.watched_ids, stats.connections_total, stats.connections_refused_total,
        stats.connections_cut_total, stats.auth_failures_total, stats.protocol_errors_total,
        stats.headers_ignored_total);
}

static int info_durability(struct fq_call *call, fq_buf *text) {
    fq_core *core = call->core;
    int rc = fq_buf_printf(text, "# Durability\r\ndurability:%s\r\nsubmits_blocked:%d\r\n",
                           fq_core_durability(core), core->submits_blocked);
    if (rc == 0 && core->options->journal_url != NULL)
        rc = fq_buf_printf(
            text, "durability_detail:replicated, not fsynced, unless each nats-server is 2.10 or newer "
                  "and has sync_interval: always\r\n");
    if (core->journal == NULL || rc < 0)
        return rc;
    if (core->options->durability == FQ_DURABILITY_RELAXED)
        rc = fq_buf_printf(text, "at_risk_ms:100\r\n");
    struct fq_journal_stats stats;
    fq_journal_stats(core->journal, &stats);
    struct fq_storage_space space;
    fq_journal_space(core->journal, &space);
    if (rc < 0)
        return rc;
    return fq_buf_printf(
        text,
        "last_seq:%" PRIu64 "\r\ndurable_seq:%" PRIu64 "\r\nrecords:%" PRIu64 "\r\nbatches:%" PRIu64
        "\r\nbytes:%" PRIu64 "\r\nsyncs:%" PRIu64 "\r\nsync_us_last:%" PRId64 "\r\nsync_us_max:%" PRId64
        "\r\nsegments:%" PRIu64 "\r\nsnapshot_bytes:%" PRIu64 "\r\nbytes_since_snapshot:%" PRIu64
        "\r\ncompactions:%" PRIu64 "\r\ntorn_tails:%" PRIu64
        "\r\nbacklog_bytes:%zu\r\nwritable_bytes:%" PRIu64 "\r\nreserve_bytes:%" PRIu64 "\r\n",
        fq_journal_last_seq(core->journal), fq_journal_durable_seq(core->journal), stats.records_total,
        stats.batches_total, stats.bytes_total, stats.syncs_total, stats.sync_us_last, stats.sync_us_max,
        stats.segment_count, stats.snapshot_bytes, stats.bytes_since_snapshot, stats.compactions_total,
        stats.torn_tails, fq_journal_backlog_bytes(core->journal), space.writable_bytes, space.reserve_bytes);
}

static int info_queue(struct fq_call *call, fq_buf *text) {
    struct fq_engine_stats stats;
    fq_engine_stats(call->core->engine, call->now, &stats);
    int rc = fq_buf_printf(text, "# Queue\r\n");
    for (unsigned i = 0; i < FQ_TASK_STATE_COUNT && rc == 0; i++)
        rc = fq_buf_printf(text, "tasks_%s:%" PRIu64 "\r\n", fq_task_state_name((enum fq_task_state)i),
                           stats.state_count[i]);
    for (unsigned i = 0; i < FQ_PRIORITY_COUNT && rc == 0; i++)
        rc = fq_buf_printf(text, "pending_%s:%" PRIu64 "\r\n", fq_priority_name((enum fq_priority)i),
                           stats.pending_count[i]);
    if (rc < 0)
        return rc;
    return fq_buf_printf(text,
                         "names:%" PRIu64 "\r\nworkers:%" PRIu64 "\r\nworkers_active:%" PRIu64
                         "\r\ndead:%" PRIu64 "\r\nresults:%" PRIu64 "\r\nresult_bytes:%" PRIu64
                         "\r\ntask_bytes:%" PRIu64 "\r\nledger:%" PRIu64 "\r\npaused:%d\r\n",
                         stats.name_count, stats.worker_count, stats.active_worker_count, stats.dead_count,
                         stats.result_count, stats.result_bytes, stats.task_bytes, stats.ledger_count,
                         fq_engine_all_paused(call->core->engine));
}

static int info_stats(struct fq_call *call, fq_buf *text) {
    struct fq_core_stats core_stats;
    fq_core_stats(call->core, &core_stats);
    struct fq_engine_stats stats;
    fq_engine_stats(call->core->engine, call->now, &stats);
    return fq_buf_printf(text,
                         "# Stats\r\ntotal_commands_processed:%" PRIu64 "\r\ntotal_error_replies:%" PRIu64
                         "\r\ntotal_net_input_bytes:%" PRIu64 "\r\ntotal_net_output_bytes:%" PRIu64
                         "\r\nsubmitted:%" PRIu64 "\r\ngranted:%" PRIu64 "\r\ncompleted:%" PRIu64
                         "\r\nfailed:%" PRIu64 "\r\nretried:%" PRIu64 "\r\nreturned:%" PRIu64
                         "\r\ncrashed:%" PRIu64 "\r\ncancelled:%" PRIu64 "\r\nexpired:%" PRIu64
                         "\r\nevicted:%" PRIu64 "\r\nstale:%" PRIu64 "\r\nrepeated:%" PRIu64 "\r\n",
                         core_stats.commands_total, core_stats.command_errors_total,
                         core_stats.bytes_in_total, core_stats.bytes_out_total, stats.submitted_total,
                         stats.granted_total, stats.completed_total, stats.failed_total, stats.retried_total,
                         stats.returned_total, stats.crashed_total, stats.cancelled_total,
                         stats.expired_total, stats.evicted_total, stats.stale_total, stats.repeat_total);
}

static int info_cpu(struct fq_call *call, fq_buf *text) {
    double user_s, system_s;
    int rc = fq_buf_printf(text, "# CPU\r\n");
    if (rc < 0 || call->core->cpu_use == NULL)
        return rc;
    call->core->cpu_use(&user_s, &system_s);
    return fq_buf_printf(text, "used_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\n", system_s, user_s);
}

static int info_telemetry(struct fq_call *call, fq_buf *text) {
    const struct fq_core_telemetry *telemetry = &call->core->telemetry;
    int rc = fq_buf_printf(text, "# Telemetry\r\n");
    if (rc < 0 || telemetry->info == NULL)
        return rc < 0 ? rc : fq_buf_printf(text, "telemetry_enabled:0\r\n");
    return telemetry->info(telemetry->context, text);
}

static bool is_asked(const struct fq_call *call, const char *section) {
    if (call->arg_count == 1)
        return true;
    for (size_t i = 1; i < call->arg_count; i++) {
        fq_str word = call->args[i];
        if (fq_str_equal_nocase(word, fq_str_of(section)) || fq_str_equal_nocase(word, FQ_STR("all")) ||
            fq_str_equal_nocase(word, FQ_STR("default")) || fq_str_equal_nocase(word, FQ_STR("everything")))
            return true;
    }
    return false;
}

int fq_command_info(struct fq_call *call) {
    static const struct {
        const char *name;
        int (*append)(struct fq_call *call, fq_buf *text);
    } sections[] = {
        {"server",     info_server    },
        {"clients",    info_clients   },
        {"durability", info_durability},
        {"queue",      info_queue     },
        {"stats",      info_stats     },
        {"cpu",        info_cpu       },
        {"telemetry",  info_telemetry }
    };
    fq_buf *text = &call->core->scratch;
    fq_buf_clear(text);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        if (!is_asked(call, sections[i].name))
            continue;
        int rc = fq_buf_len(text) > 0 ? fq_buf_append_str(text, FQ_STR("\r\n")) : 0;
        if (rc == 0)
            rc = sections[i].append(call, text);
        if (rc < 0)
            return rc;
    }
    fq_resp_write_string(call->reply, fq_buf_str(text));
    return 0;
}

// --- CONFIG GET -------------------------------------------------------------------------------------------------------------
struct setting {
    const char *key;
    int64_t number;
    const char *text; // instead of the number
};

// '*' matches any run, '?' one character; linear in pattern times text.
static bool matches(fq_str pattern, const char *text) {
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    size_t len = strlen(text);
    while (t < len) {
        if (p < pattern.len && (pattern.ptr[p] == '?' || pattern.ptr[p] == text[t])) {
            p++;
            t++;
        } else if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            mark = t;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static void reply_settings(struct fq_call *call, const struct setting *settings, size_t count) {
    bool shown[64] = {false};
    size_t pairs = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t a = 2; a < call->arg_count && !shown[i]; a++)
            shown[i] = call->args[a].len <= 128 && matches(call->args[a], settings[i].key);
        pairs += shown[i];
    }
    fq_resp_write_map(call->reply, pairs);
    for (size_t i = 0; i < count; i++) {
        if (!shown[i])
            continue;
        char number[24];
        snprintf(number, sizeof number, "%" PRId64, settings[i].number);
        fq_resp_write_text(call->reply, settings[i].key);
        fq_resp_write_text(call->reply, settings[i].text != NULL ? settings[i].text : number);
    }
}

int fq_command_config(struct fq_call *call) {
    if (!fq_str_equal_nocase(call->args[1], FQ_STR("GET")) || call->arg_count < 3)
        return fq_call_refuse(call, FQ_ESYNTAX, "CONFIG %s; settings are given when the server starts",
                              call->row->syntax);
    const struct fq_server_options *options = call->core->options;
    const struct fq_engine_config *engine = &options->engine;
    bool is_sync = options->durability == FQ_DURABILITY_SYNC && call->core->journal != NULL;
    const struct setting settings[] = {
        {"durability",         0,                                   fq_core_durability(call->core)            },
        {"appendonly",         0,                                   call->core->journal != NULL ? "yes" : "no"}, // what Redis tools ask for
        {"appendfsync",        0,                                   is_sync ? "always" : "everysec"           },
        {"save",               0,                                   ""                                        },
        {"databases",          1,                                   NULL                                      },
        {"maxclients",         options->connection_max,             NULL                                      },
        {"max-connections",    options->connection_max,             NULL                                      },
        {"max-payload",        (int64_t)options->payload_bytes_max, NULL                                      },
        {"max-result",         (int64_t)options->result_bytes_max,  NULL                                      },
        {"max-output",         (int64_t)options->output_bytes_max,  NULL                                      },
        {"max-client-memory",  (int64_t)options->client_bytes_max,  NULL                                      },
        {"max-pipeline",       options->pipeline_max,               NULL                                      },
        {"auth-deadline-ms",   options->auth_deadline_ms,           NULL                                      },
        {"drain-timeout-ms",   options->drain_timeout_ms,           NULL                                      },
        {"allow-pickle",       0,                                   options->allow_pickle ? "yes" : "no"      },
        {"protected-mode",     0,                                   options->protected_mode ? "yes" : "no"    },
        {"lease-ms",           engine->lease_ms,                    NULL                                      },
        {"restart-grace-ms",   engine->restart_grace_ms,            NULL                                      },
        {"result-ttl-ms",      engine->default_result_ttl_ms,       NULL                                      },
        {"result-cache-bytes", (int64_t)engine->result_bytes_max,   NULL                                      },
        {"max-tasks",          (int64_t)engine->task_count_max,     NULL                                      },
        {"max-task-bytes",     (int64_t)engine->task_bytes_max,     NULL                                      },
        {"max-crashes",        engine->crash_max,                   NULL                                      },
        {"max-losses",         engine->loss_max,                    NULL                                      },
        {"max-retries",        engine->attempt_max,                 NULL                                      },
    };
    enum { SETTINGS = sizeof settings / sizeof settings[0] };
    _Static_assert(SETTINGS <= 64, "reply_settings marks at most 64");
    reply_settings(call, settings, SETTINGS);
    return 0;
}
