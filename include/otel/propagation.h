// SPDX-License-Identifier: Apache-2.0
/**
 * Propagators: write the current span and baggage into a carrier (headers, a task, an environment) and read them back.
 * Extract never fails: what cannot be read leaves the context as it was. Inject of nothing writes nothing.
 */
#ifndef OTEL_PROPAGATION_H
#define OTEL_PROPAGATION_H

#include "otel/context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct otel_carrier_writer {
    void (*set)(void *carrier, const char *key, const char *value, size_t value_len);
    void *carrier;
};
struct otel_carrier_reader {
    /* The `index`-th value of a key (compared without case; headers may come several times); NULL if there is none. */
    const char *(*get)(void *carrier, const char *key, size_t index, size_t *ret_len);
    /* The `index`-th key; NULL behind the last. May be NULL when the carrier cannot list. */
    const char *(*key_at)(void *carrier, size_t index);
    void *carrier;
};

typedef struct otel_propagator otel_propagator;
enum otel_propagator_kind {
    OTEL_PROPAGATE_TRACECONTEXT,
    OTEL_PROPAGATE_BAGGAGE,
    OTEL_PROPAGATE_B3, /* injects the single header, extracts single, then multi */
    OTEL_PROPAGATE_B3MULTI,
    OTEL_PROPAGATE_JAEGER,
};
/** Built-in ones are static. */
OTEL_API const otel_propagator *otel_propagator_builtin(enum otel_propagator_kind kind);
/** By the name OTEL_PROPAGATORS uses; NULL if unknown. */
OTEL_API const otel_propagator *otel_propagator_by_name(const char *name);

struct otel_propagator_ops {
    void (*inject)(void *self, const otel_context *context, const struct otel_carrier_writer *writer);
    /* Returns a reference: a new context, or `context` retained. */
    otel_context *(*extract)(void *self, const otel_context *context,
                             const struct otel_carrier_reader *reader);
    const char *const *fields; /* NULL-terminated: keys that it may write */
};
/** One of the program's own; `self` is kept, not owned. NULL when out of memory. */
OTEL_API otel_propagator *otel_propagator_new(const struct otel_propagator_ops *ops, void *self);
/** In the order given, keeping references. Of parts that are the same one counts. NULL when out of memory, or when a part is NULL:
 *  what could not be made or has no such name. */
OTEL_API otel_propagator *otel_propagator_composite(const otel_propagator *const *parts, size_t count);
/** Gives the caller's reference back; static ones are fine. Returns NULL. */
OTEL_API otel_propagator *otel_propagator_free(otel_propagator *propagator);

/** `propagator` NULL = the program's default; `context` NULL = what is current. */
OTEL_API void otel_inject(const otel_propagator *propagator, const otel_context *context,
                          const struct otel_carrier_writer *writer);
/** Returns a context to be released; NULL = empty. `context` is what is extended, NULL = empty. */
OTEL_API otel_context *otel_extract(const otel_propagator *propagator, const otel_context *context,
                                    const struct otel_carrier_reader *reader);
/** Keys that it may write, NULL-terminated, static as long as the propagator. */
OTEL_API const char *const *otel_propagator_fields(const otel_propagator *propagator);

/** The program's default, used where none is given: tracecontext and baggage until something else is set. */
OTEL_API const otel_propagator *otel_propagator_global(void);
/** Takes a pointer that must stay valid; NULL = the default again. */
OTEL_API void otel_propagator_set_global(const otel_propagator *propagator);

/* --- environment variables as a carrier: TRACEPARENT, TRACESTATE, BAGGAGE, … for child processes --- */
struct otel_environment {
    /* A variable's value, NULL = unset; must stay valid while it is read. `get` NULL = the process's own environment. */
    const char *(*get)(void *context, const char *name);
    /* `set` NULL = the process's own environment: by no means while other threads run. */
    void (*set)(void *context, const char *name, const char *value);
    void *context;
};
/** Both borrow `environment`; NULL = the process's own. Keys become names: upper case, `_` for what is no letter or digit. */
OTEL_API struct otel_carrier_reader otel_environment_reader(const struct otel_environment *environment);
OTEL_API struct otel_carrier_writer otel_environment_writer(const struct otel_environment *environment);

#ifdef __cplusplus
}
#endif
#endif
