// SPDX-License-Identifier: Apache-2.0
// Who sends: attributes of the program, its process and its host, merged from code, environment and detectors.
#ifndef OTEL_RESOURCE_H
#define OTEL_RESOURCE_H

#include "base/buf.h"
#include "otel/runtime.h"

/** Copies. An attribute given twice: the later one. NULL when out of memory. */
otel_resource *otel_resource_new(const struct otel_attribute *attributes, size_t count,
                                 const char *schema_url);
/** `over` wins. Schema URLs: the one that is set; if both and different, none. */
otel_resource *otel_resource_merge(const otel_resource *base, const otel_resource *over);
otel_resource *otel_resource_free(otel_resource *resource);
size_t otel_resource_count(const otel_resource *resource);
struct otel_attribute otel_resource_at(const otel_resource *resource, size_t index);
const struct otel_value *otel_resource_get(const otel_resource *resource, const char *key);
const char *otel_resource_schema_url(const otel_resource *resource); // "" = none
/** Appends the fields of an encoded Resource message. 0 or a negative error. */
int otel_resource_encode(const otel_resource *resource, fq_buf *out);

// A detector finds attributes; one that fails gives NULL and is left out.
struct otel_resource_detector {
    const char *name;
    otel_resource *(*detect)(void *context);
    void *context;
};

#endif
