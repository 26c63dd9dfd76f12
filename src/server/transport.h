// SPDX-License-Identifier: Apache-2.0
// Binds streams to the core's connections: listens, shakes hands, feeds what arrives, sends what may leave, closes. The
// core decides everything else.
#ifndef FQ_SERVER_TRANSPORT_H
#define FQ_SERVER_TRANSPORT_H

#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"
#include "server/core.h"

typedef struct fq_transports fq_transports;

struct fq_transports_config {
    fq_loop *loop;
    fq_core *core;
    const fq_log *log;
    fq_tls_context *tls;        // of tls:// listeners, borrowed; NULL if there are none
    uint32_t handshake_max;     // TLS handshakes under way at a time; above, the oldest gives way
    int64_t handshake_limit_us; // from the connect to the end of the handshake
};

struct fq_transports_stats {
    uint64_t open, handshakes, handshakes_failed_total, handshakes_evicted_total;
    uint64_t turned_away_total; // for want of descriptors or memory
};

fq_transports *fq_transports_new(const struct fq_transports_config *config);
/** Closes listeners and streams; the loop must run once more before it is closed. NULL is fine. Returns NULL. */
fq_transports *fq_transports_free(fq_transports *transports);
/** Listens on `address`; FQ_EIO with the cause in `error`. `ret_bound` gets the address with the real port. */
FQ_MUST_USE int fq_transports_listen(fq_transports *transports, const struct fq_address *address, char *error,
                                     size_t size, struct fq_address *ret_bound);
/** New handshakes use `tls` from now on; the old context may be freed. */
void fq_transports_set_tls(fq_transports *transports, fq_tls_context *tls);
/** After the core's turn: sends what is ready, stops and resumes reading, ends what is over. */
void fq_transports_flush(fq_transports *transports, struct fq_now now);
/** When fq_transports_flush wants to be called for a deadline; boot time. */
int64_t fq_transports_deadline(const fq_transports *transports);
void fq_transports_stats(const fq_transports *transports, struct fq_transports_stats *ret_stats);

#endif
