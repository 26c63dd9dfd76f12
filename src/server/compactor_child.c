// SPDX-License-Identifier: Apache-2.0
#include "server/compactor_child.h"

#include "base/assert.h"
#include "net/child.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { RETRY_FIRST_S = 10, RETRY_LONGEST_S = 600, ARGS_MAX = 13 };

struct fq_compactor_child {
    struct fq_compactor_child_config config;
    fq_child *process;
    bool is_busy;
    uint64_t batch_seq; // the sealed part's last
    int64_t began_us;
    int64_t not_before_us;
    int64_t retry_s;
};

static void end(fq_compactor_child *child, bool ok, const char *how) {
    struct fq_now now = fq_loop_now(child->config.loop);
    child->is_busy = false;
    child->retry_s = ok ? 0 : child->retry_s == 0 ? RETRY_FIRST_S : child->retry_s * 2;
    if (child->retry_s > RETRY_LONGEST_S)
        child->retry_s = RETRY_LONGEST_S;
    child->not_before_us = fq_time_add(now.boot_us, child->retry_s * FQ_US_PER_S);
    long long took_ms = (long long)((now.boot_us - child->began_us) / FQ_US_PER_MS);
    if (ok)
        fq_log_write(child->config.log, FQ_LOG_INFO, "journal compacted until_batch=%" PRIu64 " took_ms=%lld",
                     child->batch_seq, took_ms);
    else
        fq_log_write(child->config.log, FQ_LOG_WARNING,
                     "journal compaction failed until_batch=%" PRIu64
                     " %s; nothing changed, next try in %lld s",
                     child->batch_seq, how, (long long)child->retry_s);
}

static void on_exit_of_child(void *context, int code, int signal_number) {
    fq_compactor_child *child = context;
    child->process = fq_child_close(child->process);
    bool ok = code == 0;
    char how[48];
    snprintf(how, sizeof how, signal_number != 0 ? "signal=%d" : "code=%d",
             signal_number != 0 ? signal_number : code);
    fq_journal_compact_end(child->config.journal, ok, child->batch_seq);
    end(child, ok, how);
}

static void fill_args(const struct fq_compactor_child_config *config, const char *until,
                      const char *args[ARGS_MAX + 1]) {
    const struct fq_server_options *options = config->options;
    bool in_stream = options->journal_url != NULL;
    const struct {
        const char *flag, *value;
    } flags[] = {
        {"--until",               until                                          },
        {"--data-dir",            in_stream ? NULL : config->data_dir            },
        {"--journal",             options->journal_url                           },
        {"--journal-credentials", in_stream ? options->journal_credentials : NULL},
        {"--journal-ca",          in_stream ? options->journal_ca : NULL         },
    };
    size_t count = 0;
    args[count++] = config->program;
    args[count++] = "journal";
    args[count++] = "compact";
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (flags[i].value != NULL) {
            args[count++] = flags[i].flag;
            args[count++] = flags[i].value;
        }
    FQ_ASSERT(count <= ARGS_MAX);
    args[count] = NULL;
}

static void on_sealed(void *context, int result, uint64_t batch_seq) {
    fq_compactor_child *child = context;
    if (result <
        0) { // no disk space for another segment, or the journal has failed and the server is about to end
        end(child, false, result == FQ_EAGAIN ? "reason=\"no disk space\"" : "reason=\"the journal failed\"");
        return;
    }
    child->batch_seq = batch_seq;
    char until[24];
    snprintf(until, sizeof until, "%" PRIu64, batch_seq);
    const char *args[ARGS_MAX + 1];
    fill_args(&child->config, until, args);
    struct fq_child_options options = {
        .program = child->config.program, .args = args, .on_exit = on_exit_of_child, .context = child};
    if (fq_child_spawn(&child->config.loop->uv, &options, &child->process) == 0)
        return;
    fq_journal_compact_end(child->config.journal, false, batch_seq);
    end(child, false, "reason=\"the process cannot be started\"");
}

fq_compactor_child *fq_compactor_child_new(const struct fq_compactor_child_config *config) {
    fq_compactor_child *child = calloc(1, sizeof *child);
    if (child != NULL)
        child->config = *config;
    return child;
}

void fq_compactor_child_step(fq_compactor_child *child, struct fq_now now) {
    if (child->is_busy || now.boot_us < child->not_before_us ||
        !fq_journal_wants_compaction(child->config.journal))
        return;
    child->is_busy = true;
    child->began_us = now.boot_us;
    fq_journal_compact_begin(child->config.journal, on_sealed, child);
}

fq_compactor_child *fq_compactor_child_free(fq_compactor_child *child) {
    if (child == NULL)
        return NULL;
    if (child->process != NULL)
        fq_child_signal(child->process, SIGKILL);
    fq_child_close(child->process);
    free(child);
    return NULL;
}
