// SPDX-License-Identifier: Apache-2.0
// The part of an exporter's options that its transport keeps: headers checked and copied, user agent.
#ifndef OTEL_EXPORTERS_OTLP_SETTINGS_H
#define OTEL_EXPORTERS_OTLP_SETTINGS_H

#include "otel/exporters/otlp.h"

struct otel_otlp_settings {
    enum otel_signal signal;
    char *user_agent;
    struct otel_otlp_header *headers;
    size_t header_count;
    bool gzip;
    size_t response_max;
};
/** Headers that cannot be sent are left out and reported by their key. `for_grpc`: keys in lower case, values of keys that
 *  end in -bin in base64. OTEL_FAILED when out of memory. */
int otel_otlp_settings_copy(const struct otel_otlp_options *options, bool for_grpc,
                            struct otel_otlp_settings *ret_settings);
void otel_otlp_settings_done(struct otel_otlp_settings *settings);

#endif
