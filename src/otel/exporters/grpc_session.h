// SPDX-License-Identifier: Apache-2.0
// Unary gRPC calls over one HTTP/2 connection, without the connection: bytes in, bytes out, no clock, no thread. Everything
// that comes in is hostile input. Sources: gRPC over HTTP2; RFC 9113.
#ifndef OTEL_EXPORTERS_GRPC_SESSION_H
#define OTEL_EXPORTERS_GRPC_SESSION_H

#include "base/buf.h"
#include "otel/exporters/otlp.h"

typedef struct otel_grpc_session otel_grpc_session;

enum otel_grpc_encoding { OTEL_GRPC_IDENTITY, OTEL_GRPC_GZIP, OTEL_GRPC_OTHER_ENCODING };
enum { OTEL_GRPC_MESSAGE_MAX = 512, OTEL_GRPC_DETAILS_MAX = 8192 };

// One call: its request, borrowed until it has ended, and the answer as far as it has come.
struct otel_grpc_call {
    const char *scheme, *authority, *path, *user_agent;
    const char *timeout;                    // value of grpc-timeout; NULL = none
    const struct otel_otlp_header *headers; // keys in lower case
    size_t header_count;
    bool gzip; // what the body's message is
    const uint8_t *body;
    size_t body_len;
    size_t response_max; // bytes of the answer's body

    bool ended;
    bool refused;                 // not processed by the peer: may be sent again whatever it was
    bool lost;                    // the connection ended before the call did
    bool no_grpc;                 // lost because the peer does not speak HTTP/2
    bool heard_nothing;           // lost before the peer said a word on the connection
    bool too_large;               // answer over its limit
    bool answered;                // any header came
    int http_status, grpc_status; // -1 = not given
    uint32_t reset;               // HTTP/2 error the stream ended with; 0 = none
    bool wrong_content_type;
    enum otel_grpc_encoding encoding;
    char message[OTEL_GRPC_MESSAGE_MAX]; // grpc-message as it came
    size_t message_len;
    char details[OTEL_GRPC_DETAILS_MAX]; // grpc-status-details-bin as it came
    size_t details_len;
    fq_buf answer;

    // the session's own
    int32_t stream_id; // 0 = not submitted
    size_t sent, header_bytes;
    struct otel_grpc_call *next;
};
void otel_grpc_call_init(struct otel_grpc_call *call);
void otel_grpc_call_done(struct otel_grpc_call *call);
/** Forgets the answer, so that the same request can be submitted again. */
void otel_grpc_call_restart(struct otel_grpc_call *call);

/** NULL when out of memory. */
otel_grpc_session *otel_grpc_session_new(void);
/** Calls that have not ended are forgotten, not ended. Returns NULL. */
otel_grpc_session *otel_grpc_session_free(otel_grpc_session *session);

/** Queues the call's request. OTEL_OK, or OTEL_FAILED when this connection takes no more calls. */
int otel_grpc_session_submit(otel_grpc_session *session, struct otel_grpc_call *call);
/** Gives up a call: it is reset at the peer, forgotten here, and ended. */
void otel_grpc_session_abort(otel_grpc_session *session, struct otel_grpc_call *call);
/** OTEL_FAILED: the peer broke the protocol; the connection is of no use any more. */
int otel_grpc_session_receive(otel_grpc_session *session, const void *bytes, size_t len);
/** What has to be sent next, valid until the next call; 0 bytes = nothing now. OTEL_FAILED as above. */
int otel_grpc_session_send(otel_grpc_session *session, const uint8_t **ret_bytes, size_t *ret_len);
/** New calls may be submitted. */
bool otel_grpc_session_is_open(const otel_grpc_session *session);
/** The connection has nothing more to do or say. */
bool otel_grpc_session_is_over(const otel_grpc_session *session);
/** The connection broke: all calls end as lost. */
void otel_grpc_session_lose(otel_grpc_session *session);
/** There are calls that have not ended. */
bool otel_grpc_session_has_calls(const otel_grpc_session *session);
/** No new calls; those under way go on. */
void otel_grpc_session_retire(otel_grpc_session *session);

#endif
