// SPDX-License-Identifier: Apache-2.0
// Threads of the SDK's own.
#ifndef OTEL_SYSTEM_THREAD_H
#define OTEL_SYSTEM_THREAD_H

#include <pthread.h>

/** A thread that handles none of the program's signals. 0 or an errno. */
int otel_system_thread(pthread_t *ret_thread, void *(*run)(void *context), void *context);

#endif
