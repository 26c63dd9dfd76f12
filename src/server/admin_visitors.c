// SPDX-License-Identifier: Apache-2.0
#include "server/admin_visitors.h"

#include <stdlib.h>
#include <string.h>

static const int64_t STEP_LIMITS_US[] = {
    [FQ_ADMIN_ASKING] = 10 * (int64_t)FQ_US_PER_S,
    [FQ_ADMIN_SERVED] = 120 * (int64_t)FQ_US_PER_S, // the longest ?wait= and the longest delay of a login
    [FQ_ADMIN_ANSWERING] = 60 * (int64_t)FQ_US_PER_S,
    [FQ_ADMIN_RESTING] = 90 * (int64_t)FQ_US_PER_S, // the library's own limit on silence comes first
};

void fq_admin_visitors_init(fq_list_link *visitors) {
    fq_list_init(visitors);
}

fq_admin_visitor *fq_admin_visitor_new(fq_list_link *visitors, struct MHD_Connection *connection,
                                       struct fq_now now) {
    fq_admin_visitor *visitor = calloc(1, sizeof *visitor);
    const union MHD_ConnectionInfo *fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *from =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (visitor == NULL)
        return NULL;
    visitor->fd = fd != NULL ? fd->connect_fd : -1;
    struct fq_peer peer;
    fq_peer_describe(from != NULL ? from->client_addr : NULL, "", &peer);
    memcpy(visitor->source, peer.source, sizeof visitor->source);
    fq_list_init(&visitor->link);
    fq_list_append(visitors, &visitor->link);
    fq_admin_visitor_step(visitor, FQ_ADMIN_ASKING, now);
    return visitor;
}

fq_admin_visitor *fq_admin_visitor_free(fq_admin_visitor *visitor) {
    if (visitor != NULL)
        fq_list_remove(&visitor->link);
    free(visitor);
    return NULL;
}

void fq_admin_visitor_step(fq_admin_visitor *visitor, enum fq_admin_step step, struct fq_now now) {
    if (visitor == NULL)
        return;
    visitor->step = step;
    visitor->since_us = now.boot_us;
    visitor->until_us = fq_time_add(now.boot_us, STEP_LIMITS_US[step]);
}

// The library sees the end of the stream and cleans up by itself.
static void cut(fq_admin_visitor *visitor) {
    fq_peer_hang_up(visitor->fd);
    visitor->until_us = FQ_NEVER_US;
}

void fq_admin_visitors_make_room(fq_list_link *visitors, size_t most) {
    fq_admin_visitor *silent = NULL;
    size_t count = 0;
    for (fq_list_link *link = visitors->next; link != visitors; link = link->next) {
        fq_admin_visitor *visitor = FQ_ELEMENT(link, fq_admin_visitor, link);
        bool is_idle = visitor->step == FQ_ADMIN_ASKING || visitor->step == FQ_ADMIN_RESTING;
        bool is_cut = visitor->until_us == FQ_NEVER_US;
        count += !is_cut;
        if (is_idle && !is_cut && (silent == NULL || visitor->since_us < silent->since_us))
            silent = visitor;
    }
    if (count >= most && silent != NULL)
        cut(silent);
}

int64_t fq_admin_visitors_sweep(fq_list_link *visitors, struct fq_now now) {
    int64_t next_us = FQ_NEVER_US;
    for (fq_list_link *link = visitors->next; link != visitors; link = link->next) {
        fq_admin_visitor *visitor = FQ_ELEMENT(link, fq_admin_visitor, link);
        if (visitor->until_us <= now.boot_us)
            cut(visitor);
        if (visitor->until_us < next_us)
            next_us = visitor->until_us;
    }
    return next_us;
}
