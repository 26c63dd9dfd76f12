// SPDX-License-Identifier: Apache-2.0
#include "cli/top_sample.h"

#include "cli/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const priorities[4] = {"critical", "high", "normal", "low"};

static void copy_text(char *out, size_t size, fq_slice text) {
    size_t len = text.len < size - 1 ? text.len : size - 1;
    memcpy(out, text.ptr, len);
    out[len] = '\0';
}

static int ask(fq_client *client, const char *const *words, size_t count,
               const struct fq_value **ret_values) {
    fq_slice args[8];
    for (size_t i = 0; i < count && i < 8; i++)
        args[i] = (fq_slice){words[i], strlen(words[i])};
    return fq_client_command(client, args, count, ret_values);
}

static void read_percentiles(const struct fq_value *values, const char *key,
                             struct fq_top_percentiles *percentiles) {
    uint32_t at = fq_row_index(values, 0, key);
    if (at == 0 || values[at].type != FQ_VALUE_MAP || fq_row_number(values, at, "count") == 0)
        return;
    percentiles->known = true;
    percentiles->p50_us = fq_row_number(values, at, "p50");
    percentiles->p95_us = fq_row_number(values, at, "p95");
    percentiles->p99_us = fq_row_number(values, at, "p99");
}

static int take_stats(fq_client *client, struct fq_top_sample *sample) {
    const struct fq_value *values;
    int result = ask(client, (const char *const[]){"FQ.STATS"}, 1, &values);
    if (result < 0)
        return result;
    const struct {
        const char *key;
        int64_t *number;
    } fields[] = {
        {"dead",                         &sample->dead                },
        {"results",                      &sample->results             },
        {"result_bytes",                 &sample->result_bytes        },
        {"oldest_at",                    &sample->oldest_pending_at   },
        {"submitted",                    &sample->submitted_total     },
        {"completed",                    &sample->completed_total     },
        {"failed",                       &sample->failed_total        },
        {"retried",                      &sample->retried_total       },
        {"crashed",                      &sample->crashed_total       },
        {"connections",                  &sample->connections         },
        {"started_at",                   &sample->started_at          },
        {"journal_records",              &sample->records_total       },
        {"journal_syncs",                &sample->syncs_total         },
        {"journal_sync_us",              &sample->sync_us             },
        {"journal_bytes_since_snapshot", &sample->since_snapshot_bytes},
        {"journal_segments",             &sample->segments            },
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        *fields[i].number = fq_row_number(values, 0, fields[i].key);
    uint32_t states = fq_row_index(values, 0, "states"), pending = fq_row_index(values, 0, "pending");
    sample->scheduled = states != 0 ? fq_row_number(values, states, "scheduled") : 0;
    sample->started = states != 0 ? fq_row_number(values, states, "started") : 0;
    for (int i = 0; i < 4; i++)
        sample->pending[i] = pending != 0 ? fq_row_number(values, pending, priorities[i]) : 0;
    copy_text(sample->durability, sizeof sample->durability, fq_row_text(values, 0, "durability"));
    copy_text(sample->version, sizeof sample->version, fq_row_text(values, 0, "version"));
    sample->paused = fq_row_number(values, 0, "paused") != 0;
    read_percentiles(values, "wait_us", &sample->wait);
    read_percentiles(values, "run_us", &sample->run);
    return 0;
}

static void read_name(const struct fq_value *values, uint32_t at, struct fq_top_name *row) {
    copy_text(row->name, sizeof row->name, fq_row_text(values, at, "name"));
    for (int i = 0; i < 4; i++)
        row->by_priority[i] = fq_row_number(values, at, priorities[i]);
    row->scheduled = fq_row_number(values, at, "scheduled");
    row->started = fq_row_number(values, at, "started");
    row->completed = fq_row_number(values, at, "completed");
    row->failed = fq_row_number(values, at, "failed");
    row->workers = fq_row_number(values, at, "workers");
    row->oldest_at = fq_row_number(values, at, "oldest_at");
    row->paused = fq_row_number(values, at, "paused") != 0;
}

static void read_worker(const struct fq_value *values, uint32_t at, struct fq_top_worker *row) {
    copy_text(row->id, sizeof row->id, fq_row_text(values, at, "id"));
    row->active = fq_row_number(values, at, "active") != 0;
    row->slots = fq_row_number(values, at, "slots");
    row->running = fq_row_number(values, at, "running");
    row->leases = fq_row_number(values, at, "leases");
    row->completed = fq_row_number(values, at, "completed");
    row->failed = fq_row_number(values, at, "failed");
    row->seen_at = fq_row_number(values, at, "seen_at");
}

// One page of rows is a screen's worth; `*ret_rows` is the index of the first row, the count is returned.
static int take_page(fq_client *client, const char *command, const struct fq_value **ret_values,
                     uint32_t *ret_row, bool *ret_more) {
    char count[16];
    snprintf(count, sizeof count, "%d", FQ_TOP_ROWS_MAX);
    const struct fq_value *values;
    int result = ask(client, (const char *const[]){command, "COUNT", count}, 3, &values);
    if (result < 0)
        return result;
    if (values[0].type != FQ_VALUE_ARRAY || values[0].child_count != 2)
        return FQ_EPROTOCOL;
    uint32_t rows = values[1].next;
    if (values[rows].type != FQ_VALUE_ARRAY)
        return FQ_EPROTOCOL;
    *ret_values = values;
    *ret_row = rows + 1;
    *ret_more = !(values[1].text.len == 1 && values[1].text.ptr[0] == '0');
    uint32_t rows_count = values[rows].child_count;
    return (int)(rows_count < FQ_TOP_ROWS_MAX ? rows_count : FQ_TOP_ROWS_MAX);
}

static int64_t load_of(const struct fq_top_name *row) {
    int64_t load = row->started * 1000 + row->scheduled;
    for (int i = 0; i < 4; i++)
        load += row->by_priority[i] * 1000;
    return load;
}

// Busiest first, then what was busy, then by name.
static int compare_names(const void *a, const void *b) {
    const struct fq_top_name *left = a, *right = b;
    int64_t left_load = load_of(left), right_load = load_of(right);
    if (left_load != right_load)
        return left_load < right_load ? 1 : -1;
    int64_t left_done = left->completed + left->failed, right_done = right->completed + right->failed;
    if (left_done != right_done)
        return left_done < right_done ? 1 : -1;
    return strcmp(left->name, right->name);
}

static int compare_workers(const void *a, const void *b) {
    const struct fq_top_worker *left = a, *right = b;
    if (left->active != right->active)
        return left->active ? -1 : 1;
    return strcmp(left->id, right->id);
}

static int take_shard(fq_client *client, struct fq_top_sample *sample) {
    int result = take_stats(client, sample);
    if (result < 0)
        return result;
    const struct fq_value *values;
    uint32_t row;
    bool more;
    result = take_page(client, "FQ.QUEUES", &values, &row, &sample->more_names);
    for (int i = 0; i < result; i++, row = values[row].next)
        read_name(values, row, &sample->names[sample->name_count++]);
    if (result < 0)
        return result;
    result = take_page(client, "FQ.WORKERS", &values, &row, &more);
    for (int i = 0; i < result; i++, row = values[row].next)
        read_worker(values, row, &sample->workers[sample->worker_count++]);
    return result < 0 ? result : 0;
}

struct whole {
    struct fq_top_sample *sample;
    struct fq_top_sample *part; // of one shard
    size_t shard_count;
};

static int add_shard(void *context, fq_client *shard) {
    struct whole *whole = context;
    struct fq_top_sample *part = whole->shard_count++ == 0 ? whole->sample : whole->part;
    struct fq_now at = whole->sample->at;
    if (part == NULL && (part = whole->part = malloc(sizeof *part)) == NULL)
        return FQ_ENOMEM;
    memset(part, 0, sizeof *part);
    part->at = at;
    int result = take_shard(shard, part);
    if (result == 0 && part != whole->sample)
        fq_top_sample_add(whole->sample, part);
    return result;
}

int fq_top_sample_take(fq_client *client, struct fq_now now, struct fq_top_sample *sample) {
    memset(sample, 0, sizeof *sample);
    sample->at = now;
    struct whole whole = {.sample = sample};
    int result = fq_client_each_shard(client, add_shard, &whole);
    free(whole.part);
    if (result < 0)
        return result;
    qsort(sample->names, sample->name_count, sizeof sample->names[0], compare_names);
    qsort(sample->workers, sample->worker_count, sizeof sample->workers[0], compare_workers);
    return 0;
}
