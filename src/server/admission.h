// SPDX-License-Identifier: Apache-2.0
// Who may come in: the limits on connections, logins and their delays.
//
// Two kinds of limits. Those on all connections refuse the newcomer. The room for connections that are not logged in yet
// is different: whoever fills it with silence must not lock the others out. One source gets at most half of it, and when
// it is full the one that has waited longest gives way.
#ifndef FQ_SERVER_ADMISSION_H
#define FQ_SERVER_ADMISSION_H

#include "server/connection.h"

/** Counts a new connection, and logs it in where nobody has to. 0; or a negative error with the error line for the peer
 *  in *ret_refusal (static). fq_admission_leave is due in both cases. */
FQ_MUST_USE int fq_admission_enter(fq_connection *connection, const struct fq_peer_info *peer,
                                   struct fq_now now, const char **ret_refusal);
/** The connection is gone. */
void fq_admission_leave(fq_connection *connection);
/** The connection has the rights `roles` from now on. FQ_EBUSY if the user has as many connections as it may have. */
FQ_MUST_USE int fq_admission_log_in(fq_connection *connection, fq_str user, unsigned roles);
/** As if it had just come, without rights. FQ_ENOMEM. */
FQ_MUST_USE int fq_admission_log_out(fq_connection *connection, struct fq_now now);

#endif
