// SPDX-License-Identifier: Apache-2.0
// Who may log in when credentials are in force: a few files of users that the server reads, one at a time.
#ifndef FQ_SIM_USERS_H
#define FQ_SIM_USERS_H

#include "server/core.h"
#include "server/credentials.h"

enum { SIM_USER_SETS = 3 }; // files of users: 0 has everybody

enum sim_user_name {
    SIM_USER_CLIENT, // submit
    SIM_USER_WORKER, // work
    SIM_USER_READER, // read
    SIM_USER_BOSS,   // admin, read
    SIM_USER_GUEST,  // submit; not in set 1: it is cut off when that is read
    SIM_USER_COUNT,
};

struct sim_user {
    const char *name, *token; // the token holds SIM_CANARY
    unsigned roles;
    unsigned sets; // bit n: in set n
};

const struct sim_user *sim_user(enum sim_user_name name);
/** The users of one set, owned by the caller; NULL when out of memory. */
fq_credentials *sim_users_credentials(unsigned set);

#endif
