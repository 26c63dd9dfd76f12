// SPDX-License-Identifier: Apache-2.0
// Incremental RESP readers: fed any chunking of bytes, they find whole requests (server side) or replies (client side).
// Lengths are checked against limits before a byte of the body is waited for. After an error the peer is to be cut off:
// not one byte behind the error is executed.
#ifndef FQ_RESP_READER_H
#define FQ_RESP_READER_H

#include "base/buf.h"
#include "base/str.h"
#include "fastqueue/error.h"

// 0 = no bound, but for depth, where it means FQ_RESP_DEPTH_MAX.
struct fq_resp_limits {
    uint32_t args_max;        // arguments of one request; nodes of one reply
    uint64_t arg_bytes_max;   // one argument; one string of a reply
    uint64_t total_bytes_max; // all of one request or reply, framing included
    uint32_t depth_max;       // nesting of replies
};
enum { FQ_RESP_DEPTH_MAX = 32 };

// --- requests: arrays of bulk strings ---------------------------------------------------------------------------------
struct fq_resp_request {
    const fq_str *args; // borrow from the input buffer until fq_resp_request_next is called again
    size_t arg_count;   // 0 for the empty request "*0", which asks for nothing
};
typedef struct fq_resp_request_reader fq_resp_request_reader;

fq_resp_request_reader *fq_resp_request_reader_new(void);
fq_resp_request_reader *fq_resp_request_reader_free(fq_resp_request_reader *reader);
/**
 * Looks for one request at the front of `input`. 1 with *ret_request set and *ret_consumed bytes to be consumed from
 * `input` by the caller after use; 0 if it is not complete yet (nothing is consumed; what was parsed is remembered, so
 * the next call must see the same front, moved or grown);
 * FQ_EPROTOCOL, FQ_ETOOBIG or FQ_ENOMEM with a sentence in fq_resp_request_error().
 * A first byte that is not '*' is FQ_EPROTOCOL (no inline commands); HTTP and TLS are named in the error.
 */
FQ_MUST_USE int fq_resp_request_next(fq_resp_request_reader *reader, const fq_buf *input,
                                     const struct fq_resp_limits *limits, struct fq_resp_request *ret_request,
                                     size_t *ret_consumed);
const char *fq_resp_request_error(const fq_resp_request_reader *reader);

// --- replies ----------------------------------------------------------------------------------------------------------
enum fq_resp_type {
    FQ_RESP_NIL,
    FQ_RESP_STATUS,
    FQ_RESP_ERROR,
    FQ_RESP_INTEGER,
    FQ_RESP_STRING,
    FQ_RESP_DOUBLE,
    FQ_RESP_BOOLEAN,
    FQ_RESP_ARRAY,
    FQ_RESP_MAP, // children: key, value, key, value
    FQ_RESP_SET,
    FQ_RESP_PUSH,
};
// A parsed reply is a flat preorder array of nodes; slices borrow from the input buffer.
struct fq_resp_node {
    enum fq_resp_type type;
    uint32_t child_count; // aggregates: number of child nodes (a map of n pairs has 2n)
    uint32_t next;        // index of the node behind this one and all its descendants
    int64_t integer;      // INTEGER, BOOLEAN
    double real;
    fq_str
        text; // STRING, STATUS, ERROR (without '-'), verbatim strings without their prefix, big numbers as text
};
typedef struct fq_resp_reply_reader fq_resp_reply_reader;

fq_resp_reply_reader *fq_resp_reply_reader_new(void);
fq_resp_reply_reader *fq_resp_reply_reader_free(fq_resp_reply_reader *reader);
/** As fq_resp_request_next, for one reply or push of RESP2 or RESP3; nodes borrow until the next call. */
FQ_MUST_USE int fq_resp_reply_next(fq_resp_reply_reader *reader, const fq_buf *input,
                                   const struct fq_resp_limits *limits, const struct fq_resp_node **ret_nodes,
                                   size_t *ret_consumed);
const char *fq_resp_reply_error(const fq_resp_reply_reader *reader);

/** Value node for `key` in the map (or flat key/value array) at `nodes[at]`; NULL if absent. */
const struct fq_resp_node *fq_resp_map_get(const struct fq_resp_node *nodes, uint32_t at, fq_str key);

#endif
