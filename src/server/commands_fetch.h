// SPDX-License-Identifier: Apache-2.0
// Leasing tasks in two steps, for a FETCH and for one that has waited.
#ifndef FQ_SERVER_COMMANDS_FETCH_H
#define FQ_SERVER_COMMANDS_FETCH_H

#include "server/core.h"

/** Leases up to `count` tasks, as many as the connection's output surely has room for, into core->grant_text. How many, or
 *  the engine's error. */
FQ_MUST_USE int fq_fetch_grant(fq_core *core, fq_connection *connection, fq_str worker, const fq_str *names,
                               size_t name_count, uint32_t count, struct fq_now now);
/** Writes core->grant_text as the reply. */
void fq_fetch_reply(fq_core *core, fq_connection *connection);

#endif
