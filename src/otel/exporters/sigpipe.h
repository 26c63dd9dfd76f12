// SPDX-License-Identifier: Apache-2.0
// Keeps SIGPIPE of libraries that write to sockets away from the program: between begin and end the calling thread does not
// get one, and one that came of its writes is gone afterwards.
#ifndef OTEL_EXPORTERS_SIGPIPE_H
#define OTEL_EXPORTERS_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct otel_sigpipe {
    sigset_t old;
    bool was_pending;
};
void otel_sigpipe_begin(struct otel_sigpipe *sigpipe);
void otel_sigpipe_end(const struct otel_sigpipe *sigpipe);

#endif
