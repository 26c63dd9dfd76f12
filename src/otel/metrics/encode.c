// SPDX-License-Identifier: Apache-2.0
#include "otel/metrics/encode.h"

#include "otel/metrics/exponential.h"
#include "otel/wire/attribute.h"

enum { LENGTH_MAX = 5, NUMBER_FIELD_MAX = 11 };

struct otel_pb otel_encoder_room(struct otel_encoder *encoder, size_t size) {
    if (encoder->failed == 0)
        encoder->failed = fq_buf_reserve(encoder->out, size);
    if (encoder->failed != 0)
        return (struct otel_pb){.failed = true};
    return otel_pb_begin(fq_buf_tail(encoder->out), size);
}

void otel_encoder_take(struct otel_encoder *encoder, const struct otel_pb *pb) {
    if (encoder->failed == 0 && !pb->failed)
        fq_buf_commit(encoder->out, (size_t)(pb->at - (uint8_t *)fq_buf_tail(encoder->out)));
}

struct otel_message otel_encoder_open(struct otel_encoder *encoder, uint32_t field) {
    struct otel_message message = {.start = fq_buf_len(encoder->out)};
    struct otel_pb pb = otel_encoder_room(encoder, LENGTH_MAX + LENGTH_MAX);
    if (pb.failed)
        return message;
    otel_pb_tag(&pb, field, OTEL_PB_BYTES);
    pb.at += LENGTH_MAX;
    otel_encoder_take(encoder, &pb);
    message.body = fq_buf_len(encoder->out);
    return message;
}

void otel_encoder_close(struct otel_encoder *encoder, struct otel_message message) {
    if (encoder->failed != 0)
        return;
    uint8_t *body = (uint8_t *)encoder->out->data + encoder->out->begin + message.body;
    size_t len = fq_buf_len(encoder->out) - message.body;
    size_t length_size = otel_pb_varint_size(len);
    struct otel_pb pb = otel_pb_begin(body - LENGTH_MAX, LENGTH_MAX);
    if (len > UINT32_MAX)
        encoder->failed = FQ_ETOOBIG;
    if (encoder->failed != 0)
        return;
    otel_pb_varint(&pb, len);
    memmove(body - LENGTH_MAX + length_size, body, len);
    encoder->out->end -= LENGTH_MAX - length_size;
}

void otel_encoder_undo(struct otel_encoder *encoder, struct otel_message message) {
    encoder->out->end = encoder->out->begin + message.start;
}

void otel_encoder_bytes(struct otel_encoder *encoder, uint32_t field, const void *bytes, size_t len) {
    if (len == 0)
        return;
    struct otel_pb pb = otel_encoder_room(encoder, len + 2 * LENGTH_MAX);
    if (pb.failed)
        return;
    otel_pb_bytes(&pb, field, bytes, len);
    otel_encoder_take(encoder, &pb);
}

void otel_encoder_text(struct otel_encoder *encoder, uint32_t field, const char *text) {
    size_t len = text != NULL ? strlen(text) : 0;
    if (len == 0)
        return;
    struct otel_pb pb = otel_encoder_room(encoder, 3 * len + 2 * LENGTH_MAX); // repair makes it longer
    if (pb.failed)
        return;
    otel_pb_text(&pb, field, text, len, OTEL_NO_LIMIT);
    otel_encoder_take(encoder, &pb);
}

void otel_encoder_set(struct otel_encoder *encoder, uint32_t field, const uint8_t *set, size_t len) {
    struct otel_pb pb = otel_encoder_room(encoder, len + 1); // an empty buffer has no end to write at
    if (pb.failed || len == 0)
        return;
    struct otel_pb_reader reader = {.at = set, .end = set + len};
    uint8_t *tag = pb.at;
    memcpy(pb.at, set, len);
    struct otel_pb_field ignored;
    for (const uint8_t *at = set; otel_pb_next(&reader, &ignored) == 1; at = reader.at)
        tag[at - set] = (uint8_t)(field << 3 | OTEL_PB_BYTES);
    pb.at += len;
    otel_encoder_take(encoder, &pb);
}

struct otel_open_metric otel_encode_metric(struct otel_encoder *encoder,
                                           const struct otel_metric_head *head) {
    struct otel_open_metric open = {.metric = otel_encoder_open(encoder, 2)};
    otel_encoder_text(encoder, 1, head->name);
    otel_encoder_text(encoder, 2, head->description);
    otel_encoder_text(encoder, 3, head->unit);
    open.data = otel_encoder_open(encoder, head->shape);
    return open;
}

void otel_encode_metric_end(struct otel_encoder *encoder, const struct otel_metric_head *head,
                            struct otel_open_metric open) {
    struct otel_pb pb = otel_encoder_room(encoder, 2 * NUMBER_FIELD_MAX);
    if (!pb.failed && head->shape != OTEL_SHAPE_GAUGE)
        otel_pb_uint(&pb, 2, head->temporality);
    if (!pb.failed && head->shape == OTEL_SHAPE_SUM && head->monotonic)
        otel_pb_uint(&pb, 3, 1);
    otel_encoder_take(encoder, &pb);
    otel_encoder_close(encoder, open.data);
    otel_encoder_close(encoder, open.metric);
}

static void fixed64(struct otel_encoder *encoder, uint32_t field, uint64_t value) {
    struct otel_pb pb = otel_encoder_room(encoder, NUMBER_FIELD_MAX);
    if (pb.failed)
        return;
    otel_pb_fixed64(&pb, field, value);
    otel_encoder_take(encoder, &pb);
}

static void real(struct otel_encoder *encoder, uint32_t field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    fixed64(encoder, field, bits);
}

static void number(struct otel_encoder *encoder, uint32_t field, uint64_t value) {
    struct otel_pb pb = otel_encoder_room(encoder, 2 * NUMBER_FIELD_MAX);
    if (pb.failed)
        return;
    otel_pb_uint(&pb, field, value);
    otel_encoder_take(encoder, &pb);
}

static void id(struct otel_encoder *encoder, uint32_t field, const uint8_t *bytes, size_t len) {
    bool is_zero = true;
    for (size_t i = 0; bytes != NULL && i < len; i++)
        is_zero = is_zero && bytes[i] == 0;
    if (!is_zero)
        otel_encoder_bytes(encoder, field, bytes, len);
}

static void exemplars(struct otel_encoder *encoder, uint32_t field, const struct otel_point_head *head) {
    for (size_t i = 0; i < head->exemplar_count; i++) {
        const struct otel_encoded_exemplar *exemplar = &head->exemplars[i];
        struct otel_message message = otel_encoder_open(encoder, field);
        fixed64(encoder, 2, (uint64_t)exemplar->unix_ns);
        if (!exemplar->integer)
            fixed64(encoder, 3, exemplar->value);
        id(encoder, 4, exemplar->span_id, 8);
        id(encoder, 5, exemplar->trace_id, 16);
        if (exemplar->integer)
            fixed64(encoder, 6, exemplar->value);
        otel_encoder_set(encoder, 7, exemplar->filtered, exemplar->filtered_len);
        otel_encoder_close(encoder, message);
    }
}

// A clock that was set back makes a start that lies ahead: it is unknown then, since a start that moves would tell of a reset.
static void times(struct otel_encoder *encoder, const struct otel_point_head *head) {
    if (head->start_unix_ns != 0 && head->start_unix_ns <= head->unix_ns)
        fixed64(encoder, 2, (uint64_t)head->start_unix_ns);
    fixed64(encoder, 3, (uint64_t)head->unix_ns);
}

void otel_encode_number(struct otel_encoder *encoder, const struct otel_point_head *head, bool integer,
                        uint64_t value) {
    struct otel_message point = otel_encoder_open(encoder, 1);
    times(encoder, head);
    bool has_value = !head->no_recorded_value;
    if (has_value && !integer)
        fixed64(encoder, 4, value);
    exemplars(encoder, 5, head);
    if (has_value && integer)
        fixed64(encoder, 6, value);
    otel_encoder_set(encoder, 7, head->attributes, head->attributes_len);
    if (!has_value)
        number(encoder, 8, 1);
    otel_encoder_close(encoder, point);
}

void otel_encode_histogram(struct otel_encoder *encoder, const struct otel_point_head *head,
                           const struct otel_histogram_figures *figures) {
    struct otel_message point = otel_encoder_open(encoder, 1);
    times(encoder, head);
    uint64_t count = 0;
    for (size_t i = 0; !head->no_recorded_value && i <= figures->bound_count; i++)
        count += figures->buckets[i];
    fixed64(encoder, 4, count);
    if (!head->no_recorded_value) {
        if (figures->has_sum)
            real(encoder, 5, figures->sum);
        otel_encoder_bytes(encoder, 6, figures->buckets, (figures->bound_count + 1) * sizeof(uint64_t));
        otel_encoder_bytes(encoder, 7, figures->bounds, figures->bound_count * sizeof(double));
    }
    exemplars(encoder, 8, head);
    otel_encoder_set(encoder, 9, head->attributes, head->attributes_len);
    if (head->no_recorded_value)
        number(encoder, 10, 1);
    if (!head->no_recorded_value && figures->has_min_max) {
        real(encoder, 11, figures->min);
        real(encoder, 12, figures->max);
    }
    otel_encoder_close(encoder, point);
}

static void side(struct otel_encoder *encoder, uint32_t field, const struct otel_exponential *figures,
                 bool is_negative) {
    const struct otel_exponential_side *range = is_negative ? &figures->negative : &figures->positive;
    if (range->high < range->low)
        return;
    struct otel_message message = otel_encoder_open(encoder, field);
    if (range->low != 0)
        number(encoder, 1, otel_pb_zigzag(range->low));
    struct otel_message counts = otel_encoder_open(encoder, 2);
    for (int32_t i = range->low; i <= range->high; i++) {
        struct otel_pb pb = otel_encoder_room(encoder, OTEL_PB_VARINT_MAX);
        if (pb.failed)
            return;
        otel_pb_varint(&pb, otel_exponential_count_at(figures, is_negative, i));
        otel_encoder_take(encoder, &pb);
    }
    otel_encoder_close(encoder, counts);
    otel_encoder_close(encoder, message);
}

void otel_encode_exponential(struct otel_encoder *encoder, const struct otel_point_head *head,
                             const struct otel_exponential *figures, bool has_sum, bool has_min_max) {
    struct otel_message point = otel_encoder_open(encoder, 1);
    otel_encoder_set(encoder, 1, head->attributes, head->attributes_len);
    times(encoder, head);
    fixed64(encoder, 4, figures->count);
    if (has_sum)
        real(encoder, 5, figures->sum);
    if (figures->scale != 0)
        number(encoder, 6, otel_pb_zigzag(figures->scale));
    if (figures->zero_count != 0)
        fixed64(encoder, 7, figures->zero_count);
    side(encoder, 8, figures, false);
    side(encoder, 9, figures, true);
    exemplars(encoder, 11, head);
    if (has_min_max) {
        real(encoder, 12, figures->min);
        real(encoder, 13, figures->max);
    }
    otel_encoder_close(encoder, point);
}
