// SPDX-License-Identifier: Apache-2.0
// Requests from inside the process: each runs on a connection of its own that has no peer.
#ifndef FQ_SERVER_REQUEST_H
#define FQ_SERVER_REQUEST_H

#include "server/core.h"

/** Calls back whose replies are whole and durable. */
void fq_requests_answer(fq_core *core);
/** Calls back all with an empty reply. */
void fq_requests_end(fq_core *core);

#endif
