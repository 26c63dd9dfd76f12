// SPDX-License-Identifier: Apache-2.0
// What a collecting process knows of an area: the blocks that it has found sound, with what each had counted last time.
#ifndef OTEL_METRICS_AREA_SOURCE_H
#define OTEL_METRICS_AREA_SOURCE_H

#include "otel/metrics/area.h"
#include "otel/metrics/merge.h"

// Objects that areas may make in the collecting provider, and counts that no process reaches between two collections: what
// is beyond them is garbage.
enum { OTEL_AREA_INSTRUMENTS_MAX = 4096, OTEL_AREA_BLOCKS_MAX = 1 << 20 };
#define OTEL_AREA_COUNT_MAX (UINT64_C(1) << 48)

struct otel_area_stream {
    struct otel_instrument *instrument; // NULL = not wanted
    enum otel_aggregation aggregation;
    bool integer, is_monotonic;
    uint32_t bound_count;
    int32_t max_size;
    double bounds[];
};
struct otel_area_row {
    struct otel_area_stream *stream;
    struct otel_series *series; // NULL = not wanted
};
// State of a cell at the last look.
struct otel_area_cell {
    struct otel_area_row *row;
    uint64_t count, sum;
    double real_sum;
    uint64_t *buckets;                    // explicit
    struct otel_exponential *exponential; // or this
};
struct otel_area_reservoir {
    struct otel_area_row *row;
    uint32_t slot_count, stride;
    uint32_t versions[]; // of slots that were taken over
};
struct otel_area_entry {
    uint32_t offset, type; // enum otel_block_type; 0 = of no use
    void *what;            // one of the above
};

struct otel_area_source {
    struct otel_area_source *next;
    struct otel_meter_provider *provider;
    const uint8_t *area;
    uint32_t len;
    uint32_t scanned; // blocks before this are entries
    bool is_garbage;  // not looked at any more
    struct otel_area_entry *entries;
    uint32_t entry_count, entry_capacity;
};

/** Takes in blocks that are new. False if the area cannot be what it says. */
bool otel_area_scan(struct otel_area_source *source);
void otel_area_forget(struct otel_area_source *source);
/** What changed since last time goes into the provider's series. */
void otel_area_fold(struct otel_area_source *source, struct otel_figures *scratch);

#endif
