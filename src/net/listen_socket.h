// SPDX-License-Identifier: Apache-2.0
// Bound and listening sockets for one address.
#ifndef FQ_NET_LISTEN_SOCKET_H
#define FQ_NET_LISTEN_SOCKET_H

#include "fastqueue/error.h"
#include "net/address.h"

enum { FQ_LISTEN_SOCKET_MAX = 4 };

/** Fills `fds` (owned by the caller) with one socket for each address that the host stands for, and `address->port` with
 *  the kernel's choice if it was 0. FQ_EIO with the cause in `error`. */
FQ_MUST_USE int fq_listen_sockets(struct fq_address *address, int fds[FQ_LISTEN_SOCKET_MAX],
                                  size_t *ret_count, char *error, size_t size);

#endif
