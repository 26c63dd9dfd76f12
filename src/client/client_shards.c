// SPDX-License-Identifier: Apache-2.0
#include "client/client_shards.h"

#include "base/uuid.h"
#include "client/client_shards_state.h"
#include "net/clock.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t deadline_of(const fq_client *client) {
    return fq_time_add(fq_clock_now().boot_us, client->timeout_us);
}

// ---- the map ----

static fq_str text_at(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    bool is_text = value != NULL && value->type == FQ_VALUE_TEXT;
    return is_text ? (fq_str){value->text.ptr, value->text.len} : FQ_STR("");
}

static int64_t number_at(const struct fq_value *values, uint32_t at, const char *key) {
    const struct fq_value *value = fq_value_get(values, at, key);
    return value != NULL && value->type == FQ_VALUE_INTEGER ? value->integer : 0;
}

// Written as the text of a map, which is checked when it is read.
static int read_map(const struct fq_value *values, struct fq_shard_map *ret_map) {
    const struct fq_value *rows = fq_value_get(values, 0, "shards");
    if (rows == NULL || rows->type != FQ_VALUE_ARRAY)
        return FQ_EPROTOCOL;
    fq_buf text = {0};
    int rc = fq_buf_printf(&text, "FQS1 %" PRId64 "\n", number_at(values, 0, "version"));
    uint32_t at = (uint32_t)(rows - values) + 1;
    for (uint32_t i = 0; i < rows->child_count && rc == 0; i++, at = values[at].next) {
        fq_str addresses = text_at(values, at, "addresses");
        if (addresses.len == 0)
            addresses = FQ_STR("-");
        rc = fq_buf_printf(&text, "%" PRId64 " %" PRId64 " %" PRId64 " %.*s\n",
                           number_at(values, at, "shard"), number_at(values, at, "since"),
                           number_at(values, at, "until"), FQ_STR_ARGS(addresses));
    }
    if (rc == 0)
        rc = fq_shard_map_parse(ret_map, fq_buf_str(&text));
    fq_buf_done(&text);
    return rc == FQ_EINVALID ? FQ_EPROTOCOL : rc;
}

static void close_moved(struct fq_client_shards *shards, const struct fq_shard_map *next) {
    for (uint32_t number = 0; number < FQ_SHARDS_MAX; number++) {
        const struct fq_shard *before = fq_shard_find(&shards->map, number),
                              *now = fq_shard_find(next, number);
        if (shards->clients[number] != NULL &&
            (before == NULL || now == NULL || strcmp(before->addresses, now->addresses) != 0))
            shards->clients[number] = fq_client_close(shards->clients[number]);
    }
}

// Reads the map anew. Clients of shards that are elsewhere now are closed.
static int refresh(fq_client *client, struct fq_client_shards *shards) {
    const fq_slice args[] = {
        {"FQ.SHARDS", 9}
    };
    const struct fq_value *values;
    int rc = fq_client_request(client, args, 1, true, 0, &values);
    if (rc < 0)
        return rc;
    struct fq_shard_map map = {0};
    rc = read_map(values, &map);
    if (rc < 0)
        return fq_client_fail_text(client, rc, "the control plane's map of shards cannot be read");
    if (map.version < shards->map.version) { // of one that has not heard yet
        fq_shard_map_done(&map);
        return 0;
    }
    close_moved(shards, &map);
    fq_shard_map_done(&shards->map);
    shards->map = map;
    return 0;
}

int fq_client_shards_open(fq_client *client, fq_client_shards **ret_shards) {
    struct fq_client_shards *shards = calloc(1, sizeof *shards);
    if (shards == NULL)
        return fq_client_fail_text(client, FQ_ENOMEM, "out of memory");
    int rc = refresh(client, shards);
    if (rc < 0) {
        fq_client_shards_close(shards);
        return rc;
    }
    *ret_shards = shards;
    return 0;
}

fq_client_shards *fq_client_shards_close(fq_client_shards *shards) {
    if (shards == NULL)
        return NULL;
    for (size_t i = 0; i < FQ_SHARDS_MAX; i++)
        shards->clients[i] = fq_client_close(shards->clients[i]);
    fq_shard_map_done(&shards->map);
    free(shards);
    return NULL;
}

// ---- one shard ----

int fq_shard_fail(fq_client *client, const fq_client *shard, int rc) {
    return fq_client_fail_text(client, rc, fq_client_error(shard));
}

static int open_shard(fq_client *client, const struct fq_shard *shard, fq_client **ret_client) {
    fq_client **slot = &client->shards->clients[shard->number];
    if (*slot == NULL) {
        if (shard->addresses[0] == '\0') {
            char text[80];
            snprintf(text, sizeof text, "no address of shard %u is known yet", (unsigned)shard->number);
            return fq_client_fail_text(client, FQ_ECONNECT, text);
        }
        int rc = fq_client_open_shard(client, shard->addresses, slot);
        if (rc < 0)
            return rc;
    }
    *ret_client = *slot;
    return 0;
}

// The number of the shard goes into the id, as a hint where to ask for the task.
static fq_uuid new_id(fq_client *client, uint32_t shard) {
    uint64_t high = fq_random_next(&client->random), low = fq_random_next(&client->random);
    fq_uuid id = fq_uuid_v7(fq_clock_now().wall_us / FQ_US_PER_MS, high, low);
    id.bytes[15] = (unsigned char)shard;
    return id;
}

// ---- submissions ----

static fq_str key_of(const struct fq_routed *routed) {
    const char *unique = routed->options.unique;
    return fq_shard_key((fq_str){routed->name.ptr, routed->name.len},
                        unique != NULL ? fq_str_of(unique) : FQ_STR(""));
}

static const struct fq_shard *owner_of(const fq_client *client, const struct fq_routed *routed) {
    const struct fq_shard_map *map = &client->shards->map;
    return fq_shard_owner(map, key_of(routed), map->version);
}

void fq_routed_begin(const struct fq_client_task *task, struct fq_routed *routed) {
    fq_submit_options_init(&routed->options);
    if (task->options != NULL)
        memcpy(&routed->options, task->options,
               task->options->size < sizeof routed->options ? task->options->size : sizeof routed->options);
    routed->name = (fq_slice){task->name, strlen(task->name)};
    routed->is_new = routed->options.id == NULL && routed->options.unique == NULL;
    routed->id[0] = '\0';
}

static void name_routed(fq_client *client, struct fq_routed *routed, const struct fq_shard *owner) {
    if (routed->options.id != NULL)
        return;
    fq_uuid id = new_id(client, owner->number);
    fq_uuid_format(&id, routed->id);
    routed->id[FQ_UUID_TEXT] = '\0';
    routed->options.id = routed->id;
}

static int ask_whether_known(fq_client *shard, const struct fq_routed *routed, uint32_t version,
                             char ret_id[37]) {
    char version_text[16];
    int len = snprintf(version_text, sizeof version_text, "%" PRIu32, version);
    const char *unique = routed->options.unique;
    const fq_slice args[] = {
        {"FQ.KNOWN",         8                                  },
        {version_text,       (size_t)len                        },
        {"ID",               2                                  },
        {routed->options.id, strlen(routed->options.id)         },
        {"UNIQUE",           6                                  },
        {unique,             unique != NULL ? strlen(unique) : 0}
    };
    const struct fq_value *values;
    int rc = fq_client_request(shard, args, unique != NULL ? 6 : 4, true, 0, &values);
    if (rc < 0 || values[0].type != FQ_VALUE_TEXT)
        return rc < 0 ? rc : 0;
    if (values[0].text.len != FQ_UUID_TEXT)
        return fq_client_fail_text(shard, FQ_EPROTOCOL, "the answer is no task id");
    memcpy(ret_id, values[0].text.ptr, FQ_UUID_TEXT);
    ret_id[FQ_UUID_TEXT] = '\0';
    return 1;
}

// Whether a shard that took such tasks earlier has this one: 1, its id in `ret_id`.
static int find_earlier(fq_client *client, const struct fq_routed *routed, char ret_id[37],
                        fq_client **ret_holder) {
    const struct fq_shard *earlier[FQ_SHARDS_MAX];
    const struct fq_shard_map *map = &client->shards->map;
    size_t count = fq_shard_earlier_owners(map, key_of(routed), earlier, FQ_SHARDS_MAX);
    for (size_t i = 0; i < count; i++) {
        fq_client *shard = NULL;
        int rc = open_shard(client, earlier[i], &shard);
        if (rc < 0)
            return rc;
        rc = ask_whether_known(shard, routed, map->version, ret_id);
        *ret_holder = shard;
        if (rc != 0)
            return rc < 0 ? fq_shard_fail(client, shard, rc) : rc;
    }
    return 0;
}

int fq_routed_place(fq_client *client, struct fq_routed *routed, fq_client **ret_shard) {
    const struct fq_shard *owner = owner_of(client, routed);
    if (owner == NULL)
        return fq_client_fail_text(client, FQ_EBUSY, "the map of shards is not known yet");
    name_routed(client, routed, owner);
    char known[37];
    int rc = routed->is_new ? 0 : find_earlier(client, routed, known, ret_shard);
    if (rc == 1)
        memcpy(routed->id, known, sizeof known);
    return rc != 0 ? rc : open_shard(client, owner, ret_shard);
}

bool fq_routed_may_mend(int rc) {
    return rc == FQ_EMOVED || rc == FQ_EBUSY || rc == FQ_ECONNECT;
}

bool fq_routed_look_again(fq_client *client, struct fq_routed *routed, int64_t deadline_us,
                          uint32_t attempt) {
    routed->is_new = false;
    int64_t pause_us = fq_client_pause_us(client, attempt);
    if (fq_time_add(fq_clock_now().boot_us, pause_us) >= deadline_us)
        return false;
    (void)poll(NULL, 0, (int)(pause_us / FQ_US_PER_MS) + 1);
    char kept[sizeof client->error];
    memcpy(kept, client->error, sizeof kept);
    (void)refresh(client, client->shards); // without one the old map has to do
    memcpy(client->error, kept, sizeof kept);
    return true;
}

struct routed_call {
    const struct fq_client_task *task;
    int64_t wait_ms;
    struct fq_task_result *ret_result; // NULL: the submission is all
};

static int submit_at(fq_client *client, fq_client *shard, const struct routed_call *call,
                     struct fq_routed *routed) {
    const struct fq_client_task *task = call->task;
    char id[37];
    int rc = call->ret_result == NULL
                 ? fq_client_submit(shard, task->name, task->payload, task->payload_len, &routed->options, id)
                 : fq_client_call(shard, task->name, task->payload, task->payload_len, &routed->options,
                                  call->wait_ms, call->ret_result);
    if (rc < 0)
        return fq_shard_fail(client, shard, rc);
    if (call->ret_result == NULL)
        memcpy(routed->id, id, sizeof id);
    return 0;
}

static int run_routed(fq_client *client, const struct routed_call *call, struct fq_routed *routed) {
    int64_t deadline_us = deadline_of(client);
    fq_routed_begin(call->task, routed);
    for (uint32_t attempt = 0;; attempt++) {
        fq_client *shard = NULL;
        int rc = fq_routed_place(client, routed, &shard);
        if (rc == 1 && call->ret_result == NULL)
            return 0;
        if (rc == 1) {
            rc = fq_client_wait(shard, routed->id, call->wait_ms, call->ret_result);
            return rc < 0 ? fq_shard_fail(client, shard, rc) : 0;
        }
        if (rc == 0)
            rc = submit_at(client, shard, call, routed);
        if (rc == 0 || !fq_routed_may_mend(rc) || !fq_routed_look_again(client, routed, deadline_us, attempt))
            return rc;
    }
}

int fq_client_shards_submit(fq_client *client, const struct fq_client_task *task, char ret_id[37]) {
    struct routed_call call = {.task = task};
    struct fq_routed routed;
    int rc = run_routed(client, &call, &routed);
    if (rc == 0)
        memcpy(ret_id, routed.id, sizeof routed.id);
    return rc;
}

int fq_client_shards_call(fq_client *client, const struct fq_client_task *task, int64_t wait_ms,
                          struct fq_task_result *ret_result) {
    struct routed_call call = {.task = task, .wait_ms = wait_ms, .ret_result = ret_result};
    struct fq_routed routed;
    return run_routed(client, &call, &routed);
}

// ---- a task by its id ----

typedef int question(fq_client *shard, const char *id, struct fq_task_result *ret_result);

static int ask_one(fq_client *client, const struct fq_shard *shard, const char *id, question *ask,
                   struct fq_task_result *ret_result, fq_client **ret_holder) {
    *ret_holder = NULL;
    int rc = open_shard(client, shard, ret_holder);
    if (rc != 0)
        return rc;
    rc = ask(*ret_holder, id, ret_result);
    return rc < 0 ? fq_shard_fail(client, *ret_holder, rc) : rc;
}

static int ask_all(fq_client *client, const char *id, question *ask, struct fq_task_result *ret_result,
                   fq_client **ret_holder) {
    const struct fq_shard_map *map = &client->shards->map;
    fq_uuid parsed;
    if (fq_uuid_parse(fq_str_of(id), &parsed) < 0)
        return fq_client_fail_text(client, FQ_EINVALID, "a task id is a UUID of 36 characters");
    const struct fq_shard *hinted = fq_shard_find(map, parsed.bytes[15]);
    int trouble = 0; // with one that may be the one that knows
    for (size_t i = 0; i <= map->count; i++) {
        const struct fq_shard *shard = i == 0 ? hinted : &map->shards[i - 1];
        if (shard == NULL || (i > 0 && shard == hinted) || shard->since == 0)
            continue;
        int rc = ask_one(client, shard, id, ask, ret_result, ret_holder);
        if (rc >= 0)
            return rc;
        if (rc != FQ_EUNKNOWNTASK)
            trouble = rc;
    }
    return trouble < 0 ? trouble : fq_client_fail_text(client, FQ_EUNKNOWNTASK, fq_strerror(FQ_EUNKNOWNTASK));
}

int fq_client_shards_ask(fq_client *client, const char *id, question *ask,
                         struct fq_task_result *ret_result) {
    fq_client *holder = NULL;
    return ask_all(client, id, ask, ret_result, &holder);
}

int fq_client_shards_wait(fq_client *client, const char *id, int64_t wait_ms,
                          struct fq_task_result *ret_result) {
    fq_client *holder = NULL;
    int rc = ask_all(client, id, fq_client_status, ret_result, &holder);
    if (rc < 0)
        return rc;
    rc = fq_client_wait(holder, id, wait_ms, ret_result);
    return rc < 0 ? fq_shard_fail(client, holder, rc) : 0;
}

// ---- the whole ----

int fq_client_each_shard(fq_client *client, int (*visit)(void *context, fq_client *shard), void *context) {
    if (client->shards == NULL)
        return visit(context, client);
    int rc = refresh(client, client->shards); // one that was added lately belongs to the whole, too
    const struct fq_shard_map *map = &client->shards->map;
    for (size_t i = 0; i < map->count && rc == 0; i++) {
        fq_client *shard = NULL;
        if (map->shards[i].since == 0)
            continue;
        rc = open_shard(client, &map->shards[i], &shard);
        if (rc < 0)
            return rc;
        rc = visit(context, shard);
        if (rc < 0)
            return fq_shard_fail(client, shard, rc);
    }
    return rc;
}
