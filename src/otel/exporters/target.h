// SPDX-License-Identifier: Apache-2.0
// Where an exporter sends to, taken apart. Source: OTLP exporter specification, "endpoint" and "insecure".
#ifndef OTEL_EXPORTERS_TARGET_H
#define OTEL_EXPORTERS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OTEL_HOST_MAX = 255, OTEL_SOCKET_PATH_MAX = 107 };

struct otel_target {
    bool is_unix, is_tls;
    char host[OTEL_HOST_MAX + 1]; // without brackets; TCP
    uint16_t port;
    char path[OTEL_SOCKET_PATH_MAX + 1]; // unix
    char authority[OTEL_HOST_MAX + 16];  // host:port as the :authority header has it
    bool has_path;                       // a URL with a path, which gRPC does not use
};
/** Of gRPC: http://h:p, https://h[:p], h[:p], dns:h:p, unix:/path, unix:///path. OTEL_OK, or OTEL_FAILED with a sentence in
 *  `*ret_reason` (static). */
int otel_target_parse_grpc(const char *endpoint, bool insecure, struct otel_target *ret_target,
                           const char **ret_reason);
/** Of HTTP: http:// and https:// URLs. */
int otel_target_parse_http(const char *url, struct otel_target *ret_target, const char **ret_reason);
/** An endpoint as it may be said and logged: without what can be a secret, user and password, query and fragment. Cut at
 *  `size`. */
void otel_target_say(const char *endpoint, char *text, size_t size);

#endif
