// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/target.h"

#include "base/str.h"
#include "otel/attribute.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { GRPC_PORT = 4317, HTTP_PORT = 80, HTTPS_PORT = 443 };

static bool take_prefix(const char **text, const char *prefix) {
    size_t len = strlen(prefix);
    if (strncasecmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

static int fail(const char **ret_reason, const char *reason) {
    *ret_reason = reason;
    return OTEL_FAILED;
}

static int parse_port(fq_str text, uint16_t *ret_port) {
    uint64_t port;
    if (fq_str_to_uint64(text, &port) < 0 || port == 0 || port > UINT16_MAX)
        return OTEL_FAILED;
    *ret_port = (uint16_t)port;
    return OTEL_OK;
}

// host, host:port, [v6], [v6]:port; `text` ends where the authority does.
static int parse_host(fq_str text, uint16_t default_port, struct otel_target *target,
                      const char **ret_reason) {
    fq_str host = text, rest = {"", 0};
    bool bracketed = text.len > 0 && text.ptr[0] == '[';
    const char *end = text.len > 0 ? memchr(text.ptr, bracketed ? ']' : ':', text.len) : NULL;
    if (bracketed && end == NULL)
        return fail(ret_reason, "the endpoint's IPv6 address lacks its closing bracket");
    if (end != NULL) {
        const char *begin = text.ptr + (bracketed ? 1 : 0);
        host = (fq_str){begin, (size_t)(end - begin)};
        end += bracketed ? 1 : 0;
        rest = (fq_str){end, text.len - (size_t)(end - text.ptr)};
    }
    if (host.len == 0 || host.len > OTEL_HOST_MAX)
        return fail(ret_reason, "the endpoint has no host");
    for (size_t i = 0; i < host.len; i++) {
        if ((unsigned char)host.ptr[i] <= ' ' || host.ptr[i] == 0x7F)
            return fail(ret_reason, "the endpoint's host holds a blank or a control character");
    }
    target->port = default_port;
    if (rest.len > 0 &&
        (rest.ptr[0] != ':' || parse_port((fq_str){rest.ptr + 1, rest.len - 1}, &target->port) < 0))
        return fail(ret_reason, "the endpoint's port is no number from 1 to 65535");
    memcpy(target->host, host.ptr, host.len);
    target->host[host.len] = '\0';
    snprintf(target->authority, sizeof target->authority, bracketed ? "[%s]:%u" : "%s:%u", target->host,
             target->port);
    return OTEL_OK;
}

static int parse_authority(const char *text, uint16_t default_port, struct otel_target *target,
                           const char **ret_reason) {
    size_t len = strcspn(text, "/?#");
    const char *at = len > 0 ? memrchr(text, '@', len) : NULL;
    size_t skip = at != NULL ? (size_t)(at - text) + 1 : 0;
    target->has_path = text[len] != '\0' && strcmp(text + len, "/") != 0;
    return parse_host((fq_str){text + skip, len - skip}, default_port, target, ret_reason);
}

static int parse_unix(const char *text, struct otel_target *target, const char **ret_reason) {
    if (strncmp(text, "//", 2) == 0)
        text += 2;
    if (text[0] != '/')
        return fail(ret_reason, "a Unix socket is written unix:/path/to/socket");
    if (strlen(text) > OTEL_SOCKET_PATH_MAX)
        return fail(ret_reason, "the Unix socket's path is longer than 107 bytes");
    target->is_unix = true;
    snprintf(target->path, sizeof target->path, "%s", text);
    snprintf(target->authority, sizeof target->authority, "localhost");
    return OTEL_OK;
}

int otel_target_parse_grpc(const char *endpoint, bool insecure, struct otel_target *ret_target,
                           const char **ret_reason) {
    struct otel_target target = {0};
    int result;
    if (take_prefix(&endpoint, "http://")) {
        result = parse_authority(endpoint, HTTP_PORT, &target, ret_reason);
    } else if (take_prefix(&endpoint, "https://")) {
        target.is_tls = true;
        result = parse_authority(endpoint, HTTPS_PORT, &target, ret_reason);
    } else if (take_prefix(&endpoint, "unix:")) {
        result = parse_unix(endpoint, &target, ret_reason);
    } else {
        if (!take_prefix(&endpoint, "dns:///"))
            (void)take_prefix(&endpoint, "dns:");
        if (strstr(endpoint, "://") != NULL)
            return fail(ret_reason, "the endpoint's scheme is none of http, https, unix and dns");
        target.is_tls = !insecure;
        result = parse_authority(endpoint, GRPC_PORT, &target, ret_reason);
    }
    if (result == OTEL_OK)
        *ret_target = target;
    return result;
}

int otel_target_parse_http(const char *url, struct otel_target *ret_target, const char **ret_reason) {
    struct otel_target target = {0};
    target.is_tls = take_prefix(&url, "https://");
    if (!target.is_tls && !take_prefix(&url, "http://"))
        return fail(ret_reason, "an endpoint of OTLP over HTTP begins with http:// or https://");
    int result = parse_authority(url, target.is_tls ? HTTPS_PORT : HTTP_PORT, &target, ret_reason);
    if (result == OTEL_OK)
        *ret_target = target;
    return result;
}

void otel_target_say(const char *endpoint, char *text, size_t size) {
    const char *slashes = strstr(endpoint, "://");
    const char *authority = slashes != NULL ? slashes + 3 : endpoint;
    size_t scheme_len = (size_t)(authority - endpoint), len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *rest = at != NULL ? at + 1 : authority;
    snprintf(text, size, "%.*s%.*s", (int)scheme_len, endpoint, (int)strcspn(rest, "?#"), rest);
}
