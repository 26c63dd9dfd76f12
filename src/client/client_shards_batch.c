// SPDX-License-Identifier: Apache-2.0
// Many submissions to several shards: each shard gets its part in one go, one shard after another.
#include "client/client_shards_state.h"

#include "net/clock.h"

#include <stdlib.h>

struct spread {
    const struct fq_client_task *tasks;
    size_t count, done;
    char (*ids)[37]; // "": not yet
    struct fq_routed *routed;
    fq_client **shards; // where each of them goes
    // Those of one shard.
    struct fq_client_task *part;
    size_t *part_index;
    char (*part_ids)[37];
};

static bool is_done(const struct spread *spread, size_t index) {
    return spread->ids[index][0] != '\0';
}

static void finish(struct spread *spread, size_t index, const char *id) {
    memcpy(spread->ids[index], id, sizeof spread->ids[index]);
    spread->done++;
}

static int place_all(fq_client *client, struct spread *spread) {
    for (size_t i = 0; i < spread->count; i++) {
        if (is_done(spread, i))
            continue;
        int rc = fq_routed_place(client, &spread->routed[i], &spread->shards[i]);
        if (rc < 0)
            return rc;
        if (rc == 1)
            finish(spread, i, spread->routed[i].id);
    }
    return 0;
}

static int submit_part(fq_client *client, struct spread *spread, fq_client *shard, size_t from) {
    size_t count = 0;
    for (size_t i = from; i < spread->count; i++) {
        if (is_done(spread, i) || spread->shards[i] != shard)
            continue;
        spread->part[count] = spread->tasks[i];
        spread->part[count].options = &spread->routed[i].options;
        spread->part_index[count++] = i;
    }
    int rc = fq_client_submit_many(shard, spread->part, count, spread->part_ids);
    for (size_t i = 0; i < count; i++) {
        if (spread->part_ids[i][0] != '\0')
            finish(spread, spread->part_index[i], spread->part_ids[i]);
    }
    return rc < 0 ? fq_shard_fail(client, shard, rc) : 0;
}

static int submit_placed(fq_client *client, struct spread *spread) {
    for (size_t i = 0; i < spread->count; i++) {
        int rc = is_done(spread, i) ? 0 : submit_part(client, spread, spread->shards[i], i);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int run_spread(fq_client *client, struct spread *spread) {
    for (size_t i = 0; i < spread->count; i++) {
        spread->ids[i][0] = '\0';
        fq_routed_begin(&spread->tasks[i], &spread->routed[i]);
    }
    int64_t deadline_us = 0;
    for (uint32_t attempt = 0;; attempt++) {
        size_t before = spread->done;
        int rc = place_all(client, spread);
        if (rc == 0)
            rc = submit_placed(client, spread);
        if (spread->done > before || deadline_us == 0)
            deadline_us = fq_time_add(fq_clock_now().boot_us, client->timeout_us);
        if (rc == 0 || !fq_routed_may_mend(rc))
            return rc;
        // Some of them may have been taken although nobody said so.
        for (size_t i = 0; i < spread->count; i++)
            spread->routed[i].is_new = false;
        if (!fq_routed_look_again(client, &spread->routed[0], deadline_us, attempt))
            return rc;
    }
}

int fq_client_shards_submit_many(fq_client *client, const struct fq_client_task *tasks, size_t count,
                                 char (*ret_ids)[37]) {
    char(*own_ids)[37] = ret_ids == NULL ? calloc(count, sizeof *own_ids) : NULL;
    struct spread spread = {.tasks = tasks,
                            .count = count,
                            .ids = ret_ids != NULL ? ret_ids : own_ids,
                            .routed = calloc(count, sizeof *spread.routed),
                            .shards = calloc(count, sizeof(fq_client *)),
                            .part = calloc(count, sizeof *spread.part),
                            .part_index = calloc(count, sizeof *spread.part_index),
                            .part_ids = calloc(count, sizeof *spread.part_ids)};
    bool has_memory = spread.ids != NULL && spread.routed != NULL && spread.shards != NULL &&
                      spread.part != NULL && spread.part_index != NULL && spread.part_ids != NULL;
    int rc =
        has_memory ? run_spread(client, &spread) : fq_client_fail_text(client, FQ_ENOMEM, "out of memory");
    free(spread.part_ids);
    free(spread.part_index);
    free(spread.part);
    free(spread.shards);
    free(spread.routed);
    free(own_ids);
    return rc;
}
