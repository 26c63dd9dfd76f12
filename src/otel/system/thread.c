// SPDX-License-Identifier: Apache-2.0
#include "otel/system/thread.h"

#include <signal.h>

int otel_system_thread(pthread_t *ret_thread, void *(*run)(void *context), void *context) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(ret_thread, NULL, run, context);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}
