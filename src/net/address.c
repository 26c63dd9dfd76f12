// SPDX-License-Identifier: Apache-2.0
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool starts_with(fq_str text, fq_str prefix) {
    return text.len >= prefix.len && fq_str_equal_nocase((fq_str){text.ptr, prefix.len}, prefix);
}

static fq_str skip(fq_str text, size_t count) {
    return (fq_str){text.ptr + count, text.len - count};
}

static int copy(fq_str from, char *to, size_t size) {
    if (from.len >= size || memchr(from.ptr, 0, from.len) != NULL)
        return FQ_EINVALID;
    memcpy(to, from.ptr, from.len);
    to[from.len] = 0;
    return 0;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static int copy_decoded(fq_str from, char *to, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < from.len; i++) {
        int byte = (unsigned char)from.ptr[i];
        if (byte == '%') {
            if (i + 2 >= from.len)
                return FQ_EINVALID;
            int high = hex_digit(from.ptr[i + 1]), low = hex_digit(from.ptr[i + 2]);
            if (high < 0 || low < 0)
                return FQ_EINVALID;
            byte = high * 16 + low;
            i += 2;
        }
        if (byte < 0x20 || used + 1 >= size)
            return FQ_EINVALID;
        to[used++] = (char)byte;
    }
    to[used] = 0;
    return 0;
}

// `user:token@`, `:token@`. A lone word is refused: whether it is a user or a secret would be a guess.
static int parse_credentials(fq_str *text, struct fq_address *address, const char **ret_reason) {
    const char *at = memrchr(text->ptr, '@', text->len);
    if (at == NULL)
        return 0;
    fq_str both = {text->ptr, (size_t)(at - text->ptr)};
    const char *colon = memchr(both.ptr, ':', both.len);
    if (colon == NULL) {
        *ret_reason = "credentials are written user:token@ or :token@";
        return FQ_EINVALID;
    }
    size_t user_len = (size_t)(colon - both.ptr);
    if (copy_decoded((fq_str){both.ptr, user_len}, address->user, sizeof address->user) < 0 ||
        copy_decoded(skip(both, user_len + 1), address->token, sizeof address->token) < 0) {
        *ret_reason = "the user or the token is too long or has a bad %-escape";
        return FQ_EINVALID;
    }
    *text = skip(*text, both.len + 1);
    return 0;
}

static int parse_port(fq_str text, uint16_t *ret_port) {
    uint64_t port;
    if (text.len == 0 || text.len > 5 || fq_str_to_uint64(text, &port) < 0 || port > UINT16_MAX)
        return FQ_EINVALID;
    *ret_port = (uint16_t)port;
    return 0;
}

static int split_host(fq_str text, fq_str *ret_host, fq_str *ret_port, const char **ret_reason) {
    if (text.len > 0 && text.ptr[0] == '[') {
        const char *end = memchr(text.ptr, ']', text.len);
        if (end == NULL) {
            *ret_reason = "an IPv6 host needs its closing bracket";
            return FQ_EINVALID;
        }
        *ret_host = (fq_str){text.ptr + 1, (size_t)(end - text.ptr) - 1};
        *ret_port = skip(text, (size_t)(end - text.ptr) + 1);
    } else {
        const char *colon = memchr(text.ptr, ':', text.len);
        size_t len = colon == NULL ? text.len : (size_t)(colon - text.ptr);
        *ret_host = (fq_str){text.ptr, len};
        *ret_port = skip(text, len);
        if (colon != NULL && memchr(colon + 1, ':', ret_port->len - 1) != NULL) {
            *ret_reason = "an IPv6 host is written in brackets: tcp://[::1]:5555";
            return FQ_EINVALID;
        }
    }
    return 0;
}

static bool is_host(fq_str host) {
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                  c == '-' || c == '_' || c == ':' || c == '%';
        if (!ok)
            return false;
    }
    return host.len > 0;
}

static int parse_host_port(fq_str text, struct fq_address *address, const char **ret_reason) {
    fq_str host = {NULL, 0}, port = {NULL, 0};
    while (text.len > 0 && text.ptr[text.len - 1] == '/')
        text.len--;
    int error = split_host(text, &host, &port, ret_reason);
    if (error < 0)
        return error;
    if (fq_str_equal(host, FQ_STR("*")))
        host = FQ_STR("0.0.0.0");
    if (!is_host(host) || copy(host, address->host, sizeof address->host) < 0) {
        *ret_reason = "the host is missing, too long or has characters that no host has";
        return FQ_EINVALID;
    }
    address->port = FQ_ADDRESS_PORT_DEFAULT;
    if (port.len == 0)
        return 0;
    if (port.ptr[0] != ':' || parse_port(skip(port, 1), &address->port) < 0) {
        *ret_reason = "the port must be a number from 0 to 65535";
        return FQ_EINVALID;
    }
    return 0;
}

int fq_address_parse(fq_str text, struct fq_address *ret_address, const char **ret_reason) {
    struct fq_address address = {.kind = FQ_ADDRESS_TCP};
    *ret_reason = "";
    if (starts_with(text, FQ_STR("unix://"))) {
        address.kind = FQ_ADDRESS_UNIX;
        text = skip(text, 7);
        // A path may hold '@', so credentials are looked for only in front of its first slash.
        const char *slash = memchr(text.ptr, '/', text.len);
        fq_str head = {text.ptr, slash == NULL ? text.len : (size_t)(slash - text.ptr)};
        int error = parse_credentials(&head, &address, ret_reason);
        if (error < 0)
            return error;
        if (slash == NULL || head.len != 0) {
            *ret_reason = "a Unix socket needs an absolute path: unix:///run/fastqueue.sock";
            return FQ_EINVALID;
        }
        text = skip(text, (size_t)(slash - text.ptr));
        if (text.len < 2 || copy(text, address.path, sizeof address.path) < 0) {
            *ret_reason = "the path of a Unix socket has 1 to 107 bytes";
            return FQ_EINVALID;
        }
        *ret_address = address;
        return 0;
    }
    if (starts_with(text, FQ_STR("tls://"))) {
        address.kind = FQ_ADDRESS_TLS;
        text = skip(text, 6);
    } else if (starts_with(text, FQ_STR("tcp://"))) {
        text = skip(text, 6);
    } else if (memmem(text.ptr, text.len, "://", 3) != NULL) {
        *ret_reason = "an address starts with tcp://, tls:// or unix://";
        return FQ_EINVALID;
    }
    int error = parse_credentials(&text, &address, ret_reason);
    if (error == 0)
        error = parse_host_port(text, &address, ret_reason);
    if (error < 0)
        return error;
    *ret_address = address;
    return 0;
}

void fq_address_format(const struct fq_address *address, char text[FQ_ADDRESS_TEXT]) {
    if (address->kind == FQ_ADDRESS_UNIX) {
        snprintf(text, FQ_ADDRESS_TEXT, "unix://%s", address->path);
        return;
    }
    bool is_ipv6 = strchr(address->host, ':') != NULL;
    snprintf(text, FQ_ADDRESS_TEXT, "%s://%s%s%s:%u", address->kind == FQ_ADDRESS_TLS ? "tls" : "tcp",
             is_ipv6 ? "[" : "", address->host, is_ipv6 ? "]" : "", (unsigned)address->port);
}

bool fq_address_is_local(const struct fq_address *address) {
    if (address->kind == FQ_ADDRESS_UNIX)
        return true;
    if (fq_str_equal_nocase(fq_str_of(address->host), FQ_STR("localhost")))
        return true;
    struct in_addr ipv4;
    if (inet_pton(AF_INET, address->host, &ipv4) == 1)
        return (ntohl(ipv4.s_addr) >> 24) == 127;
    struct in6_addr ipv6;
    if (inet_pton(AF_INET6, address->host, &ipv6) != 1)
        return false;
    if (IN6_IS_ADDR_V4MAPPED(&ipv6))
        return ipv6.s6_addr[12] == 127;
    return IN6_IS_ADDR_LOOPBACK(&ipv6);
}
