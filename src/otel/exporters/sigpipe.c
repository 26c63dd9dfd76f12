// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/sigpipe.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static bool is_pending(void) {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

void otel_sigpipe_begin(struct otel_sigpipe *sigpipe) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigpipe->was_pending = is_pending();
    pthread_sigmask(SIG_BLOCK, &set, &sigpipe->old);
}

void otel_sigpipe_end(const struct otel_sigpipe *sigpipe) {
    if (!sigpipe->was_pending && is_pending()) {
        const struct timespec at_once = {0};
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        while (sigtimedwait(&set, NULL, &at_once) < 0 && errno == EINTR)
            ;
    }
    pthread_sigmask(SIG_SETMASK, &sigpipe->old, NULL);
}
