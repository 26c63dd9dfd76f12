// SPDX-License-Identifier: Apache-2.0
// What `fastqueue top` knows at one moment.
#ifndef FQ_CLI_TOP_SAMPLE_H
#define FQ_CLI_TOP_SAMPLE_H

#include "base/time.h"
#include "fastqueue/client.h"

#include <stdint.h>

enum { FQ_TOP_ROWS_MAX = 500, FQ_TOP_NAME_SIZE = 64 };

struct fq_top_name {
    char name[FQ_TOP_NAME_SIZE];
    int64_t by_priority[4]; // critical, high, normal, low: waiting
    int64_t scheduled, started, completed, failed, workers, oldest_at;
    bool paused;
};

struct fq_top_worker {
    char id[FQ_TOP_NAME_SIZE];
    bool active;
    int64_t slots, running, leases, completed, failed, seen_at;
};

struct fq_top_percentiles {
    bool known;
    int64_t p50_us, p95_us, p99_us;
};

struct fq_top_sample {
    struct fq_now at;
    struct fq_top_percentiles wait, run;
    // FQ.STATS
    int64_t pending[4], scheduled, started, dead, results, result_bytes, oldest_pending_at;
    int64_t submitted_total, completed_total, failed_total, retried_total, crashed_total;
    int64_t connections, started_at;
    int64_t records_total, syncs_total, sync_us, since_snapshot_bytes, segments;
    char durability[24], version[24];
    bool paused;
    struct fq_top_name names[FQ_TOP_ROWS_MAX];
    size_t name_count;
    bool more_names;
    struct fq_top_worker workers[FQ_TOP_ROWS_MAX];
    size_t worker_count;
};

/** Asks the control plane, or each of a queue with shards for one picture of all. 0 or a negative error; fq_client_error() has the sentence. */
FQ_MUST_USE int fq_top_sample_take(fq_client *client, struct fq_now now, struct fq_top_sample *sample);

/** Adds one shard's to what others gave. */
void fq_top_sample_add(struct fq_top_sample *sample, const struct fq_top_sample *shard);

#endif
