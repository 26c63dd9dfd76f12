// SPDX-License-Identifier: Apache-2.0
#include "otel/config/endpoint.h"

#include "base/str.h"

#include <strings.h>

static const char *parse_authority(const char *text, size_t len, struct otel_endpoint_parts *endpoint) {
    const char *end = text + len, *at = memrchr(text, '@', len);
    if (at != NULL)
        text = at + 1; // user information is not used
    const char *host = text, *colon;
    if (text < end && *text == '[') {
        const char *bracket = memchr(text, ']', (size_t)(end - text));
        if (bracket == NULL)
            return "the bracket of the address is not closed";
        host = text + 1;
        colon = bracket + 1 < end ? bracket + 1 : NULL;
        len = (size_t)(bracket - host);
        if (colon != NULL && *colon != ':')
            return "behind the bracket a port has to follow";
    } else {
        colon = memrchr(text, ':', (size_t)(end - text));
        len = (size_t)((colon != NULL ? colon : end) - host);
    }
    if (len == 0 || len >= sizeof endpoint->host)
        return "it names no host";
    if (memchr(host, ' ', len) != NULL)
        return "a host name has no blanks";
    memcpy(endpoint->host, host, len);
    endpoint->host[len] = '\0';
    int64_t port = -1;
    if (colon != NULL && colon + 1 < end &&
        (fq_str_to_int64((fq_str){colon + 1, (size_t)(end - colon - 1)}, &port) < 0 || port < 1 ||
         port > 65535))
        return "the port is no number from 1 to 65535";
    endpoint->port = (int)port;
    return NULL;
}

const char *otel_endpoint_parse(const char *text, struct otel_endpoint_parts *ret_endpoint) {
    struct otel_endpoint_parts endpoint = {.port = -1};
    if (strncasecmp(text, "unix:", 5) == 0) {
        endpoint.is_unix = endpoint.has_scheme = true;
        *ret_endpoint = endpoint;
        return text[5] != '\0' ? NULL : "it names no socket";
    }
    const char *scheme = strstr(text, "://");
    if (strncasecmp(text, "https://", 8) == 0)
        endpoint.has_scheme = endpoint.is_tls = true;
    else if (strncasecmp(text, "http://", 7) == 0)
        endpoint.has_scheme = true;
    else if (strncasecmp(text, "dns:///", 7) == 0)
        scheme = text + 4;
    else if (scheme != NULL)
        return "only http://, https:// and unix: are known";
    const char *authority = scheme == NULL ? text : scheme + 3;
    size_t len = strcspn(authority, "/?#");
    endpoint.has_path = authority[len] != '\0' && strcmp(authority + len, "/") != 0;
    const char *reason = parse_authority(authority, len, &endpoint);
    if (reason == NULL)
        *ret_endpoint = endpoint;
    return reason;
}

char *otel_endpoint_signal_url(struct otel_pool *pool, const char *base, enum otel_signal signal) {
    static const char *const paths[] = {"v1/traces", "v1/metrics", "v1/logs"};
    size_t len = strcspn(base, "?#");
    bool slash = len > 0 && base[len - 1] == '/';
    return otel_pool_format(pool, "%.*s%s%s", (int)len, base, slash ? "" : "/", paths[signal]);
}

char *otel_endpoint_own_url(struct otel_pool *pool, const char *url) {
    const char *scheme = strstr(url, "://");
    const char *authority = scheme != NULL ? scheme + 3 : url;
    size_t len = strcspn(authority, "/?#");
    return otel_pool_format(pool, "%.*s%s%s", (int)((size_t)(authority - url) + len), url,
                            authority[len] == '/' ? "" : "/", authority + len);
}
