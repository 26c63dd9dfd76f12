// SPDX-License-Identifier: Apache-2.0
// POST /api/v1/tasks: the body's JSON as arguments of FQ.SUBMIT.
#ifndef FQ_SERVER_ADMIN_SUBMIT_H
#define FQ_SERVER_ADMIN_SUBMIT_H

#include "server/admin_api.h"

/** As fq_admin_route. */
bool fq_admin_submit(const struct fq_admin_request *request, struct fq_admin_call *call,
                     struct fq_admin_answer *ret_answer);
/** Appends an argument whose bytes are copied into the call. False when out of memory or room. */
bool fq_admin_add(struct fq_admin_call *call, fq_str text);
/** Once all arguments are added: makes them slices (the text may have moved while it grew). */
void fq_admin_seal(struct fq_admin_call *call);

#endif
