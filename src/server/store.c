// SPDX-License-Identifier: Apache-2.0
#include "server/store.h"

#include "engine/view.h"
#include "journal/storage_posix.h"
#include "net/clock.h"
#include "server/core.h"
#include "server/data_dir.h"
#include "server/exit_code.h"

#include <stdio.h>
#include <string.h>

int fq_store_exit_code(int error) {
    switch (error) {
    case FQ_ECORRUPT:
    case FQ_EVERSION: return FQ_SERVER_DAMAGED;
    case FQ_ELOCKED: return FQ_SERVER_LOCKED;
    case FQ_EVOLATILE:
    case FQ_EINVALID: return FQ_SERVER_CONFIG;
    case FQ_ENOMEM: return FQ_SERVER_INTERNAL;
    default: return FQ_SERVER_DISK;
    }
}

static int give_up(const struct fq_server_options *options, int error, const char *what, const char *why) {
    fq_log_write(options->log, FQ_LOG_ERROR, "store %s: %s", what, why);
    return fq_store_exit_code(error);
}

static int open_journal(const struct fq_server_options *options, void (*wake)(void *context), void *context,
                        struct fq_store *store) {
    char error[FQ_STORAGE_ERROR_MAX] = "";
    int result = fq_data_dir_find(options->data_dir, store->path, sizeof store->path, error, sizeof error);
    if (result == 0)
        result = fq_data_dir_make(store->path, error, sizeof error);
    if (result < 0)
        return give_up(options, result, "data directory", error);
    struct fq_storage_posix_options storage_options;
    fq_storage_posix_options_init(&storage_options);
    storage_options.allow_volatile = options->allow_volatile;
    storage_options.segment_bytes = storage_options.reserve_bytes = options->segment_bytes;
    storage_options.log = options->log;
    fq_storage *storage;
    result = fq_storage_posix_open(store->path, &storage_options, wake, context, &storage, error);
    if (result < 0)
        return give_up(options, result, store->path, error);
    struct fq_journal_config config;
    fq_journal_config_init(&config);
    config.durability = options->durability;
    config.compact_bytes_min = options->compact_bytes_min;
    config.log = options->log;
    result = fq_journal_open(storage, &config, &store->journal);
    return result < 0 ? give_up(options, result, store->path, fq_strerror(result)) : 0;
}

uint64_t fq_store_live_tasks(const struct fq_store *store) {
    struct fq_engine_stats stats;
    uint64_t live = 0;
    fq_engine_stats(store->engine, fq_clock_now(), &stats);
    for (int state = 0; state <= FQ_TASK_STARTED; state++)
        live += stats.state_count[state];
    return live;
}

static int recover(const struct fq_server_options *options, struct fq_store *store) {
    struct fq_now begin = fq_clock_now();
    int result = fq_core_recover(store->engine, store->journal);
    if (result == 0)
        result = fq_journal_start(store->journal, fq_clock_now());
    if (result < 0) {
        const char *error = fq_journal_error(store->journal);
        return give_up(options, result, store->path, error[0] != 0 ? error : fq_strerror(result));
    }
    struct fq_now end = fq_clock_now();
    store->recovery_us = end.boot_us - begin.boot_us;
    store->recovered = fq_store_live_tasks(store);
    return 0;
}

int fq_store_open(const struct fq_server_options *options, void (*wake)(void *context), void *context,
                  struct fq_store *ret_store) {
    *ret_store = (struct fq_store){.engine = fq_engine_new(&options->engine)};
    if (ret_store->engine == NULL)
        return give_up(options, FQ_ENOMEM, "engine", "out of memory");
    if (options->data_dir != NULL && strcmp(options->data_dir, "none") == 0)
        return 0;
    int code = open_journal(options, wake, context, ret_store);
    return code != 0 ? code : recover(options, ret_store);
}

void fq_store_close(struct fq_store *store) {
    store->journal = fq_journal_close(store->journal);
    store->engine = fq_engine_free(store->engine);
}
