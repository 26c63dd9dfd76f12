// SPDX-License-Identifier: Apache-2.0
// What tls.c needs of a context.
#ifndef FQ_NET_TLS_CONTEXT_H
#define FQ_NET_TLS_CONTEXT_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct fq_tls_context {
    SSL_CTX *ctx;
    bool is_server;
};

/** The newest entry of OpenSSL's error queue as text; empties the queue. */
void fq_tls_take_error(char *text, size_t size);

#endif
