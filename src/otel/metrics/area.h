// SPDX-License-Identifier: Apache-2.0
// Series in memory that two processes share: the one that measures writes cells, the other one collects, also after the
// first is gone. The memory is given by the owner, all zero; nothing in it is a pointer. The collector believes nothing
// that it has not copied and checked: a process that scribbles over it costs its own measurements only.
//
// The measuring side is a meter provider that was given the area. The collecting side:
#ifndef OTEL_METRICS_AREA_H
#define OTEL_METRICS_AREA_H

#include "otel/metrics/provider.h"

typedef struct otel_area_source otel_area_source;
/** Folds the area's series into the provider's own collections, from now on. `area` stays readable until it is removed. */
otel_area_source *otel_area_attach(otel_meter_provider *provider, const void *area, size_t area_len);
/** The process behind it is gone: what it had counted is kept in the totals, then the area is not looked at again. */
void otel_area_detach(otel_meter_provider *provider, otel_area_source *source);
/** Measurements that found no room in the area, as its process says. */
uint64_t otel_area_dropped(const otel_area_source *source);

#endif
