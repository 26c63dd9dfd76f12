// SPDX-License-Identifier: Apache-2.0
// A runner's connection: drives a client session over a non-blocking socket that lies in an epoll set, plain or through
// TLS, and connects again when it breaks. Nothing here blocks but the resolver.
#ifndef FQ_WORKER_LINK_H
#define FQ_WORKER_LINK_H

#include "base/buf.h"
#include "fastqueue/session.h"
#include "net/address.h"
#include "net/tls.h"

struct fq_link {
    fq_session *session;
    struct fq_address address;
    fq_tls_context *tls_context; // NULL = plain
    fq_tls *tls;
    fq_buf plain; // decrypted, on its way to the session
    int epoll_fd; // borrowed
    int fd;       // -1 = not connected
    bool connecting;
    bool wants_write; // registered for EPOLLOUT
    unsigned attempts;
    int64_t retry_at_us;
    int failure; // why the last connection was given up; 0 = it was not
    char error[256];
};

struct fq_link_options {
    const char *address, *user, *token;      // user and token: "" = those of the address, if any
    const char *tls_ca, *tls_cert, *tls_key; // "" = none
    const char *client_name;
    uint64_t seed;
    int epoll_fd;
};

/** Prepares; the first fq_link_step connects. 0, FQ_EINVALID, FQ_ETLS or FQ_ENOMEM with a sentence in link->error. */
FQ_MUST_USE int fq_link_open(struct fq_link *link, const struct fq_link_options *options);
void fq_link_close(struct fq_link *link);
/** In a forked child: lets go of the socket without a word to the peer. */
void fq_link_forget(struct fq_link *link);

/** Reads and writes what is possible; feeds the session; connects when it is time. */
void fq_link_step(struct fq_link *link, int64_t now_us);
/** Writes what the session has to say, if anything. */
void fq_link_write(struct fq_link *link, int64_t now_us);
/** When fq_link_step wants to be called without traffic. */
int64_t fq_link_deadline(const struct fq_link *link);
/** Nothing is left to write. */
bool fq_link_is_flushed(const struct fq_link *link);

#endif
