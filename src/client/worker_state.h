// SPDX-License-Identifier: Apache-2.0
// What is inside a worker; shared by the worker*.c files only.
#ifndef FQ_CLIENT_WORKER_STATE_H
#define FQ_CLIENT_WORKER_STATE_H

#include "base/buf.h"
#include "client/client_state.h"
#include "fastqueue/worker.h"
#include "telemetry/telemetry.h"

/** Tasks of the last fetch; all their text stands in `text`. */
struct fq_worker_grants {
    struct fq_worker_task *tasks;
    size_t count, capacity;
    char *text;
    size_t text_capacity;
};

struct fq_worker {
    fq_client *client;
    fq_buf text;    // words of FQ.REGISTER, each with a NUL behind
    fq_slice *args; // into `text`; the second one is the worker's id
    size_t arg_count;
    bool has_instance;   // the third and fourth are INSTANCE and the nonce
    uint64_t connection; // of the client, that it registered on; 0 = none
    struct fq_worker_grants grants;
    struct fq_telemetry_settings telemetry;
};

/** Fills what the report leaves open from its run. */
void fq_run_fill(struct fq_lease_report *report);
/** The run is over: its span ends, and what it took is measured. `type` NULL = it succeeded. NULL run: nothing. */
void fq_run_end(fq_client *client, struct fq_run *run, const char *type, const char *message,
                const char *stack, int64_t run_us);

/** Copies the answer to a FETCH. FQ_EPROTOCOL if it is none, FQ_ENOMEM; then there are no tasks. */
FQ_MUST_USE int fq_worker_grants_take(struct fq_worker_grants *grants, const struct fq_value *values);
void fq_worker_grants_done(struct fq_worker_grants *grants);

#endif
