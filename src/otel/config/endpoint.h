// SPDX-License-Identifier: Apache-2.0
// Endpoints of OTLP as people write them. Source: the OTLP exporter specification, "endpoint URLs for OTLP/HTTP".
#ifndef OTEL_CONFIG_ENDPOINT_H
#define OTEL_CONFIG_ENDPOINT_H

#include "otel/exporter.h"
#include "otel/pool.h"

struct otel_endpoint_parts {
    bool has_scheme, is_tls, is_unix;
    char host[256]; // without brackets
    int port;       // -1 = none
    bool has_path;  // more than "/"
};
/** http://, https://, unix:PATH, dns:///HOST:PORT, HOST:PORT. NULL and *ret, or what is wrong with it (static). */
const char *otel_endpoint_parse(const char *text, struct otel_endpoint_parts *ret_endpoint);
/** The URL of a signal behind a base: exactly one slash, then v1/traces, v1/metrics, v1/logs. NULL when out of memory. */
char *otel_endpoint_signal_url(struct otel_pool *pool, const char *base, enum otel_signal signal);
/** A signal's own URL: as it is, with the path "/" if it has none. */
char *otel_endpoint_own_url(struct otel_pool *pool, const char *url);

#endif
