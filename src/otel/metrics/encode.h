// SPDX-License-Identifier: Apache-2.0
// MetricsData put together in one buffer, fields in ascending order. A message is opened, filled and closed; its length is
// then known and put in front of it. A failed append is remembered and makes the rest do nothing.
#ifndef OTEL_METRICS_ENCODE_H
#define OTEL_METRICS_ENCODE_H

#include "base/buf.h"
#include "fastqueue/error.h"
#include "otel/metrics.h"
#include "otel/wire/protobuf.h"

struct otel_encoder {
    fq_buf *out;
    int failed;
};
// Tags are written before a message and not counted in it.
struct otel_message {
    size_t start; // of the tag
    size_t body;
};

struct otel_message otel_encoder_open(struct otel_encoder *encoder, uint32_t field);
void otel_encoder_close(struct otel_encoder *encoder, struct otel_message message);
/** As if it had not been opened. */
void otel_encoder_undo(struct otel_encoder *encoder, struct otel_message message);
/** Room for `size` bytes at the end; what was written there is then taken. */
struct otel_pb otel_encoder_room(struct otel_encoder *encoder, size_t size);
void otel_encoder_take(struct otel_encoder *encoder, const struct otel_pb *pb);
/** A field of bytes; none if they are empty. */
void otel_encoder_bytes(struct otel_encoder *encoder, uint32_t field, const void *bytes, size_t len);
void otel_encoder_text(struct otel_encoder *encoder, uint32_t field, const char *text);
/** The KeyValues of an attribute set, each under `field` (1 … 15). */
void otel_encoder_set(struct otel_encoder *encoder, uint32_t field, const uint8_t *set, size_t len);

// --- metrics ---------------------------------------------------------------------------------------------------------
enum otel_shape {
    OTEL_SHAPE_GAUGE = 5,
    OTEL_SHAPE_SUM = 7,
    OTEL_SHAPE_HISTOGRAM = 9,
    OTEL_SHAPE_EXPONENTIAL = 10
}; // field numbers in Metric
struct otel_metric_head {
    const char *name, *unit, *description;
    enum otel_shape shape;
    enum otel_temporality temporality;
    bool monotonic;
};
struct otel_open_metric {
    struct otel_message metric, data;
};
struct otel_open_metric otel_encode_metric(struct otel_encoder *encoder, const struct otel_metric_head *head);
void otel_encode_metric_end(struct otel_encoder *encoder, const struct otel_metric_head *head,
                            struct otel_open_metric open);

struct otel_encoded_exemplar {
    bool integer;
    uint64_t value; // bits of a double, or an int64
    int64_t unix_ns;
    const uint8_t *trace_id, *span_id; // NULL or zero = none
    const uint8_t *filtered;           // attribute set
    size_t filtered_len;
};
struct otel_point_head {
    const uint8_t *attributes; // attribute set
    size_t attributes_len;
    int64_t start_unix_ns, unix_ns;
    const struct otel_encoded_exemplar *exemplars;
    size_t exemplar_count;
    bool no_recorded_value;
};
/** `value`: bits of a double, or an int64. */
void otel_encode_number(struct otel_encoder *encoder, const struct otel_point_head *head, bool integer,
                        uint64_t value);
struct otel_histogram_figures {
    const double *bounds;
    const uint64_t *buckets; // bound_count + 1
    size_t bound_count;
    bool has_sum, has_min_max;
    double sum, min, max;
};
void otel_encode_histogram(struct otel_encoder *encoder, const struct otel_point_head *head,
                           const struct otel_histogram_figures *figures);
struct otel_exponential;
void otel_encode_exponential(struct otel_encoder *encoder, const struct otel_point_head *head,
                             const struct otel_exponential *figures, bool has_sum, bool has_min_max);

#endif
