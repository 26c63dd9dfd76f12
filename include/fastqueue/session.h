// SPDX-License-Identifier: Apache-2.0
/**
 * The FastQueue protocol without sockets: feed it bytes, take bytes, ask when it wants to be called again. Blocking,
 * libuv and asyncio drivers are thin users of it.
 *
 * A driver does: connect a transport; fq_session_connected(); then
 *   - write fq_session_output() to the transport and report fq_session_sent();
 *   - read from the transport and give it to fq_session_feed();
 *   - take fq_session_next_event() until it returns 0, then look for new output;
 *   - call fq_session_tick() at fq_session_deadline(), or each turn: it is cheap, and timeouts are then exact;
 *   - when the transport closes or could not be opened: fq_session_disconnected(), wait
 *     fq_session_reconnect_delay_us(), connect again.
 * Requests made while there is no connection wait; submits whose answer was lost are sent again under the same id, so
 * that a lost connection never makes two tasks of one. Other requests in flight fail with FQ_EDISCONNECTED unless they
 * are safe to repeat (status, result, watch), which are repeated.
 *
 * Times are microseconds of any monotonic clock, the same for every call. A session belongs to one thread at a time.
 */
#ifndef FASTQUEUE_SESSION_H
#define FASTQUEUE_SESSION_H

#include "fastqueue/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fq_session fq_session;

/** Bytes that somebody else owns. */
typedef struct fq_slice {
    const char *ptr;
    size_t len;
} fq_slice;

struct fq_session_options {
    size_t size;               /* sizeof, set by the init function */
    const char *user;          /* NULL = "default" */
    const char *token;         /* NULL = no AUTH */
    const char *client_name;   /* CLIENT SETNAME; NULL = none */
    int64_t reply_timeout_us;  /* connection is given up when an answer is so late; 30 s */
    int64_t ping_interval_us;  /* PING when idle; 15 s */
    int64_t backoff_first_us;  /* reconnect: 50 ms, doubled, with jitter, up to … */
    int64_t backoff_max_us;    /* … 5 s */
    uint64_t reply_bytes_max;  /* largest reply; 64 MiB */
    uint64_t output_bytes_max; /* unanswered requests: FQ_EFULL above; 256 MiB */
    uint64_t seed; /* jitter, ids; the init function fills in entropy, keep that unless runs must repeat */
    int64_t
        wall_offset_us; /* unix time minus the session's time: ids made here are then ordered by time; 0 = they are random */
};
FQ_API void fq_session_options_init(struct fq_session_options *options);

/** NULL when out of memory. Copies the options. */
FQ_API fq_session *fq_session_new(const struct fq_session_options *options);
/** NULL is fine. Returns NULL. */
FQ_API fq_session *fq_session_free(fq_session *session);

/* --- transport side ----------------------------------------------------------------------------------------------- */
/** A transport is there, and one before it is gone: queues HELLO 3, AUTH, SETNAME and what waits. */
FQ_API int fq_session_connected(fq_session *session, int64_t now_us);
/** The transport is gone, or could not be opened. Whole replies that were fed still become events; then requests fail
 *  or wait as said above. */
FQ_API void fq_session_disconnected(fq_session *session, int64_t now_us);
/** How long to wait before the next connect: 0 right after a good connection broke, then growing with each failure;
 *  INT64_MAX when the credential was refused: connecting again would only repeat that. */
FQ_API int64_t fq_session_reconnect_delay_us(fq_session *session);
/** Bytes from the peer. Negative: protocol error or refused credential; close the transport, fq_session_error() says why. */
FQ_API FQ_MUST_USE int fq_session_feed(fq_session *session, const void *bytes, size_t len, int64_t now_us);
/** What is to be written now: all that was queued, in one piece (of some MiB at most). Valid until the next call of any
 *  function but fq_session_sent. */
FQ_API fq_slice fq_session_output(fq_session *session);
FQ_API void fq_session_sent(fq_session *session, size_t len);
/** When fq_session_tick wants to be called; INT64_MAX if never. In the past when the connection has failed. */
FQ_API int64_t fq_session_deadline(const fq_session *session);
/** FQ_ETIMEOUT: the peer is silent. Any error, also one found while events were taken: close the transport,
 *  fq_session_disconnected(), connect again. */
FQ_API FQ_MUST_USE int fq_session_tick(fq_session *session, int64_t now_us);
/** The last error as a sentence. */
FQ_API const char *fq_session_error(const fq_session *session);
enum { FQ_SESSION_LEADER_MAX = 256 };
/** The last connection led to a standby: the control plane that it named, host:port; "" where it named none. NULL: it was no
 *  standby. Connect to another address then. */
FQ_API const char *fq_session_leader(const fq_session *session);
/** The control plane of the last connection is this shard of its queue, which has several (FQ.SHARDS tells which takes what); -1: it is alone. */
FQ_API int fq_session_shard(const fq_session *session);
/** True when HELLO and AUTH have been answered. */
FQ_API bool fq_session_is_ready(const fq_session *session);

/* --- requests: `tag` is the caller's, and comes back with the event -------------------------------------------------- */
struct fq_submit_options {
    size_t size;
    const char *id;       /* 36 characters; NULL = made here */
    const char *priority; /* "critical", "high", "normal", "low"; NULL = normal */
    int64_t delay_ms;     /* 0 = none */
    int64_t at_unix_ms;   /* 0 = none */
    int64_t expires_ms;   /* 0 = never */
    int64_t timeout_ms;   /* 0 = none */
    uint32_t retries;
    int64_t backoff_ms;                             /* 0 = server's default */
    const char *unique;                             /* NULL = none */
    int64_t result_ttl_ms;                          /* -1 = server's default, 0 = not stored */
    const char *encoding;                           /* NULL = "json" */
    const char *traceparent, *tracestate, *baggage; /* NULL = none */
    bool want_result; /* a RESULT event with the same tag follows when the task has ended */
};
FQ_API void fq_submit_options_init(struct fq_submit_options *options);

/** The id (36 characters and NUL) is known at once; the SUBMITTED event comes when the task is durable. */
FQ_API FQ_MUST_USE int fq_session_submit(fq_session *session, fq_slice name, fq_slice payload,
                                         const struct fq_submit_options *options, uint64_t tag,
                                         char ret_id[37]);
/** A RESULT event when the task `id` has ended (at once if it has); survives reconnection. */
FQ_API FQ_MUST_USE int fq_session_watch(fq_session *session, const char *id, uint64_t tag);
/** The caller lost interest: no further event for `tag`. What was not sent is not sent. */
FQ_API void fq_session_forget(fq_session *session, uint64_t tag);
/** Any other command. `repeatable`: may be sent again after a lost connection. Answer: a REPLY event. */
FQ_API FQ_MUST_USE int fq_session_command(fq_session *session, const fq_slice *args, size_t arg_count,
                                          bool repeatable, uint64_t tag);

/* --- events --------------------------------------------------------------------------------------------------------- */
enum fq_value_type {
    FQ_VALUE_NIL,
    FQ_VALUE_TEXT,
    FQ_VALUE_INTEGER,
    FQ_VALUE_DOUBLE,
    FQ_VALUE_BOOLEAN,
    FQ_VALUE_ARRAY,
    FQ_VALUE_MAP,
    FQ_VALUE_ERROR /* text: the line without '-'; inside an array only, else the event has the error */
};

/** A reply as a flat preorder array: children of values[i] start at i+1; the next sibling is values[i].next. */
struct fq_value {
    enum fq_value_type type;
    uint32_t child_count; /* maps: keys and values both count */
    uint32_t next;
    int64_t integer;
    double real;
    fq_slice text;
};

/** How a task stands. Slices borrow until the next call on the session. Times are unix milliseconds, 0 = unknown. */
struct fq_task_result {
    char id[37];
    fq_slice name, status, priority, worker;
    uint32_t attempt;
    int64_t submitted_at, started_at, completed_at;
    bool has_result;
    fq_slice result, encoding;
    fq_slice error_type, error_message, error_stack;
    fq_slice result_state; /* of a success: "stored", "evicted", "not_stored"; "" while it has not ended */
    fq_slice traceparent;  /* of the execution; "" = unknown */
    uint32_t retries, crashes;
    int64_t eligible_at, due_at;
    int64_t wait_us, run_us; /* durations; 0 = unknown */
    bool cancel_requested;
};

enum fq_session_event_type {
    FQ_SESSION_READY,     /* logged in (again) */
    FQ_SESSION_SUBMITTED, /* tag; id; error < 0: refused */
    FQ_SESSION_RESULT,    /* tag; result; error FQ_EUNKNOWNTASK: nobody knows the id */
    FQ_SESSION_REPLY,     /* tag; values, or error with message */
    FQ_SESSION_CANCEL,    /* pushed: the worker on this connection is to cancel task `id` */
    FQ_SESSION_DRAIN,     /* pushed: the control plane is going away */
};
struct fq_session_event {
    enum fq_session_event_type type;
    uint64_t tag;
    int error; /* 0 or FQ_E… */
    fq_slice message;
    char id[37];
    const struct fq_value *values; /* REPLY */
    struct fq_task_result result;  /* RESULT */
    uint64_t token;                /* CANCEL: of the lease */
};
/** 1 and the event, or 0 when there is none. It borrows until the next call of this function, fq_session_feed or
 *  fq_session_connected; new requests may be made of its slices. */
FQ_API FQ_MUST_USE int fq_session_next_event(fq_session *session, struct fq_session_event *ret_event);

/** Value for `key` in the map values[at]; NULL if absent. */
FQ_API const struct fq_value *fq_value_get(const struct fq_value *values, uint32_t at, const char *key);
/** Reads a FQ.RESULT / FQ.STATUS map into a task result. 0, or FQ_EPROTOCOL if it is none. */
FQ_API FQ_MUST_USE int fq_task_result_read(const struct fq_value *values, struct fq_task_result *ret_result);

#ifdef __cplusplus
}
#endif
#endif
