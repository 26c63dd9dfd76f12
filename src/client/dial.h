// SPDX-License-Identifier: Apache-2.0
// Opening a socket to an address, without waiting: the pieces that blocking and event-loop users share.
#ifndef FQ_CLIENT_DIAL_H
#define FQ_CLIENT_DIAL_H

#include "net/address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

/** What getaddrinfo is to look for. */
struct addrinfo fq_dial_hints(void);
/** The port as getaddrinfo wants it. */
void fq_dial_service(const struct fq_address *address, char text[8]);
/** The socket address of a Unix address; returns its length. */
socklen_t fq_dial_unix(const struct fq_address *address, struct sockaddr_un *ret_name);
/** A non-blocking, close-on-exec socket that connects (or has connected) to `name`. FQ_ECONNECT with errno set. */
FQ_MUST_USE int fq_dial_start(const struct sockaddr *name, socklen_t len, int *ret_fd);
/** After the socket became writable: 0 or the errno of the connect. */
int fq_dial_result(int fd);

#endif
