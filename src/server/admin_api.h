// SPDX-License-Identifier: Apache-2.0
// Routes of the admin API: an HTTP request becomes the arguments of one row of the command table, its reply the JSON of the
// answer. Knows no sockets and no HTTP library.
//
//   GET  /api/v1/tasks[?status= name= priority= worker= count= cursor=]   GET /api/v1/tasks/<id>[?wait=ms]
//   POST /api/v1/tasks {"name": …, "args": […], "kwargs": {…}, …}         POST /api/v1/tasks/<id>/cancel
//   GET  /api/v1/queues, /workers, /dead [?count= cursor= name=]          GET  /api/v1/stats
#ifndef FQ_SERVER_ADMIN_API_H
#define FQ_SERVER_ADMIN_API_H

#include "base/buf.h"
#include "base/str.h"
#include "fastqueue/error.h"

#include <jansson.h>
#include <stdbool.h>

enum { FQ_ADMIN_ARGS_MAX = 40, FQ_ADMIN_PATH_MAX = 256 };

// What the answer looks like.
enum fq_admin_shape {
    FQ_ADMIN_OBJECT, // the reply as it is; nil is 404
    FQ_ADMIN_PAGE,   // [cursor, rows] as {"cursor": …, "<rows_key>": […]}
    FQ_ADMIN_ID,     // a string as {"id": …}, 201
    FQ_ADMIN_CANCEL, // an integer as {"cancelled": bool}
};

struct fq_admin_call {
    fq_str args[FQ_ADMIN_ARGS_MAX]; // borrow from `text` and from static storage
    size_t arg_count;
    enum fq_admin_shape shape;
    const char *rows_key;
    fq_buf text; // owned
};

struct fq_admin_request {
    const char *method, *path;
    /** Value of a query parameter or header, NULL if absent; borrowed for the call. */
    const char *(*query)(void *context, const char *name);
    /** Name of the query parameter at `index`, NULL behind the last one. */
    const char *(*query_name)(void *context, unsigned index);
    const char *traceparent, *tracestate, *baggage; // headers, NULL if absent
    void *context;
    fq_str body;
};

struct fq_admin_answer {
    int status;   // of HTTP
    json_t *body; // a new reference
};

/** True and `call` filled; false and `ret_answer` an error: 404, 405, 400. The call is ended by fq_admin_call_done. */
bool fq_admin_route(const struct fq_admin_request *request, struct fq_admin_call *call,
                    struct fq_admin_answer *ret_answer);
/** The answer for the reply; body NULL when out of memory. */
struct fq_admin_answer fq_admin_answer_of(const struct fq_admin_call *call, fq_str reply);
struct fq_admin_answer fq_admin_error(int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void fq_admin_call_done(struct fq_admin_call *call);

#endif
