// SPDX-License-Identifier: Apache-2.0
// TLS without sockets: encrypted bytes in, plain bytes out, and the other way round. OpenSSL over memory BIOs, so that
// event loops, blocking clients and tests use one implementation. TLS 1.2 at least, no renegotiation, no compression, no
// early data. One thread at a time per object; contexts may be shared by sessions of one thread.
#ifndef FQ_NET_TLS_H
#define FQ_NET_TLS_H

#include "base/buf.h"
#include "fastqueue/error.h"

#include <stdbool.h>

typedef struct fq_tls_context fq_tls_context;
typedef struct fq_tls fq_tls;

struct fq_tls_options {
    bool is_server;
    const char *cert_file; // PEM chain; a server needs it, for a client NULL = no certificate of its own
    const char *key_file;  // PEM
    // Server: clients must show a certificate signed by one of these; NULL = none is asked for.
    // Client: who may have signed the server's certificate; NULL = the system's store.
    const char *ca_file;
};

/** Reads certificates and keys. FQ_ETLS with the file and the cause in `error` (size > 0), or FQ_ENOMEM. */
FQ_MUST_USE int fq_tls_context_new(const struct fq_tls_options *options, char *error, size_t size,
                                   fq_tls_context **ret_context);
/** Sessions made from it live on. NULL is fine. Returns NULL. */
fq_tls_context *fq_tls_context_free(fq_tls_context *context);

/** `host`: what a client expects the certificate to be for, a DNS name or an IP address; NULL for servers.
 *  A client's first flight is in fq_tls_output() at once. FQ_ETLS or FQ_ENOMEM. */
FQ_MUST_USE int fq_tls_new(fq_tls_context *context, const char *host, fq_tls **ret_tls);
fq_tls *fq_tls_free(fq_tls *tls);

/** Takes all of `cipher` from the peer and appends what it decrypts to `plain`. 0; FQ_ECLOSED when the peer ended the
 *  stream properly; FQ_ETLS (fq_tls_error says why, an alert may be in the output) and FQ_ENOMEM end the session. */
FQ_MUST_USE int fq_tls_feed(fq_tls *tls, fq_str cipher, fq_buf *plain);
/** Encrypts `plain`; *ret_taken is 0 until the handshake is done, else all of it. FQ_ETLS or FQ_ENOMEM. */
FQ_MUST_USE int fq_tls_write(fq_tls *tls, fq_str plain, size_t *ret_taken);
/** Bytes to be sent to the peer; the caller consumes what it sent. Look after each call. */
fq_buf *fq_tls_output(fq_tls *tls);
/** The handshake is done and the peer was verified as the context demands. */
bool fq_tls_is_ready(const fq_tls *tls);
/** Says goodbye: a close_notify is appended to the output. */
void fq_tls_finish(fq_tls *tls);
/** Common name of the verified peer certificate; empty if it showed none. Lives as long as the session. */
fq_str fq_tls_peer_name(const fq_tls *tls);
/** Why the last call failed; one line. */
const char *fq_tls_error(const fq_tls *tls);

#endif
