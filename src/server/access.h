// SPDX-License-Identifier: Apache-2.0
// Who may come in: listening addresses, users and certificates as the options name them, the refusal to be open to
// everybody, and the credential of the server's own worker.
#ifndef FQ_SERVER_ACCESS_H
#define FQ_SERVER_ACCESS_H

#include "net/address.h"
#include "net/tls.h"
#include "server/credentials.h"
#include "server/server.h"

enum { FQ_LISTEN_MAX = 16, FQ_OWN_TOKEN_TEXT = 65 };
#define FQ_OWN_WORKER_USER "fastqueue-own-worker"

struct fq_access {
    struct fq_address listen[FQ_LISTEN_MAX];
    size_t listen_count;
    bool has_http;
    struct fq_address http;
    fq_credentials *credentials;       // empty = everybody may do everything
    fq_tls_context *tls;               // NULL = no tls:// address
    bool has_token;                    // user "default" has one:
    unsigned char token_digest[32];    // its SHA-256
    char own_token[FQ_OWN_TOKEN_TEXT]; // of FQ_OWN_WORKER_USER; "" = nobody needs one
};

/** 0, or FQ_EINVALID with one or several sentences in `error`: a bad address, an unreadable file, or protected mode's
 *  refusal with the ways out. Also FQ_ENOMEM. `own_worker_secret` (32 random bytes) makes the own worker's token. Of
 *  `options->token` a digest is kept; its text is wiped. */
FQ_MUST_USE int fq_access_open(const struct fq_server_options *options,
                               const unsigned char own_worker_secret[32], struct fq_access *ret_access,
                               char *error, size_t size);
/** Reads users and certificates anew into `*ret_access`, addresses and own token as before; `access` is unchanged. */
FQ_MUST_USE int fq_access_reload(const struct fq_server_options *options, const struct fq_access *access,
                                 struct fq_access *ret_access, char *error, size_t size);
/** All zero is fine. */
void fq_access_done(struct fq_access *access);

#endif
