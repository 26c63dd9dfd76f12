// SPDX-License-Identifier: Apache-2.0
// The header baggage of W3C baggage.
#include "otel/propagation/propagation.h"

#include <stdlib.h>

static void inject(void *self, const otel_context *context, const struct otel_carrier_writer *writer) {
    (void)self;
    char text[OTEL_BAGGAGE_BYTES_MAX];
    size_t len = otel_baggage_format(otel_context_baggage(context), text, sizeof text);
    if (len > 0)
        otel_carrier_set(writer, "baggage", text, len);
}

static otel_context *extract(void *self, const otel_context *context,
                             const struct otel_carrier_reader *reader) {
    (void)self;
    fq_str header;
    char *memory;
    otel_baggage *baggage = NULL;
    if (otel_carrier_get_joined(reader, "baggage", &header, &memory))
        baggage = otel_baggage_parse(header.ptr, header.len);
    free(memory);
    return otel_extracted_baggage(context, baggage);
}

static const char *const fields[] = {"baggage", NULL};
const struct otel_propagator_ops otel_propagate_baggage = {
    .inject = inject, .extract = extract, .fields = fields};
