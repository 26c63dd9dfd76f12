// SPDX-License-Identifier: Apache-2.0
// One kept gRPC connection that several threads call over at once. There is no thread of its own: of those who wait for
// their answers one serves the connection for all of them.
#ifndef OTEL_EXPORTERS_GRPC_CHANNEL_H
#define OTEL_EXPORTERS_GRPC_CHANNEL_H

#include "otel/exporters/grpc_session.h"
#include "otel/exporters/stream.h"

typedef struct otel_grpc_channel otel_grpc_channel;

/** Parses the endpoint and loads the TLS files. NULL with a reason. */
otel_grpc_channel *otel_grpc_channel_new(const struct otel_otlp_options *options, char *reason,
                                         size_t reason_size);
otel_grpc_channel *otel_grpc_channel_free(otel_grpc_channel *channel);
const struct otel_target *otel_grpc_channel_target(const otel_grpc_channel *channel);

enum otel_call_end {
    OTEL_CALL_ANSWERED,    // call->ended, as far as the peer answered
    OTEL_CALL_UNREACHABLE, // no connection; `reason` says why
    OTEL_CALL_TIMEOUT,     // `reason` may say what there was to wait for
    OTEL_CALL_GIVEN_UP,
    OTEL_CALL_NO_GRPC, // the peer speaks something else
};
struct otel_call_limits {
    int64_t deadline_ns;
    const atomic_bool *is_given_up; // set by another thread, which then calls otel_grpc_channel_wake()
};
/** Makes the call. A call that the peer did not process, or that was lost with a connection that had been idle, is made once
 *  more on a new one. Any thread. */
enum otel_call_end otel_grpc_channel_call(otel_grpc_channel *channel, struct otel_grpc_call *call,
                                          const struct otel_call_limits *limits,
                                          char reason[OTEL_STREAM_REASON_MAX]);
/** Everybody who waits looks again at whether he is to give up. Any thread. */
void otel_grpc_channel_wake(otel_grpc_channel *channel);
/** In a forked child: the connection is the parent's; forgets it without a word on it. */
void otel_grpc_channel_after_fork(otel_grpc_channel *channel);

#endif
