// SPDX-License-Identifier: Apache-2.0
// Opens a socket to an address on a libuv loop: name look-up, then each address of the name in turn, within a time limit.
#ifndef FQ_CLIENT_UV_CONNECT_H
#define FQ_CLIENT_UV_CONNECT_H

#include "net/address.h"

#include <uv.h>

typedef struct fq_uv_connect fq_uv_connect;

/** `fd` is connected and the caller's, or negative with `reason` (valid during the call). Called once, never out of
 *  fq_uv_connect_start; the attempt is over and must not be cancelled any more. */
typedef void fq_uv_connect_done(void *context, int fd, const char *reason);

/** NULL when out of memory. `address` is copied. */
fq_uv_connect *fq_uv_connect_start(uv_loop_t *loop, const struct fq_address *address, int64_t timeout_ms,
                                   fq_uv_connect_done *done, void *context);
/** `done` is not called any more. NULL is fine. Returns NULL. */
fq_uv_connect *fq_uv_connect_cancel(fq_uv_connect *connect);

#endif
