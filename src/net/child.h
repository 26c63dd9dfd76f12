// SPDX-License-Identifier: Apache-2.0
// A child process on a libuv loop. It is spawned without copying the parent's page tables (posix_spawn), so that a parent
// with gigabytes in memory does not stand still meanwhile.
#ifndef FQ_NET_CHILD_H
#define FQ_NET_CHILD_H

#include "fastqueue/error.h"

#include <stddef.h>
#include <uv.h>

typedef struct fq_child fq_child;

struct fq_child_options {
    const char *program;     // a path
    const char *const *args; // NULL terminated, args[0] included
    const char *const
        *variables; // "NAME=value" that replace or join the parent's environment; NULL terminated or NULL
    /** The process has ended: exit code, or -1 and the signal that killed it. The child is to be closed afterwards. */
    void (*on_exit)(void *context, int code, int signal);
    void *context;
};

/** Standard input is /dev/null, output and error are inherited, signals are at their defaults. FQ_EIO or FQ_ENOMEM. */
FQ_MUST_USE int fq_child_spawn(uv_loop_t *loop, const struct fq_child_options *options, fq_child **ret_child);
int fq_child_pid(const fq_child *child);
void fq_child_signal(fq_child *child, int signal_number);
/** Forgets the child, running or not; on_exit is not called any more. NULL is fine. Returns NULL. */
fq_child *fq_child_close(fq_child *child);

#endif
