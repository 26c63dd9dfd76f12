// SPDX-License-Identifier: Apache-2.0
/**
 * What travels with an execution: the identity of the current span, baggage, and values of the program's own.
 *
 * A context is immutable and counted; making one from another adds one value. Each thread has a current context, entered
 * and left like a scope. With no context entered, the current one is NULL, which every function takes as the empty context.
 */
#ifndef OTEL_CONTEXT_H
#define OTEL_CONTEXT_H

#include "otel/attribute.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- span context: the identity of a span as it travels between processes (W3C trace-context level 2) --- */
enum { OTEL_TRACEPARENT_TEXT = 55 };
enum { OTEL_FLAG_SAMPLED = 1, OTEL_FLAG_RANDOM = 2 };

struct otel_span_context {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags; /* OTEL_FLAG_… */
    bool remote;   /* came from another process */
};

/** Neither id all zero. */
OTEL_API bool otel_span_context_is_valid(const struct otel_span_context *context);
/** W3C trace-context level 2, 2.2: version 00 exactly, later versions by their known prefix. 0, or -1 if it is none. */
OTEL_API int otel_traceparent_parse(const char *text, size_t len, struct otel_span_context *ret_context);
/** Writes 55 characters, no NUL. */
OTEL_API void otel_traceparent_format(const struct otel_span_context *context,
                                      char text[OTEL_TRACEPARENT_TEXT]);

/* --- contexts --- */
struct otel_span;
typedef struct otel_context otel_context;
typedef struct otel_baggage otel_baggage;

/** The calling thread's current context, with the current span in it; borrowed, valid while it is entered. NULL if nothing
 *  is. The first call in a scope that was entered with a span makes a context (kept by the scope), later ones do not. */
OTEL_API const otel_context *otel_context_current(void);
/** NULL in, NULL out. A reference of the caller's own, whatever thread releases it. */
OTEL_API otel_context *otel_context_retain(const otel_context *context);
/** NULL is fine. Returns NULL. */
OTEL_API otel_context *otel_context_release(otel_context *context);

/* Keys of the program's own values; two keys of one name are still two keys. Never freed. */
typedef struct otel_context_key otel_context_key;
OTEL_API const otel_context_key *otel_context_key_new(const char *name);
/** `value` is kept, not owned; `release` (NULL = none) is called with it when the last context that holds it is released.
 *  NULL when out of memory. */
OTEL_API otel_context *otel_context_with_value(const otel_context *context, const otel_context_key *key,
                                               void *value, void (*release)(void *value));
OTEL_API void *otel_context_value(const otel_context *context, const otel_context_key *key);

/** A context whose span is this remote (or any other) identity. `tracestate`: W3C text, NULL = none; it is checked, an
 *  invalid one is left out. */
OTEL_API otel_context *otel_context_with_span_context(const otel_context *context,
                                                      const struct otel_span_context *span_context,
                                                      const char *tracestate, size_t tracestate_len);
/** False (and *ret untouched) if the context has no span. *ret_tracestate is borrowed from the context. */
OTEL_API bool otel_context_span_context(const otel_context *context,
                                        struct otel_span_context *ret_span_context,
                                        const char **ret_tracestate, size_t *ret_tracestate_len);
/** A context whose span is this one, with a reference of its own. NULL span: the context retained. */
OTEL_API otel_context *otel_context_with_span(const otel_context *context, struct otel_span *span);
/** The span of this process in it, NULL if there is none or it is remote; borrowed from the context. */
OTEL_API struct otel_span *otel_context_span(const otel_context *context);

/** Takes a reference of the baggage. */
OTEL_API otel_context *otel_context_with_baggage(const otel_context *context, const otel_baggage *baggage);
/** Borrowed from the context; NULL = empty. */
OTEL_API const otel_baggage *otel_context_baggage(const otel_context *context);
/** Of what is current, with no allocation. */
OTEL_API const otel_baggage *otel_baggage_current(void);

/* --- entering: what a block of code runs in --- */
/* Lives on the stack of the block; entered and left by the same thread, in the order of a stack. */
struct otel_scope {
    struct otel_scope *outer;
    struct otel_span *span;      /* the current span, NULL = none of this process */
    const otel_context *context; /* with the rest, and a remote span */
    otel_context *owned;         /* made for otel_context_current() */
    uint64_t serial;             /* 0 = left */
    const void *thread;
};
/** Makes a span current, keeping baggage and values; NULL keeps the one that is. No allocation. Scope and span are borrowed
 *  until it is left. */
OTEL_API void otel_scope_enter_span(struct otel_scope *scope, struct otel_span *span);
/** Makes a whole context current (NULL = the empty one). It is borrowed until it is left. */
OTEL_API void otel_scope_enter(struct otel_scope *scope, const otel_context *context);
/** Leaving out of order is noticed, said once by each thread, and leaves everything inside too; leaving twice, or in another
 *  thread, does nothing but say so. */
OTEL_API void otel_scope_leave(struct otel_scope *scope);
/** The current span, NULL if there is none or it is remote; borrowed. */
OTEL_API struct otel_span *otel_span_current(void);
/** Identity of whatever is current, span or remote parent. False if none. */
OTEL_API bool otel_current_span_context(struct otel_span_context *ret_context);
/** A context that holds all that is current, to be taken to another thread; released by the caller. The span in it is
 *  retained. NULL if nothing is current or out of memory. */
OTEL_API otel_context *otel_context_capture(void);

/* --- baggage: names and values of the user's own, for all who take part in a trace --- */
enum { OTEL_BAGGAGE_MEMBERS_MAX = 180, OTEL_BAGGAGE_BYTES_MAX = 8192 };
/** Of a W3C header value (several joined by comma); what is malformed or beyond the limits is left out, of a key that comes
 *  twice the last one counts. NULL = empty or out of memory. */
OTEL_API otel_baggage *otel_baggage_parse(const char *header, size_t len);
/** A new baggage with one member set or replaced; `metadata` (NULL = none; W3C properties: `a;b=c`) goes behind it as it is.
 *  The value is any UTF-8. NULL when the key is no token, the metadata no properties, a limit is passed, or out of memory. */
OTEL_API otel_baggage *otel_baggage_with(const otel_baggage *baggage, const char *key, const char *value,
                                         const char *metadata);
/** NULL when nothing is left or out of memory. */
OTEL_API otel_baggage *otel_baggage_without(const otel_baggage *baggage, const char *key);
OTEL_API otel_baggage *otel_baggage_retain(const otel_baggage *baggage);
OTEL_API otel_baggage *otel_baggage_release(otel_baggage *baggage);
OTEL_API size_t otel_baggage_count(const otel_baggage *baggage);
/** Decoded value, NUL-terminated, borrowed; NULL if there is none. */
OTEL_API const char *otel_baggage_get(const otel_baggage *baggage, const char *key);
/** Member `index` below the count; *ret_metadata is "" if there is none. */
OTEL_API void otel_baggage_at(const otel_baggage *baggage, size_t index, const char **ret_key,
                              const char **ret_value, const char **ret_metadata);
/** Header value into `text`; returns its length, 0 if empty; whole members that do not fit `size` are left out. */
OTEL_API size_t otel_baggage_format(const otel_baggage *baggage, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
