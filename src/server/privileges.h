// SPDX-License-Identifier: Apache-2.0
// Giving root up. Started by root with --run-as, the control plane works as that user from its first file on; root's
// identity is kept in reserve for ports below 1024 only, and then given up for good, which is verified.
#ifndef FQ_SERVER_PRIVILEGES_H
#define FQ_SERVER_PRIVILEGES_H

#include "fastqueue/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fq_privileges {
    bool is_dropping; // begun, not yet given up
    uid_t uid;
    gid_t gid;
};

/**
 * Takes the groups and, for everything but what fq_privileges_raise encloses, the identity of user `name`. Nothing that is
 * executed later can gain a privilege. To be called before the process has threads. NULL, "" and, for who is that user
 * already, its name change nothing. FQ_EINVALID with a sentence in `error`: there is no such user, it is root, or this process
 * is not root's.
 */
FQ_MUST_USE int fq_privileges_begin(const char *name, struct fq_privileges *ret_privileges, char *error,
                                    size_t size);
/** Root's identity back and away again, for the calling thread, to open a listener. Nothing where nothing is to be dropped. */
void fq_privileges_raise(const struct fq_privileges *privileges);
void fq_privileges_lower(const struct fq_privileges *privileges);
/** Gives root up in all threads and tries to come back: FQ_EINVALID if that succeeds or a capability is left. */
FQ_MUST_USE int fq_privileges_end(struct fq_privileges *privileges, char *error, size_t size);

/** No other process of the same user may look into this one's memory and environment, and the kernel pipes no dump of it to
 *  a handler. What is executed from here is as open as ever. */
void fq_privileges_hide_memory(void);
/** No core file of this process and of what it executes. */
void fq_privileges_forbid_core_files(void);

#endif
