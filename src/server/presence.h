// SPDX-License-Identifier: Apache-2.0
// Which connections registered which worker. It tells a worker of cancels and drains, and it knows when the last connection
// of an INSTANCE worker has been closed for a second: then its leases come back. While a connection of a worker is heard
// of or waits in a FETCH, the worker counts as active.
#ifndef FQ_SERVER_PRESENCE_H
#define FQ_SERVER_PRESENCE_H

#include "base/list.h"
#include "base/uuid.h"
#include "server/core.h"
#include "server/index.h"

struct fq_presence {
    struct fq_index workers; // struct fq_present_worker by id
    fq_list_link all;
};

void fq_presence_init(struct fq_presence *presence);
void fq_presence_done(fq_core *core);
// Workers that one connection may register; membership is looked for one by one.
enum { FQ_MEMBERSHIPS_MAX = 1024 };

/** Whether the connection may register this worker (again). */
bool fq_presence_may_join(const fq_core *core, const fq_connection *connection, fq_str worker);
/** Room for fq_presence_join to succeed afterwards. 0 or FQ_ENOMEM. */
FQ_MUST_USE int fq_presence_join(fq_core *core, fq_connection *connection, fq_str worker, fq_str instance);
/** The worker was unregistered: nobody is present for it. */
void fq_presence_forget(fq_core *core, fq_str worker);
/** The connection is closed or reset. */
void fq_presence_leave(fq_core *core, fq_connection *connection, struct fq_now now);
/** The worker that the connection registered last, "" if none. */
fq_str fq_presence_worker_of(const fq_connection *connection);
void fq_presence_push_cancel(fq_core *core, fq_str id, const fq_uuid *task, uint64_t token);
void fq_presence_push_drain(fq_core *core);

#endif
