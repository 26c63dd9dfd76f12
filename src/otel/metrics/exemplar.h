// SPDX-License-Identifier: Apache-2.0
// Exemplars: which measurements are kept, and where. A row has one reservoir, made with the first measurement offered:
// a slot for each bucket of an explicit histogram, a few for others. In each collection's time every measurement has the
// same chance; a slot that another thread is writing is not waited for. Source: metrics SDK "Exemplar".
#ifndef OTEL_METRICS_EXEMPLAR_H
#define OTEL_METRICS_EXEMPLAR_H

#include "otel/metrics/encode.h"
#include "otel/metrics/model.h"

struct otel_offer {
    const struct otel_series *series;
    const struct otel_row_link *link;
    const struct otel_measurement *measurement;
    struct otel_dice *dice; // of the writer's cell
    uint32_t *seen;         // by slot group
    uint32_t groups;        // counters in `seen`
    uint32_t group;         // the measurement's: its bucket, or 0
};
void otel_exemplar_offer(const struct otel_offer *offer);

enum { OTEL_EXEMPLARS_MAX = 64 }; // of one point
struct otel_exemplar_copies {
    struct otel_encoded_exemplar items[OTEL_EXEMPLARS_MAX];
    size_t count;
    fq_buf ids; // what the items point into
};
/** Those of the row that are younger than `after_unix_ns`. */
void otel_exemplars_copy(struct otel_row *row, int64_t after_unix_ns, struct otel_exemplar_copies *copies);
/** Stores one that another process took. Returns without it when the reservoir is busy. */
void otel_exemplar_put(struct otel_row *row, uint32_t slot, const struct otel_encoded_exemplar *exemplar);

#endif
