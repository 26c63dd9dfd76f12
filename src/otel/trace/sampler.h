// SPDX-License-Identifier: Apache-2.0
#ifndef OTEL_TRACE_SAMPLER_H
#define OTEL_TRACE_SAMPLER_H

#include "otel/exporter.h"

struct otel_sampler {
    const struct otel_sampler_ops *ops;
    void *self;
    char *description;
};

/** As otel_sampler_new; the description is printf's. `self` is freed by the ops when it fails. */
otel_sampler *otel_sampler_make(const struct otel_sampler_ops *ops, void *self, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Cautions of a decision by the trace's randomness: a root's id is of our own generator, a child's is random if its flag or
 *  its tracestate says so. */
unsigned otel_randomness_cautions(const struct otel_sampling_request *request);

#endif
