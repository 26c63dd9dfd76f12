// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/otlp.h"

#include "otel/exporters/grpc.h"
#include "otel/exporters/http.h"

#include <stdio.h>

int otel_otlp_exporter_new(const struct otel_otlp_options *options, struct otel_exporter *ret_exporter,
                           char *reason, size_t reason_size) {
    switch (options->protocol) {
    case OTEL_OTLP_GRPC: return otel_grpc_exporter_new(options, ret_exporter, reason, reason_size);
    case OTEL_OTLP_HTTP_PROTOBUF:
    case OTEL_OTLP_HTTP_JSON: return otel_http_exporter_new(options, ret_exporter, reason, reason_size);
    }
    snprintf(reason, reason_size, "no such protocol");
    return OTEL_FAILED;
}
