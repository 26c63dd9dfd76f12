// SPDX-License-Identifier: Apache-2.0
// Engine and journal as the options want them: the data directory opened, owned and replayed, or memory only.
#ifndef FQ_SERVER_STORE_H
#define FQ_SERVER_STORE_H

#include "engine/engine.h"
#include "journal/journal.h"
#include "server/server.h"

#include <limits.h>

struct fq_store {
    fq_engine *engine;
    fq_journal *journal; // NULL = memory only
    char path[PATH_MAX]; // "" = memory only
    uint64_t recovered;  // live tasks found
    int64_t recovery_us; // what reading and replaying took
};

/** 0 with the store recovered and writable; else the exit code, the cause logged. `wake` is called from the journal's
 *  thread when fq_journal_poll has something to do. */
int fq_store_open(const struct fq_server_options *options, void (*wake)(void *context), void *context,
                  struct fq_store *ret_store);
/** All zero is fine. */
void fq_store_close(struct fq_store *store);

#endif
