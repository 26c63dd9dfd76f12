// SPDX-License-Identifier: Apache-2.0
// Who is at the other end of a socket.
#ifndef FQ_NET_PEER_H
#define FQ_NET_PEER_H

#include <stdbool.h>
#include <stddef.h>

enum { FQ_PEER_SOURCE = 64 };

struct fq_peer {
    char text[128];              // "192.0.2.7:4711", "unix:/run/fastqueue.sock"
    char source[FQ_PEER_SOURCE]; // the address without port; of IPv6 its first 64 bits; "unix"
    bool is_local;               // loopback or unix socket
};

struct sockaddr;

/** `path`: of the listening Unix socket, for peers that have no address. */
void fq_peer_describe(const struct sockaddr *from, const char *path, struct fq_peer *ret_peer);
/** Ends both directions of a socket that somebody else closes. */
void fq_peer_hang_up(int fd);

#endif
