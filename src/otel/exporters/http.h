// SPDX-License-Identifier: Apache-2.0
// OTLP over HTTP, protobuf or JSON, as a transport of delivery.h.
#ifndef OTEL_EXPORTERS_HTTP_H
#define OTEL_EXPORTERS_HTTP_H

#include "otel/exporters/http_line.h"

int otel_http_exporter_new(const struct otel_otlp_options *options, struct otel_exporter *ret_exporter,
                           char *reason, size_t reason_size);

// An answer as it came, whatever brought it.
struct otel_http_answer {
    long status;
    const char *content_type, *retry_after; // "" = not given
    const char *body;
    size_t body_len;
};
/** What it means. Pure. */
void otel_http_judge(const struct otel_http_answer *answer, int64_t now_unix_ns,
                     struct otel_attempt *ret_attempt);

#endif
