// SPDX-License-Identifier: Apache-2.0
// Where a server listens or a client connects: tcp://host:port, tls://host:port, unix:///path, with IPv6 hosts in brackets
// and an optional `user:token@` (either half percent-encoded). A missing scheme is tcp, a missing port 5555, a host "*"
// every address of the machine.
#ifndef FQ_NET_ADDRESS_H
#define FQ_NET_ADDRESS_H

#include "base/str.h"
#include "fastqueue/error.h"

#include <stdbool.h>
#include <stdint.h>

enum fq_address_kind { FQ_ADDRESS_TCP, FQ_ADDRESS_TLS, FQ_ADDRESS_UNIX };

enum {
    FQ_ADDRESS_PORT_DEFAULT = 5555,
    FQ_ADDRESS_HOST_MAX = 255,
    FQ_ADDRESS_PATH_MAX = 107, // what the kernel's sun_path holds
    FQ_ADDRESS_USER_MAX = 64,
    FQ_ADDRESS_TOKEN_MAX = 256,
    FQ_ADDRESS_TEXT = 300, // room that fq_address_format needs
};

struct fq_address {
    enum fq_address_kind kind;
    char host[FQ_ADDRESS_HOST_MAX + 1]; // a name or an IP without brackets; TCP and TLS
    uint16_t port;                      // 0 = the kernel's choice, for listeners
    char path[FQ_ADDRESS_PATH_MAX + 1]; // UNIX
    char user[FQ_ADDRESS_USER_MAX + 1]; // "" = none given
    char token[FQ_ADDRESS_TOKEN_MAX + 1];
};

/** 0, or FQ_EINVALID with a sentence in `*ret_reason` (static storage) that never quotes the credentials. */
FQ_MUST_USE int fq_address_parse(fq_str text, struct fq_address *ret_address, const char **ret_reason);
/** Writes the address without credentials, NUL terminated. */
void fq_address_format(const struct fq_address *address, char text[FQ_ADDRESS_TEXT]);
/** Reachable from this machine only: a Unix socket, 127.0.0.0/8, ::1, or the name "localhost". */
bool fq_address_is_local(const struct fq_address *address);

#endif
