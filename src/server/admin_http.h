// SPDX-License-Identifier: Apache-2.0
// The admin listener: health, metrics and the API over HTTP/1.1 by libmicrohttpd, polled by the server's loop. Requests go
// through the same gate as commands: what is not durable is not shown.
#ifndef FQ_SERVER_ADMIN_HTTP_H
#define FQ_SERVER_ADMIN_HTTP_H

#include "net/address.h"
#include "net/loop.h"
#include "otel/sdk.h"
#include "server/core.h"
#include "server/credentials.h"
#include "server/exposition.h"

typedef struct fq_admin_http fq_admin_http;

struct fq_admin_http_config {
    fq_loop *loop;
    fq_core *core;
    const fq_credentials *credentials; // borrowed; NULL or empty = everybody may do everything
    const fq_metrics *metrics;
    const fq_transports *transports; // borrowed
    const otel_sdk *telemetry;       // NULL = off
    const char *server_id;
    uint64_t body_bytes_max;
    int64_t started_us; // wall
    struct fq_address address;
};

/** Listens and serves. FQ_EIO with the cause in `error`, FQ_ENOMEM. */
FQ_MUST_USE int fq_admin_http_open(const struct fq_admin_http_config *config, char *error, size_t size,
                                   fq_admin_http **ret_http);
/** The address with the real port. */
const struct fq_address *fq_admin_http_address(const fq_admin_http *http);
void fq_admin_http_set_credentials(fq_admin_http *http, const fq_credentials *credentials);
/** After the core's turn: sends the answers that it gave. Returns the boot time at which it wants to be called again. */
int64_t fq_admin_http_turn(fq_admin_http *http, struct fq_now now);
/** Cuts every connection; the loop must run once more before it is closed. NULL is fine. Returns NULL. */
fq_admin_http *fq_admin_http_close(fq_admin_http *http);

#endif
