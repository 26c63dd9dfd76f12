// SPDX-License-Identifier: Apache-2.0
// Contexts: one flat block each, so that a lookup reads memory that lies together and a chain of derived contexts keeps
// nothing alive that is no longer visible. What they hold is shared by count.
#include "otel/context/context.h"

#include "otel/context/tracestate.h"
#include "otel/trace.h"

#include <stdatomic.h>
#include <stdlib.h>

struct otel_context_key {
    size_t name_len;
    char name[];
};

// A value of the program's own, in every context derived from the one that it was set in.
struct context_value {
    atomic_uint references;
    const otel_context_key *key;
    void *value;
    void (*release)(void *value);
};

struct otel_context {
    atomic_uint references;
    bool has_span_context;
    struct otel_span_context span_context; // of no span of this process
    struct otel_span *span;                // retained; NULL = none
    otel_baggage *baggage;
    size_t value_count;
    struct context_value **values; // behind the tracestate
    size_t tracestate_len;
    char *tracestate; // NUL-terminated
};

static const char no_text[] = "";

static struct context_value *value_retain(struct context_value *value) {
    atomic_fetch_add_explicit(&value->references, 1, memory_order_relaxed);
    return value;
}
static void value_release(struct context_value *value) {
    if (atomic_fetch_sub_explicit(&value->references, 1, memory_order_acq_rel) != 1)
        return;
    if (value->release != NULL)
        value->release(value->value);
    free(value);
}

otel_context *otel_context_retain(const otel_context *context) {
    if (context == NULL)
        return NULL;
    otel_context *mine = (otel_context *)(uintptr_t)context;
    atomic_fetch_add_explicit(&mine->references, 1, memory_order_relaxed);
    return mine;
}

otel_context *otel_context_release(otel_context *context) {
    if (context == NULL || atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    otel_span_release(context->span);
    otel_baggage_release(context->baggage);
    for (size_t i = 0; i < context->value_count; i++)
        value_release(context->values[i]);
    free(context);
    return NULL;
}

// A new context with room for the text and the values, all else empty.
static otel_context *context_new(size_t value_room, const char *tracestate, size_t tracestate_len) {
    otel_context *context = calloc(1, sizeof *context + value_room * sizeof(void *) + tracestate_len + 1);
    if (context == NULL)
        return NULL;
    atomic_init(&context->references, 1);
    context->values = (struct context_value **)(context + 1);
    context->tracestate = (char *)(context->values + value_room);
    context->tracestate_len = tracestate_len;
    if (tracestate_len > 0)
        memcpy(context->tracestate, tracestate, tracestate_len);
    return context;
}

static void copy_values(otel_context *context, const otel_context *from, const otel_context_key *but) {
    for (size_t i = 0; from != NULL && i < from->value_count; i++) {
        if (from->values[i]->key != but)
            context->values[context->value_count++] = value_retain(from->values[i]);
    }
}

// Everything but the span, which the new context has none of.
static otel_context *copy_without_span(const otel_context *from, size_t extra_values, const char *tracestate,
                                       size_t tracestate_len, const otel_context_key *but) {
    otel_context *context =
        context_new((from != NULL ? from->value_count : 0) + extra_values, tracestate, tracestate_len);
    if (context == NULL)
        return NULL;
    copy_values(context, from, but);
    context->baggage = otel_baggage_retain(from != NULL ? from->baggage : NULL);
    return context;
}

static otel_context *copy_whole(const otel_context *from, size_t extra_values, const otel_context_key *but) {
    otel_context *context = copy_without_span(from, extra_values, from != NULL ? from->tracestate : NULL,
                                              from != NULL ? from->tracestate_len : 0, but);
    if (context != NULL && from != NULL) {
        context->has_span_context = from->has_span_context;
        context->span_context = from->span_context;
        context->span = otel_span_retain(from->span);
    }
    return context;
}

const otel_context_key *otel_context_key_new(const char *name) {
    size_t len = name != NULL ? strlen(name) : 0;
    otel_context_key *key = malloc(sizeof *key + len + 1);
    if (key == NULL)
        return NULL;
    key->name_len = len;
    memcpy(key->name, name != NULL ? name : no_text, len + 1);
    return key;
}

otel_context *otel_context_with_value(const otel_context *context, const otel_context_key *key, void *value,
                                      void (*release)(void *value)) {
    struct context_value *held = malloc(sizeof *held);
    otel_context *copy = held != NULL ? copy_whole(context, 1, key) : NULL;
    if (copy == NULL) {
        free(held);
        return NULL;
    }
    atomic_init(&held->references, 1);
    held->key = key;
    held->value = value;
    held->release = release;
    copy->values[copy->value_count++] = held;
    return copy;
}

void *otel_context_value(const otel_context *context, const otel_context_key *key) {
    for (size_t i = 0; context != NULL && i < context->value_count; i++) {
        if (context->values[i]->key == key)
            return context->values[i]->value;
    }
    return NULL;
}

otel_context *otel_context_with_span_context(const otel_context *context,
                                             const struct otel_span_context *span_context,
                                             const char *tracestate, size_t tracestate_len) {
    char clean[OTEL_TRACESTATE_KEPT_MAX + 1];
    size_t len = tracestate != NULL ? otel_tracestate_normalize(tracestate, tracestate_len, clean) : 0;
    otel_context *copy = copy_without_span(context, 0, clean, len, NULL);
    if (copy != NULL) {
        copy->has_span_context = true;
        copy->span_context = *span_context;
    }
    return copy;
}

otel_context *otel_context_with_span(const otel_context *context, struct otel_span *span) {
    if (span == NULL)
        return otel_context_retain(context);
    otel_context *copy = copy_without_span(context, 0, NULL, 0, NULL);
    if (copy != NULL)
        copy->span = otel_span_retain(span);
    return copy;
}

struct otel_span *otel_context_span(const otel_context *context) {
    return context != NULL ? context->span : NULL;
}

bool otel_context_span_context(const otel_context *context, struct otel_span_context *ret_span_context,
                               const char **ret_tracestate, size_t *ret_tracestate_len) {
    if (context == NULL || (context->span == NULL && !context->has_span_context))
        return false;
    const char *tracestate = context->tracestate;
    size_t len = context->tracestate_len;
    if (context->span != NULL) {
        tracestate = otel_span_tracestate(context->span, &len);
        *ret_span_context = otel_span_context_of(context->span);
    } else {
        *ret_span_context = context->span_context;
    }
    if (ret_tracestate != NULL)
        *ret_tracestate = tracestate;
    if (ret_tracestate_len != NULL)
        *ret_tracestate_len = len;
    return true;
}

otel_context *otel_context_with_baggage(const otel_context *context, const otel_baggage *baggage) {
    otel_context *copy = copy_whole(context, 0, NULL);
    if (copy != NULL) {
        otel_baggage_release(copy->baggage);
        copy->baggage = otel_baggage_retain(baggage);
    }
    return copy;
}

const otel_baggage *otel_context_baggage(const otel_context *context) {
    return context != NULL ? context->baggage : NULL;
}
