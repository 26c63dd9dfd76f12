// SPDX-License-Identifier: Apache-2.0
// The pull exporter: a page /metrics that a reader without an exporter is asked for at each request. The HTTP server is
// libmicrohttpd, loaded when the first one is made.
#ifndef OTEL_EXPORTERS_PROMETHEUS_SERVER_H
#define OTEL_EXPORTERS_PROMETHEUS_SERVER_H

#include "otel/exporters/prometheus_families.h"
#include "otel/metrics/provider.h"

struct otel_prometheus_server_options {
    const char *host; // NULL = "localhost"
    uint16_t port;    // 0 = any free one
    struct otel_prometheus_options naming;
    otel_meter_provider *provider; // borrowed; outlives the server
    size_t reader;                 // a cumulative one without an exporter
};
typedef struct otel_prometheus_server otel_prometheus_server;

/** Serves from now on, on a thread of its own. NULL and a reason with its remedy. */
otel_prometheus_server *otel_prometheus_server_new(const struct otel_prometheus_server_options *options,
                                                   char *reason, size_t reason_size);
uint16_t otel_prometheus_server_port(const otel_prometheus_server *server);
/** Ends it. Requests under way are answered first. */
otel_prometheus_server *otel_prometheus_server_free(otel_prometheus_server *server);
/** In the child of a fork: the port stays the parent's; the child serves nothing. Free it as usual. */
void otel_prometheus_server_fork_child(otel_prometheus_server *server);

#endif
