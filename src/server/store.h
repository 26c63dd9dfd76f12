// SPDX-License-Identifier: Apache-2.0
// Engine and journal as the options want them: the data directory opened, owned and replayed, or memory only.
#ifndef FQ_SERVER_STORE_H
#define FQ_SERVER_STORE_H

#include "engine/engine.h"
#include "journal/journal.h"
#include "journal/stream.h"
#include "server/server.h"

#include <limits.h>

struct fq_store {
    fq_engine *engine;
    fq_journal *journal;        // NULL = memory only
    char path[PATH_MAX];        // "" = memory only; of a log in a stream its URL
    uint32_t message_bytes_max; // a record's bound; 0 = none but the journal's
    uint64_t recovered;         // live tasks found
    int64_t recovery_us;        // what reading and replaying took
};

/** 0 with the store recovered and writable; else the exit code, the cause logged. `wake` is called from the journal's
 *  thread when fq_journal_poll has something to do. */
int fq_store_open(const struct fq_server_options *options, void (*wake)(void *context), void *context,
                  struct fq_store *ret_store);
/** Tasks that have not ended. */
uint64_t fq_store_live_tasks(const struct fq_store *store);
/** The exit code that stands for an error of these calls. */
int fq_store_exit_code(int error);

// --- on a replicated log ------------------------------------------------------------------------------------------------------
/** A connection to options->journal_url. FQ_EINVALID, FQ_EAGAIN (nobody answers), FQ_EIO with `error` filled. */
FQ_MUST_USE int fq_store_open_stream(const struct fq_server_options *options, fq_stream **ret_stream,
                                     char error[FQ_STREAM_ERROR_MAX]);
/** Recovered as far as the log goes now, not yet writable. */
FQ_MUST_USE int fq_store_open_replica(const struct fq_server_options *options, void (*wake)(void *context),
                                      void *context, struct fq_store *ret_store,
                                      char error[FQ_STORAGE_ERROR_MAX]);
/** Reads what the log has grown by. FQ_EAGAIN: to be tried again; after another error it must be closed. */
FQ_MUST_USE int fq_store_follow(struct fq_store *store, char error[FQ_STORAGE_ERROR_MAX]);
/** Makes it writable. FQ_ELOCKED: somebody else wrote; FQ_EAGAIN: nobody answers; both may be tried again after following. */
FQ_MUST_USE int fq_store_start(struct fq_store *store, char error[FQ_STORAGE_ERROR_MAX]);

/** All zero is fine. */
void fq_store_close(struct fq_store *store);

#endif
