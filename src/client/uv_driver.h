// SPDX-License-Identifier: Apache-2.0
// A session on a libuv loop, with a connection of its own: connects, over TLS too, logs in, writes what was queued once a
// loop turn, reconnects with backoff until it is closed or the credential is refused. All on the loop's thread.
#ifndef FQ_CLIENT_UV_DRIVER_H
#define FQ_CLIENT_UV_DRIVER_H

#include "client/target.h"
#include "fastqueue/session.h"

#include <uv.h>

typedef struct fq_uv_driver fq_uv_driver;

struct fq_uv_driver_handler {
    /** Each event of the session; it borrows as fq_session_next_event says. New requests, and fq_uv_driver_close, may be
     *  called out of it; they may not feed or take events. */
    void (*on_event)(void *context, const struct fq_session_event *event);
    /** The connection was lost or could not be made. The next attempt comes after `retry_us`; INT64_MAX: none will, the
     *  credential was refused. NULL = not wanted. */
    void (*on_lost)(void *context, int error, const char *reason, int64_t retry_us);
};

struct fq_uv_driver_options {
    uv_loop_t *loop;
    struct fq_target_options target;
    struct fq_session_options session;          // user and token are taken from the target
    const struct fq_uv_driver_handler *handler; // borrowed
    void *context;
};
/** Defaults; loop, handler and context are still to be set. */
void fq_uv_driver_options_init(struct fq_uv_driver_options *options);

/** Starts connecting with the next turn of the loop. FQ_EINVALID, FQ_ETLS or FQ_ENOMEM with a sentence in `error`; a control plane that cannot
 *  be reached is no error here. */
FQ_MUST_USE int fq_uv_driver_open(const struct fq_uv_driver_options *options, char *error, size_t error_size,
                                  fq_uv_driver **ret_driver);
/** For requests; what they queue is written before the loop sleeps again. Do not feed, tick or take events. */
fq_session *fq_uv_driver_session(fq_uv_driver *driver);
/** Closes the connection at once, no handler is called any more; memory is freed as the loop runs on. The session is gone
 *  with the call. NULL is fine. Returns NULL. */
fq_uv_driver *fq_uv_driver_close(fq_uv_driver *driver);

#endif
