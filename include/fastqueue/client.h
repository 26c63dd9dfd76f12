// SPDX-License-Identifier: Apache-2.0
/**
 * Blocking client: submit tasks, wait for results. Reconnects with backoff and repeats submits under the same id.
 * A client may be used by one thread at a time. Every string given is copied or used during the call only.
 */
#ifndef FASTQUEUE_CLIENT_H
#define FASTQUEUE_CLIENT_H

#include "fastqueue/session.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fq_client fq_client;

struct fq_client_options {
    size_t size;
    /* tcp://host:port, tls://host:port, unix:///path, each with user:token@ in front of the host if wanted; several with
     * commas between are tried in turn. NULL: $FASTQUEUE_CONTROL_PLANE_ADDRESS, else tcp://127.0.0.1:5555 */
    const char *address;
    const char *user;     /* NULL: from the address, else $FASTQUEUE_USER */
    const char *token;    /* NULL: from the address, else $FASTQUEUE_TOKEN */
    const char *tls_ca;   /* PEM file; NULL: $FASTQUEUE_TLS_CA, else the system's */
    const char *tls_cert; /* client certificate, NULL: $FASTQUEUE_TLS_CERT, else none; and … */
    const char *tls_key;  /* … its key, NULL: $FASTQUEUE_TLS_KEY */
    int64_t timeout_ms;   /* of one call, connecting and repeating included; 30,000 */
    uint32_t retries;     /* how often the connection may be lost during one call; 3 */
    const char *name;     /* shown by CLIENT LIST; NULL = none */
    /* Spans and metrics of this client: an SDK of the program's own that lives longer than the client (otel/sdk.h). NULL:
     * when FASTQUEUE_TELEMETRY_ENABLED is true, the program's default SDK, or one that is made from the environment and
     * becomes the default; it flushes when the program exits, within FASTQUEUE_TELEMETRY_EXIT_TIMEOUT. */
    struct otel_sdk *telemetry;
    bool no_telemetry; /* neither; the caller's current context still travels with its tasks */
};
FQ_API void fq_client_options_init(struct fq_client_options *options);

/** Connects and logs in; an address that refuses is tried `retries` times more, with growing pauses. 0, or FQ_ECONNECT, FQ_ETLS, FQ_EWRONGPASS, … with the sentence in `errstr` (may be NULL). */
FQ_API FQ_MUST_USE int fq_client_open(const struct fq_client_options *options, fq_client **ret_client,
                                      char *errstr, size_t errstr_size);
/** NULL is fine. Returns NULL. */
FQ_API fq_client *fq_client_close(fq_client *client);

/** Returns when the submission is durable. A refusal for now (FULL, BUSY, DRAINING) is repeated under the same id until the
 *  timeout. `payload` in the encoding of `options` (default JSON {"args":[],"kwargs":{}}). */
FQ_API FQ_MUST_USE int fq_client_submit(fq_client *client, const char *name, const void *payload,
                                        size_t payload_len, const struct fq_submit_options *options,
                                        char ret_id[37]);
/** Many at once, thousands in one write. `ret_ids` may be NULL. Stops at the first error that repeating does not mend:
 *  then the ids of what was submitted are set, those of the others empty. The timeout starts anew with every answer. */
struct fq_client_task {
    const char *name;
    const void *payload;
    size_t payload_len;
    const struct fq_submit_options *options; /* NULL = defaults */
};
FQ_API FQ_MUST_USE int fq_client_submit_many(fq_client *client, const struct fq_client_task *tasks,
                                             size_t count, char (*ret_ids)[37]);
/** Waits until the task has ended, at most `wait_ms` (FQ_ETIMEOUT; negative: no limit). FQ_EUNKNOWNTASK. The result borrows
 *  until the next call. */
FQ_API FQ_MUST_USE int fq_client_wait(fq_client *client, const char *id, int64_t wait_ms,
                                      struct fq_task_result *ret_result);
/** Submits and waits in one go: fq_client_submit and fq_client_wait without a round trip between them. */
FQ_API FQ_MUST_USE int fq_client_call(fq_client *client, const char *name, const void *payload,
                                      size_t payload_len, const struct fq_submit_options *options,
                                      int64_t wait_ms, struct fq_task_result *ret_result);
/** How the task stands now, with its result if it has one. FQ_EUNKNOWNTASK. The result borrows until the next call. */
FQ_API FQ_MUST_USE int fq_client_result(fq_client *client, const char *id, struct fq_task_result *ret_result);
/** How the task stands now, without its result. FQ_EUNKNOWNTASK. Borrows until the next call. */
FQ_API FQ_MUST_USE int fq_client_status(fq_client *client, const char *id, struct fq_task_result *ret_result);
/** 1 cancelled (a running task is told so by its worker), 0 too late. FQ_EUNKNOWNTASK. */
FQ_API FQ_MUST_USE int fq_client_cancel(fq_client *client, const char *id);
/** Any command; the values borrow until the next call. Only those that change nothing are repeated when the connection is
 *  lost; the others then end with FQ_EDISCONNECTED. */
FQ_API FQ_MUST_USE int fq_client_command(fq_client *client, const fq_slice *args, size_t arg_count,
                                         const struct fq_value **ret_values);
/** What is to be asked of, or done to, the whole of a queue that has several shards: calls `visit` with a client of each of them, lent for
 *  the call, by number; of a queue without shards with `client`. Ends early with what `visit` returned if that is not 0, or with an error
 *  where a shard cannot be reached. */
FQ_API FQ_MUST_USE int fq_client_each_shard(fq_client *client, int (*visit)(void *context, fq_client *shard),
                                            void *context);
/** The sentence for the last error. */
FQ_API const char *fq_client_error(const fq_client *client);

#ifdef __cplusplus
}
#endif
#endif
