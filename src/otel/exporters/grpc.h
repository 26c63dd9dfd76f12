// SPDX-License-Identifier: Apache-2.0
// OTLP over gRPC as a transport of delivery.h.
#ifndef OTEL_EXPORTERS_GRPC_H
#define OTEL_EXPORTERS_GRPC_H

#include "otel/exporters/delivery.h"

int otel_grpc_exporter_new(const struct otel_otlp_options *options, struct otel_exporter *ret_exporter,
                           char *reason, size_t reason_size);
/** What an ended call means. Pure. */
void otel_grpc_judge(const struct otel_grpc_call *call, size_t response_max,
                     struct otel_attempt *ret_attempt);

#endif
