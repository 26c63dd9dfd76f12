// SPDX-License-Identifier: Apache-2.0
// What is known of one endpoint, shared by the exporters that send to it: its gRPC connection, and until when it asked to be
// left alone.
#ifndef OTEL_EXPORTERS_ENDPOINT_H
#define OTEL_EXPORTERS_ENDPOINT_H

#include "otel/exporters/grpc_channel.h"

#include <pthread.h>

struct otel_endpoint {
    char *key; // endpoint and all that a connection depends on
    unsigned holders;
    struct otel_endpoint *next;
    otel_otlp_pool *pool; // that lists it; NULL = none
    otel_grpc_channel *channel;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t hold_until_ns; // no request before; 0 = none
};
/** The endpoint of these options, from the pool or made. NULL with a reason. */
struct otel_endpoint *otel_endpoint_take(const struct otel_otlp_options *options, char *reason,
                                         size_t reason_size);
/** Returns NULL. */
struct otel_endpoint *otel_endpoint_leave(struct otel_endpoint *endpoint);

/** Nobody sends for `delay_ms` from `now_ns` on. */
void otel_endpoint_hold(struct otel_endpoint *endpoint, int64_t now_ns, int64_t delay_ms);
enum otel_endpoint_end { OTEL_ENDPOINT_FREE, OTEL_ENDPOINT_TIMEOUT, OTEL_ENDPOINT_GIVEN_UP };
/** Waits until `until_ns` and until the endpoint is not held any more. TIMEOUT at once when that would be behind the
 *  deadline. */
enum otel_endpoint_end otel_endpoint_wait(struct otel_endpoint *endpoint, const struct otel_runtime *runtime,
                                          int64_t until_ns, int64_t deadline_ns,
                                          const atomic_bool *is_given_up);
/** Everybody who waits looks again at whether he is to give up. */
void otel_endpoint_wake(struct otel_endpoint *endpoint);
/** In a forked child. */
void otel_endpoint_after_fork(struct otel_endpoint *endpoint);

#endif
