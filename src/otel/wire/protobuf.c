// SPDX-License-Identifier: Apache-2.0
// Reading protobuf fields: every length is checked against what is left.
#include "otel/wire/protobuf.h"

static int read_varint(struct otel_pb_reader *reader, uint64_t *ret_value) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 7 * OTEL_PB_VARINT_MAX; shift += 7) {
        if (reader->at == reader->end)
            return -1;
        uint8_t byte = *reader->at++;
        if (shift == 63 && byte > 1)
            return -1; // more than 64 bits
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return 0;
        }
    }
    return -1;
}

static int read_fixed(struct otel_pb_reader *reader, size_t size, uint64_t *ret_value) {
    if ((size_t)(reader->end - reader->at) < size)
        return -1;
    uint64_t value = 0;
    memcpy(&value, reader->at, size);
    reader->at += size;
    *ret_value = value;
    return 0;
}

static int read_bytes(struct otel_pb_reader *reader, struct otel_pb_field *field) {
    uint64_t len;
    if (read_varint(reader, &len) != 0 || len > (uint64_t)(reader->end - reader->at))
        return -1;
    field->bytes = reader->at;
    field->len = (size_t)len;
    reader->at += len;
    return 0;
}

int otel_pb_next(struct otel_pb_reader *reader, struct otel_pb_field *ret_field) {
    if (reader->at == reader->end)
        return 0;
    uint64_t tag;
    if (read_varint(reader, &tag) != 0 || tag >> 3 == 0 || tag >> 3 > (1U << 29) - 1)
        return -1;
    struct otel_pb_field field = {.number = (uint32_t)(tag >> 3), .type = (enum otel_pb_type)(tag & 7)};
    int failed = -1; // groups and unknown types
    switch (field.type) {
    case OTEL_PB_VARINT: failed = read_varint(reader, &field.value); break;
    case OTEL_PB_FIXED64: failed = read_fixed(reader, 8, &field.value); break;
    case OTEL_PB_BYTES: failed = read_bytes(reader, &field); break;
    case OTEL_PB_FIXED32: failed = read_fixed(reader, 4, &field.value); break;
    }
    if (failed != 0)
        return -1;
    *ret_field = field;
    return 1;
}
