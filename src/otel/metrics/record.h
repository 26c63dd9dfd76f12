// SPDX-License-Identifier: Apache-2.0
// What measuring and collecting share of cells.
#ifndef OTEL_METRICS_RECORD_H
#define OTEL_METRICS_RECORD_H

#include "otel/metrics/model.h"

/** One measurement into a common cell whose lock is held. */
void otel_exponential_cell_record(struct otel_exponential_cell *cell, uint32_t size, double value);
/** A measurement found no memory. */
void otel_count_lost(struct otel_row *row);

/** The cell of a slot, NULL if there is none. */
static inline struct otel_block *otel_row_cell(const struct otel_row *row, unsigned slot) {
    if (slot < OTEL_ROW_CELLS)
        return atomic_load_explicit(&row->cells[slot], memory_order_acquire);
    const struct otel_more_cells *more = atomic_load_explicit(&row->more, memory_order_acquire);
    return more != NULL ? atomic_load_explicit(&more->cells[slot - OTEL_ROW_CELLS], memory_order_acquire)
                        : NULL;
}

#endif
