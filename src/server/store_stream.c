// SPDX-License-Identifier: Apache-2.0
// The store on a replicated log, step by step: a replica follows until it may write (leadership.h).
#include "server/store.h"

#include "journal/storage_stream.h"
#include "journal/stream_nats.h"
#include "net/clock.h"
#include "server/core.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    UNANSWERED_US = 1500 * FQ_US_PER_MS,
    RETRY_US = 100 * FQ_US_PER_MS,
    START_LIMIT_US = 2 * FQ_US_PER_S,
    BATCH_BYTES_MAX = 512 << 10, // a message of this size takes the servers some milliseconds
};

static int64_t clock_us(void) {
    return fq_clock_now().boot_us;
}

int fq_store_open_stream(const struct fq_server_options *options, fq_stream **ret_stream,
                         char error[FQ_STREAM_ERROR_MAX]) {
    struct fq_stream_nats_options nats;
    fq_stream_nats_options_init(&nats);
    nats.credentials_file = options->journal_credentials;
    nats.ca_file = options->journal_ca;
    nats.shard = options->shard;
    return fq_stream_nats_open(options->journal_url, &nats, ret_stream, error);
}

static int open_journal(const struct fq_server_options *options, void (*wake)(void *context), void *context,
                        struct fq_store *store, char error[FQ_STORAGE_ERROR_MAX]) {
    fq_stream *stream;
    int result = fq_store_open_stream(options, &stream, error);
    if (result < 0)
        return result;
    fq_executor *executor = fq_executor_thread(wake, context);
    if (executor == NULL) {
        stream->ops->close(stream);
        return FQ_ENOMEM;
    }
    struct fq_storage_stream_options storage_options = {.unanswered_us = UNANSWERED_US,
                                                        .retry_us = RETRY_US,
                                                        .start_limit_us = START_LIMIT_US,
                                                        .clock_us = clock_us,
                                                        .log = options->log};
    if (getrandom(storage_options.instance.bytes, sizeof storage_options.instance.bytes, 0) !=
        (ssize_t)sizeof storage_options.instance.bytes)
        storage_options.instance =
            fq_uuid_v7(fq_clock_now().wall_us / FQ_US_PER_MS, (uint64_t)getpid(), (uint64_t)clock_us());
    uint32_t message_bytes_max = stream->message_bytes_max;
    fq_storage *storage;
    result = fq_storage_stream_open(stream, executor, &storage_options, &storage, error);
    if (result < 0)
        return result;
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.compact_bytes_min = options->compact_bytes_min;
    config.batch_bytes_max =
        message_bytes_max / 2 < BATCH_BYTES_MAX ? message_bytes_max / 2 : BATCH_BYTES_MAX;
    config.idle_mark_us = 0; // every message of the log was acknowledged by its servers
    config.log = options->log;
    store->message_bytes_max = message_bytes_max;
    return fq_journal_open(storage, &config, &store->journal);
}

static int explain(const struct fq_store *store, int result, char error[FQ_STORAGE_ERROR_MAX]) {
    if (result < 0 && error[0] == '\0')
        snprintf(error, FQ_STORAGE_ERROR_MAX, "%s", fq_journal_error(store->journal));
    return result;
}

int fq_store_open_replica(const struct fq_server_options *options, void (*wake)(void *context), void *context,
                          struct fq_store *ret_store, char error[FQ_STORAGE_ERROR_MAX]) {
    struct fq_store store = {.engine = fq_engine_new(&options->engine)};
    if (store.engine == NULL)
        return FQ_ENOMEM;
    snprintf(store.path, sizeof store.path, "%s", options->journal_url);
    int64_t begin_us = clock_us();
    int result = open_journal(options, wake, context, &store, error);
    if (result == 0)
        result = explain(&store, fq_core_recover(store.engine, store.journal), error);
    store.recovery_us = clock_us() - begin_us;
    if (result == 0)
        store.recovered = fq_store_live_tasks(&store);
    if (result == 0)
        *ret_store = store;
    else
        fq_store_close(&store);
    return result;
}

int fq_store_follow(struct fq_store *store, char error[FQ_STORAGE_ERROR_MAX]) {
    return explain(store, fq_core_follow(store->engine, store->journal), error);
}

int fq_store_start(struct fq_store *store, char error[FQ_STORAGE_ERROR_MAX]) {
    return explain(store, fq_journal_start(store->journal, fq_clock_now()), error);
}
