// SPDX-License-Identifier: Apache-2.0
// An area of series that another process has scribbled over: read without harm, whatever it says, and what comes of it is
// well-formed MetricsData.
#include "target.h"

#include "base/assert.h"
#include "otel/metrics/area.h"
#include "otel/wire/protobuf.h"

#include <stdlib.h>

enum { AREA_BYTES = 16 * 1024, DEPTH_MAX = 3 };

static int64_t unix_ns(void *context) {
    (void)context;
    return 1000;
}
static void id_of(void *context, uint8_t id[8]) {
    (void)context;
    for (int i = 0; i < 8; i++)
        id[i] = 1;
}
static void long_id_of(void *context, uint8_t id[16]) {
    id_of(context, id);
    id_of(context, id + 8);
}

static const struct otel_runtime runtime = {
    .clock = {.unix_ns = unix_ns,     .monotonic_ns = unix_ns},
    .ids = {.trace_id = long_id_of, .span_id = id_of       }
};

// MetricsData down to the metrics: every message is whole.
static void check(const void *bytes, size_t len, int depth) {
    struct otel_pb_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct otel_pb_field field;
    int more;
    while ((more = otel_pb_next(&reader, &field)) == 1) {
        if (depth < DEPTH_MAX && field.type == OTEL_PB_BYTES && field.number == (depth == 0 ? 1 : 2))
            check(field.bytes, field.len, depth + 1);
    }
    FQ_ASSERT(more == 0);
}

static void collect(otel_meter_provider *provider) {
    fq_buf out = {0};
    size_t points = 0;
    FQ_ASSERT(otel_meter_provider_collect(provider, 0, &out, &points) == OTEL_OK);
    check(fq_buf_str(&out).ptr, fq_buf_len(&out), 0);
    fq_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct otel_reader_options reader;
    struct otel_view_options view;
    otel_view_options_init(&view);
    view.instrument_name = "*e*";
    view.aggregation = OTEL_AGGREGATE_EXPONENTIAL_HISTOGRAM;
    struct otel_meter_provider_options options = {
        .runtime = &runtime, .views = &view, .view_count = 1, .readers = &reader, .reader_count = 1};
    otel_meter_provider *provider = otel_meter_provider_new(&options);
    uint8_t *area = aligned_alloc(64, AREA_BYTES);
    FQ_ASSERT(provider != NULL && area != NULL);
    memset(area, 0, AREA_BYTES);
    size_t used = size < AREA_BYTES ? size : AREA_BYTES;
    memcpy(area, data, used);
    otel_area_source *source = otel_area_attach(provider, area, AREA_BYTES);
    collect(provider);
    // The process goes on: here by writing what it wrote once more, in another place.
    if (used > 256)
        memmove(area + 192, area + 128, used - 256);
    collect(provider);
    (void)otel_area_dropped(source);
    otel_area_detach(provider, source);
    collect(provider);
    free(area);
    otel_meter_provider_free(provider);
    return 0;
}
