// SPDX-License-Identifier: Apache-2.0
// Where a client connects and as whom. Each value is taken from the options, else from the address, else from the
// environment; so that the blocking client, workers and tools agree.
#ifndef FQ_CLIENT_TARGET_H
#define FQ_CLIENT_TARGET_H

#include "net/address.h"
#include "net/tls.h"

#include <stddef.h>

struct fq_target_options {
    const char *
        address; // one, or several with commas between; NULL: $FASTQUEUE_CONTROL_PLANE_ADDRESS, else the default
    const char *user;               // NULL: the address's, else $FASTQUEUE_USER
    const char *token;              // NULL: the address's, else $FASTQUEUE_TOKEN
    const char *tls_ca;             // NULL: $FASTQUEUE_TLS_CA, else the system's store
    const char *tls_cert, *tls_key; // NULL: $FASTQUEUE_TLS_CERT, $FASTQUEUE_TLS_KEY, else none
};

#define FQ_TARGET_DEFAULT "tcp://127.0.0.1:5555"
enum { FQ_TARGET_ADDRESSES_MAX = 16 };

struct fq_target {
    struct fq_address *addresses; // tried in this order
    size_t count;
    size_t current;      // the one to be tried next
    char *user;          // NULL = none
    char *token;         // NULL = none; wiped by fq_target_done
    fq_tls_context *tls; // NULL without a tls:// address
};

/** Copies everything and reads the certificates. FQ_EINVALID, FQ_ETLS or FQ_ENOMEM with a sentence in `error` that holds
 *  no secret; the target is empty then. */
FQ_MUST_USE int fq_target_init(struct fq_target *target, const struct fq_target_options *options, char *error,
                               size_t error_size);
/** Other addresses (HOST:PORT with commas between) for the same user, and by TLS if `like` is. The TLS context is borrowed: fq_target_done
 *  leaves it alone if it is set to NULL before. */
FQ_MUST_USE int fq_target_init_like(struct fq_target *target, const struct fq_target *like,
                                    const char *addresses, char *error, size_t error_size);
void fq_target_done(struct fq_target *target);
/** The address to try now. */
const struct fq_address *fq_target_address(const struct fq_target *target);
/** It could not be reached: the next one comes first from here on. */
void fq_target_advance(struct fq_target *target);
/** It is a standby, which named `leader` ("host:port"): that one comes first if it is among the addresses, else the next one. A credential is sent
 *  nowhere but to addresses that were given. */
void fq_target_follow(struct fq_target *target, const char *leader);

#endif
