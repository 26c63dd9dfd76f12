// SPDX-License-Identifier: Apache-2.0
// A connected socket, plain or under TLS with ALPN "h2", that never blocks. One thread at a time.
#ifndef OTEL_EXPORTERS_STREAM_H
#define OTEL_EXPORTERS_STREAM_H

#include "otel/exporters/lookup.h"
#include "otel/exporters/target.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

enum { OTEL_STREAM_REASON_MAX = 192 };

struct otel_stream {
    int fd; // -1 = closed
    SSL *ssl;
    short wants; // what a read or write that could go no further waits for: POLLIN, POLLOUT, or both
};

struct otel_dial {
    const struct otel_target *target;
    SSL_CTX *tls;         // of target->is_tls
    otel_lookup **lookup; // kept between dials while it runs
    atomic_int *ret_fd;   // the socket from its making on, -1 when there is none; for fork handlers
    const struct otel_wait *wait;
};
/** Resolves, connects and shakes hands. READY: *ret_stream is open. TIMEOUT, GIVEN_UP, or WOKEN, which stands for any other
 *  failure here: `reason` says which, and what to do. */
enum otel_wait_end otel_stream_open(const struct otel_dial *dial, struct otel_stream *ret_stream,
                                    char reason[OTEL_STREAM_REASON_MAX]);
/** Bytes read; 0 = none now (`wants` says what for); OTEL_FAILED = end or error. */
ssize_t otel_stream_read(struct otel_stream *stream, void *bytes, size_t size);
/** Bytes taken; 0 = none now; OTEL_FAILED = broken. */
ssize_t otel_stream_write(struct otel_stream *stream, const void *bytes, size_t len);
/** Closes; `politely`: with TLS's goodbye. */
void otel_stream_close(struct otel_stream *stream, bool politely);

/** A context for clients: TLS 1.2 or later, ALPN h2, the server verified by `ca_file` or the system's store. NULL with a
 *  reason when a file cannot be used. */
SSL_CTX *otel_tls_context_new(const char *ca_file, const char *cert_file, const char *key_file, char *reason,
                              size_t reason_size);

#endif
