// SPDX-License-Identifier: Apache-2.0
// Records that come from outside an SDK: the first byte is the signal, the rest the record. What is found good must have been
// read within its bounds, be found good again, and go into a request that is read back whole.
#include "otel/pipeline/check.h"
#include "otel/pipeline/request.h"
#include "otel/wire/protobuf.h"
#include "target.h"

#include <stdlib.h>
#include <string.h>

static void count_only(void *context, const char *text, size_t len) {
    (void)text;
    *(size_t *)context += len;
}

// All fields of a message, whatever they mean.
static void read_fields(const uint8_t *bytes, size_t len, int depth) {
    struct otel_pb_reader reader = {bytes, bytes + len};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) == 1) {
        if (field.type == OTEL_PB_BYTES &&
            (field.bytes < bytes || field.len > (size_t)(bytes + len - field.bytes)))
            abort();
        if (field.type == OTEL_PB_BYTES && depth < 8)
            read_fields(field.bytes, field.len, depth + 1);
    }
}

static void send_on(enum otel_signal signal, const uint8_t *record, size_t len) {
    struct otel_request request = {0};
    const struct otel_request_resource resource = {.bytes = record, .len = 0, .schema_url = ""};
    const struct otel_ring_record part = {.bytes = record, .len = (uint32_t)len};
    uint32_t count = 0;
    size_t json_len = 0;
    if (otel_request_build(&request, &resource, &part, 1, &count)) {
        if (count != 1 ||
            otel_bytes_to_json(signal, request.bytes, request.len, count_only, &json_len) != OTEL_OK)
            abort();
    }
    otel_request_done(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > OTEL_RECORD_BYTES_MAX)
        return 0;
    enum otel_signal signal = data[0] % 2 == 0 ? OTEL_SIGNAL_TRACES : OTEL_SIGNAL_LOGS;
    // A copy of its own, so that a read behind the end is seen.
    uint8_t *record = malloc(size > 1 ? size - 1 : 1);
    if (record == NULL)
        return 0;
    memcpy(record, data + 1, size - 1);
    read_fields(record, size - 1, 0);
    if (otel_record_is_sound(signal, record, size - 1)) {
        if (!otel_record_is_sound(signal, record, size - 1))
            abort();
        send_on(signal, record, size - 1);
    }
    free(record);
    return 0;
}
