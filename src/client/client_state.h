// SPDX-License-Identifier: Apache-2.0
// What is inside a blocking client; shared by the client*.c files only.
#ifndef FQ_CLIENT_CLIENT_STATE_H
#define FQ_CLIENT_CLIENT_STATE_H

#include "base/random.h"
#include "base/time.h"
#include "client/target.h"
#include "client/telemetry.h"
#include "client/transport.h"
#include "fastqueue/client.h"

struct fq_client {
    struct fq_target target;
    fq_session *session;
    fq_transport *transport; // NULL while there is none
    int64_t connect_at_us;   // when it may be tried again
    uint64_t connections;    // how many there were so far
    int64_t timeout_us;
    uint32_t retries;
    uint64_t next_tag;
    fq_random random;
    struct fq_client_telemetry telemetry;
    struct fq_client_shards *shards; // NULL: the queue has none, or this is the client of one of them
    bool is_of_shard;                // of another client's; its TLS context is that one's
    char *name;                      // NULL = none
    char error[320];
};

/** A client of one of `client`'s shards, at `addresses` (HOST:PORT with commas between), with all else that `client` has. The caller
 *  closes it before `client`. On failure `client` has the sentence. */
FQ_MUST_USE int fq_client_open_shard(fq_client *client, const char *addresses, fq_client **ret_shard);

/** One call: what it waits for, and what it cannot wait for any longer. */
struct fq_client_errand {
    uint64_t tag; // events of other tags are not for it
    int64_t deadline_us;
    int64_t wake_us;        // on_wake is due; FQ_NEVER_US = never
    uint32_t losses_left;   // of the connection; one more ends the call with FQ_EDISCONNECTED
    uint32_t connects_left; // failed attempts to connect; one more ends the call with FQ_ECONNECT
    int refusal;            // the last error that may mend itself; what the call ends with when time is over
    /** 0 to go on; anything else ends the call with it. */
    int (*on_event)(fq_client *client, struct fq_client_errand *errand, const struct fq_session_event *event);
    int (*on_wake)(fq_client *client, struct fq_client_errand *errand); // NULL = never called
    void *context;
};

/** Drives the connection until on_event ends the call, or time, the credential or the losses do. */
FQ_MUST_USE int fq_client_drive(fq_client *client, struct fq_client_errand *errand);
/** A call with a new tag, as the client's options limit it. */
struct fq_client_errand fq_client_errand_begin(fq_client *client);
/** Sets the deadline `ms` from now; negative = never. */
void fq_client_errand_set_deadline(struct fq_client_errand *errand, int64_t ms);
/** False when the connection broke while nobody looked; the next call connects. */
bool fq_client_is_connected(fq_client *client);
/** One command, and `wait_ms` more than a call has to hear its answer. `repeatable`: sent again after a lost connection. */
FQ_MUST_USE int fq_client_request(fq_client *client, const fq_slice *args, size_t arg_count, bool repeatable,
                                  int64_t wait_ms, const struct fq_value **ret_values);
/** The sentence of a failed call; returns `error`. */
int fq_client_fail(fq_client *client, int error, fq_slice message);
int fq_client_fail_session(fq_client *client, int error); // the session refused a request
int fq_client_fail_text(fq_client *client, int error, const char *message);
/** Pause number `attempt` (from 0) before a refused request is repeated. */
int64_t fq_client_pause_us(fq_client *client, uint32_t attempt);

#endif
