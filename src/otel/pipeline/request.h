// SPDX-License-Identifier: Apache-2.0
// Records put together to one TracesData or LogsData message: one resource, a group for each scope.
#ifndef OTEL_PIPELINE_REQUEST_H
#define OTEL_PIPELINE_REQUEST_H

#include "otel/pipeline/ring.h"

enum { OTEL_REQUEST_SCOPES_MAX = 32 };

struct otel_request {
    uint8_t *bytes; // owned
    size_t len, capacity;
    uint8_t *scope_of; // of each record; owned
    uint32_t scope_of_capacity;
};
struct otel_request_resource {
    const uint8_t *bytes; // an encoded Resource message
    size_t len;
    const char *schema_url; // "" = none
};

void otel_request_done(struct otel_request *request);
/** Of the first records, as many as have at most OTEL_REQUEST_SCOPES_MAX scopes; *ret_count is how many. False when out of
 *  memory. The records have been checked (otel_record_is_whole). */
bool otel_request_build(struct otel_request *request, const struct otel_request_resource *resource,
                        const struct otel_ring_record *records, uint32_t count, uint32_t *ret_count);
/** The outer form of a record: its lengths fit. */
bool otel_record_is_whole(const void *record, size_t len);

#endif
