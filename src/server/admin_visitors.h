// SPDX-License-Identifier: Apache-2.0
// Who is connected to the admin listener, from where, and until when the next step has to be done. Whoever sends a request
// byte by byte, or takes an answer so, loses the connection when its time is over, however busy it looks.
#ifndef FQ_SERVER_ADMIN_VISITORS_H
#define FQ_SERVER_ADMIN_VISITORS_H

#include "base/list.h"
#include "base/str.h"
#include "base/time.h"
#include "net/peer.h"

#include <microhttpd.h>

enum fq_admin_step {
    FQ_ADMIN_ASKING,    // sends its first request
    FQ_ADMIN_SERVED,    // its request is complete: we are at work
    FQ_ADMIN_ANSWERING, // takes the answer
    FQ_ADMIN_RESTING,   // may ask again
};

typedef struct fq_admin_visitor {
    fq_list_link link;
    int fd; // the library's
    char source[FQ_PEER_SOURCE];
    enum fq_admin_step step;
    int64_t since_us, until_us; // boot; of the step
} fq_admin_visitor;

void fq_admin_visitors_init(fq_list_link *visitors);
/** A connection came: NULL when out of memory. */
fq_admin_visitor *fq_admin_visitor_new(fq_list_link *visitors, struct MHD_Connection *connection,
                                       struct fq_now now);
/** NULL is fine. Returns NULL. */
fq_admin_visitor *fq_admin_visitor_free(fq_admin_visitor *visitor);

/** The next step begins. NULL is fine. */
void fq_admin_visitor_step(fq_admin_visitor *visitor, enum fq_admin_step step, struct fq_now now);
/** With `most` of them or more the one that has been silent for longest gives way; nobody who is being served does. */
void fq_admin_visitors_make_room(fq_list_link *visitors, size_t most);
/** Cuts those whose time is over. When it wants to be called again, boot time. */
int64_t fq_admin_visitors_sweep(fq_list_link *visitors, struct fq_now now);

#endif
