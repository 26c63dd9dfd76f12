// SPDX-License-Identifier: Apache-2.0
// What is current in each thread: a stack of scopes that lie in their blocks. Entering and leaving touch the scope and one
// thread-local pointer.
#include "otel/context/context.h"

#include "otel/trace.h"

#include <stdio.h>

static _Thread_local struct {
    struct otel_scope *current;
    uint64_t serial; // of the scope entered last
    // Scopes that were left by leaving one around them, should they still ask.
    uint64_t dead_from, dead_to;
    bool complained;
} here;

const struct otel_scope *otel_scope_current(void) {
    return here.current;
}

static void enter(struct otel_scope *scope, struct otel_span *span, const otel_context *context) {
    scope->outer = here.current;
    scope->span = span;
    scope->context = context;
    scope->owned = NULL;
    scope->serial = ++here.serial;
    scope->thread = &here;
    here.current = scope;
}

void otel_scope_enter_span(struct otel_scope *scope, struct otel_span *span) {
    const struct otel_scope *outer = here.current;
    if (span == NULL && outer != NULL)
        span = outer->span;
    enter(scope, span, outer != NULL ? outer->context : NULL);
}

void otel_scope_enter(struct otel_scope *scope, const otel_context *context) {
    enter(scope, otel_context_span(context), context);
}

static void complain(const char *what) {
    if (!here.complained)
        fprintf(
            stderr,
            "otel: a scope was left %s; scopes are left by the thread that entered them, last one first\n",
            what);
    here.complained = true;
}

// The scopes inside it may lie in blocks that are gone: they are not looked at.
static void leave_disorderly(struct otel_scope *scope) {
    if (scope->thread != &here) {
        complain("in another thread");
        return;
    }
    bool is_dead = scope->serial >= here.dead_from && scope->serial <= here.dead_to;
    if (scope->serial == 0 || is_dead) {
        complain("twice");
        return;
    }
    complain("out of order");
    here.dead_from = scope->serial + 1;
    here.dead_to = here.serial;
    here.current = scope->outer;
}

void otel_scope_leave(struct otel_scope *scope) {
    if (here.current == scope)
        here.current = scope->outer;
    else
        leave_disorderly(scope);
    if (scope->thread == &here) {
        scope->serial = 0;
        scope->owned = otel_context_release(scope->owned);
    }
}

struct otel_span *otel_span_current(void) {
    return here.current != NULL ? here.current->span : NULL;
}

const otel_context *otel_context_current(void) {
    struct otel_scope *scope = here.current;
    if (scope == NULL)
        return NULL;
    if (scope->span != NULL && otel_context_span(scope->context) != scope->span) {
        scope->owned = otel_context_with_span(scope->context, scope->span);
        if (scope->owned != NULL)
            scope->context = scope->owned;
    }
    return scope->context;
}

const otel_baggage *otel_baggage_current(void) {
    return here.current != NULL ? otel_context_baggage(here.current->context) : NULL;
}

bool otel_current_span_identity(struct otel_span_context *ret_context, const char **ret_tracestate,
                                size_t *ret_len) {
    const struct otel_scope *scope = here.current;
    if (scope == NULL)
        return false;
    if (scope->span == NULL)
        return otel_context_span_context(scope->context, ret_context, ret_tracestate, ret_len);
    *ret_context = otel_span_context_of(scope->span);
    *ret_tracestate = otel_span_tracestate(scope->span, ret_len);
    return true;
}

bool otel_current_span_context(struct otel_span_context *ret_context) {
    const char *tracestate;
    size_t len;
    return otel_current_span_identity(ret_context, &tracestate, &len);
}

otel_context *otel_context_capture(void) {
    return otel_context_retain(otel_context_current());
}
