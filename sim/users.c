// SPDX-License-Identifier: Apache-2.0
#include "sim/users.h"

#include "sim/exchange.h"

static const struct sim_user users[SIM_USER_COUNT] = {
    [SIM_USER_CLIENT] = {"client", SIM_CANARY "-client-token", FQ_ROLE_SUBMIT,               7},
    [SIM_USER_WORKER] = {"worker", SIM_CANARY "-worker-token", FQ_ROLE_WORK,                 7},
    [SIM_USER_READER] = {"reader", SIM_CANARY "-reader-token", FQ_ROLE_READ,                 7},
    [SIM_USER_BOSS] = {"boss",   SIM_CANARY "-boss-token",   FQ_ROLE_ADMIN | FQ_ROLE_READ, 7},
    [SIM_USER_GUEST] = {"guest",  SIM_CANARY "-guest-token",  FQ_ROLE_SUBMIT,               5},
};

const struct sim_user *sim_user(enum sim_user_name name) {
    return &users[name];
}

fq_credentials *sim_users_credentials(unsigned set) {
    fq_credentials *credentials = fq_credentials_new();
    for (unsigned i = 0; i < SIM_USER_COUNT && credentials != NULL; i++) {
        if ((users[i].sets >> set & 1) == 0)
            continue;
        int rc = fq_credentials_add_token(credentials, fq_str_of(users[i].name), users[i].roles,
                                          fq_str_of(users[i].token));
        if (rc < 0)
            credentials = fq_credentials_free(credentials);
    }
    return credentials;
}
