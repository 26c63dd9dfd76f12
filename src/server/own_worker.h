// SPDX-License-Identifier: Apache-2.0
// The supervisor of tasks that the control plane runs itself (--task-modules): a child process like any other worker, with
// a credential that may only work. It is restarted with growing pauses when it dies, and ended with the server.
#ifndef FQ_SERVER_OWN_WORKER_H
#define FQ_SERVER_OWN_WORKER_H

#include "net/loop.h"
#include "server/server.h"

typedef struct fq_own_worker fq_own_worker;

struct fq_own_worker_config {
    fq_loop *loop;
    const struct fq_server_options *options;
    const char *token; // its credential; "" = none is needed
    /** Its modules cannot be loaded (it said why): the server is to end with code 1. */
    void (*on_module_failed)(void *context);
    void *context;
};

/** Starts it; NULL when out of memory. A process that cannot be started is tried again. */
fq_own_worker *fq_own_worker_start(const struct fq_own_worker_config *config);
/** Restarts it when its pause is over. Returns when it wants to be called again, boot time. */
int64_t fq_own_worker_step(fq_own_worker *worker, struct fq_now now);
/** SIGTERM: it finishes what runs and is not started again. */
void fq_own_worker_drain(fq_own_worker *worker);
/** False once it has ended for good. NULL: false. */
bool fq_own_worker_is_running(const fq_own_worker *worker);
/** Kills it if it still runs. NULL is fine. Returns NULL. */
fq_own_worker *fq_own_worker_free(fq_own_worker *worker);

#endif
