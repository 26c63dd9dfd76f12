// SPDX-License-Identifier: Apache-2.0
// Listening sockets of one address on a libuv loop. When the process is out of file descriptors a reserved one is given up
// to turn the caller away, and accepting pauses for a moment, so that a full process neither spins nor lets callers hang.
#ifndef FQ_NET_LISTENER_H
#define FQ_NET_LISTENER_H

#include "fastqueue/error.h"
#include "net/address.h"
#include "net/peer.h"

#include <uv.h>

typedef struct fq_listener fq_listener;

struct fq_listener_handler {
    /** A connected socket, close-on-exec and non-blocking; the callee owns it. */
    void (*on_socket)(void *context, int fd, const struct fq_peer *peer);
    /** Callers are turned away for want of descriptors or memory; once per pause. */
    void (*on_exhausted)(void *context, const char *reason);
};

/**
 * Binds every address that the host stands for and listens. A stale Unix socket is replaced, a live one refused; a new one
 * gets mode 0660. FQ_EIO with the cause in `error`. Handler and context are borrowed.
 */
FQ_MUST_USE int fq_listener_open(uv_loop_t *loop, const struct fq_address *address,
                                 const struct fq_listener_handler *handler, void *context, char *error,
                                 size_t size, fq_listener **ret_listener);
/** The address with the port that the kernel chose if it was 0. */
const struct fq_address *fq_listener_address(const fq_listener *listener);
/** Accepts no more; a Unix socket's path is removed. NULL is fine. Returns NULL. */
fq_listener *fq_listener_close(fq_listener *listener);

#endif
