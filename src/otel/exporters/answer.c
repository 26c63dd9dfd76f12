// SPDX-License-Identifier: Apache-2.0
#include "otel/exporters/answer.h"

#include "base/base64.h"
#include "otel/attribute.h"
#include "otel/wire/protobuf.h"

#include <stdlib.h>
#include <string.h>

enum { DELAY_MAX_MS = 3600 * 1000, DETAILS_TEXT_MAX = 16 * 1024 };

static bool is_bytes(const struct otel_pb_field *field, uint32_t number) {
    return field->number == number && field->type == OTEL_PB_BYTES;
}
static struct otel_pb_reader inner(const struct otel_pb_field *field) {
    return (struct otel_pb_reader){field->bytes, field->bytes + field->len};
}

static size_t cut_at_character(const char *text, size_t len) {
    while (len > 0 && ((unsigned char)text[len] & 0xC0) == 0x80)
        len--;
    return len;
}

void otel_answer_line(char *line, size_t size, const char *text, size_t len) {
    if (len >= size)
        len = cut_at_character(text, size - 1);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        line[i] = c < 0x20 || c == 0x7F ? ' ' : text[i];
    }
    line[len] = '\0';
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void otel_answer_percent_line(char *line, size_t size, const char *text, size_t len) {
    char decoded[OTEL_ANSWER_TEXT_MAX * 2];
    size_t count = 0;
    for (size_t i = 0; i < len && count < sizeof decoded; i++) {
        int high = text[i] == '%' && len - i > 2 ? hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
        decoded[count++] = low >= 0 ? (char)(high << 4 | low) : text[i];
        if (low >= 0)
            i += 2;
    }
    otel_answer_line(line, size, decoded, count);
}

static int read_partial_message(struct otel_pb_reader reader, struct otel_partial_success *partial) {
    struct otel_pb_field field;
    int more;
    while ((more = otel_pb_next(&reader, &field)) > 0) {
        if (field.number == 1 && field.type == OTEL_PB_VARINT)
            partial->rejected = field.value <= INT64_MAX ? field.value : 0;
        else if (is_bytes(&field, 2))
            otel_answer_line(partial->message, sizeof partial->message, (const char *)field.bytes, field.len);
    }
    return more;
}

int otel_answer_partial_success(const void *bytes, size_t len, struct otel_partial_success *ret_partial) {
    struct otel_partial_success partial = {0};
    struct otel_pb_reader reader = {bytes, (const uint8_t *)bytes + len};
    struct otel_pb_field field;
    int more;
    while ((more = otel_pb_next(&reader, &field)) > 0) {
        if (is_bytes(&field, 1) && read_partial_message(inner(&field), &partial) < 0)
            return OTEL_FAILED;
    }
    if (more < 0)
        return OTEL_FAILED;
    *ret_partial = partial;
    return OTEL_OK;
}

static int64_t duration_ms(struct otel_pb_reader reader) {
    uint64_t seconds = 0, nanos = 0;
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (field.type == OTEL_PB_VARINT && field.number == 1)
            seconds = field.value;
        if (field.type == OTEL_PB_VARINT && field.number == 2)
            nanos = field.value;
    }
    if (seconds > INT64_MAX || nanos > 999999999) // negative or no duration at all
        return 0;
    return seconds >= DELAY_MAX_MS / 1000 ? DELAY_MAX_MS
                                          : (int64_t)(seconds * 1000 + (nanos + 999999) / 1000000);
}

static void read_retry_info(struct otel_pb_reader reader, struct otel_rpc_status *status) {
    struct otel_pb_field field;
    status->has_retry_info = true;
    while (otel_pb_next(&reader, &field) > 0) {
        if (is_bytes(&field, 1))
            status->retry_delay_ms = duration_ms(inner(&field));
    }
}

// One google.protobuf.Any.
static void read_detail(struct otel_pb_reader reader, struct otel_rpc_status *status) {
    static const char retry_info[] = "/google.rpc.RetryInfo";
    const size_t suffix = sizeof retry_info - 1;
    bool is_retry_info = false;
    struct otel_pb_reader value = {0};
    struct otel_pb_field field;
    while (otel_pb_next(&reader, &field) > 0) {
        if (is_bytes(&field, 1))
            is_retry_info =
                field.len >= suffix && memcmp(field.bytes + field.len - suffix, retry_info, suffix) == 0;
        else if (is_bytes(&field, 2))
            value = inner(&field);
    }
    if (is_retry_info)
        read_retry_info(value, status);
}

int otel_answer_rpc_status(const void *bytes, size_t len, struct otel_rpc_status *ret_status) {
    struct otel_rpc_status status = {0};
    struct otel_pb_reader reader = {bytes, (const uint8_t *)bytes + len};
    struct otel_pb_field field;
    int more;
    while ((more = otel_pb_next(&reader, &field)) > 0) {
        if (is_bytes(&field, 2))
            otel_answer_line(status.message, sizeof status.message, (const char *)field.bytes, field.len);
        else if (is_bytes(&field, 3))
            read_detail(inner(&field), &status);
    }
    if (more < 0)
        return OTEL_FAILED;
    *ret_status = status;
    return OTEL_OK;
}

int otel_answer_status_details(const char *text, size_t len, struct otel_rpc_status *ret_status) {
    if (len > DETAILS_TEXT_MAX)
        return OTEL_FAILED;
    uint8_t *bytes = malloc(len / 4 * 3 + 3);
    size_t count;
    int result = OTEL_FAILED;
    if (bytes != NULL && fq_base64_decode(text, len, bytes, &count) == 0)
        result = otel_answer_rpc_status(bytes, count, ret_status);
    free(bytes);
    return result;
}
