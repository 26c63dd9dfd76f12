// SPDX-License-Identifier: Apache-2.0
// The headers traceparent and tracestate of W3C trace-context level 2.
#include "otel/propagation/propagation.h"

#include <stdlib.h>

static void inject(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    (void)self;
    struct otel_span_context span;
    const char *tracestate;
    size_t len;
    char text[OTEL_TRACEPARENT_TEXT];
    if (!otel_context_span_context(context, &span, &tracestate, &len) || !otel_span_context_is_valid(&span))
        return;
    otel_traceparent_format(&span, text);
    otel_carrier_set(writer, "traceparent", text, sizeof text);
    if (len > 0)
        otel_carrier_set(writer, "tracestate", tracestate, len);
}

static otel_context *extract(void *self, const otel_context *context,
                             const struct otel_carrier_reader *reader) {
    (void)self;
    fq_str traceparent, second, tracestate = {"", 0};
    struct otel_span_context span;
    char *memory = NULL;
    // Two of them are none: nobody can say which one is meant.
    bool is_one = otel_carrier_get(reader, "traceparent", 0, &traceparent) &&
                  !otel_carrier_get(reader, "traceparent", 1, &second);
    if (!is_one || otel_traceparent_parse(traceparent.ptr, traceparent.len, &span) < 0)
        return otel_context_retain(context);
    if (!otel_carrier_get_joined(reader, "tracestate", &tracestate, &memory))
        tracestate.len = 0;
    otel_context *made = otel_extracted(context, &span, tracestate.ptr, tracestate.len);
    free(memory);
    return made;
}

static const char *const fields[] = {"traceparent", "tracestate", NULL};
const struct otel_propagator_ops otel_propagate_tracecontext = {
    .inject = inject, .extract = extract, .fields = fields};
