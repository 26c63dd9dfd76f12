// SPDX-License-Identifier: Apache-2.0
// A worker on a blocking client: it registers, and fetches in slices that are shorter than what the session takes for silence.
#include "client/worker_state.h"

#include "net/clock.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A PING behind a FETCH that waits would end its wait.
static const int64_t BLOCK_MS_MAX = 10000;
static const uint32_t COUNT_MAX = 1000; // what FQ.FETCH takes

void fq_worker_options_init(struct fq_worker_options *options) {
    *options = (struct fq_worker_options){.size = sizeof *options, .slots = 1};
}

// --- registration ---------------------------------------------------------------------------------------------------------
static int put_word(fq_worker *worker, const char *word) {
    worker->arg_count++;
    return fq_buf_append(&worker->text, word, strlen(word) + 1);
}

static int put_id(fq_worker *worker, const char *given) {
    const char *id = given != NULL ? given : getenv("FASTQUEUE_WORKER_ID");
    if (id != NULL && id[0] != '\0')
        return put_word(worker, id);
    char host[HOST_NAME_MAX + 1] = "localhost", text[HOST_NAME_MAX + 32];
    (void)gethostname(host, sizeof host - 1);
    host[sizeof host - 1] = '\0';
    snprintf(text, sizeof text, "%s-%d", host, (int)getpid());
    return put_word(worker, text);
}

static int put_registration(fq_worker *worker, const struct fq_worker_options *options) {
    char slots[16];
    snprintf(slots, sizeof slots, "%u", options->slots);
    worker->has_instance = options->instance != NULL;
    int rc = put_word(worker, "FQ.REGISTER");
    if (rc == 0)
        rc = put_id(worker, options->worker_id);
    if (rc == 0 && options->instance != NULL)
        rc = put_word(worker, "INSTANCE");
    if (rc == 0 && options->instance != NULL)
        rc = put_word(worker, options->instance);
    const char *const words[] = {"SLOTS", slots, "TASKS"};
    for (size_t i = 0; rc == 0 && i < sizeof words / sizeof words[0]; i++)
        rc = put_word(worker, words[i]);
    for (size_t i = 0; rc == 0 && i < options->name_count; i++)
        rc = put_word(worker, options->names[i]);
    return rc;
}

static int list_args(fq_worker *worker) {
    worker->args = calloc(worker->arg_count, sizeof *worker->args);
    if (worker->args == NULL)
        return FQ_ENOMEM;
    const char *word = fq_buf_str(&worker->text).ptr;
    for (size_t i = 0; i < worker->arg_count; i++) {
        worker->args[i] = (fq_slice){word, strlen(word)};
        word += worker->args[i].len + 1;
    }
    return 0;
}

static int enrol(fq_worker *worker) {
    const struct fq_value *values;
    worker->connection = 0;
    int rc = fq_client_request(worker->client, worker->args, worker->arg_count, true, 0, &values);
    if (rc == 0)
        worker->connection = worker->client->connections;
    return rc;
}

int fq_worker_open(fq_client *client, const struct fq_worker_options *given, fq_worker **ret_worker) {
    struct fq_worker_options options;
    fq_worker_options_init(&options);
    memcpy(&options, given, given->size < sizeof options ? given->size : sizeof options);
    if (options.name_count == 0)
        return fq_client_fail_text(client, FQ_EINVALID, "a worker registers at least one task name");
    fq_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return fq_client_fail_text(client, FQ_ENOMEM, "out of memory");
    worker->client = client;
    fq_telemetry_settings_read(&worker->telemetry, NULL, NULL, NULL);
    int rc = put_registration(worker, &options);
    if (rc == 0)
        rc = list_args(worker);
    rc = rc < 0 ? fq_client_fail_text(client, rc, fq_strerror(rc)) : enrol(worker);
    if (rc < 0) {
        fq_worker_close(worker);
        return rc;
    }
    *ret_worker = worker;
    return 0;
}

fq_worker *fq_worker_close(fq_worker *worker) {
    if (worker == NULL)
        return NULL;
    if (worker->connection != 0 && fq_client_is_connected(worker->client)) {
        fq_slice args[4] = {
            {"FQ.UNREGISTER", 13},
            worker->args[1]
        };
        memcpy(&args[2], &worker->args[2], 2 * sizeof *args);
        const struct fq_value *values;
        int rc = fq_client_request(worker->client, args, worker->has_instance ? 4 : 2, false, 0, &values);
        (void)rc; // the control plane then finds out by itself
    }
    fq_worker_grants_done(&worker->grants);
    free(worker->args);
    fq_buf_done(&worker->text);
    free(worker);
    return NULL;
}

// --- fetching -------------------------------------------------------------------------------------------------------------
static int fetch_once(fq_worker *worker, uint32_t count, int64_t block_ms) {
    fq_client *client = worker->client;
    if (!fq_client_is_connected(client) || worker->connection != client->connections) {
        int rc = enrol(worker);
        if (rc < 0)
            return rc;
    }
    char numbers[2][24];
    fq_slice args[] = {
        {"FQ.FETCH", 8},
        {"WORKER",   6},
        worker->args[1], {"COUNT",    5},
        {numbers[0], 0},
        {"BLOCK",    5},
        {numbers[1], 0},
    };
    args[4].len = (size_t)snprintf(numbers[0], sizeof numbers[0], "%u", count);
    args[6].len = (size_t)snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)block_ms);
    const struct fq_value *values;
    int rc = fq_client_request(client, args, sizeof args / sizeof args[0], false, block_ms, &values);
    if (rc < 0)
        return rc;
    rc = fq_worker_grants_take(&worker->grants, values);
    return rc < 0 ? fq_client_fail_text(client, rc, "the answer to FQ.FETCH cannot be kept") : 0;
}

// The wait of one call.
struct wait {
    int64_t until_us;
    uint32_t losses;   // of the connection or the registration, in a row
    uint32_t refusals; // for now, and answers that came at once without a task, in a row
};

static int64_t left_ms(const struct wait *wait, int64_t most) {
    int64_t left = (wait->until_us - fq_clock_now().boot_us) / FQ_US_PER_MS;
    return left < 0 ? 0 : left < most ? left : most;
}

static void pause_within(fq_client *client, const struct wait *wait, uint32_t attempt) {
    int64_t pause_ms = fq_client_pause_us(client, attempt) / FQ_US_PER_MS + 1;
    (void)poll(NULL, 0, (int)left_ms(wait, pause_ms));
}

// True if the call goes on after `rc`.
static bool bear(fq_worker *worker, struct wait *wait, int rc) {
    bool refused = rc == FQ_EBUSY || rc == FQ_EDRAINING;
    if (refused && left_ms(wait, 1) > 0) {
        pause_within(worker->client, wait, wait->refusals++);
        return true;
    }
    if (rc != FQ_EUNKNOWNWORKER && rc != FQ_EDISCONNECTED)
        return false;
    worker->connection = 0;
    uint64_t borne = (uint64_t)worker->client->retries + (rc == FQ_EUNKNOWNWORKER ? 1 : 0);
    return wait->losses++ < borne;
}

static void set_until(struct wait *wait, int64_t wait_ms) {
    int64_t us;
    if (wait_ms < 0 || __builtin_mul_overflow(wait_ms, FQ_US_PER_MS, &us))
        wait->until_us = FQ_NEVER_US;
    else
        wait->until_us = fq_time_add(fq_clock_now().boot_us, us);
}

int fq_worker_fetch(fq_worker *worker, uint32_t count, int64_t wait_ms,
                    const struct fq_worker_task **ret_tasks, size_t *ret_count) {
    if (count == 0)
        return fq_client_fail_text(worker->client, FQ_EINVALID, "a fetch asks for at least one task");
    count = count < COUNT_MAX ? count : COUNT_MAX;
    struct wait wait = {0};
    set_until(&wait, wait_ms);
    for (;;) {
        int64_t began_us = fq_clock_now().boot_us, block_ms = left_ms(&wait, BLOCK_MS_MAX);
        int rc = fetch_once(worker, count, block_ms);
        if (rc < 0) {
            if (!bear(worker, &wait, rc))
                return rc;
            continue;
        }
        wait.losses = 0;
        if (worker->grants.count > 0 || left_ms(&wait, 1) == 0)
            break;
        // A control plane that drains does not let anybody wait.
        if (fq_clock_now().boot_us - began_us < block_ms * FQ_US_PER_MS / 2)
            pause_within(worker->client, &wait, wait.refusals++);
        else
            wait.refusals = 0;
    }
    *ret_tasks = worker->grants.tasks;
    *ret_count = worker->grants.count;
    return 0;
}
