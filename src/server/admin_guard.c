// SPDX-License-Identifier: Apache-2.0
#include "server/admin_guard.h"

static bool ends_with(fq_str text, fq_str suffix) {
    return text.len > suffix.len &&
           fq_str_equal_nocase((fq_str){text.ptr + text.len - suffix.len, suffix.len}, suffix);
}

static bool is_ipv4(fq_str host) {
    bool any_digit = false;
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] >= '0' && host.ptr[i] <= '9')
            any_digit = true;
        else if (host.ptr[i] != '.')
            return false;
    }
    return any_digit;
}

bool fq_admin_host_is_ours(fq_str host, fq_str own_host) {
    if (host.len > 0 && host.ptr[0] == '[')
        return true; // an IPv6 literal: no name that could be pointed elsewhere
    const char *colon = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;
    if (colon != NULL)
        host.len = (size_t)(colon - host.ptr);
    if (host.len > 0 && host.ptr[host.len - 1] == '.')
        host.len--;
    if (host.len == 0)
        return false;
    if (memchr(host.ptr, '.', host.len) == NULL || is_ipv4(host))
        return true;
    static const fq_str suffixes[] = {
        {".localhost", 10},
        {".local",     6 },
        {".internal",  9 },
        {".svc",       4 }
    };
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (ends_with(host, suffixes[i]))
            return true;
    return fq_str_equal_nocase(host, own_host);
}

bool fq_admin_origin_is_ours(fq_str origin, fq_str host) {
    if (origin.len == 0)
        return true;
    static const fq_str schemes[] = {
        {"http://",  7},
        {"https://", 8}
    };
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t len = schemes[i].len;
        if (origin.len >= len && fq_str_equal_nocase((fq_str){origin.ptr, len}, schemes[i]))
            return fq_str_equal_nocase((fq_str){origin.ptr + len, origin.len - len}, host);
    }
    return false;
}
