// SPDX-License-Identifier: Apache-2.0
// libmicrohttpd without sockets, for fuzz_http: requests are handed to what the program registered, answers are looked at.
// It stands in for the library's functions by their names; one daemon at a time.
#ifndef FQ_FUZZ_HTTP_DAEMON_H
#define FQ_FUZZ_HTTP_DAEMON_H

#include "base/str.h"

#include <microhttpd.h>
#include <stdbool.h>

enum { HTTP_PAIRS_MAX = 16, HTTP_TEXT_MAX = 1024, HTTP_CONNECTIONS_MAX = 8 };

struct http_pair {
    char name[64], value[HTTP_TEXT_MAX];
    bool has_value;
};

struct MHD_Connection {
    char method[16], url[HTTP_TEXT_MAX];
    struct http_pair headers[HTTP_PAIRS_MAX], arguments[HTTP_PAIRS_MAX];
    size_t header_count, argument_count;
    fq_str body;
    void *slot, *visitor; // the program's: of the request, of the connection
    bool is_used, is_suspended;
    int status; // 0 = none yet
};

/** A free connection; NULL when all are waiting for their answers. */
struct MHD_Connection *http_connection_new(void);
/** Lets the program have the request: body in two pieces, then the question for the answer. */
void http_connection_serve(struct MHD_Connection *connection);
/** Requests that wait for the core. */
int http_suspended_count(void);
/** The clock that the program sees. */
void http_clock_pass(int64_t us);

#endif
