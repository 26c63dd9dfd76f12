// SPDX-License-Identifier: Apache-2.0
/**
 * The worker's side for programs that run tasks inside their own process:
 *
 *     struct fq_worker_options options;
 *     fq_worker_options_init(&options);
 *     options.names = (const char *const[]){"thumbnail"};
 *     options.name_count = 1;
 *     fq_worker_open(client, &options, &worker);
 *     while (fq_worker_fetch(worker, 1, 30000, &tasks, &count) == 0) {
 *         for (size_t i = 0; i < count; i++)
 *             … work on tasks[i], then fq_lease_complete(client, &tasks[i].lease, "null", 4, NULL);
 *     }
 *
 * With telemetry, and for exact times, each run is bracketed: fq_run_begin before the work, `report.run` when it is reported.
 *
 * A task that crashes takes the program with it, and nobody else enforces time limits or heartbeats: where that matters,
 * write a task module (task.h) and let `fastqueue subworker` run it.
 *
 * A fetched task is leased: it is this worker's for `lease_ms`, and until then again with every heartbeat. What takes longer
 * must be told with fq_lease_heartbeat every third of that time. A lease is proved by its id and token alone, on any client,
 * of any thread. So one client and worker serve one thread; a long task is run by the thread that fetched it while another
 * thread heartbeats with a second client, and a program with many threads may fetch in one and report in each.
 *
 * Functions return 0 or a negative FQ_E…; fq_client_error of the client in question has the sentence.
 */
#ifndef FASTQUEUE_WORKER_H
#define FASTQUEUE_WORKER_H

#include "fastqueue/client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- fetching ------------------------------------------------------------------------------------------------------- */
typedef struct fq_worker fq_worker;

struct fq_worker_options {
    size_t size;
    const char *worker_id;    /* NULL: $FASTQUEUE_WORKER_ID, else host name and process id */
    const char *const *names; /* the tasks that it works; at least one */
    size_t name_count;
    uint32_t slots; /* how many it runs at once, as shown by FQ.WORKERS; 1 */
    /* A nonce of this process. NULL: none, leases end by time alone. With one, a second live process under the same worker
     * id is refused (FQ_EWORKEREXISTS), and a connection that is gone for a second gives the leases back. */
    const char *instance;
};
FQ_API void fq_worker_options_init(struct fq_worker_options *options);

/** Registers the worker, and again whenever the connection or the control plane's memory of it was lost. `client` is
 *  borrowed until fq_worker_close; the options are copied. FQ_EINVALID, FQ_EWORKEREXISTS, FQ_ENOPERM, FQ_ECONNECT, … */
FQ_API FQ_MUST_USE int fq_worker_open(fq_client *client, const struct fq_worker_options *options,
                                      fq_worker **ret_worker);
/** Unregisters if the connection stands: leases that it still has go back uncharged, so report first. Frees the tasks. NULL is
 *  fine. Returns NULL. */
FQ_API fq_worker *fq_worker_close(fq_worker *worker);

/** The proof of a lease; copy it freely. */
struct fq_lease {
    char id[37];    /* of the task */
    uint64_t token; /* fencing token: only grows per task */
};

/** Every slice is followed by a NUL that its length does not count; len 0 = not given. Times are unix milliseconds. */
struct fq_worker_task {
    struct fq_lease lease;
    fq_slice name, payload, encoding, priority;
    fq_slice traceparent, tracestate, baggage; /* of the submitter */
    uint32_t attempt;                          /* 1 = first */
    int64_t timeout_ms;                        /* of one run, for the worker to keep; 0 = none */
    int64_t submitted_at, eligible_at;
    int64_t wait_us;               /* from eligible to fetched */
    int64_t lease_ms;              /* how long the lease lasts without a heartbeat */
    fq_slice previous_traceparent; /* of the attempt before, if it told one */
    int64_t previous_ended_at; /* of the attempt before; 0 = none, or unknown as where it told no context */
};

/** Leases 1 to `count` tasks (above 1,000 counts as 1,000), waiting up to `wait_ms` for the first (0: not at all; negative: no limit).
 *  *ret_count is 0 when time is over. The tasks are the worker's, until its next fetch or its end.
 *  A lost connection and a control plane that restarts are borne within the wait, each as long as the client's timeout and
 *  retries allow. What was leased by an answer that got lost comes back, uncharged, when those leases end. */
FQ_API FQ_MUST_USE int fq_worker_fetch(fq_worker *worker, uint32_t count, int64_t wait_ms,
                                       const struct fq_worker_task **ret_tasks, size_t *ret_count);

/* --- runs ----------------------------------------------------------------------------------------------------------- */
struct otel_span;
/* One run of a task by this program; lives on the stack of who works it. */
struct fq_run {
    struct otel_span
        *span; /* worker.execute_task, to be made current: otel_scope_enter_span(); NULL = telemetry is off */
    const struct fq_worker_task *task;
    int64_t started_unix_ms, began_us;
    char traceparent[56]; /* of the span; "" = none */
};
/** The work begins: takes the time, and begins the span if the client has telemetry (client.h). Borrows the task until the
 *  run is reported. */
FQ_API void fq_run_begin(fq_worker *worker, const struct fq_worker_task *task, struct fq_run *ret_run);

/* --- leases --------------------------------------------------------------------------------------------------------- */
/* Each returns when the control plane has it on disk, and FQ_ESTALELEASE when the lease is no longer held: it ended, or the
 * outcome was reported already; drop the outcome. All are asked again when the connection is lost, so FQ_ESTALELEASE may
 * then also mean that the first one was heard. */

/** What is known about a run; NULL instead = nothing. */
struct fq_lease_report {
    size_t size;
    int64_t started_unix_ms; /* 0 = when it was fetched */
    int64_t run_us;          /* negative = unknown */
    const char *traceparent; /* of the run; NULL = none */
    const char *encoding;    /* of a result; NULL = "json" */
    const char *stack;       /* of a failure; NULL = none */
    bool no_retry;           /* of a failure: for good, whatever was submitted */
    struct fq_run *
        run; /* gives started, run time and traceparent where they are not set, and its span ends with the report */
};
FQ_API void fq_lease_report_init(struct fq_lease_report *report);

/** The task succeeded. FQ_ETOOBIG: the result is above the limit; the task is still leased. */
FQ_API FQ_MUST_USE int fq_lease_complete(fq_client *client, const struct fq_lease *lease, const void *result,
                                         size_t result_len, const struct fq_lease_report *report);
/** Many successes in one exchange instead of one each: what a worker of short tasks says of all that it fetched. */
struct fq_lease_outcome {
    struct fq_lease lease;
    const void *result;
    size_t result_len;
    const struct fq_lease_report
        *report; /* NULL = nothing is known; a run ends with this call unless run_us is set */
    int error;   /* set by the call: what fq_lease_complete would have returned for it */
};
/** 0 when each was answered; else the error of the one that ended the call, as FQ_EDISCONNECTED or FQ_ETIMEOUT, which those
 *  that were not answered have too. The timeout starts anew with every answer. */
FQ_API FQ_MUST_USE int fq_lease_complete_many(fq_client *client, struct fq_lease_outcome *outcomes,
                                              size_t count);
/** The run failed: retried as submitted, else a failure. `type` as an exception's name, 1 to 255 bytes. A task whose
 *  cancellation was asked for becomes cancelled by this. */
FQ_API FQ_MUST_USE int fq_lease_fail(fq_client *client, const struct fq_lease *lease, const char *type,
                                     const char *message, const struct fq_lease_report *report);
/** Gives an unstarted task back, nothing charged. */
FQ_API FQ_MUST_USE int fq_lease_release(fq_client *client, const struct fq_lease *lease);

struct fq_lease_beat {
    struct fq_lease lease;
    bool is_running;         /* false: held, not started; a crash is then not charged to it */
    int64_t started_unix_ms; /* 0 = now */
};
enum fq_lease_verdict {
    FQ_LEASE_OK,     /* extended */
    FQ_LEASE_CANCEL, /* extended; somebody cancelled the task: stop it, then fq_lease_fail */
    FQ_LEASE_STALE,  /* no longer held: stop, report nothing */
    FQ_LEASE_DRAIN   /* extended; the control plane is about to stop: release what has not started */
};
/** Extends leases, and hears of each how it stands: ret_verdicts[count]. */
FQ_API FQ_MUST_USE int fq_lease_heartbeat(fq_client *client, const struct fq_lease_beat *beats, size_t count,
                                          enum fq_lease_verdict *ret_verdicts);

#ifdef __cplusplus
}
#endif
#endif
