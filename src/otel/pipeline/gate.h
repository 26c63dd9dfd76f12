// SPDX-License-Identifier: Apache-2.0
// A number that threads wait on until it changes: for at most a time, whatever clock the program keeps. No lock, so a fork
// finds nothing held.
#ifndef OTEL_PIPELINE_GATE_H
#define OTEL_PIPELINE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct otel_gate {
    atomic_uint number;
};

static inline uint32_t otel_gate_number(const struct otel_gate *gate) {
    return atomic_load_explicit(&gate->number, memory_order_acquire);
}
/** Changes the number and wakes all who wait. */
void otel_gate_open(struct otel_gate *gate);
/** Until the number is no longer `seen`: true; false when `timeout_ns` (negative = for ever) is over. */
bool otel_gate_wait(struct otel_gate *gate, uint32_t seen, int64_t timeout_ns);

#endif
