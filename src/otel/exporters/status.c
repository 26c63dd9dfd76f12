// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/status.h"

static const char *const names[OTEL_GRPC_STATUS_COUNT] = {
    "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
};

const char *otel_grpc_status_name(int status) {
    return status >= 0 && status < OTEL_GRPC_STATUS_COUNT ? names[status] : "UNKNOWN";
}

bool otel_grpc_is_transient(int status, bool has_retry_info) {
    switch (status) {
    case OTEL_GRPC_CANCELLED:
    case OTEL_GRPC_DEADLINE_EXCEEDED:
    case OTEL_GRPC_ABORTED:
    case OTEL_GRPC_OUT_OF_RANGE:
    case OTEL_GRPC_UNAVAILABLE:
    case OTEL_GRPC_DATA_LOSS: return true;
    // Without RetryInfo the receiver does not say that it will recover.
    case OTEL_GRPC_RESOURCE_EXHAUSTED: return has_retry_info;
    default: return false;
    }
}

enum otel_grpc_status otel_grpc_status_of_http(int http_status) {
    switch (http_status) {
    case 400:
    case 431: return OTEL_GRPC_INTERNAL;
    case 401: return OTEL_GRPC_UNAUTHENTICATED;
    case 403: return OTEL_GRPC_PERMISSION_DENIED;
    case 404: return OTEL_GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504: return OTEL_GRPC_UNAVAILABLE;
    default: return OTEL_GRPC_UNKNOWN;
    }
}

enum { H2_REFUSED_STREAM = 7, H2_CANCEL = 8, H2_ENHANCE_YOUR_CALM = 11, H2_INADEQUATE_SECURITY = 12 };

enum otel_grpc_status otel_grpc_status_of_reset(uint32_t http2_error) {
    switch (http2_error) {
    case H2_REFUSED_STREAM: return OTEL_GRPC_UNAVAILABLE;
    case H2_CANCEL: return OTEL_GRPC_CANCELLED;
    case H2_ENHANCE_YOUR_CALM: return OTEL_GRPC_RESOURCE_EXHAUSTED;
    case H2_INADEQUATE_SECURITY: return OTEL_GRPC_PERMISSION_DENIED;
    default: return OTEL_GRPC_INTERNAL;
    }
}

bool otel_http_is_success(long status) {
    return status >= 200 && status < 300;
}

bool otel_http_is_transient(long status) {
    return status == 429 || status == 502 || status == 503 || status == 504;
}

const char *otel_grpc_remedy(int status) {
    switch (status) {
    case OTEL_GRPC_UNAUTHENTICATED:
    case OTEL_GRPC_PERMISSION_DENIED: return "check the key in OTEL_EXPORTER_OTLP_HEADERS";
    case OTEL_GRPC_UNIMPLEMENTED:
        return "set the signal's OTEL_*_EXPORTER=none, or send it to a collector that takes it";
    case OTEL_GRPC_RESOURCE_EXHAUSTED: return "send less or smaller batches, or raise the receiver's limit";
    case OTEL_GRPC_UNAVAILABLE: return "check that a collector runs there";
    default: return "";
    }
}

const char *otel_http_remedy(long status) {
    switch (status) {
    case 401:
    case 403: return "check the key in OTEL_EXPORTER_OTLP_HEADERS";
    case 404:
    case 405: return "check the path in OTEL_EXPORTER_OTLP_ENDPOINT";
    case 413: return "send smaller batches, or raise the receiver's limit";
    case 415: return "choose another OTEL_EXPORTER_OTLP_PROTOCOL";
    default: break;
    }
    if (status >= 300 && status < 400)
        return "redirects are not followed: set the final address in OTEL_EXPORTER_OTLP_ENDPOINT";
    return "";
}
