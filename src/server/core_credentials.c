// SPDX-License-Identifier: Apache-2.0
// New users while connections are open.
#include "server/core_state.h"
#include "server/credentials.h"

void fq_core_set_credentials(fq_core *core, const fq_credentials *credentials, struct fq_now now) {
    core->now = now;
    core->credentials = credentials;
    if (fq_credentials_is_empty(credentials))
        return; // whoever is in stays in; everybody may do everything from the next connection on
    fq_list_link *next;
    for (fq_list_link *link = core->connections.next; link != &core->connections; link = next) {
        next = link->next;
        fq_connection *connection = FQ_ELEMENT(link, fq_connection, all);
        unsigned roles;
        if (!connection->is_authenticated)
            continue;
        if (fq_credentials_roles(credentials, fq_str_of(connection->user), &roles) == 0)
            connection->roles = roles;
        else
            fq_connection_cut(connection);
    }
}
