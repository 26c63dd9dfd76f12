// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"

#include "fastqueue/error.h"

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool is_dash(size_t position) {
    return position == 8 || position == 13 || position == 18 || position == 23;
}

int fq_uuid_parse(fq_str text, fq_uuid *ret_id) {
    if (text.len != FQ_UUID_TEXT)
        return FQ_EINVALID;
    fq_uuid id;
    size_t out = 0;
    for (size_t i = 0; i < FQ_UUID_TEXT;) {
        if (is_dash(i)) {
            if (text.ptr[i] != '-')
                return FQ_EINVALID;
            i++;
            continue;
        }
        int high = hex_value(text.ptr[i]);
        int low = hex_value(text.ptr[i + 1]);
        if (high < 0 || low < 0)
            return FQ_EINVALID;
        id.bytes[out++] = (unsigned char)(high << 4 | low);
        i += 2;
    }
    *ret_id = id;
    return 0;
}

void fq_uuid_format(const fq_uuid *id, char text[FQ_UUID_TEXT]) {
    static const char digits[] = "0123456789abcdef";
    size_t out = 0;
    for (size_t i = 0; i < sizeof id->bytes; i++) {
        if (is_dash(out))
            text[out++] = '-';
        text[out++] = digits[id->bytes[i] >> 4];
        text[out++] = digits[id->bytes[i] & 15];
    }
}

fq_uuid fq_uuid_v7(int64_t unix_ms, uint64_t random_high, uint64_t random_low) {
    fq_uuid id;
    uint64_t ms = (uint64_t)unix_ms;
    for (size_t i = 0; i < 6; i++)
        id.bytes[i] = (unsigned char)(ms >> (40 - 8 * i));
    for (size_t i = 0; i < 2; i++)
        id.bytes[6 + i] = (unsigned char)(random_high >> (8 * i));
    for (size_t i = 0; i < 8; i++)
        id.bytes[8 + i] = (unsigned char)(random_low >> (8 * i));
    id.bytes[6] = (unsigned char)((id.bytes[6] & 0x0f) | 0x70);
    id.bytes[8] = (unsigned char)((id.bytes[8] & 0x3f) | 0x80);
    return id;
}
