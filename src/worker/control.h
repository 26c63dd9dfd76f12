// SPDX-License-Identifier: Apache-2.0
// The socket between a supervisor and a runner (a SOCK_SEQPACKET pair): one packet is one message, a type byte and bytes.
// It carries the credential, which therefore stands in no argument list and no environment; and it tells each that the
// other is gone. Both sides treat what they receive as untrusted.
#ifndef FQ_WORKER_CONTROL_H
#define FQ_WORKER_CONTROL_H

#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fq_control_type {
    FQ_CONTROL_SETUP = 'S',  // supervisor: first packet, struct fq_runner_setup as JSON
    FQ_CONTROL_NUDGE = 'N',  // supervisor: look at the board (orders, wishes)
    FQ_CONTROL_READY = 'R',  // runner: names are on the board; the text is its version
    FQ_CONTROL_FAILED = 'F', // runner: loading failed; the text is for people
    FQ_CONTROL_WAKE = 'W',   // runner: tasks are on the board of a supervisor that sleeps
};
enum { FQ_CONTROL_MAX = 64 * 1024 };

/** Two ends, close-on-exec, non-blocking. 0 or FQ_EIO. */
FQ_MUST_USE int fq_control_pair(int ret_fds[2]);
/** 0, FQ_EAGAIN when the other side does not read, FQ_EDISCONNECTED, FQ_ETOOBIG. */
int fq_control_send(int fd, enum fq_control_type type, const void *bytes, size_t len);
/** 1 with a packet (`out` has room for FQ_CONTROL_MAX + 1 bytes, NUL added), 0 if none waits, FQ_EDISCONNECTED. */
FQ_MUST_USE int fq_control_receive(int fd, char *ret_type, char *out, size_t *ret_len);

/** What a runner must know. Strings are owned; absent ones are "". */
struct fq_runner_setup {
    char *version;
    char *address, *user, *token;
    char *tls_ca, *tls_cert, *tls_key;
    char *worker_id, *instance;
    int64_t async_concurrency;
    int64_t max_tasks; // 0 = no limit
    bool allow_pickle;
    bool telemetry;    // export what the runner records
    bool traces, logs; // who takes spans, who takes log records
};
/** The setup as a packet body; free() it. NULL when out of memory. */
char *fq_runner_setup_encode(const struct fq_runner_setup *setup, size_t *ret_len);
/** 0, FQ_EPROTOCOL, FQ_ENOMEM. */
FQ_MUST_USE int fq_runner_setup_decode(const char *bytes, size_t len, struct fq_runner_setup *ret_setup);
void fq_runner_setup_done(struct fq_runner_setup *setup);

#endif
