// SPDX-License-Identifier: Apache-2.0
#include "otel/trace/lane.h"

#include "otel/trace/span.h"

#include <stdlib.h>
#include <string.h>

enum { PROBES = 8 };
static const int64_t OFFSET_LIFE_NS = 50 * 1000 * 1000;

void otel_lanes_init(struct otel_lanes *lanes) {
    memset(lanes, 0, sizeof *lanes);
    lanes->shared.is_shared = true;
}

void otel_lanes_done(struct otel_lanes *lanes) {
    for (size_t i = 0; i < OTEL_LANES; i++) {
        for (struct otel_span *span; (span = otel_lane_take(&lanes->lane[i])) != NULL;)
            free(span);
    }
}

struct otel_lane *otel_lane_claim(struct otel_lanes *lanes, uintptr_t self) {
    size_t home = otel_lane_home(self);
    for (size_t i = 0; i < PROBES; i++) {
        struct otel_lane *lane = &lanes->lane[(home + i) % OTEL_LANES];
        uintptr_t owner = atomic_load_explicit(&lane->owner, memory_order_acquire);
        if (owner == 0 && atomic_compare_exchange_strong(&lane->owner, &owner, self))
            owner = self;
        if (owner == self)
            return lane;
    }
    return &lanes->shared;
}

struct otel_span *otel_lane_take(struct otel_lane *lane) {
    struct otel_span *span = atomic_load_explicit(&lane->spare, memory_order_acquire);
    if (span == NULL)
        return NULL;
    atomic_store_explicit(&lane->spare, span->next, memory_order_release);
    unsigned count = atomic_load_explicit(&lane->spare_count, memory_order_relaxed);
    atomic_store_explicit(&lane->spare_count, count - 1, memory_order_relaxed);
    return span;
}

bool otel_lane_give(struct otel_lane *lane, struct otel_span *span) {
    unsigned count = atomic_load_explicit(&lane->spare_count, memory_order_relaxed);
    if (lane->is_shared || count >= OTEL_LANE_SPANS)
        return false;
    span->next = atomic_load_explicit(&lane->spare, memory_order_relaxed);
    atomic_store_explicit(&lane->spare_count, count + 1, memory_order_relaxed);
    atomic_store_explicit(&lane->spare, span, memory_order_release);
    return true;
}

// The two clocks are read one after the other: of three tries the one in which they lay closest together.
static int64_t read_offset(const struct otel_runtime *runtime, int64_t *ret_now) {
    int64_t best = INT64_MAX, offset = 0;
    for (int i = 0; i < 3; i++) {
        int64_t before = otel_monotonic_ns(runtime);
        int64_t unix_ns = otel_unix_ns(runtime);
        int64_t after = otel_monotonic_ns(runtime);
        if (after - before < best) {
            best = after - before;
            offset = unix_ns - before - best / 2;
        }
        *ret_now = after;
    }
    return offset;
}

int64_t otel_lane_now(struct otel_lane *lane, const struct otel_runtime *runtime, int64_t *ret_unix_offset) {
    int64_t now = otel_monotonic_ns(runtime);
    int64_t read = atomic_load_explicit(&lane->offset_read, memory_order_relaxed);
    if (__builtin_expect(read == 0 || now - read >= OFFSET_LIFE_NS || now < read || lane->is_shared, 0)) {
        int64_t offset = read_offset(runtime, &now);
        atomic_store_explicit(&lane->unix_offset, offset, memory_order_relaxed);
        atomic_store_explicit(&lane->offset_read, now, memory_order_relaxed);
        *ret_unix_offset = offset;
        return now;
    }
    *ret_unix_offset = atomic_load_explicit(&lane->unix_offset, memory_order_relaxed);
    return now;
}
