// SPDX-License-Identifier: Apache-2.0
// What each thread has of a tracer provider for itself, so that starting and ending a span shares no memory with other
// threads: spare spans, counters, and the distance between its two clocks.
//
// A lane is found by the thread's handle in a small table and stays with that handle: a later thread of the same handle
// exists only after the earlier one has gone. When the table is full, threads share one lane, with locked additions and
// without spare spans.
#ifndef OTEL_TRACE_LANE_H
#define OTEL_TRACE_LANE_H

#include "otel/runtime.h"

#include <pthread.h>
#include <stdatomic.h>

enum { OTEL_LANE_BITS = 6, OTEL_LANES = 1 << OTEL_LANE_BITS, OTEL_LANE_SPANS = 16 };

// One writer (but for the shared lane); atomic for those who sum them up, and for the next thread of the same handle.
struct otel_lane {
    _Alignas(128) atomic_uintptr_t owner; // pthread_t; 0 = free
    bool is_shared;
    _Atomic(struct otel_span *) spare; // linked by `next`
    atomic_uint spare_count;
    atomic_int_least64_t unix_offset; // unix time - monotonic time
    atomic_int_least64_t offset_read; // when it was read, monotonic; 0 = never
    atomic_uint_least64_t started[3][3], ended[3];
};

struct otel_lanes {
    struct otel_lane lane[OTEL_LANES];
    struct otel_lane shared;
};

void otel_lanes_init(struct otel_lanes *lanes);
/** Frees the spare spans. */
void otel_lanes_done(struct otel_lanes *lanes);
struct otel_lane *otel_lane_claim(struct otel_lanes *lanes, uintptr_t self);

static inline size_t otel_lane_home(uintptr_t self) {
    return (size_t)((uint64_t)(self >> 6) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - OTEL_LANE_BITS));
}
/** The calling thread's. */
static inline struct otel_lane *otel_lane_here(struct otel_lanes *lanes) {
    uintptr_t self = (uintptr_t)pthread_self();
    struct otel_lane *lane = &lanes->lane[otel_lane_home(self)];
    if (__builtin_expect(atomic_load_explicit(&lane->owner, memory_order_acquire) == self, 1))
        return lane;
    return otel_lane_claim(lanes, self);
}
static inline void otel_lane_count(struct otel_lane *lane, atomic_uint_least64_t *cell) {
    if (__builtin_expect(lane->is_shared, 0))
        atomic_fetch_add_explicit(cell, 1, memory_order_relaxed);
    else
        atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + 1,
                              memory_order_relaxed);
}

/** A spare span, NULL if there is none. */
struct otel_span *otel_lane_take(struct otel_lane *lane);
/** Keeps the span for later; false if there are enough. */
bool otel_lane_give(struct otel_lane *lane, struct otel_span *span);
/** Monotonic time, and what to add to make it unix time. One clock is read; the offset is renewed 20 times a second, so a
 *  clock that is set shows up that soon, and a span's duration never notices. */
int64_t otel_lane_now(struct otel_lane *lane, const struct otel_runtime *runtime, int64_t *ret_unix_offset);

#endif
