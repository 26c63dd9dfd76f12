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
    const char *
        address; /* tcp://host:port, tls://host:port, unix:///path; NULL: $FASTQUEUE_CONTROL_PLANE_ADDRESS, else tcp://127.0.0.1:5555 */
    const char *user;     /* NULL: from the address, else $FASTQUEUE_USER */
    const char *token;    /* NULL: from the address, else $FASTQUEUE_TOKEN */
    const char *tls_ca;   /* PEM file; NULL: $FASTQUEUE_TLS_CA, else the system's */
    const char *tls_cert; /* client certificate and … */
    const char *tls_key;  /* … its key */
    int64_t timeout_ms;   /* of one call, connecting and repeating included; 30,000 */
    uint32_t retries;     /* how often a lost request is repeated within the timeout; 3 */
};
FQ_API void fq_client_options_init(struct fq_client_options *options);

/** Connects. 0, or FQ_ECONNECT, FQ_ETLS, FQ_EWRONGPASS, … with the sentence in `errstr` (may be NULL). */
FQ_API FQ_MUST_USE int fq_client_open(const struct fq_client_options *options, fq_client **ret_client,
                                      char *errstr, size_t errstr_size);
/** NULL is fine. Returns NULL. */
FQ_API fq_client *fq_client_close(fq_client *client);

/** Returns when the submission is durable. `payload` in the encoding of `options` (default JSON {"args":[],"kwargs":{}}). */
FQ_API FQ_MUST_USE int fq_client_submit(fq_client *client, const char *name, const void *payload,
                                        size_t payload_len, const struct fq_submit_options *options,
                                        char ret_id[37]);
/** Many at once in one write. `ret_ids` may be NULL. Stops at the first error. */
struct fq_client_task {
    const char *name;
    const void *payload;
    size_t payload_len;
    const struct fq_submit_options *options; /* NULL = defaults */
};
FQ_API FQ_MUST_USE int fq_client_submit_many(fq_client *client, const struct fq_client_task *tasks,
                                             size_t count, char (*ret_ids)[37]);
/** Waits until the task has ended, at most `wait_ms` (FQ_ETIMEOUT). The result borrows until the next call. */
FQ_API FQ_MUST_USE int fq_client_wait(fq_client *client, const char *id, int64_t wait_ms,
                                      struct fq_task_result *ret_result);
/** How the task stands now. FQ_EUNKNOWNTASK. */
FQ_API FQ_MUST_USE int fq_client_status(fq_client *client, const char *id, struct fq_task_result *ret_result);
/** 1 cancelled, 0 too late. */
FQ_API FQ_MUST_USE int fq_client_cancel(fq_client *client, const char *id);
/** Any command; the values borrow until the next call. */
FQ_API FQ_MUST_USE int fq_client_command(fq_client *client, const fq_slice *args, size_t arg_count,
                                         const struct fq_value **ret_values);
/** The sentence for the last error. */
FQ_API const char *fq_client_error(const fq_client *client);

#ifdef __cplusplus
}
#endif
#endif
