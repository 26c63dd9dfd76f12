// SPDX-License-Identifier: Apache-2.0
// Protobuf's wire format, written into memory of the caller's: what does not fit sets `failed` and writes nothing more.
// Source: the protobuf encoding guide; field numbers of OTLP stand with the messages.
#ifndef OTEL_WIRE_PROTOBUF_H
#define OTEL_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum otel_pb_type { OTEL_PB_VARINT = 0, OTEL_PB_FIXED64 = 1, OTEL_PB_BYTES = 2, OTEL_PB_FIXED32 = 5 };
enum { OTEL_PB_VARINT_MAX = 10 };

struct otel_pb {
    uint8_t *at, *end;
    bool failed;
};

static inline struct otel_pb otel_pb_begin(void *memory, size_t size) {
    return (struct otel_pb){.at = memory, .end = (uint8_t *)memory + size};
}
static inline bool otel_pb_room(struct otel_pb *pb, size_t len) {
    if (__builtin_expect((size_t)(pb->end - pb->at) < len, 0))
        pb->failed = true;
    return !pb->failed;
}
static inline size_t otel_pb_varint_size(uint64_t value) {
    return (size_t)(70 - __builtin_clzll(value | 1)) / 7;
}
static inline void otel_pb_varint(struct otel_pb *pb, uint64_t value) {
    if (!otel_pb_room(pb, otel_pb_varint_size(value)))
        return;
    for (; value >= 0x80; value >>= 7)
        *pb->at++ = (uint8_t)(value | 0x80);
    *pb->at++ = (uint8_t)value;
}
static inline void otel_pb_tag(struct otel_pb *pb, uint32_t field, enum otel_pb_type type) {
    otel_pb_varint(pb, (uint64_t)field << 3 | (uint64_t)type);
}
static inline void otel_pb_raw(struct otel_pb *pb, const void *bytes, size_t len) {
    if (len > 0 && otel_pb_room(pb, len)) {
        memcpy(pb->at, bytes, len);
        pb->at += len;
    }
}
static inline void otel_pb_bytes(struct otel_pb *pb, uint32_t field, const void *bytes, size_t len) {
    otel_pb_tag(pb, field, OTEL_PB_BYTES);
    otel_pb_varint(pb, len);
    otel_pb_raw(pb, bytes, len);
}
static inline void otel_pb_uint(struct otel_pb *pb, uint32_t field, uint64_t value) {
    otel_pb_tag(pb, field, OTEL_PB_VARINT);
    otel_pb_varint(pb, value);
}
static inline uint64_t otel_pb_zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}
static inline void otel_pb_fixed64(struct otel_pb *pb, uint32_t field, uint64_t value) {
    otel_pb_tag(pb, field, OTEL_PB_FIXED64);
    otel_pb_raw(pb, &value, sizeof value); // little endian: the platforms of this library
}
static inline void otel_pb_fixed32(struct otel_pb *pb, uint32_t field, uint32_t value) {
    otel_pb_tag(pb, field, OTEL_PB_FIXED32);
    otel_pb_raw(pb, &value, sizeof value);
}
static inline void otel_pb_double(struct otel_pb *pb, uint32_t field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    otel_pb_fixed64(pb, field, bits);
}

// --- reading: never past the end, whatever the bytes -----------------------------------------------------------------
struct otel_pb_reader {
    const uint8_t *at, *end;
};
struct otel_pb_field {
    uint32_t number;
    enum otel_pb_type type;
    uint64_t value;       // VARINT, FIXED64, FIXED32
    const uint8_t *bytes; // BYTES
    size_t len;
};
/** The next field: 1; 0 at the end; -1 if the bytes are malformed. */
int otel_pb_next(struct otel_pb_reader *reader, struct otel_pb_field *ret_field);

#endif
