// SPDX-License-Identifier: Apache-2.0
// A runner's connection: drives a client session over a non-blocking socket that lies in an epoll set, plain or through
// TLS, and connects again when it breaks. Nothing here blocks but the resolver.
#ifndef FQ_WORKER_LINK_H
#define FQ_WORKER_LINK_H

#include "base/buf.h"
#include "client/target.h"
#include "fastqueue/session.h"

struct fq_link {
    fq_session *session;
    struct fq_target target;
    fq_tls *tls;  // NULL = plain
    fq_buf plain; // decrypted, on its way to the session
    int epoll_fd; // borrowed
    int fd;       // -1 = not connected
    bool connecting;
    bool wants_write;  // registered for EPOLLOUT
    unsigned attempts; // which of a name's addresses is tried
    int64_t retry_at_us;
    char error[320];
};

struct fq_link_options {
    struct fq_target_options target;
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
