// SPDX-License-Identifier: Apache-2.0
// Propagators as objects: built-in (static), a program's own, and several as one.
#include "otel/propagation/propagation.h"

#include <stdatomic.h>
#include <stdlib.h>

struct otel_propagator {
    const struct otel_propagator_ops *ops;
    void *self;
    atomic_uint references; // 0 = static
    // Of a composite one:
    struct otel_propagator_ops own_ops;
    size_t part_count;
    const otel_propagator **parts;
    const char **fields;
};

static otel_propagator builtins[] = {
    [OTEL_PROPAGATE_TRACECONTEXT] = {.ops = &otel_propagate_tracecontext},
    [OTEL_PROPAGATE_BAGGAGE] = {.ops = &otel_propagate_baggage},
    [OTEL_PROPAGATE_B3] = {.ops = &otel_propagate_b3},
    [OTEL_PROPAGATE_B3MULTI] = {.ops = &otel_propagate_b3multi},
    [OTEL_PROPAGATE_JAEGER] = {.ops = &otel_propagate_jaeger},
};
static const char *const names[] = {
    [OTEL_PROPAGATE_TRACECONTEXT] = "tracecontext",
    [OTEL_PROPAGATE_BAGGAGE] = "baggage",
    [OTEL_PROPAGATE_B3] = "b3",
    [OTEL_PROPAGATE_B3MULTI] = "b3multi",
    [OTEL_PROPAGATE_JAEGER] = "jaeger",
};
enum { BUILTIN_COUNT = sizeof builtins / sizeof builtins[0] };

const otel_propagator *otel_propagator_builtin(enum otel_propagator_kind kind) {
    return (size_t)kind < BUILTIN_COUNT ? &builtins[kind] : NULL;
}

const otel_propagator *otel_propagator_by_name(const char *name) {
    for (size_t i = 0; i < BUILTIN_COUNT; i++) {
        if (fq_str_equal_nocase(fq_str_of(name), fq_str_of(names[i])))
            return &builtins[i];
    }
    return NULL;
}

otel_propagator *otel_propagator_new(const struct otel_propagator_ops *ops, void *self) {
    otel_propagator *propagator = calloc(1, sizeof *propagator);
    if (propagator == NULL)
        return NULL;
    propagator->ops = ops;
    propagator->self = self;
    atomic_init(&propagator->references, 1);
    return propagator;
}

static const otel_propagator *retain(const otel_propagator *propagator) {
    otel_propagator *mine = (otel_propagator *)(uintptr_t)propagator;
    if (atomic_load_explicit(&mine->references, memory_order_relaxed) > 0)
        atomic_fetch_add_explicit(&mine->references, 1, memory_order_relaxed);
    return propagator;
}

otel_propagator *otel_propagator_free(otel_propagator *propagator) {
    if (propagator == NULL || atomic_load_explicit(&propagator->references, memory_order_relaxed) == 0 ||
        atomic_fetch_sub_explicit(&propagator->references, 1, memory_order_acq_rel) != 1)
        return NULL;
    for (size_t i = 0; i < propagator->part_count; i++)
        otel_propagator_free((otel_propagator *)(uintptr_t)propagator->parts[i]);
    free(propagator->parts);
    free(propagator->fields);
    free(propagator);
    return NULL;
}

static void inject_parts(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    const otel_propagator *whole = self;
    for (size_t i = 0; i < whole->part_count; i++)
        whole->parts[i]->ops->inject(whole->parts[i]->self, context, writer);
}

static otel_context *extract_parts(void *self, const otel_context *context,
                                   const struct otel_carrier_reader *reader) {
    const otel_propagator *whole = self;
    otel_context *result = otel_context_retain(context);
    for (size_t i = 0; i < whole->part_count; i++) {
        otel_context *next = whole->parts[i]->ops->extract(whole->parts[i]->self, result, reader);
        otel_context_release(result);
        result = next;
    }
    return result;
}

static bool has_field(const char *const *fields, size_t count, const char *field) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i], field) == 0)
            return true;
    }
    return false;
}

static const char **join_fields(const otel_propagator *const *parts, size_t count) {
    size_t room = 1, used = 0;
    for (size_t i = 0; i < count; i++) {
        for (const char *const *field = parts[i]->ops->fields; *field != NULL; field++)
            room++;
    }
    const char **fields = calloc(room, sizeof *fields);
    for (size_t i = 0; fields != NULL && i < count; i++) {
        for (const char *const *field = parts[i]->ops->fields; *field != NULL; field++) {
            if (!has_field(fields, used, *field))
                fields[used++] = *field;
        }
    }
    return fields;
}

static bool has_part(const otel_propagator *whole, const otel_propagator *part) {
    for (size_t i = 0; i < whole->part_count; i++) {
        if (whole->parts[i] == part)
            return true;
    }
    return false;
}

otel_propagator *otel_propagator_composite(const otel_propagator *const *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (parts[i] == NULL)
            return NULL;
    }
    otel_propagator *whole = otel_propagator_new(NULL, NULL);
    if (whole == NULL)
        return NULL;
    whole->parts = calloc(count + 1, sizeof(otel_propagator *));
    whole->fields = join_fields(parts, count);
    if (whole->parts == NULL || whole->fields == NULL)
        return otel_propagator_free(whole);
    for (size_t i = 0; i < count; i++) {
        if (!has_part(whole, parts[i]))
            whole->parts[whole->part_count++] = retain(parts[i]);
    }
    whole->own_ops = (struct otel_propagator_ops){
        .inject = inject_parts, .extract = extract_parts, .fields = whole->fields};
    whole->ops = &whole->own_ops;
    whole->self = whole;
    return whole;
}

void otel_inject(const otel_propagator *propagator, const otel_context *context,
                 const struct otel_carrier_writer *writer) {
    if (propagator == NULL)
        propagator = otel_propagator_global();
    propagator->ops->inject(propagator->self, context != NULL ? context : otel_context_current(), writer);
}

otel_context *otel_extract(const otel_propagator *propagator, const otel_context *context,
                           const struct otel_carrier_reader *reader) {
    if (propagator == NULL)
        propagator = otel_propagator_global();
    return propagator->ops->extract(propagator->self, context, reader);
}

const char *const *otel_propagator_fields(const otel_propagator *propagator) {
    return propagator->ops->fields;
}

// --- the program's default -----------------------------------------------------------------------------------------
static const otel_propagator *default_parts[] = {&builtins[OTEL_PROPAGATE_TRACECONTEXT],
                                                 &builtins[OTEL_PROPAGATE_BAGGAGE]};
static const char *const default_fields[] = {"traceparent", "tracestate", "baggage", NULL};
static const struct otel_propagator_ops default_ops = {
    .inject = inject_parts, .extract = extract_parts, .fields = default_fields};
static otel_propagator default_propagator = {
    .ops = &default_ops, .self = &default_propagator, .part_count = 2, .parts = default_parts};
static _Atomic(const otel_propagator *) global;

const otel_propagator *otel_propagator_global(void) {
    const otel_propagator *set = atomic_load_explicit(&global, memory_order_acquire);
    return set != NULL ? set : &default_propagator;
}

void otel_propagator_set_global(const otel_propagator *propagator) {
    atomic_store_explicit(&global, propagator, memory_order_release);
}
