// SPDX-License-Identifier: Apache-2.0
// Name resolution that cannot outlive a deadline: getaddrinfo() runs in a thread of its own, and whoever waits for it may
// leave. One lookup is reused by those who come while it still runs, so that a dead name server costs one thread, not many.
#ifndef OTEL_EXPORTERS_LOOKUP_H
#define OTEL_EXPORTERS_LOOKUP_H

#include "otel/exporters/wait.h"

#include <netdb.h>

typedef struct otel_lookup otel_lookup;

/** Starts. NULL when there is no memory or thread. `host` is a name or an address. */
otel_lookup *otel_lookup_start(const char *host, uint16_t port);
/** Waits for it. READY: *ret_error is 0 or an EAI_ error, *ret_addresses the addresses, the lookup's own. */
enum otel_wait_end otel_lookup_wait(otel_lookup *lookup, const struct otel_wait *wait, int *ret_error,
                                    const struct addrinfo **ret_addresses);
/** Leaves it; memory goes when its thread has ended too. NULL is fine. Returns NULL. */
otel_lookup *otel_lookup_leave(otel_lookup *lookup);

#endif
