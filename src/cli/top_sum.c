// SPDX-License-Identifier: Apache-2.0
// One picture of a queue with several shards: counts add up, times are the worst of all, a name or a worker has one row.
#include "cli/top_sample.h"

#include <string.h>

static int64_t earliest(int64_t a, int64_t b) {
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t largest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void add_percentiles(struct fq_top_percentiles *sum, const struct fq_top_percentiles *one) {
    sum->known = sum->known || one->known;
    sum->p50_us = largest(sum->p50_us, one->p50_us);
    sum->p95_us = largest(sum->p95_us, one->p95_us);
    sum->p99_us = largest(sum->p99_us, one->p99_us);
}

static void add_stats(struct fq_top_sample *sum, const struct fq_top_sample *one) {
    for (int i = 0; i < 4; i++)
        sum->pending[i] += one->pending[i];
    int64_t *const sums[] = {&sum->scheduled,
                             &sum->started,
                             &sum->dead,
                             &sum->results,
                             &sum->result_bytes,
                             &sum->submitted_total,
                             &sum->completed_total,
                             &sum->failed_total,
                             &sum->retried_total,
                             &sum->crashed_total,
                             &sum->connections,
                             &sum->records_total,
                             &sum->syncs_total,
                             &sum->since_snapshot_bytes,
                             &sum->segments};
    const int64_t ones[] = {one->scheduled,
                            one->started,
                            one->dead,
                            one->results,
                            one->result_bytes,
                            one->submitted_total,
                            one->completed_total,
                            one->failed_total,
                            one->retried_total,
                            one->crashed_total,
                            one->connections,
                            one->records_total,
                            one->syncs_total,
                            one->since_snapshot_bytes,
                            one->segments};
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        *sums[i] += ones[i];
    sum->oldest_pending_at = earliest(sum->oldest_pending_at, one->oldest_pending_at);
    sum->started_at = earliest(sum->started_at, one->started_at);
    sum->sync_us = largest(sum->sync_us, one->sync_us);
    sum->paused = sum->paused && one->paused;
    add_percentiles(&sum->wait, &one->wait);
    add_percentiles(&sum->run, &one->run);
}

static void add_name(struct fq_top_sample *sum, const struct fq_top_name *one) {
    struct fq_top_name *row = NULL;
    for (size_t i = 0; i < sum->name_count && row == NULL; i++)
        row = strcmp(sum->names[i].name, one->name) == 0 ? &sum->names[i] : NULL;
    if (row == NULL && sum->name_count == FQ_TOP_ROWS_MAX) {
        sum->more_names = true;
        return;
    }
    if (row == NULL) {
        sum->names[sum->name_count++] = *one;
        return;
    }
    for (int i = 0; i < 4; i++)
        row->by_priority[i] += one->by_priority[i];
    row->scheduled += one->scheduled;
    row->started += one->started;
    row->completed += one->completed;
    row->failed += one->failed;
    row->workers = largest(row->workers, one->workers);
    row->oldest_at = earliest(row->oldest_at, one->oldest_at);
    row->paused = row->paused || one->paused;
}

static void add_worker(struct fq_top_sample *sum, const struct fq_top_worker *one) {
    struct fq_top_worker *row = NULL;
    for (size_t i = 0; i < sum->worker_count && row == NULL; i++)
        row = strcmp(sum->workers[i].id, one->id) == 0 ? &sum->workers[i] : NULL;
    if (row == NULL && sum->worker_count < FQ_TOP_ROWS_MAX) {
        sum->workers[sum->worker_count++] = *one;
        return;
    }
    if (row == NULL)
        return;
    row->active = row->active || one->active;
    row->slots = largest(row->slots, one->slots);
    row->running += one->running;
    row->leases += one->leases;
    row->completed += one->completed;
    row->failed += one->failed;
    row->seen_at = largest(row->seen_at, one->seen_at);
}

void fq_top_sample_add(struct fq_top_sample *sample, const struct fq_top_sample *shard) {
    add_stats(sample, shard);
    sample->more_names = sample->more_names || shard->more_names;
    for (size_t i = 0; i < shard->name_count; i++)
        add_name(sample, &shard->names[i]);
    for (size_t i = 0; i < shard->worker_count; i++)
        add_worker(sample, &shard->workers[i]);
}
