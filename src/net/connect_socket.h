// SPDX-License-Identifier: Apache-2.0
// A socket on its way to a server.
#ifndef FQ_NET_CONNECT_SOCKET_H
#define FQ_NET_CONNECT_SOCKET_H

#include "fastqueue/error.h"
#include "net/address.h"

/**
 * A non-blocking, close-on-exec socket whose connect has begun: it becomes writable when it is through, and SO_ERROR then
 * says how it went. A name with several addresses is tried from number `attempt` (modulo their count) on, so that a caller
 * who counts his attempts reaches all of them. Names are resolved in place: the call may block on the resolver.
 * FQ_ECONNECT with a sentence in `errstr` (size > 0).
 */
FQ_MUST_USE int fq_connect_socket(const struct fq_address *address, unsigned attempt, char *errstr,
                                  size_t errstr_size, int *ret_fd);

#endif
