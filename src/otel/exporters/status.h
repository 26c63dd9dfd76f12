// SPDX-License-Identifier: Apache-2.0
// What an answer's status means for the batch: the retry table of the OTLP specification ("failures"), and the mapping of
// HTTP and HTTP/2 errors to gRPC codes ("HTTP to gRPC status code mapping", "gRPC over HTTP2: errors").
#ifndef OTEL_EXPORTERS_STATUS_H
#define OTEL_EXPORTERS_STATUS_H

#include <stdbool.h>
#include <stdint.h>

enum otel_grpc_status {
    OTEL_GRPC_OK,
    OTEL_GRPC_CANCELLED,
    OTEL_GRPC_UNKNOWN,
    OTEL_GRPC_INVALID_ARGUMENT,
    OTEL_GRPC_DEADLINE_EXCEEDED,
    OTEL_GRPC_NOT_FOUND,
    OTEL_GRPC_ALREADY_EXISTS,
    OTEL_GRPC_PERMISSION_DENIED,
    OTEL_GRPC_RESOURCE_EXHAUSTED,
    OTEL_GRPC_FAILED_PRECONDITION,
    OTEL_GRPC_ABORTED,
    OTEL_GRPC_OUT_OF_RANGE,
    OTEL_GRPC_UNIMPLEMENTED,
    OTEL_GRPC_INTERNAL,
    OTEL_GRPC_UNAVAILABLE,
    OTEL_GRPC_DATA_LOSS,
    OTEL_GRPC_UNAUTHENTICATED,
    OTEL_GRPC_STATUS_COUNT,
};

/** "UNAVAILABLE"; "UNKNOWN" for numbers that are no code. */
const char *otel_grpc_status_name(int status);
/** May the same batch be sent again? `has_retry_info`: the status carried a RetryInfo. */
bool otel_grpc_is_transient(int status, bool has_retry_info);
/** For an answer without grpc-status. */
enum otel_grpc_status otel_grpc_status_of_http(int http_status);
/** For a stream that the peer reset. */
enum otel_grpc_status otel_grpc_status_of_reset(uint32_t http2_error);

bool otel_http_is_success(long status);
bool otel_http_is_transient(long status);
/** What a user can do about it, a clause for the end of a sentence; "" if there is nothing to say. */
const char *otel_grpc_remedy(int status);
const char *otel_http_remedy(long status);

#endif
