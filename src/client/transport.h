// SPDX-License-Identifier: Apache-2.0
// A connection for callers without an event loop: a non-blocking socket, plain or TLS, and poll(). Nothing here waits
// longer than told. Times are microseconds of CLOCK_BOOTTIME (net/clock.h). One thread at a time.
#ifndef FQ_CLIENT_TRANSPORT_H
#define FQ_CLIENT_TRANSPORT_H

#include "net/address.h"
#include "net/tls.h"

typedef struct fq_transport fq_transport;

/** Resolves, connects and, for tls://, shakes hands and verifies the peer, until `deadline_us` (the name look-up has its
 *  own time limits). `tls` is borrowed during the call; needed for tls:// only.
 *  FQ_ECONNECT, FQ_ETLS, FQ_ETIMEOUT, FQ_ENOMEM with a sentence that names the address in `error`. */
FQ_MUST_USE int fq_transport_open(const struct fq_address *address, fq_tls_context *tls, int64_t deadline_us,
                                  char *error, size_t error_size, fq_transport **ret_transport);
/** Closes at once; NULL is fine. Returns NULL. */
fq_transport *fq_transport_close(fq_transport *transport);

/** Writes what can be written now. FQ_EDISCONNECTED or FQ_ETLS with fq_transport_error. */
FQ_MUST_USE int fq_transport_write(fq_transport *transport, fq_str bytes, size_t *ret_taken);
/** What can be read now, borrowed until the next call; empty if nothing. FQ_ECLOSED when the peer has ended the stream
 *  (what came before it was given earlier), FQ_EDISCONNECTED, FQ_ETLS. */
FQ_MUST_USE int fq_transport_read(fq_transport *transport, fq_str *ret_bytes);
/** Writes on what TLS has encrypted and the socket did not take yet; for turns without anything to write. 0, or an error. */
FQ_MUST_USE int fq_transport_flush(fq_transport *transport);
/** Waits until something can be read, or, if `write`, written, at most until `deadline_us`; a signal ends it too. 0. */
int fq_transport_wait(fq_transport *transport, bool write, int64_t deadline_us);
const char *fq_transport_error(const fq_transport *transport);

#endif
