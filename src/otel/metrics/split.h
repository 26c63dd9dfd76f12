// SPDX-License-Identifier: Apache-2.0
// One collection as several messages of a bounded number of points each, for receivers that take no more at once.
#ifndef OTEL_METRICS_SPLIT_H
#define OTEL_METRICS_SPLIT_H

#include "base/buf.h"

/** Gives each part of the MetricsData message (as a reader makes it) to `part`, in order; the heads of what is cut are
 *  repeated. 0, the first result of `part` that is not 0 at the end, or a negative error. */
int otel_metrics_split(const void *bytes, size_t len, size_t max_points,
                       int (*part)(void *context, const fq_buf *bytes, size_t points), void *context);

#endif
