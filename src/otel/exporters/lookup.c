// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/lookup.h"

#include "otel/exporters/target.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREAD_STACK = 256 * 1024 };

struct otel_lookup {
    atomic_int holders; // the thread and the one who asked
    atomic_bool is_done;
    int done_fd;
    int error;
    struct addrinfo *addresses;
    char host[OTEL_HOST_MAX + 1];
    char port[8];
};

otel_lookup *otel_lookup_leave(otel_lookup *lookup) {
    if (lookup == NULL || atomic_fetch_sub(&lookup->holders, 1) > 1)
        return NULL;
    if (lookup->addresses != NULL)
        freeaddrinfo(lookup->addresses);
    if (lookup->done_fd >= 0)
        close(lookup->done_fd);
    free(lookup);
    return NULL;
}

static void resolve(otel_lookup *lookup, int flags) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->addresses);
}

static void *run(void *context) {
    otel_lookup *lookup = context;
    resolve(lookup, AI_ADDRCONFIG);
    // A machine without any configured address (a container's loopback) still reaches itself.
    if (lookup->error != 0)
        resolve(lookup, 0);
    atomic_store(&lookup->is_done, true);
    otel_wake(lookup->done_fd);
    otel_lookup_leave(lookup);
    return NULL;
}

// Its signals are the program's own business.
static int start_thread(otel_lookup *lookup) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int result = pthread_create(&thread, &attributes, run, lookup);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return result == 0 ? OTEL_OK : OTEL_FAILED;
}

otel_lookup *otel_lookup_start(const char *host, uint16_t port) {
    otel_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL)
        return NULL;
    atomic_init(&lookup->holders, 2);
    snprintf(lookup->host, sizeof lookup->host, "%s", host);
    snprintf(lookup->port, sizeof lookup->port, "%u", port);
    lookup->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    resolve(lookup, AI_NUMERICHOST); // answers at once
    if (lookup->error == 0) {
        atomic_store(&lookup->holders, 1);
        atomic_store(&lookup->is_done, true);
    } else if (lookup->done_fd < 0 || start_thread(lookup) < 0) {
        atomic_store(&lookup->holders, 1);
        return otel_lookup_leave(lookup);
    }
    return lookup;
}

enum otel_wait_end otel_lookup_wait(otel_lookup *lookup, const struct otel_wait *wait, int *ret_error,
                                    const struct addrinfo **ret_addresses) {
    while (!atomic_load(&lookup->is_done)) {
        enum otel_wait_end end = otel_wait_for(wait, lookup->done_fd, POLLIN);
        if (end == OTEL_WAIT_TIMEOUT || end == OTEL_WAIT_GIVEN_UP)
            return end;
    }
    *ret_error = lookup->error;
    *ret_addresses = lookup->addresses;
    return OTEL_WAIT_READY;
}
