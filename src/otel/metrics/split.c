// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/split.h"

#include "otel/metrics/encode.h"

// The messages that a point stands in, from the outermost one.
enum level { RESOURCE, SCOPE, METRIC, DATA, LEVELS };

struct frame {
    struct otel_pb_reader fields; // all that the message holds
    uint32_t field;               // what it is in the one around it
    struct otel_message message;  // while it is open in the part
};
struct splitting {
    struct frame frames[LEVELS];
    fq_buf part;
    struct otel_encoder encoder;
    size_t points, max_points;
    bool is_open[LEVELS];
    int result;
    int (*give)(void *context, const fq_buf *bytes, size_t points);
    void *context;
};

// What is repeated in front of a message's children: metrics, points and scopes are children.
static bool is_child(enum level level, const struct otel_pb_field *field) {
    switch (level) {
    case RESOURCE:
    case SCOPE: return field->number == 2;
    case METRIC: return field->number >= 5 && field->number <= 11;
    default: return field->number == 1;
    }
}

static void copy(struct splitting *splitting, const uint8_t *from, const uint8_t *to) {
    struct otel_pb pb = otel_encoder_room(&splitting->encoder, (size_t)(to - from));
    otel_pb_raw(&pb, from, (size_t)(to - from));
    otel_encoder_take(&splitting->encoder, &pb);
}

// The fields beside the children that stand in front of the first of them, or behind.
static void copy_fields(struct splitting *splitting, enum level level, bool front) {
    struct otel_pb_reader reader = splitting->frames[level].fields;
    struct otel_pb_field field;
    bool has_met_child = false;
    for (const uint8_t *from = reader.at; otel_pb_next(&reader, &field) == 1; from = reader.at) {
        has_met_child = has_met_child || is_child(level, &field);
        if (!is_child(level, &field) && has_met_child != front)
            copy(splitting, from, reader.at);
    }
}

static void close_from(struct splitting *splitting, enum level outermost) {
    for (int level = LEVELS - 1; level >= (int)outermost; level--) {
        if (!splitting->is_open[level])
            continue;
        copy_fields(splitting, (enum level)level, false);
        otel_encoder_close(&splitting->encoder, splitting->frames[level].message);
        splitting->is_open[level] = false;
    }
}

static void finish_part(struct splitting *splitting) {
    close_from(splitting, RESOURCE);
    if (splitting->points > 0 && splitting->encoder.failed == 0) {
        int result = splitting->give(splitting->context, &splitting->part, splitting->points);
        splitting->result = splitting->result != 0 ? splitting->result : result;
    }
    splitting->points = 0;
    fq_buf_clear(&splitting->part);
}

static void add_point(struct splitting *splitting, const uint8_t *from, const uint8_t *to) {
    for (int level = 0; level < LEVELS; level++) {
        if (splitting->is_open[level])
            continue;
        struct frame *frame = &splitting->frames[level];
        frame->message = otel_encoder_open(&splitting->encoder, frame->field);
        splitting->is_open[level] = true;
        copy_fields(splitting, (enum level)level, true);
    }
    copy(splitting, from, to);
    if (++splitting->points == splitting->max_points)
        finish_part(splitting);
}

// Depth is bounded by LEVELS.
static void walk(struct splitting *splitting, enum level level, const struct otel_pb_field *message) {
    struct otel_pb_reader reader = {.at = message->bytes, .end = message->bytes + message->len};
    struct otel_pb_field field;
    splitting->frames[level] = (struct frame){.fields = reader, .field = message->number};
    for (const uint8_t *from = reader.at; otel_pb_next(&reader, &field) == 1; from = reader.at) {
        if (!is_child(level, &field) || field.type != OTEL_PB_BYTES)
            continue;
        if (level == DATA)
            add_point(splitting, from, reader.at);
        else
            walk(splitting, (enum level)(level + 1), &field);
    }
    close_from(splitting, level);
}

int otel_metrics_split(const void *bytes, size_t len, size_t max_points,
                       int (*part)(void *context, const fq_buf *bytes, size_t points), void *context) {
    struct splitting splitting = {.max_points = max_points, .give = part, .context = context};
    splitting.encoder.out = &splitting.part;
    struct otel_pb_reader reader = {.at = bytes, .end = (const uint8_t *)bytes + len};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.number == 1 && field.type == OTEL_PB_BYTES)
            walk(&splitting, RESOURCE, &field);
    }
    finish_part(&splitting);
    int error = splitting.encoder.failed;
    fq_buf_done(&splitting.part);
    return error != 0 ? error : splitting.result;
}
